"""Convolutions of volumes by those of their slices, where Winograd's algorithm serves these (winograd.py).

The slices under a window, K of them, are channels of one picture, one after the other:

    y[n, :, d] = conv(join over k of x[n, :, d * stride - padding + k * dilation], join over k of w[:, :, k])

The copies cost little beside the multiplications that are saved. Strides along the depth are declined.
"""

from math import prod

import numpy as np
from numba import carray

from . import winograd
from .arrays import empty, plain
from .jobs import jobs
from .microkernel import address


def conv(x, w, b, window):
    """As conv.conv, for such volumes; declines the rest."""
    if not served(window, x, w):
        return NotImplemented
    y = winograd.conv(_joined(x, *_depths(window)), _taps(w), b, _slice(window))
    return y if y is NotImplemented else _volumes(y, len(x))


def conv_transpose(u, w, b, window):
    """As conv.conv_transpose, likewise: slices of u meet the taps in reverse."""
    if not served(window, u, w):
        return NotImplemented
    K, _, dilation, padding = _depths(window)
    back = K, window.image[0], dilation, dilation * (K - 1) - padding
    taps = _taps(w[:, :, ::-1].swapaxes(0, 1)).swapaxes(0, 1)
    x = winograd.conv_transpose(_joined(u, *back), taps, b, _slice(window))
    return x if x is NotImplemented else _volumes(x, len(u))


def conv_weight(x, u, window):
    """As conv.conv_weight, likewise."""
    if not served(window, x, u):
        return NotImplemented
    K, O, C = window.size[0], u.shape[1], x.shape[1]
    w = winograd.conv_weight(_joined(x, *_depths(window)), _joined(u, 1, u.shape[2], 1, 0), _slice(window))
    return w if w is NotImplemented else np.ascontiguousarray(w.reshape(O, K, C, *window.size[1:]).swapaxes(1, 2))


def served(window, *arrays):
    """Whether this is a volume of which Winograd's algorithm may serve the slices."""
    return len(window.size) == 3 and window.stride[0] == 1 and winograd.served(_slice(window), *arrays)


def _slice(window):
    """The window on a slice."""
    return window._replace(**{name: n[1:] for name, n in window._asdict().items() if name != "groups"})


def _depths(window):
    """Taps, outputs, dilation and padding along the depth."""
    return window.size[0], window.out[0], window.dilation[0], window.padding[0]


def _joined(x, K, depth, dilation, padding):
    """x (N, C, D, H, W) -> (N * depth, K * C, H, W): the slices d - padding + k * dilation for each d; 0 outside."""
    N, C, D, *plane = x.shape
    joined = empty((N, depth, K, C, prod(plane)), x.dtype)
    _join(N * depth * K, plain(x).reshape(N, C, D, -1), dilation, padding, joined)
    return joined.reshape(N * depth, K * C, *plane)


@jobs
def _join(j, x, dilation, padding, joined):
    """Slice j of those that are joined: all channels under one tap of the depth."""
    _, depth, K, C, P = joined.shape
    n, d, k = j // (depth * K), j // K % depth, j % K
    source = d + k * dilation - padding
    for c in range(C):
        to = carray(address(joined, (j * C + c) * P), P)
        if 0 <= source < x.shape[2]:
            plane = carray(address(x, ((n * C + c) * x.shape[2] + source) * P), P)
            for i in range(P):
                to[i] = plane[i]
        else:
            to[:] = 0


def _taps(w):
    """w (O, C, K, ...) -> (O, K * C, ...)."""
    O, C, K, *size = w.shape
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(O, K * C, *size)


def _volumes(y, N):
    """(N * D, C, H, W) -> (N, C, D, H, W)."""
    return plain(y.reshape(N, -1, *y.shape[1:]).swapaxes(1, 2))
