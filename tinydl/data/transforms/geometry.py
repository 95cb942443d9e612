"""Transforms that move pixels: crops, flips, borders, sizes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable

import numpy as np

from ..seeding import item_rng
from .base import OnArrays, probability

_MODES = ("constant", "edge", "reflect", "symmetric")  # torchvision's names are NumPy's


def _pair(name: str, size) -> tuple[int, int]:
    """A size (height, width); one number is both."""
    pair = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or any(s <= 0 for s in pair):
        raise ValueError(f"{name}: size must be a positive number or (height, width), got {size}")
    return pair


def crop(x, top: int, left: int, size):
    """The part of x (..., H, W) at (top, left), a view."""
    return x[..., top : top + size[0], left : left + size[1]]


def pad(x, left: int, top: int, right: int, bottom: int, fill: float = 0):
    """x (..., H, W) with a border.  np.pad would take five times as long on small images."""
    H, W = x.shape[-2:]
    y = np.full((*x.shape[:-2], top + H + bottom, left + W + right), fill, x.dtype)
    crop(y, top, left, (H, W))[...] = x
    return y


class Pad(OnArrays):
    """A border: `padding` is one number, (x, y) or (left, top, right, bottom), as torchvision's."""

    def __init__(self, padding, fill: float = 0, padding_mode: str = "constant", *, mask_fill: float = 0):
        p = (padding,) if isinstance(padding, numbers.Integral) else tuple(padding)
        if len(p) not in (1, 2, 4) or any(v < 0 for v in p):
            raise ValueError(f"Pad: padding must be 1, 2 or 4 numbers >= 0, got {padding}")
        if padding_mode not in _MODES:
            raise ValueError(f"Pad: padding_mode {padding_mode!r} is none of {_MODES}")
        self.padding, self.fill, self.padding_mode, self.mask_fill = p * (4 // len(p)), fill, padding_mode, mask_fill

    def _apply(self, x, drawn, mask):
        left, top, right, bottom = self.padding
        if self.padding_mode == "constant":
            return pad(x, *self.padding, self.mask_fill if mask else self.fill)
        width = [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(x, width, self.padding_mode)


class CenterCrop(OnArrays):
    """The middle of the image, padded with zeros where the image is smaller."""

    def __init__(self, size, *, mask_fill: float = 0):
        self.size, self.mask_fill = _pair("CenterCrop", size), mask_fill

    def _apply(self, x, drawn, mask):
        h, w = (max(want - have, 0) for want, have in zip(self.size, x.shape[-2:]))
        if h or w:  # half of it on each side
            x = pad(x, w // 2, h // 2, w - w // 2, h - h // 2, self.mask_fill if mask else 0)
        top, left = (round((have - want) / 2) for have, want in zip(x.shape[-2:], self.size))
        return crop(x, top, left, self.size)


class RandomCrop(OnArrays):
    """A part of the given size at a random place, of the image with `padding` around it."""

    def __init__(
        self, size, padding=None, pad_if_needed: bool = False, fill: float = 0,
        padding_mode: str = "constant", *, mask_fill: float = 0,
    ):  # fmt: skip
        self.size, self.pad_if_needed = _pair("RandomCrop", size), pad_if_needed
        self.pad = Pad(0 if padding is None else padding, fill, padding_mode, mask_fill=mask_fill)

    def _border(self, size) -> Pad:
        """The border of an image of this size."""
        left, top, right, bottom = self.pad.padding
        if self.pad_if_needed:  # on both sides, so that any place of the image can be met
            h, w = (
                max(want - have, 0) for want, have in zip(self.size, (size[0] + top + bottom, size[1] + left + right))
            )
            left, top, right, bottom = left + w, top + h, right + w, bottom + h
        return Pad((left, top, right, bottom), self.pad.fill, self.pad.padding_mode, mask_fill=self.pad.mask_fill)

    def _draw(self, x):
        left, top, right, bottom = self._border(x.shape[-2:]).padding
        H, W = x.shape[-2] + top + bottom, x.shape[-1] + left + right
        if H < self.size[0] or W < self.size[1]:
            raise ValueError(
                f"RandomCrop: the image {x.shape} is smaller than the crop {self.size}; "
                "give padding or pad_if_needed=True"
            )
        return tuple(int(item_rng().integers(have - want + 1)) for have, want in zip((H, W), self.size))

    def _apply(self, x, drawn, mask):
        return crop(self._border(x.shape[-2:])._apply(x, None, mask), *drawn, self.size)


class RandomHorizontalFlip(OnArrays):
    """Left and right changed over, with probability p."""

    axis = -1

    def __init__(self, p: float = 0.5):
        self.p = probability(type(self).__name__, p)

    def _draw(self, x):
        return item_rng().random() < self.p

    def _apply(self, x, drawn, mask):
        return np.flip(x, self.axis) if drawn else x


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom changed over, with probability p."""

    axis = -2


class Resize(OnArrays):
    """Bilinear resampling to (height, width); one number is the size of the shorter side.

    With `antialias` the filter widens with the scale, so that a smaller image is an average.
    """

    def __init__(self, size, antialias: bool = True):
        self.size = size if isinstance(size, numbers.Integral) else _pair("Resize", size)
        if np.min(self.size) <= 0:
            raise ValueError(f"Resize: size must be positive, got {size}")
        self.antialias = antialias

    def _apply(self, x, drawn, mask):
        h, w = x.shape[-2:]
        size = self.size
        if isinstance(size, numbers.Integral):
            size = (size, int(size * w / h)) if h <= w else (int(size * h / w), size)
        return resize(x, size, "nearest" if mask else "bilinear", self.antialias)


def resize(x, size, interpolation: str = "bilinear", antialias: bool = True):
    """An array (..., H, W) resampled to `size`, its dtype kept."""
    if interpolation == "nearest":  # the pixel in which the centre of the new one lies
        row, column = (((np.arange(out) + 0.5) * n / out).astype(int) for n, out in zip(x.shape[-2:], size))
        return x[..., row[:, None], column]
    rows, columns = (_triangles(a, b, antialias) for a, b in zip(x.shape[-2:], size))
    y = rows @ x @ columns.T
    return (y.round() if x.dtype.kind in "iu" else y).astype(x.dtype)


def _triangles(n: int, out: int, antialias: bool) -> np.ndarray:
    """(out, n): weights of the input pixels in each output pixel, triangles that sum to one."""
    scale = n / out
    width = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(out)[:, None] + 0.5) * scale - 0.5
    if not antialias:
        centre = centre.clip(0, n - 1)
    weight = (1 - abs(np.arange(n) - centre) / width).clip(0)
    return weight / weight.sum(1, keepdims=True)


def random_area(H: int, W: int, scale, ratio, fits: Callable) -> tuple | None:
    """(top, left, (h, w)) of a random part whose share of the area and h / w lie in the given ranges.

    None where none of ten tries `fits(h, w)`, as torchvision's.
    """
    rng = item_rng()
    for _ in range(10):
        area = H * W * rng.uniform(*scale)
        shape = math.exp(rng.uniform(*map(math.log, ratio)))
        h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if h > 0 and w > 0 and fits(h, w):
            return int(rng.integers(H - h + 1)), int(rng.integers(W - w + 1)), (h, w)
    return None


class RandomResizedCrop(OnArrays):
    """A random part of the image, resampled to `size` (Szegedy et al. 2015).

    scale, ratio: ranges of its share of the area and of its width over height. Where ten tries find no such part, the
    largest one in the middle whose width over height is in the range.
    """

    def __init__(
        self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation: str = "bilinear",
        antialias: bool = True,
    ):  # fmt: skip
        self.size = _pair("RandomResizedCrop", size)
        for name, (low, high), limit in (("scale", scale, 1), ("ratio", ratio, math.inf)):
            if not 0 < low <= high <= limit:
                raise ValueError(f"RandomResizedCrop: {name} must be a range above 0, got {low, high}")
        known_interpolation("RandomResizedCrop", interpolation)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    def _draw(self, x):
        H, W = x.shape[-2:]
        low, high = self.ratio
        upright = (1 / high, 1 / low)  # `random_area` has height over width
        if (part := random_area(H, W, self.scale, upright, lambda h, w: h <= H and w <= W)) is not None:
            return part
        h, w = min(H, max(1, round(W / low))), min(W, max(1, round(H * high)))
        return (H - h) // 2, (W - w) // 2, (h, w)

    def _apply(self, x, drawn, mask):
        return resize(crop(x, *drawn), self.size, "nearest" if mask else self.interpolation, self.antialias)


def known_interpolation(name: str, interpolation: str) -> None:
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"{name}: interpolation must be nearest or bilinear, got {interpolation!r}")
