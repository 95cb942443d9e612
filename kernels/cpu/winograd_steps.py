"""The steps of a job of Winograd's convolutions (winograd.py): loops over vectors of channels."""

import numpy as np
from numba.extending import register_jitable

from .jit import jit
from .microkernel import address, lanes, strip
from .transforms import (
    ROWS,
    evaluate_outputs,
    evaluate_taps,
    product_tile,
    spread_pixels,
    transpose,
    weigh_outputs,
    weigh_taps,
)


@register_jitable
def sizes_of(points):
    """Points in one dimension, taps of a phase, stride."""
    return len(points) + 1, len(points) - 2, 6 - len(points)


@register_jitable
def whole(n, step):
    """The multiple of `step` that holds n."""
    return (n + step - 1) // step * step


@register_jitable
def _places(band, rows, columns, left, width):
    """Where the pixels of rows of an image go to in a band: lines of memory are cut into vectors, not into rows."""
    VL = lanes(band)
    places = np.empty(rows * columns + VL, np.int64)
    for p in range(rows * columns):
        places[p] = (p // columns * width + left + p % columns) * VL
    return places


@jit(apart=True)
def _fill_band(x, n, c, top, left, rows, width, places, band):
    """band[rows, width, VL]: VL channels of image n, channel c.., from pixel (top, -left) on; 0 outside."""
    (_, C, H, W), VL = x.shape, lanes(x)
    first, last = max(top, 0), min(top + rows, H)
    for i in range(rows):
        at = i * width
        inside = first <= top + i < last
        for k in range(at * VL, (at + left if inside else at + width) * VL):
            band[k] = 0
        for k in range((at + left + W) * VL, (at + width) * VL):
            band[k] = 0
    to = address(band, (first - top) * width * VL)
    for p in range(0, (last - first) * W, VL):
        source, pixels = address(x, ((n * C + c) * H + first) * W + p), min(VL, (last - first) * W - p)
        transpose(source, H * W, min(VL, C - c), pixels, to, address(places, p), pixels, VL)


@jit(apart=True)
def transform_tiles(points, x, begin, end, ph, pw, stride, size, tile_rows, columns, c, channels, pitch, band, V, row):
    """V[P * P, tiles, phases * pitch]: the tiles of rows begin..end, of channels c.. of x: a pixel for each point, of
    each phase, and spread, or `size` = 4 and evaluated."""
    P, T, _ = sizes_of(points)
    VL, width, step = lanes(x), stride * (4 * columns + T - 1), (end - begin) * columns * row
    places = _places(band, stride * size, x.shape[3], pw, width)
    for r in range(begin, end):
        n, top = r // tile_rows, r % tile_rows * 4 * stride
        for k in range(0, channels, VL):
            _fill_band(x, n, c + k, top - ph, pw, stride * size, width, places, band)
            for t in range(columns):
                to = ((r - begin) * columns + t) * row + k
                for phase in range(stride * stride):
                    pixel = phase // stride * width + phase % stride + 4 * stride * t
                    source, to_phase = address(band, pixel * VL), address(V, to + phase * pitch)
                    if size == 4:
                        evaluate_outputs(points, source, width * VL, VL, to_phase, P * step, step)
                    else:
                        spread_pixels(points, source, stride * width * VL, stride * VL, to_phase, P * step, step)


@jit(apart=True)
def weights_of(points, w, o_step, c_step, mirrored, C, pitch, O, o, stride, phase, scratch, U):
    """U[P * P, phases * pitch, NR]: the weights of outputs o.., evaluated, of all phases of x or of one of y."""
    (P, T, S), VL, NR = sizes_of(points), lanes(w), strip(w)
    side, sign, flat, depth = S * T, -1 if mirrored else 1, w.reshape(-1), stride * stride * pitch
    for c in range(pitch):
        for j in range(0, NR, VL):
            rows, at = min(VL, O - o - j) if c < C else 0, (o + j) * o_step + c * c_step
            for t in range(0, side * side, VL):
                to, taps = address(scratch, t * VL), min(VL, side * side - t)
                transpose(address(flat, at + t), o_step, rows, taps, to, VL, VL, VL)
            for p in range(phase, phase + stride * stride):
                first = p // S * side + p % S
                source = address(scratch, (side * side - 1 - first if mirrored else first) * VL)
                to = address(U, ((p - phase) * pitch + c) * NR + j)
                evaluate_taps(points, source, sign * S * side * VL, sign * S * VL, to, P * depth * NR, depth * NR)


@jit(apart=True)
def finish_tiles(points, M, begin, end, tile_rows, columns, o, bias, bad, band, y, phase):
    """The outputs o.. of tiles begin..end, in a phase of y, from their products M[P * P, tiles, NR]."""
    (_, O, phases, H, W), VL, NR, P = y.shape, lanes(y), strip(y), len(points) + 1
    step, width = len(M) // (P * P), 4 * columns
    places = _places(band, 4, W, 0, width)
    for r in range(begin, end):
        n, top = r // tile_rows, r % tile_rows * 4
        total = min(4, H - top) * W
        for j in range(0, min(NR, O - o), VL):
            for t in range(columns):
                source, to = address(M, ((r - begin) * columns + t) * NR + j), address(band, 4 * t * VL)
                add, flags = address(bias, o + j), address(bad, 0)
                weigh_outputs(points, source, P * step, step, to, width * VL, VL, add, flags)
            first = (((n * O + o + j) * phases + phase) * H + top) * W
            for p in range(0, total, VL):
                pixels, to = min(VL, total - p), address(y, first + p)
                source, plane = address(band, 0), phases * H * W
                transpose(source, address(places, p), pixels, VL, to, plane, min(VL, O - o - j), pixels)


@jit(apart=True)
def sum_products(points, V, a, U, b, tiles, channels, O, add, width, M):
    """M[P * P, phases * width, b]: sums over tiles of V times U."""
    (P, _, S), NR = sizes_of(points), strip(V)
    for i in range(P * P):
        for phase in range(S * S):
            for c in range(phase * width, phase * width + channels, ROWS):
                for o in range(0, O, NR):
                    left, right = address(V, i * tiles * a + c), address(U, i * tiles * b + o)
                    to = address(M, (i * S * S * width + c) * b + o)
                    product_tile(tiles, left, 1, a, right, b, to, b, add)


@jit(apart=True)
def finish_weights(points, M, b, width, first, channels, w, bad):
    """The weights' gradient w (O, C, side, side) of channels first.., from the sums M."""
    (O, C, side, _), VL, (P, _, S) = w.shape, lanes(w), sizes_of(points)
    zero, tile, step = np.zeros(VL, w.dtype), np.empty(16 * VL, w.dtype), S * S * width * b
    for c in range(channels):
        for o in range(0, O, VL):
            for phase in range(S * S):
                source, to = (
                    address(M, (phase * width + c) * b + o),
                    address(tile, (phase // S * side + phase % S) * VL),
                )
                add, flags = address(zero, 0), address(bad, 0)
                weigh_taps(points, source, P * step, step, to, S * side * VL, S * VL, add, flags)
            for t in range(0, side * side, VL):
                taps, to = min(VL, side * side - t), address(w, (o * C + first + c) * side * side + t)
                transpose(address(tile, t * VL), VL, taps, VL, to, C * side * side, min(VL, O - o), taps)
