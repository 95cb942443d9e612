"""Vectors of pixels that lie in a few runs of neighbours, moved as LLVM code.

A table `row` holds, for each run, a mask and a base: lane l of the vector belongs to position base + l where bit l of
the mask is set. The first empty mask behind the first run ends it; RUNS are the most.

All runs are read before any is written: vectors at neighbouring bases overlap, and the processor would make a load
wait for a masked store to its addresses, whatever the masks.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .microkernel import _masked, _n, _Vectors

RUNS = 4  # a vector of pixels that crosses three row ends, as of images of 4 x 4


def _for_each_number(builder, row, move):
    """Code for each number of runs, from `move(runs)`, and the choice between them."""
    numbers = [builder.load(builder.gep(row, [_n(i)])) for i in range(2 * RUNS)]
    runs, done = list(zip(numbers[::2], numbers[1::2])), builder.append_basic_block("moved")
    for n in range(1, RUNS):
        these, more = builder.append_basic_block(f"runs_{n}"), builder.append_basic_block(f"more_than_{n}")
        builder.cbranch(builder.icmp_signed("==", runs[n][0], _n(0)), these, more)
        builder.position_at_end(these)
        move(runs[:n])
        builder.branch(done)
        builder.position_at_end(more)
    move(runs)
    builder.branch(done)
    builder.position_at_end(done)


@intrinsic
def gather_runs(typingctx, to, to_step, source, source_step, many, row):
    """to[i * to_step:][:VL] = source[i * source_step:] at the runs, 0 in other lanes, for i < many."""

    def codegen(context, b, sig, args):
        to, to_step, source, source_step, many, row = args
        v = _Vectors(context, b, sig.args[0])

        def move(runs):
            with cgutils.for_range(b, many) as loop:
                start, value = b.mul(loop.index, source_step), v.zero
                for mask, base in runs:
                    value = _masked(b, v, "load", b.gep(source, [b.add(start, base)]), mask, value)
                v.store(value, to, b.mul(loop.index, to_step))

        _for_each_number(b, row, move)
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp, types.intp, row), codegen


def _scatter(add):
    def codegen(context, b, sig, args):
        to, source, row = args
        v = _Vectors(context, b, sig.args[0])
        value = v.load(source, _n(0))

        def move(runs):
            places, values = [b.gep(to, [base]) for _, base in runs], [value for _ in runs]
            if add:
                values = [b.fadd(value, _masked(b, v, "load", at, mask, v.zero)) for at, (mask, _) in zip(places, runs)]
            for at, (mask, _), new in zip(places, runs, values):
                _masked(b, v, "store", at, mask, new)

        _for_each_number(b, row, move)
        return context.get_dummy_value()

    return intrinsic(lambda typingctx, to, source, row: (types.void(to, source, row), codegen))


# at the runs, to = source[0:VL], or to += source[0:VL]
scatter_runs, add_runs = _scatter(add=False), _scatter(add=True)
