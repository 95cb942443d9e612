"""Normalisation of batches, groups, layers, and the scale and shift of channels: csrc/norm.cu.

Hidden mean and scale (1 / deviation) are of the type in which numbers are added up.
"""

from math import prod

from ..shapes import NARROW, apart, joined, only
from .arrays import instance, instances, lanes, plain, served, wide
from .launch import _MOST_INT, MOST_BLOCKS, THREADS, backend_of, elementwise, launch
from .reduce import REDUCE, parts_of
from .source import Source

NORM = Source(
    "norm.cu",
    *(
        i
        for name in (
            *("plane_moments", "join_moments", "plane_normal", "plane_products", "join_products", "plane_gradient"),
            *("row_normal", "row_gradient", "row_products"),
        )
        for i in instances(name)
    ),
)


# ---------------------------------------------------------------- planes
def batch_norm(x, weight, bias, eps):
    """x (N, C, *) -> normalised, mean (C,), variance (C,); hidden: the mean and 1 / deviation."""
    if not _served(x, weight, bias):
        return NotImplemented
    N, C, P = _batch(x)
    empty = backend_of(x).empty
    mean_, var = empty(C, x.dtype), empty(C, x.dtype)
    y, mean, scale = _forward(plain(joined(x)), weight, bias, eps, (N, C, P), (C, P, C, 1), mean_, var)
    return plain(apart(y, x.shape)), mean_, var, mean, scale


def batch_norm_grad(g, x, weight, bias, eps, mean, scale, needed):
    """Of x, weight, bias; g[0] is the gradient of the normalised."""
    if g[0] is None or any(one is not None for one in g[1:]) or not _served(x, g[0]):
        return NotImplemented
    N, C, P = _batch(x)
    gx, gw, gb = _backward(plain(joined(g[0])), plain(joined(x)), weight, mean, scale, (N, C, P), (1, C, 1, C), N * P)
    return only(needed, plain(apart(gx, x.shape)), gw, gb)


def group_norm(x, weight, bias, num_groups, eps):
    """x (N, C, *) -> normalised over groups of channels; hidden: mean and 1 / deviation of each."""
    if not _served(x, weight, bias):
        return NotImplemented
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    B, J = C // num_groups, N * num_groups
    return _forward(plain(x), weight, bias, eps, (1, J, B * P), (J, P, C, B))


def group_norm_grad(g, x, weight, bias, num_groups, eps, mean, scale, needed):
    """Of x, weight, bias."""
    if not _served(x, g):
        return NotImplemented
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    B, J = C // num_groups, N * num_groups
    return only(needed, *_backward(plain(g), plain(x), weight, mean, scale, (1, N * C, P), (N, C, B, J), B * P))


def _served(*arrays):
    return served(*arrays) and 0 < arrays[0].size <= _MOST_INT


def _batch(x):
    """(N, C, P), or where planes are narrow the same of `joined`."""
    N, C, P = *x.shape[:2], prod(x.shape[2:])
    return (N, C, P) if P >= NARROW else (1, C, N * P)


def _vector(v):
    return None if v is None else plain(v)


def _spread(name, x, *args):
    """A kernel whose threads take 16 bytes at a time where they can."""
    launch(NORM, instance(name, x), min(-(-x.size // (THREADS * lanes(x))), MOST_BLOCKS), THREADS, *args, x.size)


def _forward(x, weight, bias, eps, jobs, layout, mean_=None, var_=None):
    """jobs: (A, J, L) that are normalised together; layout: (J, P, C, B), B planes of P in a job, C channels."""
    backend, (A, J, L), (J, P, C, B) = backend_of(x), jobs, layout
    S = parts_of(J, A * L)
    y, parts = backend.empty(x.shape, x.dtype), backend.empty((J, S, 2), wide(x))
    mean, scale = backend.empty(J, wide(x)), backend.empty(J, wide(x))
    launch(NORM, instance("plane_moments", x), (J, S), THREADS, x, parts, *jobs)
    elementwise(NORM, instance("join_moments", x), J, parts, mean_, var_, mean, scale, eps, S, A, L, J)
    _spread("plane_normal", x, x, _vector(weight), _vector(bias), mean, scale, y, P, C, B, J)
    return y, mean, scale


def _backward(g, x, weight, mean, scale, planes, layout, count):
    """planes: (A, planes, P) whose sums are taken; layout: (N, C, B, J): planes (N, C), B of them in each of J jobs."""
    backend, (A, Q, P), (N, C, B, J) = backend_of(x), planes, layout
    S = parts_of(Q, A * P)
    parts, gx = backend.empty((Q, S, 2), wide(x)), backend.empty(x.shape, x.dtype)
    slope, shift = backend.empty(J, wide(x)), backend.empty(J, wide(x))
    gw, gb, w = backend.empty(C, x.dtype), backend.empty(C, x.dtype), _vector(weight)
    launch(NORM, instance("plane_products", x), (Q, S), THREADS, g, x, mean, scale, parts, *planes, B)
    elementwise(
        NORM, instance("join_products", x), max(C, J), parts, w, scale, gw, gb, slope, shift, S, N, C, B, J, count
    )
    _spread("plane_gradient", x, g, x, w, mean, scale, slope, shift, gx, P, C, B, J)
    return gx, gw, gb


# ---------------------------------------------------------------- rows
def layer_norm(x, weight, bias, count, eps):
    """x normalised over its last `count` dimensions; hidden: mean and 1 / deviation of each row."""
    return _rows(x, weight, bias, count, eps, 1)


def layer_norm_grad(g, x, weight, bias, count, eps, mean, scale, needed):
    """Of x, weight, bias."""
    return _rows_grad(g, x, weight, count, mean, scale, needed)


def rms_norm(x, weight, count, eps):
    """x over the root of its mean square over its last `count` dimensions; hidden: 1 / root of each row."""
    out = _rows(x, weight, None, count, eps, 0)
    return out if out is NotImplemented else (out[0], out[2])


def rms_norm_grad(g, x, weight, count, eps, scale, needed):
    """Of x and weight."""
    return _rows_grad(g, x, weight, count, None, scale, needed)


def teams(rows: int, length: int) -> tuple[int, tuple[int, int]]:
    """Grid and block for a team a row: a warp where a row is short, else a block."""
    return (-(-rows // 8), (32, 8)) if length <= 1024 else (rows, (256 if length <= 8192 else 1024, 1))


def _rows(x, weight, bias, count, eps, centred):
    if not _served(x, weight, bias):
        return NotImplemented
    backend, D = backend_of(x), prod(x.shape[-count:])
    M, x = x.size // D, plain(x)
    y, mean, scale = backend.empty(x.shape, x.dtype), backend.empty(M, wide(x)), backend.empty(M, wide(x))
    given = x, _vector(weight), _vector(bias), y, mean, scale, eps, centred, M, D
    launch(NORM, instance("row_normal", x), *teams(M, D), *given)
    return y, mean, scale


def _rows_grad(g, x, weight, count, mean, scale, needed):
    if not _served(x, g, weight):
        return NotImplemented
    backend, D, centred = backend_of(x), prod(x.shape[-count:]), int(mean is not None)
    M, g, x, shape = x.size // D, plain(g), plain(x), x.shape[-count:]
    gx, gw, gb = None, None, None
    if needed[0]:
        gx = backend.empty(x.shape, x.dtype)
        launch(NORM, instance("row_gradient", x), *teams(M, D), g, x, _vector(weight), mean, scale, gx, centred, M, D)
    if any(needed[1:]):
        S = parts_of(-(-D // 32), M * 32)
        parts, both = backend.empty((S, 2, D), wide(x)), backend.empty((2, *shape), x.dtype)
        launch(NORM, instance("row_products", x), (-(-D // 32), S), (32, 8), g, x, mean, scale, parts, centred, M, D)
        elementwise(REDUCE, instance("sum_parts", x), 2 * D, parts, both, S, 2 * D, 1, 2 * D)
        gw, gb = both[0], both[1]
    return only(needed, gx, gw, gb)


# ---------------------------------------------------------------- scale and shift of channels
def affine(x, weight, bias):
    """x (N, C, *) * weight + bias, these (C, 1, ...); declines other shapes."""
    if not _of_channels(x, weight) or not _served(x, weight, bias) or bias.shape != weight.shape:
        return NotImplemented
    x, (C, P) = plain(x), (x.shape[1], prod(x.shape[2:]))
    y = backend_of(x).empty(x.shape, x.dtype)
    _spread("plane_normal", x, x, plain(weight), plain(bias), None, None, y, P, C, 1, 1)
    return y


def affine_grad(u, x, weight):
    """The gradients of affine's x, weight and bias, u that of its output."""
    if not _of_channels(x, weight) or not _served(x, u, weight) or u.shape != x.shape or prod(x.shape[2:]) < NARROW:
        return NotImplemented
    backend, (N, C, P) = backend_of(x), (*x.shape[:2], prod(x.shape[2:]))
    u, x, weight = plain(u), plain(x), plain(weight)
    S = parts_of(C, N * P)
    gx, gw, gb = (backend.empty(a.shape, x.dtype) for a in (x, weight, weight))
    parts = backend.empty((C, S, 2), wide(x))
    _spread("plane_normal", x, u, weight, None, None, None, gx, P, C, 1, 1)
    launch(NORM, instance("plane_products", x), (C, S), THREADS, u, x, None, None, parts, N, C, P, 1)
    elementwise(NORM, instance("join_products", x), C, parts, None, None, gw, gb, None, None, S, 1, C, 1, 1, 1)
    return gx, gw, gb


def _of_channels(x, weight):
    return x.ndim > 1 and weight.shape == (x.shape[1], *[1] * (x.ndim - 2))
