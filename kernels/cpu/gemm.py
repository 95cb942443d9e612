"""Products of matrices, cut into blocks that the caches hold: Goto and van de Geijn 2008.

A job packs what it multiplies, as it goes, and its tiles stand in the result at once:

    panels   MR or LOW rows of the left operand, term by term: (terms, whole vectors)
    strips   NR columns of the right operand: (terms, NR)

An operand is packed by copies where its rows (columns) lie beside each other in memory, else by turning blocks over.
Where there are few strips, only they are packed.  Which way is gone depends on shapes alone, for the sake of the bits.
"""

from functools import lru_cache

import numpy as np

from .arrays import empty, plain, scratch, zeros
from .jit import get_num_threads, jit
from .jobs import jobs
from .microkernel import (
    LOW,
    MR,
    NV,
    STRIP_BYTES,
    VECTOR_BYTES,
    address,
    bounded_tile,
    copy_masked,
    lanes,
    low_tile,
    panel_width,
    strip,
)  # fmt: skip
from .panels import heights, row_of, turn
from .tiles import add_rows, columns_tile, put_rows, rows_tile
from .tiles import columns as masks_of

# Bytes of the terms that are summed at a time, and rows of the left operand: the second-level cache holds so many terms
# of so many rows, and of a strip. Without AVX-512 the first-level cache holds those of the strip.
DEPTH, ROWS = (2048, 19 * MR) if VECTOR_BYTES == 64 else (1024, 38 * MR)
FEW = 4  # strips that are computed from a left operand which stays where it stands, if it is given by its rows
THIN = 64  # rows, columns and terms from which on two products of as many multiplications take about the same time
ALONE = 1 << 20  # multiplications up to which a second thread is not worth waking


def product(a, b, a_turned=False, b_turned=False):
    """a (M, K) times b (K, N) -> (M, N), of one float type; turned: a is given as (K, M), b as (N, K)."""
    return products((a.T if a_turned else a)[None], (b.T if b_turned else b)[None])[0]


def products(a, b, bias=None):
    """a (G or 1, M, K) times b (G or 1, K, N), plus bias (N,) or (M, 1) if given -> (G, M, N), of one float type."""
    (G, M, K), N = a.shape, b.shape[2]
    G = len(b) if G == 1 else G
    y = empty((G, M, N), a.dtype)
    if not (y.size and K):
        y[...] = 0 if bias is None else bias
        return y
    threads = 1 if G * M * K * N <= ALONE else get_num_threads()
    shares, cuts, room = _plan(G, M, K, N, a.itemsize, threads)
    begin, steps = _start(bias, STRIP_BYTES // a.itemsize, a.dtype)
    packed = scratch((threads, room), a.dtype)
    _share(shares, shares, *_lying(a), *_lying(b.swapaxes(1, 2)), begin, steps, y, cuts, packed)
    return y


def two_products(first, second):
    """The products of two pairs a (1, M, K), b (1, K, N), of as many multiplications each.  Where the number of threads
    is even, half of them take each product, so that less is packed by several."""
    (_, M, K), N = first[0].shape, first[1].shape[2]
    threads = 1 if 2 * M * K * N <= ALONE else get_num_threads()
    each = threads if threads % 2 or min(M, K, N) < THIN else threads // 2
    operands, found, room, dtype = [], [], 0, first[0].dtype
    for a, b in (first, second):
        (_, M, K), N = a.shape, b.shape[2]
        _, cuts, more = _plan(1, M, K, N, dtype.itemsize, each)
        found.append(empty((1, M, N), dtype))
        operands += [*_lying(a), *_lying(b.swapaxes(1, 2)), found[-1], cuts]
        room = max(room, more)
    begin = np.zeros(STRIP_BYTES // dtype.itemsize, dtype)
    _share_two(threads, threads, begin, scratch((threads, room), dtype), *operands)
    return found


def _start(bias, strip, dtype):
    """What sums begin with, and the steps in it from row to row and from column to column."""
    if bias is None:
        return np.zeros(strip, dtype), (0, 0)
    return (plain(bias), (0, 1)) if bias.ndim == 1 else (bias.repeat(strip), (strip, 0))


def _lying(x):
    """x (G, m, n) as memory has it, and whether its rows are lines there; else it is turned: (G, n, m)."""
    turned = x.swapaxes(1, 2)
    return (turned, False) if turned.flags.carray and not x.flags.carray else (plain(x), True)


@lru_cache(maxsize=1024)
def _plan(G, M, K, N, itemsize, threads):
    """Into how many shares the products are cut, into how many parts the rows and the strips of each (the slowest part
    shall cost least), and the numbers in the packed panels and the strip of a job."""
    strips, panels, width = -(-N * itemsize // STRIP_BYTES), -(-min(M, ROWS) // MR) + MR, panel_width(itemsize)
    room = min(K, DEPTH // itemsize) * (panels * width + STRIP_BYTES // itemsize)

    def cost(rows):
        columns = threads // rows
        m, n = -(-M // rows), -(-strips // columns)
        return m * n + m / 2 + 8 * n  # a strip is packed in the time of 8 rows, two rows in that of a strip

    if threads == 1:
        return 1, (1, 1), room
    if G >= 4 * threads or G % threads == 0:
        return G, (1, 1), room
    rows = min(range(1, threads + 1), key=cost)
    cuts = rows, min(strips, threads // rows)
    return G * cuts[0] * cuts[1], cuts, room


@jobs
def _share(job, thread, shares, a, a_lines, b, b_lines, begin, steps, y, cuts, packed):
    for part in range(job, len(y) * cuts[0] * cuts[1], shares):
        _part(a, a_lines, b, b_lines, begin, steps, y, cuts, packed[thread], part)


@jobs
def _share_two(job, thread, shares, begin, packed, a, a_lines, b, b_lines, y, cuts, c, c_lines, d, d_lines, z, others):
    first = cuts[0] * cuts[1]
    for part in range(job, first + others[0] * others[1], shares):
        if part < first:
            _part(a, a_lines, b, b_lines, begin, (0, 0), y, cuts, packed[thread], part)
        else:
            _part(c, c_lines, d, d_lines, begin, (0, 0), z, others, packed[thread], part - first)


@jit(apart=True)
def _part(a, a_lines, b, b_lines, begin, steps, y, cuts, packed, part):
    """Some rows and strips of one product."""
    row_cuts, column_cuts = cuts
    g, m, n = part // (row_cuts * column_cuts), part // column_cuts % row_cuts, part % column_cuts
    (_, M, N), NR = y.shape, strip(y)
    strips = (N + NR - 1) // NR
    low, high = M * m // row_cuts, M * (m + 1) // row_cuts
    columns = strips * n // column_cuts * NR, min(strips * (n + 1) // column_cuts * NR, N)
    blocks = (high - low + ROWS - 1) // ROWS
    for i in range(blocks):
        rows = low + (high - low) * i // blocks, low + (high - low) * (i + 1) // blocks
        if strips > (FEW if a_lines else 1):
            _block(a, a_lines, b, b_lines, begin, steps, y, g, rows, columns, packed)
        else:
            _few_strips(a, a_lines, b, b_lines, begin, steps, y, g, rows, columns, packed)


@jit(apart=True)
def _block(a, a_lines, b, b_lines, begin, steps, y, g, rows, columns, packed):
    (_, M, N), NR, VL = y.shape, strip(y), lanes(y)
    K, width, used = a.shape[1 + a_lines], (MR + VL - 1) // VL * VL, rows[1] - rows[0]
    panels, tall = heights(used)
    chunks = (K * y.itemsize + DEPTH - 1) // DEPTH
    for c in range(chunks):
        k, depth = K * c // chunks, K * (c + 1) // chunks - K * c // chunks
        for p in range(panels):
            r, to = row_of(p, tall), p * depth * width
            _pack(a, g, a_lines, rows[0] + r, min(MR, used - r), k, depth, packed, to, width)
        right = panels * depth * width
        for s in range(columns[0], columns[1], NR):
            many = min(NR, columns[1] - s)
            _pack(b, g, b_lines, s, many, k, depth, packed, right, NR)
            for p in range(panels):
                r = row_of(p, tall)
                to = address(y, (g * M + rows[0] + r) * N + s)
                start, step = (to, N) if c else (address(begin, (rows[0] + r) * steps[0] + s * steps[1]), steps[0])
                left, mask = address(packed, p * depth * width), (1 << many) - 1
                if p < tall:
                    bounded_tile(depth, left, address(packed, right), start, step, to, N, min(MR, used - r), mask)
                else:
                    low_tile(depth, left, address(packed, right), start, step, to, N, min(LOW, used - r), mask)


@jit(apart=True)
def _few_strips(a, a_lines, b, b_lines, begin, steps, y, g, rows, columns, packed):
    """As `_block`; of so few strips packing the left operand took a quarter of the time."""
    (_, M, N), NR, (G, _, step) = y.shape, strip(y), a.shape
    K, start = a.shape[1 + a_lines], (g * a.shape[1] * step if G > 1 else 0)
    tile, chunks = np.empty(MR * NR, y.dtype), (K * y.itemsize + DEPTH - 1) // DEPTH
    for c in range(chunks):
        k, depth = K * c // chunks, K * (c + 1) // chunks - K * c // chunks
        for s in range(columns[0], columns[1], NR):
            many = min(NR, columns[1] - s)
            masks = masks_of(y, many)
            _pack(b, g, b_lines, s, many, k, depth, packed, 0, NR)
            for r in range(rows[0], rows[1], MR):
                n, to, right = min(MR, rows[1] - r), (g * M + r) * N + s, address(packed, 0)
                if a_lines:
                    rows_tile(n, depth, address(a, start + r * step + k), step, right, NR, address(tile, 0))
                else:
                    columns_tile(n, depth, address(a, start + k * step + r), step, right, NR, address(tile, 0))
                if not c:
                    put_rows(y, to, N, begin, r * steps[0] + s * steps[1], steps[0], n, masks)
                add_rows(y, to, N, tile, 0, NR, n, masks)


@jit(apart=True)
def _pack(x, g, lines, first, many, k, depth, out, to, width):
    """out[to:] (depth, width) = terms k.. of the `many` lines from `first` on; x (G, lines, K), or (G, K, lines)."""
    G, n, step = x.shape
    start, VL = (g * n * step if G > 1 else 0), lanes(x)
    if lines:
        turn(x.reshape(-1), start + first * step + k, step, depth, many, out, to, width)
        return
    for l in range(0, many, NV * VL):
        masks = masks_of(x, many - l)  # for all terms: made for each, they would take most of the time
        for j in range(depth):
            source, at = start + (k + j) * step + first + l, to + j * width + l
            copy_masked(address(out, at), address(x, source), masks[0])
            if masks[1]:
                copy_masked(address(out, at + VL), address(x, source + VL), masks[1])


def pack(x, width, turned, parts=1):
    """x (K, n), or (n, K) if turned -> (parts, pieces, K, width); past a part of the n a piece holds no meaning."""
    K, n = x.shape[turned], x.shape[not turned] // parts
    out = zeros((parts, -(-n // width), K, width), x.dtype)
    for part, to in zip(np.split(x, parts, 0 if turned else 1), out):
        _pack_piece(len(to), plain(part)[None], turned, to)
    return out


@jobs
def _pack_piece(p, x, lines, out):
    (_, K, width), n = out.shape, x.shape[2 - lines]
    _pack(x, 0, lines, p * width, min(width, n - p * width), 0, K, out.reshape(-1), p * K * width, width)
