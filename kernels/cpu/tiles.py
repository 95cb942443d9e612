"""Register tiles of few or many rows, whose operands stand in memory row by row, and moves of their rows.

The tile of microkernel.py always computes MR rows, of packed operands; here only those that are asked for.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from .jit import jit
from .microkernel import MR, NV, _n, _Vectors, add_masked, address, lanes, put_masked

HEIGHTS = range(MR, 0, -3)  # what is left of a matrix fits one of them, or nearly


def _tile(in_rows):
    def codegen(context, builder, sig, args):
        rows, K, A, step_a, B, step_b, C = args
        v = _Vectors(context, builder, sig.args[2])
        done = builder.append_basic_block("done")
        for n, fewer in zip(HEIGHTS, [*HEIGHTS[1:], 0]):
            fits, other = builder.append_basic_block(f"rows{n}"), builder.append_basic_block("smaller")
            builder.cbranch(builder.icmp_signed(">", rows, _n(fewer)), fits, other)
            builder.position_at_end(fits)
            tile, starts = v.accumulators(n, NV), []
            for i in range(n):  # where there are fewer rows, the last again
                last = builder.sub(rows, _n(1))
                row = builder.select(builder.icmp_signed("<", _n(i), last), _n(i), last)
                starts.append(builder.gep(A, [builder.mul(step_a, row) if in_rows else row]))
            with cgutils.for_range(builder, K) as loop:
                at_a = loop.index if in_rows else builder.mul(loop.index, step_a)
                at_b = builder.mul(loop.index, step_b)
                right = [v.load(B, builder.add(at_b, _n(j * v.lanes))) for j in range(NV)]
                for row, start in zip(tile, starts):
                    v.accumulate([row], [v.broadcast(start, at_a)], right)
            for i, slot in enumerate(sum(tile, [])):
                v.store(builder.load(slot), C, _n(i * v.lanes))
            builder.branch(done)
            builder.position_at_end(other)
        builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    def declare(typingctx, rows, K, a, step_a, b, step_b, c):
        n = types.intp
        return types.void(n, n, a, n, b, n, c), codegen

    return declare


# c[rows, NR] = a b, and perhaps more rows of c, which hold no meaning: a[rows, K] or a[K, rows], b[K, NR]; the rows of
# a are step_a apart, those of b step_b
rows_tile = intrinsic(_tile(in_rows=True))
columns_tile = intrinsic(_tile(in_rows=False))


def _over_line(combine, lines=1):
    """An intrinsic (strips, line, ...) -> one number: the strips' columns combined, then half with half of them."""

    def codegen(context, builder, sig, args):
        v = _Vectors(context, builder, sig.args[1])
        parts = [cgutils.alloca_once(builder, v.type) for _ in range(NV)]

        def loads(at):
            return [[v.load(x, builder.add(at, _n(j * v.lanes))) for x in args[1:]] for j in range(NV)]

        for slot, first in zip(parts, loads(_n(0))):
            builder.store(combine(v, None, *first), slot)
        with cgutils.for_range(builder, args[0], start=_n(1)) as loop:
            for slot, values in zip(parts, loads(builder.mul(loop.index, _n(NV * v.lanes)))):
                builder.store(combine(v, builder.load(slot), *values), slot)
        one = ir.Constant(v.type, [1.0] * v.lanes)
        left, width = combine(v, builder.load(parts[0]), *[builder.load(parts[1]), one][:lines]), v.lanes
        while width > 1:
            width //= 2
            order = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), [(i + width) % v.lanes for i in range(v.lanes)])
            left = combine(v, left, *[builder.shuffle_vector(left, left, order), one][:lines])
        return builder.extract_element(left, ir.IntType(32)(0))

    if lines == 1:
        return intrinsic(lambda typingctx, strips, x: (x.dtype(types.intp, x), codegen))
    return intrinsic(lambda typingctx, strips, x, y: (x.dtype(types.intp, x, y), codegen))


def _larger(v, most, x):
    return x if most is None else v.b.select(v.b.fcmp_ordered(">", x, most), x, most)


# of a line of one strip or more: the sum, the largest number (where there is NaN, anything), the product with another
line_total = _over_line(lambda v, total, x: x if total is None else v.b.fadd(total, x))
line_most = _over_line(_larger)
line_dot = _over_line(lambda v, total, x, y: v.b.fmul(x, y) if total is None else v.multiply_add(x, y, total), 2)


@intrinsic
def put_scaled(typingctx, to, x, factor):
    """to[NR] = factor * x[NR]."""

    def codegen(context, builder, sig, args):
        v, scale = _Vectors(context, builder, sig.args[0]), cgutils.alloca_once_value(builder, args[2])
        for j in range(NV):
            at = _n(j * v.lanes)
            v.store(builder.fmul(v.load(args[1], at), v.broadcast(scale, _n(0))), args[0], at)
        return context.get_dummy_value()

    return types.void(to, x, x.dtype), codegen


@intrinsic
def _fetch(typingctx, pointer):
    """Ask for the line of memory at `pointer`, soon to be read or written: nothing waits for it, nor need it exist."""

    def codegen(context, builder, sig, args):
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, *[ir.IntType(32)] * 3])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [builder.bitcast(args[0], byte), *(ir.IntType(32)(n) for n in (1, 3, 1))])
        return context.get_dummy_value()

    return types.void(pointer), codegen


@jit(apart=True)
def fetch_rows(x, start, step, n):
    """Have n rows of a strip brought to the cache while something else is computed."""
    VL = lanes(x)
    for r in range(n):
        for v in range(NV):
            _fetch(address(x, start + r * step + v * VL))


@register_jitable
def columns(x, width):
    """The first `width` of a strip's columns: a mask for each vector, NV in all."""
    VL = lanes(x)
    return (1 << min(width, VL)) - 1, (1 << max(0, width - VL)) - 1


@jit(apart=True)
def put_rows(to, at, to_step, x, start, step, n, masks):
    """n rows of `to`, from number `at` on and to_step apart, are those of x, from `start` on and `step` apart."""
    VL = lanes(x)
    for r in range(n):
        put_masked(address(to, at + r * to_step), address(x, start + r * step), masks[0])
        if masks[1]:
            put_masked(address(to, at + r * to_step + VL), address(x, start + r * step + VL), masks[1])


@jit(apart=True)
def add_rows(to, at, to_step, x, start, step, n, masks):
    """As put_rows, added to what is there."""
    VL = lanes(x)
    for r in range(n):
        add_masked(address(to, at + r * to_step), address(x, start + r * step), masks[0])
        if masks[1]:
            add_masked(address(to, at + r * to_step + VL), address(x, start + r * step + VL), masks[1])
