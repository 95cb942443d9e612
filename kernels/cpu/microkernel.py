"""The inner loops of all matrix products, as LLVM code: two register tiles and a masked copy.

Numba's own vectoriser keeps no tile of accumulators in registers; written out as LLVM vectors, the tile
runs at the peak of the machine. Everything is one vector register wide, of the host's width, for either dtype:

    VL       numbers in a vector (`lanes`)
    NR       numbers in a strip, two vectors: packed operands are stored strip by strip (`strip`)
    MR       rows of the outer-product tile, LOW of the low one; DOT, rows and columns of the dot-product tile

The pointers of this file escape bounds checks: callers allocate whole strips and whole tiles.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from .jit import vector_bytes

VECTOR_BYTES = vector_bytes()
NV = 2
# Accumulators, the NV vectors of a row and a broadcast value must fit the registers: 32 or 16 of them.
MR, DOT = (14, 5) if VECTOR_BYTES == 64 else (6, 3)
LOW = 8 if MR == 14 else 4
_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


STRIP_BYTES = NV * VECTOR_BYTES


@register_jitable
def lanes(x):
    """Numbers of x's type in a vector."""
    return VECTOR_BYTES // x.itemsize


@register_jitable
def strip(x):
    """Numbers of x's type in a strip."""
    return STRIP_BYTES // x.itemsize


def panel_width(itemsize):
    """Numbers in a row of a panel: MR, rounded up to whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return -(-MR // lanes) * lanes


class _Vectors:
    """What code generation needs for one number type: the vector type and its few instructions."""

    def __init__(self, context, builder, pointer):
        self.b = builder
        self.scalar = context.get_value_type(pointer.dtype)
        self.bytes = context.get_abi_sizeof(self.scalar)
        self.lanes = VECTOR_BYTES // self.bytes
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)
        self.name = f"v{self.lanes}f{8 * self.bytes}"

    def at(self, base, offset):
        return self.b.bitcast(self.b.gep(base, [offset]), self.type.as_pointer())

    def load(self, base, offset):
        return self.b.load(self.at(base, offset), align=self.bytes)

    def store(self, value, base, offset):
        self.b.store(value, self.at(base, offset), align=self.bytes)

    def call(self, name, result, *args):
        signature = ir.FunctionType(result, [a.type for a in args])
        return self.b.call(cgutils.get_or_insert_function(self.b.module, signature, name), args)

    def multiply_add(self, a, b, c):
        return self.call(f"llvm.fmuladd.{self.name}", self.type, a, b, c)

    def broadcast(self, base, offset):
        undefined = ir.Constant(self.type, ir.Undefined)
        value = self.b.load(self.b.gep(base, [offset]))
        first = self.b.insert_element(undefined, value, ir.Constant(_LANE, 0))
        mask = ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(first, undefined, mask)

    def total(self, vector):
        """Sum of the lanes, halves added to halves: the same order on every machine of this width."""
        width, undefined = self.lanes, ir.Constant(self.type, ir.Undefined)
        while width > 1:
            width //= 2
            order = [i + width if i < width else i for i in range(self.lanes)]
            mask = ir.Constant(ir.VectorType(_LANE, self.lanes), order)
            vector = self.b.fadd(vector, self.b.shuffle_vector(vector, undefined, mask))
        return self.b.extract_element(vector, ir.Constant(_LANE, 0))

    def accumulators(self, rows, columns):
        tile = [[cgutils.alloca_once(self.b, self.type) for _ in range(columns)] for _ in range(rows)]
        for slot in sum(tile, []):
            self.b.store(self.zero, slot)
        return tile

    def accumulate(self, tile, left, right):
        for row, a in zip(tile, left):
            for slot, b in zip(row, right):
                self.b.store(self.multiply_add(a, b, self.b.load(slot)), slot)


def _n(value):
    return ir.Constant(_INDEX, value)


@intrinsic
def address(typingctx, array, offset):
    """Pointer to element `offset` of a C-contiguous array."""

    def codegen(context, b, sig, args):
        return b.gep(context.make_array(sig.args[0])(context, b, args[0]).data, [args[1]])

    return types.CPointer(array.dtype)(array, types.intp), codegen


def _masked(builder, v, name, pointer, mask, value):
    """llvm.masked.load or .store at `pointer`; `value` is what to store, or what masked lanes load."""
    bits = builder.trunc(mask, ir.IntType(v.lanes))
    flags = builder.bitcast(bits, ir.VectorType(ir.IntType(1), v.lanes))
    align = ir.Constant(_LANE, v.bytes)
    start = v.at(pointer, _n(0))
    if name == "load":
        return v.call(f"llvm.masked.load.{v.name}.p0", v.type, start, align, flags, value)
    if VECTOR_BYTES == 64:
        return v.call(f"llvm.masked.store.{v.name}.p0", ir.VoidType(), value, start, align, flags)
    # without AVX-512 a masked store takes as long as a dozen others, and most masks are full
    with builder.if_else(builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))) as (full, partial):
        with full:
            v.store(value, pointer, _n(0))
        with partial:
            v.call(f"llvm.masked.store.{v.name}.p0", ir.VoidType(), value, start, align, flags)


@intrinsic
def copy_masked(typingctx, dst, src, mask):
    """dst[0:VL] = src[0:VL] where the bit of `mask` is set, else 0; what is masked is not read."""

    def codegen(context, b, sig, args):
        to, source, bits = args
        v = _Vectors(context, b, sig.args[0])
        v.store(_masked(b, v, "load", source, bits, v.zero), to, _n(0))
        return context.get_dummy_value()

    return types.void(dst, src, types.int64), codegen


def _masked_move(add):
    def codegen(context, b, sig, args):
        to, source, bits = args
        v = _Vectors(context, b, sig.args[0])
        value = _masked(b, v, "load", source, bits, v.zero)
        if add:
            value = b.fadd(value, _masked(b, v, "load", to, bits, v.zero))
        _masked(b, v, "store", to, bits, value)
        return context.get_dummy_value()

    return lambda typingctx, dst, src, mask: (types.void(dst, src, types.int64), codegen)


# dst[0:VL] = src[0:VL], and dst[0:VL] += src[0:VL], where the bit of the mask is set; the rest is not touched
put_masked = intrinsic(_masked_move(add=False))
add_masked = intrinsic(_masked_move(add=True))


def _outer(context, builder, pointer, A, each, C, start=None, put=None, rows=MR):
    """c[rows, NR] = start + the sum over the terms of the outer product of a column of a and a row of b.

    each(v, term): code that calls term(at, vectors) for all terms: where the column begins in A, the NV vectors of b
    start(v, i, j): what vector j of row i begins with, if not zero; put(v, value, i, j): where it goes, if not to c
    """
    v = _Vectors(context, builder, pointer)
    tile = v.accumulators(rows, NV)
    slots = list(enumerate(sum(tile, [])))
    if start:
        for i, slot in slots:
            builder.store(start(v, *divmod(i, NV)), slot)

    def term(at, vectors):
        # one broadcast value at a time: all MR at once would spill the registers
        for i, row in enumerate(tile):
            v.accumulate([row], [v.broadcast(A, builder.add(at, _n(i)))], vectors)

    each(v, term)
    put = put or (lambda v, value, i, j: v.store(value, C, _n((i * NV + j) * v.lanes)))
    for i, slot in reversed(slots):
        put(v, builder.load(slot), *divmod(i, NV))
    return context.get_dummy_value()


def _terms(builder, K, step, right):
    """K columns of a, `step` apart; right(v, k) loads the NV vectors of row k of b."""

    def each(v, term):
        with cgutils.for_range(builder, K) as loop:
            term(builder.mul(loop.index, step), right(v, loop.index))

    return each


def _rows_of_strip(builder, B):
    """Row k of a packed strip."""

    def right(v, k):
        at = builder.mul(k, _n(NV * v.lanes))
        return [v.load(B, builder.add(at, _n(j * v.lanes))) for j in range(NV)]

    return right


def _width(context, pointer):
    """`panel_width` of the numbers that a pointer points to."""
    return _n(panel_width(context.get_abi_sizeof(context.get_value_type(pointer.dtype))))


@intrinsic
def outer_tile(typingctx, K, a, b, c):
    """c[MR, NR] = a[K, MR]^T b[K, NR]."""

    def codegen(context, builder, sig, args):
        K, A, B, C = args
        return _outer(context, builder, sig.args[1], A, _terms(builder, K, _n(MR), _rows_of_strip(builder, B)), C)

    return types.void(types.intp, a, b, c), codegen


def _panel_tile(height):
    def codegen(context, builder, sig, args):
        K, A, B, bias, C = args
        each = _terms(builder, K, _width(context, sig.args[1]), _rows_of_strip(builder, B))
        return _outer(context, builder, sig.args[1], A, each, C, lambda v, i, j: v.broadcast(bias, _n(i)), rows=height)

    return intrinsic(lambda typingctx, K, a, b, bias, c: (types.void(types.intp, a, b, bias, c), codegen))


# c[MR or LOW, NR] = bias[MR] + a[K, :MR]^T b[K, NR], the rows of a as `transpose` leaves them: whole vectors
panel_tile, low_panel_tile = _panel_tile(MR), _panel_tile(LOW)


def _runs_tile(height):
    def codegen(context, builder, sig, args):
        n, runs, length, A, B, bias, C = args
        width = _width(context, sig.args[3])

        def each(v, term):
            with cgutils.for_range(builder, n) as loop:
                at = [builder.add(builder.mul(loop.index, _n(3)), _n(i)) for i in range(3)]
                first, row, many = (builder.mul(builder.load(builder.gep(runs, [i])), length) for i in at)
                start, strip = builder.mul(first, width), builder.gep(B, [builder.mul(row, _n(NV * v.lanes))])
                within = _terms(builder, many, width, _rows_of_strip(builder, strip))
                within(v, lambda at, vectors: term(builder.add(start, at), vectors))

        return _outer(context, builder, sig.args[3], A, each, C, lambda v, i, j: v.broadcast(bias, _n(i)), rows=height)

    def typed(typingctx, n, runs, length, a, b, bias, c):
        return types.void(types.intp, runs, types.intp, a, b, bias, c), codegen

    return intrinsic(typed)


# c[MR or LOW, NR] = bias[MR] + the sum over n runs of a[first:, :MR]^T b[row:, NR], `many` terms of each: runs are rows
# (first, row, many) of whole numbers, to be multiplied by `length`
runs_tile, low_runs_tile = _runs_tile(MR), _runs_tile(LOW)


def _bounded_tile(height):
    def codegen(context, builder, sig, args):
        K, A, B, S, step_s, C, step_c, rows, mask = args
        last = builder.sub(rows, _n(1))

        def at(v, base, step, i, j):
            row = builder.select(builder.icmp_signed("<", _n(i), last), _n(i), last)
            bits = builder.lshr(mask, _n(j * v.lanes))
            return builder.gep(base, [builder.add(builder.mul(row, step), _n(j * v.lanes))]), bits

        def before(v, i, j):
            return _masked(builder, v, "load", *at(v, S, step_s, i, j), v.zero)

        def put(v, value, i, j):  # rows come from the last to the first: what those past `rows` put is put over
            _masked(builder, v, "store", *at(v, C, step_c, i, j), value)

        each = _terms(builder, K, _width(context, sig.args[1]), _rows_of_strip(builder, B))
        return _outer(context, builder, sig.args[1], A, each, C, before, put, height)

    def typed(typingctx, K, a, b, start, step_start, c, step_c, rows, mask):
        return types.void(types.intp, a, b, start, types.intp, c, types.intp, types.intp, types.int64), codegen

    return intrinsic(typed)


# c[:rows, :NR] = start + a[K, :MR or :LOW]^T b[K, NR], in the columns whose bit of the mask is set; rows of c, and of
# start, are a step apart; the rows of a are whole vectors
bounded_tile, low_tile = _bounded_tile(MR), _bounded_tile(LOW)


def _gather_tile(height):
    def codegen(context, builder, sig, args):
        K, A, B, rows_b, D, rows_d, C = args

        def right(v, k):
            at = [builder.sext(builder.load(builder.gep(rows, [k])), _INDEX) for rows in (rows_b, rows_d)]
            return [v.load(base, offset) for base, offset in zip((B, D), at)]

        def before(v, i, j):
            return v.load(C, _n((i * NV + j) * v.lanes))

        each = _terms(builder, K, _width(context, sig.args[1]), right)
        return _outer(context, builder, sig.args[1], A, each, C, before, rows=height)

    def typed(typingctx, K, a, b, rows_b, d, rows_d, c):
        return types.void(types.intp, a, b, rows_b, d, rows_d, c), codegen

    return intrinsic(typed)


# c[MR or LOW, NR] += a[K, :MR]^T [b | d][K, NR]: vector k of b begins at b[rows_b[k]], of d at d[rows_d[k]]
gather_tile, low_gather_tile = _gather_tile(MR), _gather_tile(LOW)


@intrinsic
def transpose(typingctx, a, step, rows, out, width):
    """out[k, :VL] = a[:VL, k]^T for k < VL: rows of a are `step` apart, of out `width`; past `rows`, the last again."""

    def codegen(context, builder, sig, args):
        A, step, rows, out, width = args
        v = _Vectors(context, builder, sig.args[0])
        last = builder.sub(rows, _n(1))

        def row(i):
            i = _n(i)
            return builder.mul(builder.select(builder.icmp_signed("<", i, rows), i, last), step)

        x, n = [v.load(A, row(i)) for i in range(v.lanes)], v.lanes
        # swap blocks off the diagonal, of half the width, a quarter, ...: log2(VL) rounds
        half = n // 2
        while half:
            low = [i if not i & half else n + i - half for i in range(n)]
            high = [i + half if not i & half else n + i for i in range(n)]
            masks = [ir.Constant(ir.VectorType(_LANE, n), order) for order in (low, high)]
            for i in (i for i in range(n) if not i & half):
                pair = x[i], x[i + half]
                x[i], x[i + half] = (builder.shuffle_vector(*pair, mask) for mask in masks)
            half //= 2
        for i, vector in enumerate(x):
            v.store(vector, out, builder.mul(_n(i), width))
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp, out, types.intp), codegen


def _dot_tile(listed):
    def codegen(context, builder, sig, args):
        strips, A, step_a, B, step_b, *places, C = args
        v = _Vectors(context, builder, sig.args[1])
        tile = v.accumulators(DOT, DOT)
        slots = list(enumerate(sum(tile, [])))
        if listed:
            for i, slot in slots:
                builder.store(v.load(C, _n(i * v.lanes)), slot)
        with cgutils.for_range(builder, strips) as loop:
            place = builder.load(builder.gep(places[0], [loop.index])) if listed else loop.index
            from_a, from_b = builder.mul(loop.index, step_a), builder.mul(place, step_b)
            for j in range(NV):
                at = [_n((i * NV + j) * v.lanes) for i in range(DOT)]
                left = [v.load(A, builder.add(from_a, k)) for k in at]
                right = [v.load(B, builder.add(from_b, k)) for k in at]
                v.accumulate(tile, left, right)
        for i, slot in slots:
            if listed:
                v.store(builder.load(slot), C, _n(i * v.lanes))
            else:
                builder.store(v.total(builder.load(slot)), builder.gep(C, [_n(i)]))
        return context.get_dummy_value()

    def typed(typingctx, strips, a, step_a, b, step_b, c):
        return types.void(types.intp, a, types.intp, b, types.intp, c), codegen

    def typed_list(typingctx, strips, a, step_a, b, step_b, places, c):
        return types.void(types.intp, a, types.intp, b, types.intp, places, c), codegen

    return intrinsic(typed_list if listed else typed)


# c[DOT, DOT] = dot products of DOT rows of a with DOT rows of b, over all strips. A row is one strip; the next strip of
# the same row lies step_a (step_b) further on
dot_tile = _dot_tile(listed=False)
# c[DOT, DOT, VL] += the same, lane by lane; strip k of the rows of b begins places[k] times step_b from the first
listed_dot_tile = _dot_tile(listed=True)
