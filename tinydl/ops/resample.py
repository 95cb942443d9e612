"""Images and signals at another resolution: interpolation and pixel shuffling.

Interpolation is separable: along one dimension, each new value is a weighted sum of a few old ones.
"""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from .creation import arange, check_count
from .elementwise import abs, clamp, floor, sinc, where


# ---------------------------------------------------------------- weighted sums along one dimension
# Linear in x: <resample(x), g> = <x, resample_adjoint(g)>, each the other's gradient.
@op
def resample(xp, x: Array, index: Array, weight: Array | None, dim):
    """Sum over k of weight[k] * x at index[k], along `dim`.  index, weight: (K, new size)."""
    total = None
    for k in range(len(index)):
        term = xp.take(x, index[k], axis=dim)
        if weight is not None:
            term *= weight[k].reshape(-1, *[1] * (x.ndim - 1 - dim))
        total = term if total is None else total + term
    return total


@op
def resample_adjoint(xp, g: Array, index: Array, weight: Array | None, dim, size):
    """Each g given back to the places, of `size` along `dim`, from which `resample` takes."""
    hit = index[..., None] == xp.arange(size)
    matrix = (hit if weight is None else hit * weight[..., None]).sum(axis=0, dtype=g.dtype)
    return xp.ascontiguousarray(xp.moveaxis(xp.tensordot(g, matrix, ([dim], [0])), -1, dim))


resample.grads(
    lambda g, index, weight, dim, x_like: resample_adjoint(g, index, weight, dim, x_like.shape[dim]),
    None,
    None,
)
resample_adjoint.grads(lambda g, index, weight, dim: resample(g, index, weight, dim), None, None)


# ---------------------------------------------------------------- kernels of interpolation
def linear(t):
    return clamp(1 - abs(t), min=0)


def cubic(t, a=-0.75):
    """Keys' kernel (1981): the spline through four points."""
    t = abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return where(t <= 1, near, where(t < 2, far, 0))


def _lanczos(t):
    return where(abs(t) < 3, sinc(t) * sinc(t / 3), 0)


# mode -> (kernel, its reach, its kernel where antialias is asked for)
_KERNELS = {
    "linear": (linear, 1, linear),
    "cubic": (cubic, 2, lambda t: cubic(t, -0.5)),
    "lanczos": (None, 3, _lanczos),
}
_MODES = {
    "nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5), "linear": (3,),
    "bilinear": (4,), "trilinear": (5,), "bicubic": (4,), "lanczos": (4,),
}  # fmt: skip


def _nearest(x, dim, size, scale, exact):
    """Indices (1, size) of the nearest old value; by float32, so that ties fall as PyTorch's."""
    n = x.shape[dim]
    place = arange(size, dtype="float32", device=x.device)
    place = (place + 0.5 if exact else place) * _float32(scale)
    return clamp(floor(place), max=n - 1).to("int64").reshape(1, -1), None


def _float32(number):
    import struct

    return struct.unpack("f", struct.pack("f", number))[0]


def _taps(x, dim, size, scale, kind, align_corners):
    """Indices and weights (K, size) of the old values that make up each new one."""
    kernel, reach, _ = _KERNELS[kind]
    n = x.shape[dim]
    place = arange(size, dtype=x.dtype, device=x.device)
    place = place * scale if align_corners else (place + 0.5) * scale - 0.5
    if kind == "linear":
        place = clamp(place, min=0)
    first = floor(place) - (reach - 1)
    index = first + arange(2 * reach, dtype=x.dtype, device=x.device).reshape(-1, 1)
    return clamp(index, 0, n - 1).to("int64"), kernel(index - place)


def _smooth_taps(x, dim, size, scale, kind):
    """As `_taps`, with the kernel widened where the image shrinks: it averages what it drops."""
    _, reach, kernel = _KERNELS[kind]
    n = x.shape[dim]
    widening = max(scale, 1.0)
    support = reach * widening
    centre = (arange(size, dtype="float64", device=x.device) + 0.5) * scale
    first = clamp(floor(centre - support + 0.5), min=0)
    beyond = clamp(floor(centre + support + 0.5), max=n)
    steps = arange(math.ceil(support) * 2 + 1, dtype="float64", device=x.device).reshape(-1, 1)
    index = first + steps
    weight = where(index < beyond, kernel((index - centre + 0.5) / widening), 0)
    return clamp(index, 0, n - 1).to("int64"), (weight / weight.sum(0)).to(x.dtype)


def _sizes(name, given, x):
    """One number for each spatial dimension."""
    count = x.ndim - 2
    if isinstance(given, (int, float)) or hasattr(given, "__index__"):
        return [given] * count
    if len(given) != count:
        raise ValueError(
            f"interpolate: expected one {name} for each of {count} spatial dimensions of shape "
            f"{tuple(x.shape)}, "
            f"got {tuple(given)}"
        )
    return list(given)


@listed
@rounded_once
def interpolate(
    input: Tensor,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input (N, C, *) at another resolution: of spatial `size`, or `scale_factor` times as large.

    mode: 'nearest', 'nearest-exact', 'area', 'linear' (N, C, W), 'bilinear' and 'bicubic' (N, C,
    H, W), 'trilinear' (N, C, D, H, W), 'lanczos' (with antialias).  ValueError for contradicting
    arguments.
    """
    if mode not in _MODES:
        known = ", ".join(_MODES)
        raise NotImplementedError(f"interpolate: mode '{mode}' is unknown; there are {known}")
    if input.ndim not in _MODES[mode]:
        raise NotImplementedError(
            f"interpolate: mode '{mode}' needs {' or '.join(map(str, _MODES[mode]))} dimensions, "
            f"got shape {tuple(input.shape)}"
        )
    _check_interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    old = input.shape[2:]
    factors = None
    if size is not None:
        new = [n.__index__() for n in _sizes("size", size, input)]
    else:
        factors = _sizes("scale_factor", scale_factor, input)
        if not all(map(math.isfinite, factors)):
            raise ValueError(f"interpolate: scale_factor must be finite, got {scale_factor}")
        new = [math.floor(n * f) for n, f in zip(old, factors)]
        if recompute_scale_factor or mode == "area":
            factors = None
    if min((*old, *new), default=1) <= 0:
        raise RuntimeError(f"interpolate: sizes must be positive, got {tuple(old)} -> {tuple(new)}")
    check_count("interpolate", (*input.shape[:2], *new))
    if mode == "area":
        from . import pool

        return getattr(pool, f"adaptive_avg_pool{len(new)}d")(input, new)
    if not mode.startswith("nearest") and not input.is_floating_point():
        raise RuntimeError(f"interpolate: mode '{mode}' needs a floating tensor, got {input.dtype}")
    kind = mode.removeprefix("bi").removeprefix("tri")
    for i in reversed(range(len(old))):  # rows first: what is between grows as late as it can
        n, m = old[i], new[i]
        scale = 1 / factors[i] if factors and factors[i] > 0 else n / m
        if align_corners:
            scale = (n - 1) / (m - 1) if m > 1 else 0.0
        elif n == m and scale == 1:
            continue
        dim = i + 2
        if mode.startswith("nearest"):
            taps = _nearest(input, dim, m, scale, mode == "nearest-exact")
        elif antialias:
            taps = _smooth_taps(input, dim, m, scale, kind)
        else:
            taps = _taps(input, dim, m, scale, kind, align_corners)
        input = resample(input, *taps, dim)
    return input


def _check_interpolate(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias):
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: exactly one of size and scale_factor must be given")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: align_corners has no meaning for mode '{mode}'")
    if recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor has no meaning where size is given")
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(f"interpolate: antialias is for the modes bilinear, bicubic, lanczos, not '{mode}'")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: mode 'lanczos' needs antialias=True and no align_corners")


def upsample(input: Tensor, size=None, scale_factor=None, mode="nearest", align_corners=None) -> Tensor:
    """An old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """An old name of `interpolate` with mode='nearest'."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """An old name of `interpolate` with mode='bilinear' and align_corners=True."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


# ---------------------------------------------------------------- shuffling
def _check_image(name, x, factor):
    if x.ndim < 3 or factor <= 0:
        raise RuntimeError(f"{name}: expected (*, C, H, W) and a positive factor, got {tuple(x.shape)} and {factor}")
    return tuple(x.shape[:-3]), *x.shape[-3:]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels laid out as finer pixels (Shi 2016).  (*, C r^2, H, W) -> (*, C, H r, W r)."""
    r = upscale_factor
    lead, C, H, W = _check_image("pixel_shuffle", input, r)
    if C % (r * r):
        raise RuntimeError(f"pixel_shuffle: {C} channels cannot be divided by the factor's square, {r * r}")
    x = input.reshape(math.prod(lead), C // (r * r), r, r, H, W).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(*lead, C // (r * r), H * r, W * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`.  (*, C, H r, W r) -> (*, C r^2, H, W)."""
    r = downscale_factor
    lead, C, H, W = _check_image("pixel_unshuffle", input, r)
    if H % r or W % r:
        raise RuntimeError(f"pixel_unshuffle: height {H} and width {W} must be multiples of {r}")
    x = input.reshape(math.prod(lead), C, H // r, r, W // r, r).permute(0, 1, 3, 5, 2, 4)
    return x.reshape(*lead, C * r * r, H // r, W // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels in turn from each of `groups` groups (Zhang 2017).  (N, C, *) -> same shape."""
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: expected (N, C, *) with C a multiple of groups, got {tuple(input.shape)} and {groups}"
        )
    N, C, *sizes = input.shape
    x = input.reshape(N, groups, C // groups, *sizes).transpose(1, 2)
    return x.reshape(N, C, *sizes)


__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]
