"""Softmax, its logarithm and cross-entropy over any dimension, each a pass over memory or two: csrc/softmax.cu."""

from math import prod

from .arrays import instance, instances, plain, served, wide
from .faults import note
from .launch import _MOST_INT, THREADS, backend_of, launch
from .norm import teams
from .source import Source

LINES = ("softmax", "log_softmax", "softmax_slope", "log_softmax_slope", "losses", "losses_gradient")
SOFTMAX = Source(
    "softmax.cu",
    *(i for name in LINES for rows in ("true", "false") for i in instances(name, rows)),
    *(i for name in ("join_losses", "join_shares") for i in instances(name)),
)


def softmax(x, dim):
    return _over("softmax", dim, x)


def log_softmax(x, dim):
    return _over("log_softmax", dim, x)


def softmax_slope(u, y, dim):
    return _over("softmax_slope", dim, u, y)


def log_softmax_slope(u, y, dim):
    return _over("log_softmax_slope", dim, u, y)


def cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing):
    """As the operation: x (N, C, *), target (N, *)."""
    if not _classified(x, target, weight):
        return NotImplemented
    backend, target = backend_of(x), _classes(target)
    loss, shares = backend.empty(target.shape, wide(x)), backend.empty(target.shape, wide(x))
    _lines(
        "losses", x, 1, plain(x), target, _vector(weight), loss, shares, note(backend), ignore_index, label_smoothing
    )
    if reduction == "none":
        return loss.astype(x.dtype, copy=False)
    y, total = backend.empty((), x.dtype), backend.empty((), wide(x))
    mean = int(reduction == "mean")
    launch(SOFTMAX, instance("join_losses", x), 1, 1024, loss, shares, y, total, mean, loss.size)
    return y


def cross_entropy_grad(g, x, target, weight, ignore_index, reduction, label_smoothing, needed):
    """The gradient of x."""
    if not _classified(x, target, weight) or needed[2] or not served(x, g):
        return NotImplemented
    backend, target, weight = backend_of(x), _classes(target), _vector(weight)
    total, gx = None, backend.empty(x.shape, x.dtype)
    if reduction == "mean":
        total = backend.empty((), wide(x))
        given = target, weight, total, ignore_index, x.shape[1], target.size
        launch(SOFTMAX, instance("join_shares", x), 1, 1024, *given)
    given = plain(g), plain(x), target, weight, total, gx, ignore_index, label_smoothing, int(reduction == "none")
    _lines("losses_gradient", x, 1, *given)
    return gx, None, None


def _over(name, dim, *arrays):
    x = arrays[0]
    same = all(a.shape == x.shape for a in arrays)
    if not (same and x.ndim and served(*arrays) and 0 < x.size <= _MOST_INT):
        return NotImplemented
    y = backend_of(x).empty(x.shape, x.dtype)
    _lines(name, x, dim % x.ndim, *map(plain, arrays), y)
    return y


def _lines(name, x, dim, *args):
    """Launch a kernel on the lines of x along a dimension."""
    n, B = x.shape[dim], prod(x.shape[dim + 1 :])
    lines = x.size // n
    sizes = teams(lines, n) if B == 1 else (-(-lines // THREADS), THREADS)
    launch(SOFTMAX, instance(name, x, "true" if B == 1 else "false"), *sizes, *args, n, B, lines)


def _classified(x, target, weight):
    shape = (*x.shape[:1], *x.shape[2:])
    integers = target.dtype.kind in "iu" and target.shape == shape
    return x.ndim > 1 and integers and served(x, weight) and 0 < x.size <= _MOST_INT


def _classes(target):
    return plain(target.astype("int64", copy=False))


def _vector(v):
    return None if v is None else plain(v)
