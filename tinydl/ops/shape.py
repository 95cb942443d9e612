"""Other shapes of the same elements.  Most are views: they share memory, and a write to one is seen by all."""

from __future__ import annotations

from ..autograd.engine import Array, op
from .reduce import normalize_dim


@op(view=True)
def reshape_(xp, x: Array, shape):
    """x in another shape with as many elements, as a view where memory allows, else a copy."""
    return x.reshape(shape)


reshape_.grads(lambda g, x_like: reshape_(g, x_like.shape))


@op(view=True)
def transpose_(xp, x: Array, dims):
    """x with its dimensions in the order `dims`."""
    return x.transpose(dims)


def _inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


transpose_.grads(lambda g, dims: transpose_(g, _inverse(dims)))


@op(view=True)
def expand_(xp, x: Array, shape):
    """x repeated without copying to a shape that it broadcasts to."""
    lead = len(shape) - x.ndim
    strides = [0] * lead + [s if n == m else 0 for s, n, m in zip(x.strides, x.shape, shape[lead:])]
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


expand_.grads(lambda g: g)  # the engine sums it back


def _sizes(size):
    return tuple(size[0]) if len(size) == 1 and not hasattr(size[0], "__index__") else tuple(size)


def _complete(name, x, shape):
    """`shape` with its -1, if any, worked out."""
    shape = tuple(n.__index__() for n in shape)
    if shape.count(-1) > 1 or any(n < -1 for n in shape):
        raise RuntimeError(f"{name}: one size may be -1 and none may be less, got {shape}")
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if -1 in shape:
        if known == 0 or x.numel() % known:
            raise RuntimeError(f"{name}: shape {shape} does not fit {x.numel()} elements (of shape {tuple(x.shape)})")
        return tuple(x.numel() // known if n == -1 else n for n in shape)
    if known != x.numel():
        raise RuntimeError(f"{name}: shape {shape} does not fit {x.numel()} elements (of shape {tuple(x.shape)})")
    return shape


def reshape(x, *shape):
    """x in another shape with as many elements; one size may be -1.  A view where memory allows, else a copy."""
    return reshape_(x, _complete("reshape", x, _sizes(shape)))


def permute(x, *dims):
    """x with its dimensions in the order `dims`: a view."""
    dims = tuple(normalize_dim("permute", d, x.ndim) for d in _sizes(dims))
    if sorted(dims) != list(range(x.ndim)):
        raise RuntimeError(f"permute: expected each of {x.ndim} dimensions once, got {dims}")
    return transpose_(x, dims)


def transpose(x, dim0, dim1):
    """x with two dimensions exchanged: a view."""
    a, b = normalize_dim("transpose", dim0, x.ndim), normalize_dim("transpose", dim1, x.ndim)
    dims = list(range(x.ndim))
    if dims:
        dims[a], dims[b] = b, a
    return transpose_(x, tuple(dims))


def expand(x, *sizes):
    """x repeated without copying: dimensions of size 1 take any size, -1 keeps one, new ones come in front."""
    sizes = _sizes(sizes)
    lead = len(sizes) - x.ndim
    if lead < 0:
        raise RuntimeError(f"expand: {sizes} has fewer dimensions than the tensor, shape {tuple(x.shape)}")
    shape = tuple(x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes))
    if any(n < 0 for n in shape) or any(m not in (1, n) for m, n in zip(x.shape, shape[lead:])):
        raise RuntimeError(f"expand: shape {tuple(x.shape)} does not expand to {sizes}; only sizes 1 can grow")
    return expand_(x, shape)


def unbind(x, dim=0):
    return tuple(x[i] for i in range(x.shape[dim]))


__all__ = ["expand", "permute", "reshape", "transpose", "unbind"]
