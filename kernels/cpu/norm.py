"""Normalisation: what is normalised together is one job, which reads it into the cache once.

    planes   x (A, J, B, P), job j: x[:, j].  Batches are (N, C, 1, P), groups (1, N * G, C / G, P); weight and
             bias act for each plane, (J, B)
    columns  planes of one number, (N, C): a job is some columns
    rows     x (M, D), one row at a time; weight and bias act for each element of a row

With z = (x - mean) / deviation over n numbers, and u = g * weight: x's gradient is
(u - mean(u) - z * mean(u * z)) / deviation (Ioffe 2015).
"""

from math import prod, sqrt

import numpy as np
from numba import carray

from ..shapes import NARROW, apart, joined, only
from .arrays import FLOATS, empty, plain
from .columns import WIDTH, columns, columns_grad
from .jit import jit
from .jobs import jobs
from .microkernel import address
from .sums import products, scaled_products, squares, total

PIECES = 32  # that rows are cut into, each with sums of its own for the gradients of weight and bias


# ---------------------------------------------------------------- planes
def batch_norm(x, weight, bias, eps):
    """x (N, C, *) -> normalised, mean (C,), variance (C,); hidden: the mean and 1 / deviation."""
    if not _served(x):
        return NotImplemented
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    vectors = _vector(weight, x, C, 1), _vector(bias, x, C, 0)
    if P == 1:
        y, (mean, var, scale) = empty(x.shape, x.dtype), (sums := np.empty((3, C), x.dtype))
        columns(-(-C // WIDTH), plain(x).reshape(N, C), *vectors, float(eps), y.reshape(N, C), sums)
    else:
        y, mean, var, scale = _forward(plain(joined(x)), *vectors, eps, _batch(N, C, P))
        y = plain(apart(y, x.shape))
    return y, mean, var, mean.copy(), scale


def batch_norm_grad(g, x, weight, bias, eps, mean, scale, needed):
    """Of x, weight, bias; g[0] is the gradient of the normalised."""
    if g[0] is None or any(one is not None for one in g[1:]):
        return NotImplemented
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    weight = _vector(weight, x, C, 1)
    if P == 1:
        gx, gw, gb = empty(x.shape, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
        flat = (plain(a).reshape(N, C) for a in (g[0], x))
        columns_grad(-(-C // WIDTH), *flat, mean, scale, weight, gx.reshape(N, C), gw, gb)
    else:
        gx, gw, gb = _backward(plain(joined(g[0])), plain(joined(x)), mean, scale, weight, _batch(N, C, P))
        gx = plain(apart(gx, x.shape))
    return only(needed, gx, gw, gb)


def group_norm(x, weight, bias, num_groups, eps):
    """x (N, C, *) -> normalised over groups of channels; hidden: mean and 1 / deviation of each."""
    if not _served(x):
        return NotImplemented
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    vectors = (np.tile(_vector(v, x, C, fill), N) for v, fill in ((weight, 1), (bias, 0)))
    y, mean, _, scale = _forward(plain(x), *vectors, eps, (1, N * num_groups, C // num_groups, P))
    return y.reshape(x.shape), mean, scale


def group_norm_grad(g, x, weight, bias, num_groups, eps, mean, scale, needed):
    """Of x, weight, bias."""
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    w = np.tile(_vector(weight, x, C, 1), N)
    gx, *vectors = _backward(plain(g), plain(x), mean, scale, w, (1, N * num_groups, C // num_groups, P))
    return only(needed, gx.reshape(x.shape), *(v.reshape(N, C).sum(axis=0) for v in vectors))


def _served(x):
    return x.dtype in FLOATS and x.size > 0


def _vector(v, x, n, fill):
    """A weight or bias as n numbers, also where there is none."""
    return np.full(n, fill, x.dtype) if v is None else plain(v).reshape(n)


def _batch(N, C, P):
    return (N, C, 1, P) if P >= NARROW else (1, C, 1, N * P)


def _forward(x, weight, bias, eps, shape):
    y, sums = empty(x.shape, x.dtype), np.empty((3, shape[1]), x.dtype)
    _planes(shape[1], x.reshape(-1), weight, bias, float(eps), shape, y.reshape(-1), sums)
    return y, *sums


def _backward(g, x, mean, scale, weight, shape):
    gx, gw, gb = empty(x.shape, x.dtype), np.empty_like(weight), np.empty_like(weight)
    _planes_grad(shape[1], g.reshape(-1), x.reshape(-1), mean, scale, weight, shape, gx.reshape(-1), gw, gb)
    return gx, gw, gb


@jobs
def _planes(j, x, weight, bias, eps, shape, y, sums):
    A, J, B, P = shape
    n = A * B * P
    found = 0.0
    for k in range(A * B):
        found += total(x, ((k // B * J + j) * B + k % B) * P, P)
    mean = x.dtype.type(found / n)
    found = 0.0
    for k in range(A * B):
        found += squares(x, ((k // B * J + j) * B + k % B) * P, P, mean)
    var = found / n
    scale = x.dtype.type(1 / sqrt(var + eps))
    sums[0, j], sums[1, j], sums[2, j] = mean, var, scale
    for k in range(A * B):
        at = ((k // B * J + j) * B + k % B) * P
        a, b = weight[j * B + k % B] * scale, bias[j * B + k % B]
        source, to = carray(address(x, at), P), carray(address(y, at), P)
        for i in range(P):
            to[i] = (source[i] - mean) * a + b


@jobs
def _planes_grad(j, g, x, means, scales, weight, shape, gx, gw, gb):
    A, J, B, P = shape
    n, mean, scale = A * B * P, means[j], scales[j]
    mean_u, mean_uz = 0.0, 0.0
    for b in range(B):
        of_g, of_gz = 0.0, 0.0
        for a in range(A):
            more, weighted = products(g, x, ((a * J + j) * B + b) * P, P, mean)
            of_g += more
            of_gz += weighted * scale
        gb[j * B + b], gw[j * B + b] = of_g, of_gz
        mean_u += weight[j * B + b] * of_g / n
        mean_uz += weight[j * B + b] * of_gz / n
    slope, shift = x.dtype.type(mean_uz * scale * scale), x.dtype.type(mean_u * scale)
    for k in range(A * B):
        at, factor = ((k // B * J + j) * B + k % B) * P, weight[j * B + k % B] * scale
        u, source, to = carray(address(g, at), P), carray(address(x, at), P), carray(address(gx, at), P)
        for i in range(P):
            to[i] = u[i] * factor - (source[i] - mean) * slope - shift


# ---------------------------------------------------------------- rows
def layer_norm(x, weight, bias, count, eps):
    """x normalised over its last `count` dimensions; hidden: mean and 1 / deviation of each row."""
    return _rows_of(x, weight, bias, count, eps, True)


def layer_norm_grad(g, x, weight, bias, count, eps, mean, scale, needed):
    """Of x, weight, bias."""
    D = prod(x.shape[-count:])
    gx, sums = empty(x.shape, x.dtype), np.zeros((PIECES, 2, D), x.dtype)
    given = plain(g).reshape(-1, D), plain(x).reshape(-1, D), mean, scale, _vector(weight, x, D, 1)
    _rows_grad(PIECES, *given, True, gx.reshape(-1, D), sums)
    return only(needed, gx, *(v.reshape(x.shape[-count:]) for v in sums.sum(axis=0)))


def rms_norm(x, weight, count, eps):
    """x over the root of its mean square over its last `count` dimensions; hidden: 1 / root of each row."""
    out = _rows_of(x, weight, None, count, eps, False)
    return out if out is NotImplemented else (out[0], out[2])


def rms_norm_grad(g, x, weight, count, eps, scale, needed):
    """Of x and weight."""
    D = prod(x.shape[-count:])
    gx, sums = empty(x.shape, x.dtype), np.zeros((PIECES, 2, D), x.dtype)
    given = plain(g).reshape(-1, D), plain(x).reshape(-1, D), np.zeros_like(scale), scale, _vector(weight, x, D, 1)
    _rows_grad(PIECES, *given, False, gx.reshape(-1, D), sums)
    return only(needed, gx, sums[:, 0].sum(axis=0).reshape(x.shape[-count:]))


def _rows_of(x, weight, bias, count, eps, centred):
    if not _served(x):
        return NotImplemented
    D = prod(x.shape[-count:])
    y, rows = empty(x.shape, x.dtype), plain(x).reshape(-1, D)
    mean, scale = np.empty(len(rows), x.dtype), np.empty(len(rows), x.dtype)
    vectors = _vector(weight, x, D, 1), _vector(bias, x, D, 0)
    _rows(PIECES, rows, *vectors, float(eps), centred, y.reshape(-1, D), mean, scale)
    return y, mean, scale


@jit
def _piece(piece, x):
    return range(len(x) * piece // PIECES, len(x) * (piece + 1) // PIECES)


@jobs
def _rows(piece, x, weight, bias, eps, centred, y, mean, scale):
    D = x.shape[1]
    w, b = carray(address(weight, 0), D), carray(address(bias, 0), D)
    for r in _piece(piece, x):
        m = x.dtype.type(total(x, r * D, D) / D if centred else 0.0)
        s = x.dtype.type(1 / sqrt(squares(x, r * D, D, m) / D + eps))
        mean[r], scale[r] = m, s
        source, to = carray(address(x, r * D), D), carray(address(y, r * D), D)
        for i in range(D):
            to[i] = (source[i] - m) * s * w[i] + b[i]


@jobs
def _rows_grad(piece, g, x, means, scales, weight, centred, gx, sums):
    D = x.shape[1]
    w, gw = carray(address(weight, 0), D), carray(address(sums, piece * 2 * D), D)
    gb = carray(address(sums, (piece * 2 + 1) * D), D)
    for r in _piece(piece, x):
        mean, scale = means[r], scales[r]
        of_u, of_uz = scaled_products(g, weight, x, r * D, D, mean)
        slope = x.dtype.type(of_uz / D * scale * scale * scale)
        shift = x.dtype.type(of_u / D * scale if centred else 0.0)
        u, source, to = carray(address(g, r * D), D), carray(address(x, r * D), D), carray(address(gx, r * D), D)
        for i in range(D):
            to[i] = u[i] * w[i] * scale - (source[i] - mean) * slope - shift
        for i in range(D):
            gw[i] += u[i] * (source[i] - mean) * scale
            gb[i] += u[i]


# ---------------------------------------------------------------- scale and shift of channels
def affine(x, weight, bias):
    """x (N, C, *) * weight + bias, these (C, 1, ...); declines other shapes."""
    if not _of_channels(x, weight) or bias.shape != weight.shape or bias.dtype != x.dtype:
        return NotImplemented
    y = empty(x.shape, x.dtype)
    flat = (plain(a).reshape(-1) for a in (x, weight, bias))
    _affine(prod(x.shape[:2]), *flat, y.reshape(-1), prod(x.shape[2:]))
    return y


def affine_grad(u, x, weight):
    """The gradients of affine's x, weight and bias, u that of its output."""
    if not _of_channels(x, weight) or u.shape != x.shape or u.dtype != x.dtype:
        return NotImplemented
    gx, gw, gb = empty(x.shape, x.dtype), np.empty(weight.shape, x.dtype), np.empty(weight.shape, x.dtype)
    flat = (plain(a).reshape(-1) for a in (u, x, weight))
    _affine_grad(x.shape[1], *flat, (*x.shape[:2], prod(x.shape[2:])), gx.reshape(-1), gw.reshape(-1), gb.reshape(-1))
    return gx, gw, gb


def _of_channels(x, weight):
    return (
        _served(x) and x.ndim > 2 and weight.dtype == x.dtype
        and weight.shape == (x.shape[1], *[1] * (x.ndim - 2)) and prod(x.shape[2:]) >= NARROW
    )  # fmt: skip


@jobs
def _affine(plane, x, weight, bias, y, P):
    w, b = weight[plane % len(weight)], bias[plane % len(bias)]
    source, to = carray(address(x, plane * P), P), carray(address(y, plane * P), P)
    for i in range(P):
        to[i] = source[i] * w + b


@jobs
def _affine_grad(c, u, x, weight, shape, gx, gw, gb):
    N, C, P = shape
    w, of_u, of_ux = weight[c], 0.0, 0.0
    for n in range(N):
        at = (n * C + c) * P
        more, weighted = products(u, x, at, P, x.dtype.type(0))
        of_u += more
        of_ux += weighted
        source, to = carray(address(u, at), P), carray(address(gx, at), P)
        for i in range(P):
            to[i] = source[i] * w
    gw[c], gb[c] = of_ux, of_u
