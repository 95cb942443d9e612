"""Padding: with a constant, or with the tensor's own edges."""

from __future__ import annotations

from ..autograd.engine import Array, op
from ..tensor import Tensor
from . import shape
from .creation import check_count


# <pad(x), g> = <x, crop(g)>, and to crop is to pad by a negative width: a family of one.
@op(exact=True)
def constant_pad(xp, x: Array, widths, value):
    """x with `value` around it, in each dimension by (width before, after); negative: cropped."""
    out = xp.full([n + a + b for n, (a, b) in zip(x.shape, widths)], value, x.dtype)
    inner = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(out.shape, widths))
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths))
    out[inner] = x[kept]
    return out


constant_pad.grads(lambda g, widths: constant_pad(g, tuple((-a, -b) for a, b in widths), 0))


def _reflected(x, dim, n, before, after, cut):
    return x.narrow(dim, 1, before).flip(dim), x.narrow(dim, n - 1 - after, after).flip(dim)


def _replicated(x, dim, n, before, after, cut):
    def repeated(at, count):
        sizes = [count if d == dim else size for d, size in enumerate(x.shape)]
        return x.narrow(dim, at, 1).expand(*sizes)

    return repeated(0, before), repeated(n - 1, after)


def _wrapped(x, dim, n, before, after, cut):
    return x.narrow(dim, n - cut[1] - before, before), x.narrow(dim, cut[0], after)


# mode -> (what goes before and after, if `cut` then falls away; how wide it may be, of a size n)
_EDGES = {
    "reflect": (_reflected, lambda n: n - 1),
    "replicate": (_replicated, lambda n: None if n else 0),
    "circular": (_wrapped, lambda n: n),
}


def _extended(x, dim, before, after, mode):
    edges, most = _EDGES[mode]
    limit = most(x.shape[dim])
    if limit is not None and max(before, after) > limit:
        raise RuntimeError(
            f"pad: mode '{mode}' can pad dim {dim} of shape {tuple(x.shape)} by at most {limit}, "
            f"got {before} and {after}"
        )
    cut = max(-before, 0), max(-after, 0)
    if max(before, after) > 0:
        left, right = edges(x, dim, x.shape[dim], max(before, 0), max(after, 0), cut)
        x = shape.cat([left, x, right], dim)
    return x.narrow(dim, cut[0], x.shape[dim] - cut[0] - cut[1])


def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """input with more around it.

    pad: (before, after) for the last dimension, then for the one before it, and so on.
    mode: 'constant' (filled with `value`, 0 by default), 'reflect' (the edge not repeated),
    'replicate', 'circular'. Negative widths crop.  RuntimeError where the widths do not fit the
    shape.
    """
    widths = tuple(n.__index__() for n in pad)
    count = len(widths) // 2
    if len(widths) % 2 or count > input.ndim:
        raise RuntimeError(f"pad: expected two widths for each of at most {input.ndim} dimensions, got {widths}")
    pairs = [(0, 0)] * (input.ndim - count)
    pairs += [widths[2 * i : 2 * i + 2] for i in reversed(range(count))]
    if any(n + a + b < 0 for n, (a, b) in zip(input.shape, pairs)):
        raise RuntimeError(f"pad: {widths} crops more than shape {tuple(input.shape)} has")
    check_count("pad", tuple(n + a + b for n, (a, b) in zip(input.shape, pairs)))
    if mode == "constant":
        return constant_pad(input, tuple(pairs), 0 if value is None else value)
    if mode not in _EDGES:
        raise NotImplementedError(f"pad: mode must be 'constant', {', '.join(map(repr, _EDGES))}, got {mode!r}")
    if value:
        raise ValueError(f"pad: mode '{mode}' takes no value, got {value}")
    if not 1 <= count <= 3 or input.ndim - count not in (1, 2):
        raise NotImplementedError(
            f"pad: mode '{mode}' pads the last 1 to 3 dimensions of (C, *) or (N, C, *), got "
            f"widths {widths} for "
            f"shape {tuple(input.shape)}"
        )
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            input = _extended(input, dim, before, after, mode)
    return input


__all__ = []
