"""Register tiles of few or many rows, whose operands stand in memory row by row, and moves of their rows.

The tile of microkernel.py always computes MR rows, of packed operands; here only those that are asked for.
"""

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
