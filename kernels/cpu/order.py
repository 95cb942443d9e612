"""Order along a dimension: sorting, the k-th smallest, medians, the k largest.

A line's numbers become whole numbers without sign in the same order (NaN of any sign last, both zeros alike), which are
sorted digit by digit, the lowest first: each pass keeps the order of equal ones.  To find one, the highest digit comes
first, and only those that share it go on.  Of equal numbers the first in the line comes first.
"""

import numpy as np

from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs

SMALLEST = 1 << 15  # numbers from which threads are worth their start
JOB = 1 << 13  # numbers in a job, or one line
BITS = 8  # of a digit
LONG, BITS_OF_LONG = 1 << 14, 11  # where lines are as long, counting more digits costs less than another pass
FEW = 16  # that are chosen in one go, among all keys: rarely is there one to put among them
SHORTEST = 64  # numbers of a line: in fewer there is less to sort than there are digits to count
MEDIAN, NANMEDIAN = -1, -2  # in place of a rank


def argsort(x, dim, descending):
    return _of_long_lines(_sort, x, dim, x.shape[dim], int(descending))


def kth_place(x, k, dim):
    return _of_long_lines(_select, x, dim, 1, k - 1)


def median_place(x, skip_nan, dim):
    return _of_long_lines(_select, x, dim, 1, NANMEDIAN if skip_nan else MEDIAN)


def _of_long_lines(loop, x, dim, k, how):
    return _places(loop, x, dim, k, how) if x.shape[dim] >= SHORTEST else NotImplemented


def topk_places(x, k, dim, largest):
    """As the operation; of equal numbers the first in the line are taken, and come first."""
    few = k * k <= 16 * x.shape[dim]  # else what inserting them takes would be more than sorting all
    return _places(_top, x, dim, k, int(largest)) if few else _of_long_lines(_sort, x, dim, k, int(largest))


def _places(loop, x, dim, k, how):
    """k places in each line along `dim`: loop(job, lines in a job, bits of x, how, places); declines what is small."""
    n = x.shape[dim]
    if x.dtype not in FLOATS or x.size < SMALLEST or n >= 1 << 31:
        return NotImplemented
    lines = plain(np.moveaxis(x, dim, -1))
    bits = lines.view(f"u{x.itemsize}").reshape(-1, n)
    places, count = empty((*lines.shape[:-1], k), np.int64), max(1, JOB // n)
    loop(-(-x.size // (n * count)), count, bits, how, places.reshape(-1, k))
    return plain(np.moveaxis(places, -1, dim))


# ---------------------------------------------------------------- numbers as whole numbers
@jit
def _keys(bits, down, keys):
    """Of a line, given as its bits, the keys in whose order its numbers are, or if `down` in the opposite order."""
    top = np.uint64(1) << np.uint64(8 * bits.itemsize - 1)  # the bit of the sign
    every, infinity = top | (top - np.uint64(1)), np.uint64(0xFF << 23 if bits.itemsize == 4 else 0x7FF << 52)
    turn = every if down else np.uint64(0)
    for i in range(len(keys)):
        number = np.uint64(bits[i])
        size = number & ~top
        key = number ^ every if number & top else number | top
        key = top if size == 0 else every if size > infinity else key
        keys[i] = key ^ turn


@jit
def _lines(j, count, x):
    return range(j * count, min((j + 1) * count, len(x)))


@jit
def _digit(key, shift, mask):
    return (np.uint64(key) >> np.uint64(shift)) & np.uint64(mask)


# ---------------------------------------------------------------- sorting
@jobs
def _sort(j, count, bits, down, places):
    n = bits.shape[1]
    digit = BITS if n < LONG else BITS_OF_LONG
    counts = np.empty(((8 * bits.itemsize + digit - 1) // digit, 1 << digit), np.int32)
    keys, order = np.empty((2, n), bits.dtype), np.empty((2, n), np.int32)  # each pass goes from one to the other
    for line in _lines(j, count, bits):
        _keys(bits[line], down, keys[0])
        _in_order(digit, keys, order, counts, places[line])


@jit
def _in_order(digit, keys, order, counts, places):
    """Where the keys[0] stand that are the least, the next, ..., as many as there are places."""
    n, mask, now = keys.shape[1], counts.shape[1] - 1, 0
    _count(keys[0], digit, counts)
    for i in range(n):
        order[0, i] = i
    for p in range(len(counts)):
        count, shift = counts[p], p * digit
        if count[_digit(keys[now, 0], shift, mask)] < n:  # else all share this digit
            begin = 0
            for d in range(len(count)):
                count[d], begin = begin, begin + count[d]
            _deal(keys[now], order[now], shift, count, keys[1 - now], order[1 - now])
            now = 1 - now
    for i in range(len(places)):
        places[i] = order[now, i]


@jit
def _count(keys, digit, counts):
    """How often each value of each digit occurs."""
    counts[:] = 0
    for key in keys:
        for p in range(len(counts)):
            counts[p, _digit(key, p * digit, counts.shape[1] - 1)] += 1


@jit
def _deal(keys, order, shift, free, to_keys, to_order):
    """Keys and their order to where those of their digit go next."""
    for i in range(len(keys)):
        d = _digit(keys[i], shift, len(free) - 1)
        to = np.uint64(free[d])
        free[d] += 1
        to_keys[to], to_order[to] = keys[i], order[i]


# ---------------------------------------------------------------- one in the middle, and all before it
@jobs
def _select(j, count, bits, rank, places):
    keys, order, counts = _memory_to_select(bits)
    for line in _lines(j, count, bits):
        _keys(bits[line], 0, keys)
        _, places[line, 0] = _at_rank(keys, order, counts, rank if rank >= 0 else _middle(keys, rank))


@jit
def _memory_to_select(bits):
    """For the keys that are left, where they stand, and how often each value of a digit occurs."""
    n = bits.shape[1]
    return np.empty(n, bits.dtype), np.empty(n, np.int32), np.empty(1 << BITS, np.int32)


@jit
def _middle(keys, rank):
    """The rank of the (lower) median, of which NaN are no part; where there is one, the rank of the first NaN."""
    nan, numbers = keys.dtype.type(-1), 0
    for key in keys:
        numbers += key != nan
    return numbers if rank == MEDIAN and numbers < len(keys) else max(numbers - 1, 0) // 2


@jit
def _at_rank(keys, order, counts, rank):
    """The key with `rank` smaller or earlier ones, and where it stands.  The keys are lost."""
    n, shift = len(keys), 8 * keys.itemsize
    for i in range(n):
        order[i] = i
    while shift and n > 1:
        shift -= BITS
        counts[:] = 0
        for i in range(n):
            counts[_digit(keys[i], shift, len(counts) - 1)] += 1
        digit = 0
        while rank >= counts[digit]:
            rank -= counts[digit]
            digit += 1
        kept = 0
        for i in range(n):
            keys[kept], order[kept] = keys[i], order[i]
            kept += _digit(keys[i], shift, len(counts) - 1) == digit
        n = kept
    return keys[rank], order[rank]


@jobs
def _top(j, count, bits, largest, places):
    keys, order, counts = _memory_to_select(bits)
    k, chosen = places.shape[1], np.empty(places.shape[1], bits.dtype)
    for line in _lines(j, count, bits):
        last = keys.dtype.type(-1)
        if k > FEW:
            _keys(bits[line], largest, keys)
            last, _ = _at_rank(keys, order, counts, k - 1)
        _keys(bits[line], largest, keys)
        _insert_up_to(last, keys, chosen, places[line])


@jit
def _insert_up_to(last, keys, chosen, places):
    """Where the least of the keys up to `last` stand: what is less than the last of those chosen so far is put among
    them."""
    found, k = 0, len(chosen)
    for i in range(len(keys)):
        key = keys[i]
        if key <= last and (found < k or key < chosen[k - 1]):
            at = min(found, k - 1)
            while at > 0 and chosen[at - 1] > key:
                chosen[at], places[at] = chosen[at - 1], places[at - 1]
                at -= 1
            chosen[at], places[at] = key, i
            found += 1
