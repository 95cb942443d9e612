"""What inner loops over rows share as LLVM code: whole vectors, of which the last is masked."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .microkernel import _LANE, _n, _Vectors


class Row:
    """A loop over the vectors of a row of n numbers, and the mask of the lanes that are in it."""

    def __init__(self, context, builder, pointer, n):
        self.b, self.n, self.v = builder, n, _Vectors(context, builder, pointer)
        self.places = ir.VectorType(_LANE, self.v.lanes)
        self.iota = ir.Constant(self.places, list(range(self.v.lanes)))

    def vectors(self):
        count = self.b.udiv(self.b.add(self.n, _n(self.v.lanes - 1)), _n(self.v.lanes))
        return cgutils.for_range(self.b, count)

    def at(self, loop):
        """The first number of the vector, and which lanes are in the row."""
        first = self.b.mul(loop.index, _n(self.v.lanes))
        return first, self.below(self.b.sub(self.n, first))

    def below(self, n):
        """The first n lanes."""
        return self.b.icmp_signed("<", self.iota, self.spread(self.b.trunc(n, _LANE)))

    def spread(self, number):
        """A 32-bit integer in all lanes."""
        undefined = ir.Constant(self.places, ir.Undefined)
        one = self.b.insert_element(undefined, number, ir.Constant(_LANE, 0))
        return self.b.shuffle_vector(one, undefined, ir.Constant(self.places, [0] * self.v.lanes))

    def constant(self, number):
        return ir.Constant(self.v.type, [number] * self.v.lanes)

    def pointer(self, base, offset, kind):
        return self.b.bitcast(self.b.gep(base, [offset]), kind.as_pointer())

    def load(self, base, offset, kind, align):
        return self.b.load(self.pointer(base, offset, kind), align=align)

    def load_masked(self, base, offset, mask, other):
        """Numbers of the row, and `other` behind its end."""
        v, source = self.v, self.pointer(base, offset, self.v.type)
        return v.call(f"llvm.masked.load.{v.name}.p0", v.type, source, ir.Constant(_LANE, v.bytes), mask, other)

    def store(self, value, base, offset, mask, name, align):
        to = self.pointer(base, offset, value.type)
        self.v.call(f"llvm.masked.store.{name}.p0", ir.VoidType(), value, to, ir.Constant(_LANE, align), mask)

    def number(self, table, index):
        return self.b.load(self.b.gep(table, [index]))

    def larger(self, value, so_far):
        """Whether value is larger, or NaN, lane by lane."""
        nan = self.b.fcmp_unordered("uno", value, value)
        return self.b.or_(self.b.fcmp_ordered(">", value, so_far), nan)


@intrinsic
def largest(typingctx, n, x):
    """The largest of x[:n]; NaN if there is one, -inf of none."""

    def codegen(context, b, sig, args):
        n, x = args
        row = Row(context, b, sig.args[1], n)
        best, lowest = cgutils.alloca_once(b, row.v.type), row.constant(float("-inf"))
        flags = ir.VectorType(ir.IntType(1), row.v.lanes)
        seen = cgutils.alloca_once(b, flags)
        b.store(lowest, best)
        b.store(ir.Constant(flags, None), seen)

        def take(value):  # NaN is looked for beside, so that one vector waits for one instruction of the last
            so_far = b.load(best)
            b.store(b.select(b.fcmp_ordered(">", value, so_far), value, so_far), best)
            b.store(b.or_(b.load(seen), b.fcmp_unordered("uno", value, value)), seen)

        lanes = _n(row.v.lanes)
        whole = b.udiv(n, lanes)
        with cgutils.for_range(b, whole) as loop:
            take(row.load(x, b.mul(loop.index, lanes), row.v.type, row.v.bytes))
        done = b.mul(whole, lanes)
        with b.if_then(b.icmp_signed("<", done, n)):
            take(row.load_masked(x, done, row.below(b.sub(n, done)), lowest))
        vector, width = b.load(best), row.v.lanes
        while width > 1:
            width //= 2
            order = ir.Constant(row.places, [i % width + width for i in range(row.v.lanes)])
            other = b.shuffle_vector(vector, vector, order)
            vector = b.select(b.fcmp_ordered(">", other, vector), other, vector)
        found = b.extract_element(vector, ir.Constant(_LANE, 0))
        bits = b.bitcast(b.load(seen), ir.IntType(row.v.lanes))
        nan = b.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))
        return b.select(nan, ir.Constant(found.type, float("nan")), found)

    return x.dtype(types.intp, x), codegen
