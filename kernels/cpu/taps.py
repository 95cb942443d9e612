"""The inner loops of pooling, as LLVM code: one vector of outputs at a time, over all taps of their windows.

What lies under a tap must be contiguous: rows are split into their phases beforehand (pool.py), so that any stride
reads as stride 1. Reads go on to the end of the last vector; callers leave room for one behind the rows. Writes
are masked.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .microkernel import _LANE, _n, _Vectors
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


class _Pairs:
    """A loop over x[:n] in pairs of vectors: two phases of a vector each, mixed."""

    def __init__(self, context, builder, pointer, n):
        b = self.b = builder
        self.n, lanes = n, _Vectors(context, builder, pointer).lanes
        # of each phase how many there are: the first has one more where n is odd
        self.counts = [b.lshr(b.add(n, _n(1)), _n(1)), b.lshr(n, _n(1))]
        self.row = Row(context, builder, pointer, self.counts[0])
        self.dealt = [list(range(k, 2 * lanes, 2)) for k in (0, 1)]
        both = [i // 2 + i % 2 * lanes for i in range(2 * lanes)]
        self.mixed = both[:lanes], both[lanes:]

    def places(self, loop):
        """Where the vectors of x, and of its phases, begin, and which lanes are in them."""
        b, lanes = self.b, self.row.v.lanes
        first = b.mul(loop.index, _n(lanes))
        ends = [b.add(b.shl(first, _n(1)), _n(k * lanes)) for k in (0, 1)]
        whole = [(at, self.row.below(b.sub(self.n, at))) for at in ends]
        return whole, [(first, self.row.below(b.sub(count, first))) for count in self.counts]

    def shuffled(self, pair, orders):
        return [self.b.shuffle_vector(*pair, ir.Constant(self.row.places, order)) for order in orders]

    def move(self, sources, at, orders, targets, to):
        """Vectors of `sources`, shuffled, to `targets`."""
        v = self.row.v
        pair = [self.row.load_masked(base, *place, v.zero) for base, place in zip(sources, at)]
        for value, base, place in zip(self.shuffled(pair, orders), targets, to):
            self.row.store(value, base, *place, v.name, v.bytes)


@intrinsic
def deal(typingctx, n, x, even, odd):
    """even[i] = x[2 * i], odd[i] = x[2 * i + 1], for all x[:n]."""

    def codegen(context, b, sig, args):
        n, x, *phases = args
        pairs = _Pairs(context, b, sig.args[1], n)
        with pairs.row.vectors() as loop:
            whole, parts = pairs.places(loop)
            pairs.move((x, x), whole, pairs.dealt, phases, parts)
        return context.get_dummy_value()

    return types.void(types.intp, x, even, odd), codegen


@intrinsic
def mix(typingctx, n, x, even, odd):
    """`deal` undone."""

    def codegen(context, b, sig, args):
        n, x, *phases = args
        pairs = _Pairs(context, b, sig.args[1], n)
        with pairs.row.vectors() as loop:
            whole, parts = pairs.places(loop)
            pairs.move(phases, parts, pairs.mixed, (x, x), whole)
        return context.get_dummy_value()

    return types.void(types.intp, x, even, odd), codegen
