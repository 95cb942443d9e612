"""Convolutions that are products of matrices as they stand: windows of one pixel, and windows as large as the image.

    one pixel      y[n] (O, P) = w (O, C) x[n] (C, P)        x: the pixels that are read, where these are not all
    whole image    y (N, O) = x (N, C * T) w (O, C * T)^T

Several groups are declined, and images so small that strips of pixels which run over images waste less.
"""

from math import prod

import numpy as np
from numba import prange

from ..window import taps
from .arrays import FLOATS, empty, plain
from .gemm import product, products
from .jit import jit
from .microkernel import STRIP_BYTES
from .strips import Plane
from .weights import weight_gradient

WASTE = 1.3  # columns of strips, over pixels, up to which a product for each image is worth it


def conv(x, w, b, window):
    """As conv.conv, for such windows; declines the rest."""
    if not _served(window, x, w):
        return NotImplemented
    if _whole(window):
        y = products(_rows(x)[None], _rows(w).T[None], b)
    else:
        y = products(_rows(w)[None], _picked(x, window), None if b is None else b[:, None])
    return y.reshape(len(x), len(w), *window.out)


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, likewise."""
    if not _served(window, u, w):
        return NotImplemented
    if _whole(window):
        x = products(_rows(u)[None], _rows(w)[None], None if b is None else b.repeat(prod(window.size)))
    else:
        x = products(_rows(w).T[None], _planes(u), None if b is None else b[:, None])
        x = x if _all(window) else _spread(x, b, window)
    return x.reshape(len(u), w.shape[1], *window.image)


def conv_weight(x, u, window):
    """As conv.conv_weight, likewise."""
    if not _served(window, x, u):
        return NotImplemented
    if _whole(window):
        w = product(_rows(u), _rows(x), a_turned=True)
    else:
        w = weight_gradient(_picked(x, window), _planes(u), Plane(window.out))
    return w.reshape(u.shape[1], x.shape[1], *window.size)


def _served(window, *arrays):
    if window.groups > 1 or any(a.dtype != arrays[0].dtype or a.dtype not in FLOATS or not a.size for a in arrays):
        return False
    pixels, strip = prod(window.out), STRIP_BYTES // arrays[0].itemsize
    return _whole(window) or (prod(window.size) == 1 and -(-pixels // strip) * strip <= WASTE * pixels)


def _whole(window):
    return window.size == window.image and not any(window.padding) and prod(window.out) == 1


def _all(window):
    """Whether windows of one pixel read all pixels, in order."""
    return window.image == window.out and not any(window.padding)


def _rows(x):
    return plain(x).reshape(len(x), -1)


def _planes(x):
    return plain(x).reshape(*x.shape[:2], -1)


# --- windows of one pixel that read some pixels only


def _picked(x, window):
    """x (N, C, *image) -> (N, C, P): the pixels that are read, zero outside of the image."""
    if _all(window):
        return _planes(x)
    out = empty((*x.shape[:2], prod(window.out)), x.dtype)
    _pick(_planes(x), np.array(taps(window)[0]), out)
    return out


def _spread(y, b, window):
    """y (N, C, P) at the pixels that are read, elsewhere the bias."""
    x = empty((*y.shape[:2], prod(window.image)), y.dtype)
    _put(y, np.zeros(y.shape[1], y.dtype) if b is None else plain(b), np.array(taps(window)[0]), x)
    return x


@jit(parallel=True)
def _pick(x, positions, out):
    N, C, P = out.shape
    for job in prange(N * C):
        plane, picked = x[job // C, job % C], out[job // C, job % C]
        for p in range(P):
            picked[p] = plane[positions[p]] if positions[p] >= 0 else 0


@jit(parallel=True)
def _put(y, bias, positions, x):
    N, C, P = y.shape
    for job in prange(N * C):
        plane, values = x[job // C, job % C], y[job // C, job % C]
        for i in range(len(plane)):
            plane[i] = bias[job % C]
        for p in range(P):
            if positions[p] >= 0:
                plane[positions[p]] = values[p]
