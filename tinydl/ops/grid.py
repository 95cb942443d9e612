"""Images sampled where a grid says: spatial transformers (Jaderberg 2015)."""

from __future__ import annotations

import itertools

from ..autograd.autocast import listed
from ..autograd.engine import Array
from ..autograd.fused import fused
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from .activation import hardtanh_
from .creation import linspace, ones
from .elementwise import abs, floor, fmod, round, where
from .joining import stack
from .resample import cubic


def _reflected(place, n, align_corners):
    """A coordinate thrown back by the borders until it lies within."""
    low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
    if span == 0:
        return place * 0
    place = abs(place - low)
    rest, turns = fmod(place, span), floor(place / span)
    return where(fmod(turns, 2) == 0, rest, span - rest) + low


def _held(place, n, padding_mode, align_corners):
    """Coordinates outside the image brought in as the padding mode says."""
    if padding_mode == "reflection":
        place = _reflected(place, n, align_corners)
    return place if padding_mode == "zeros" else hardtanh_(place, 0, n - 1)


def _corners(place, n, mode, hold):
    """(coordinate, weight) of the values that make up what lies at `place`, in one dimension."""
    if mode == "nearest":
        return [(round(hold(place, n)), 1)]
    if mode == "bilinear":
        place = hold(place, n)
        below = floor(place)
        return [(below, 1 - (place - below)), (below + 1, place - below)]
    below = floor(place)
    return [(hold(below + k, n), cubic(place - below - k)) for k in (-1, 0, 1, 2)]


@fused
def blend(x: Array, index: Array, weight: Array):
    """Sum over k of weight[n, k] * x[n, c] at index[n, k].  x: (N, C, M), index, weight: (N, K, P) -> (N, C, P)."""
    N, C = x.shape[:2]
    total = 0
    for k in range(index.shape[1]):
        places = index[:, k : k + 1]
        total = total + x.gather(2, places.expand(N, C, -1)) * weight[:, k : k + 1]
    return total


@listed
@rounded_once
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input at the places of `grid`: (x, y) or (x, y, z), from -1 to 1 across the image.

    input: (N, C, H, W) or (N, C, D, H, W); grid: (N, *, 2 or 3) -> (N, C, *).  mode: 'bilinear',
    'nearest' or 'bicubic' (images only); padding_mode, for places outside: 'zeros', 'border' or
    'reflection'.
    """
    for name, value, known in (
        ("mode", mode, ("bilinear", "nearest", "bicubic")),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        if value not in known:
            raise ValueError(f"grid_sample: {name} must be one of {known}, got {value!r}")
    count = input.ndim - 2
    if count not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != count:
        raise RuntimeError(
            "grid_sample: expected input (N, C, H, W) with grid (N, H, W, 2), or one dimension "
            "more, got "
            f"{tuple(input.shape)} and {tuple(grid.shape)}"
        )
    if grid.shape[0] != input.shape[0] or grid.dtype != input.dtype or 0 in input.shape[2:]:
        raise RuntimeError(
            "grid_sample: input and grid must agree in batch and dtype, and the image must not "
            "be empty, got "
            f"{tuple(input.shape)} {input.dtype} and {tuple(grid.shape)} {grid.dtype}"
        )
    if mode == "bicubic" and count != 2:
        raise RuntimeError("grid_sample: mode 'bicubic' is for 4-dimensional inputs")

    def hold(place, n):
        return _held(place, n, padding_mode, align_corners)

    N, C, *sizes = input.shape
    places = grid.reshape(N, -1, count)
    choices = []
    for i, n in enumerate(sizes):
        place = places[..., count - 1 - i]
        place = (place + 1) * ((n - 1) / 2) if align_corners else ((place + 1) * n - 1) / 2
        choices.append(_corners(place, n, mode, hold))
    corners = [_at(corner, sizes) for corner in itertools.product(*choices)]
    index, weight = (stack(parts, 1) for parts in zip(*corners))
    return blend(input.reshape(N, C, -1), index, weight).reshape(N, C, *grid.shape[1:-1])


def _at(corner, sizes):
    """Index into the flattened image, and weight: 0 where the corner lies outside."""
    index, weight, inside = 0, 1, True
    for (place, part), n in zip(corner, sizes):
        here = (place >= 0) & (place <= n - 1)  # false for NaN, too
        index = index * n + where(here, place, 0).detach().to("int64")
        weight, inside = part * weight, here & inside
    return index, where(inside, weight, 0).to(corner[0][0].dtype)


def affine_grid(theta: Tensor, size, align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` by which affine maps move an image.

    theta: (N, 2, 3) for size (N, C, H, W), (N, 3, 4) for (N, C, D, H, W) -> (N, H, W, 2) or (N, D,
    H, W, 3).
    """
    if not theta.is_floating_point():
        raise ValueError(f"affine_grid: theta must be floating, got {theta.dtype}")
    N, _, *sizes = size
    count = len(sizes)
    if count not in (2, 3):
        raise NotImplementedError(f"affine_grid: size must have 4 or 5 numbers, got {tuple(size)}")
    if tuple(theta.shape) != (N, count, count + 1):
        raise ValueError(
            f"affine_grid: expected theta of shape {(N, count, count + 1)} for size {tuple(size)}, "
            f"got {tuple(theta.shape)}"
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: sizes must be positive, got {tuple(size)}")
    like = dict(dtype=theta.dtype, device=theta.device)
    base = [ones(*sizes, **like)]
    for i, n in enumerate(sizes):
        edge = 1.0 if align_corners and n > 1 else (0.0 if align_corners else 1 - 1 / n)
        line = linspace(-edge, edge, n, **like)
        base.insert(0, line.reshape(-1, *[1] * (count - 1 - i)).expand(*sizes))
    base = stack(base, -1).reshape(1, -1, count + 1)
    return (base @ theta.transpose(1, 2)).reshape(N, *sizes, count)


__all__ = []
