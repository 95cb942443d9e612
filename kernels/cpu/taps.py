"""The inner loops of pooling, as LLVM code: one vector of outputs at a time, over all taps of their windows.

What lies under a tap must be contiguous: rows are split into their phases beforehand (pool.py), so that any stride
reads as stride 1. Reads go on to the end of the last vector; callers leave room for one behind the rows. Writes
are masked.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .microkernel import _LANE
from .rows import Row


@intrinsic
def sum_of_taps(typingctx, n, x, offsets, taps, y):
    """y[o] = sum over t < taps of x[offsets[t] + o], for o < n."""

    def codegen(context, b, sig, args):
        n, x, offsets, taps, y = args
        row = Row(context, b, sig.args[1], n)
        v, total = row.v, cgutils.alloca_once(b, row.v.type)
        with row.vectors() as loop:
            first, mask = row.at(loop)
            b.store(v.zero, total)
            with cgutils.for_range(b, taps) as tap:
                value = v.load(x, b.add(row.number(offsets, tap.index), first))
                b.store(b.fadd(b.load(total), value), total)
            row.store(b.load(total), y, first, mask, v.name, v.bytes)
        return context.get_dummy_value()

    return types.void(types.intp, x, offsets, types.intp, y), codegen


@intrinsic
def max_of_taps(typingctx, n, x, offsets, places, taps, step, initial, start, y, winners):
    """y[o] = the largest x[offsets[t] + o], and winners[o] = places[t] + step * o for its t, for o < n.

    Of equal numbers the first tap wins, of NaN the last; winners begin as initial[o] + start.
    """

    def codegen(context, b, sig, args):
        n, x, offsets, places, taps, step, initial, start, y, winners = args
        row = Row(context, b, sig.args[1], n)
        v = row.v
        best, winner = cgutils.alloca_once(b, v.type), cgutils.alloca_once(b, row.places)
        step = b.trunc(step, _LANE)
        start = row.spread(b.trunc(start, _LANE))
        with row.vectors() as loop:
            first, mask = row.at(loop)
            b.store(row.constant(float("-inf")), best)
            b.store(b.add(row.load(initial, first, row.places, 4), start), winner)
            moved = b.add(row.spread(b.mul(b.trunc(first, _LANE), step)), b.mul(row.iota, row.spread(step)))
            with cgutils.for_range(b, taps) as tap:
                value = v.load(x, b.add(row.number(offsets, tap.index), first))
                place = b.add(row.spread(row.number(places, tap.index)), moved)
                so_far = b.load(best)
                better = row.larger(value, so_far)
                b.store(b.select(better, value, so_far), best)
                b.store(b.select(better, place, b.load(winner)), winner)
            row.store(b.load(best), y, first, mask, v.name, v.bytes)
            row.store(b.load(winner), winners, first, mask, f"v{v.lanes}i32", 4)
        return context.get_dummy_value()

    return types.void(types.intp, x, offsets, places, types.intp, types.intp, initial, types.intp, y, winners), codegen
