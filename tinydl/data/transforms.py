"""Transforms of images: (C, H, W), or any leading dimensions, as tensor or NumPy array.

What comes in goes out: a tensor for a tensor, an array for an array, the dtype kept. Random ones
draw from `item_rng()`: inside a DataLoader an item's randomness is fixed by (seed, epoch, index).
Names, arguments and defaults are torchvision's.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence

import numpy as np

from ..tensor import Tensor
from .seeding import item_rng

_MODES = ("constant", "edge", "reflect", "symmetric")  # torchvision's names are NumPy's


class Compose:
    """The given transforms, one after another."""

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = list(transforms)

    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class Lambda:
    """Any function of one argument as a transform."""

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, x):
        return self.lambd(x)


class ToTensor:
    """Image (H, W) or (H, W, C), array or PIL -> tensor (C, H, W); uint8 as float32 in [0, 1]."""

    def __call__(self, image) -> Tensor:
        x = np.asarray(image)
        if x.ndim not in (2, 3):
            raise ValueError(
                f"ToTensor: expected an image (H, W) or (H, W, C), got shape {x.shape}"
            )
        x = np.array(x[None] if x.ndim == 2 else x.transpose(2, 0, 1), order="C")
        return Tensor(x / np.float32(255) if x.dtype == np.uint8 else x)


class _OnArrays:
    """A transform of arrays, `_apply`, that also takes tensors."""

    def __call__(self, x):
        array = x.array if isinstance(x, Tensor) else np.asarray(x)
        if array.ndim < 2:
            raise ValueError(
                f"{type(self).__name__}: expected an image (C, H, W), got shape {array.shape}"
            )
        y = self._apply(array)
        return Tensor(y) if isinstance(x, Tensor) else y

    def _apply(self, x):
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


def _pair(name: str, size) -> tuple[int, int]:
    """A size (height, width); one number is both."""
    pair = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or any(s <= 0 for s in pair):
        raise ValueError(f"{name}: size must be a positive number or (height, width), got {size}")
    return pair


def _probability(name: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must lie in 0 ... 1, got {p}")
    return p


class Normalize(_OnArrays):
    """(x - mean) / std, for each channel.  x: (..., C, H, W), floating."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        self.mean, self.std = np.atleast_1d(mean), np.atleast_1d(std)
        if (self.std == 0).any():
            raise ValueError(f"Normalize: std must not be 0, got {std}")

    def _apply(self, x):
        if x.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floating-point numbers, got {x.dtype}")
        if x.ndim < 3 or {len(self.mean), len(self.std)} - {1, x.shape[-3]}:
            raise ValueError(
                f"Normalize: {len(self.mean)} means and {len(self.std)} stds do not fit "
                f"an image (C, H, W) of shape {x.shape}"
            )
        mean, std = (v.astype(x.dtype)[:, None, None] for v in (self.mean, self.std))
        return (x - mean) / std


class Pad(_OnArrays):
    """A border: `padding` is one number, (x, y) or (left, top, right, bottom), as torchvision's."""

    def __init__(self, padding, fill: float = 0, padding_mode: str = "constant"):
        p = (padding,) if isinstance(padding, numbers.Integral) else tuple(padding)
        if len(p) not in (1, 2, 4) or any(v < 0 for v in p):
            raise ValueError(f"Pad: padding must be 1, 2 or 4 numbers >= 0, got {padding}")
        if padding_mode not in _MODES:
            raise ValueError(f"Pad: padding_mode {padding_mode!r} is none of {_MODES}")
        self.padding, self.fill, self.padding_mode = p * (4 // len(p)), fill, padding_mode

    def _apply(self, x):
        left, top, right, bottom = self.padding
        if self.padding_mode == "constant":  # np.pad would take five times as long on small images
            H, W = x.shape[-2:]
            y = np.full((*x.shape[:-2], top + H + bottom, left + W + right), self.fill, x.dtype)
            _crop(y, top, left, (H, W))[...] = x
            return y
        width = [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(x, width, self.padding_mode)


def _pad_to(x, size):
    """x with a border of zeros as far as it is smaller than `size`, half of it on each side."""
    h, w = (max(want - have, 0) for want, have in zip(size, x.shape[-2:]))
    if not (h or w):
        return x
    return Pad((w // 2, h // 2, w - w // 2, h - h // 2))._apply(x)


def _crop(x, top: int, left: int, size):
    return x[..., top : top + size[0], left : left + size[1]]


class CenterCrop(_OnArrays):
    """The middle of the image, padded with zeros where the image is smaller."""

    def __init__(self, size):
        self.size = _pair("CenterCrop", size)

    def _apply(self, x):
        x = _pad_to(x, self.size)
        top, left = (round((have - want) / 2) for have, want in zip(x.shape[-2:], self.size))
        return _crop(x, top, left, self.size)


class RandomCrop(_OnArrays):
    """A part of the given size at a random place, of the image with `padding` around it."""

    def __init__(
        self, size, padding=None, pad_if_needed: bool = False, fill: float = 0,
        padding_mode: str = "constant",
    ):  # fmt: skip
        self.size = _pair("RandomCrop", size)
        self.pad = None if padding is None else Pad(padding, fill, padding_mode)
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode

    def _apply(self, x):
        x = x if self.pad is None else self.pad._apply(x)
        if self.pad_if_needed:  # on both sides, so that any place of the image can be met
            h, w = (max(want - have, 0) for want, have in zip(self.size, x.shape[-2:]))
            x = Pad((w, h), self.fill, self.padding_mode)._apply(x)
        room = [have - want for have, want in zip(x.shape[-2:], self.size)]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: the image {x.shape} is smaller than the crop {self.size}; "
                "give padding or pad_if_needed=True"
            )
        top, left = (int(item_rng().integers(r + 1)) for r in room)
        return _crop(x, top, left, self.size)


class RandomHorizontalFlip(_OnArrays):
    """Left and right changed over, with probability p."""

    axis = -1

    def __init__(self, p: float = 0.5):
        self.p = _probability(type(self).__name__, p)

    def _apply(self, x):
        return np.flip(x, self.axis) if item_rng().random() < self.p else x


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom changed over, with probability p."""

    axis = -2


class Resize(_OnArrays):
    """Bilinear resampling to (height, width); one number is the size of the shorter side.

    With `antialias` the filter widens with the scale, so that a smaller image is an average.
    """

    def __init__(self, size, antialias: bool = True):
        self.size = size if isinstance(size, numbers.Integral) else _pair("Resize", size)
        if np.min(self.size) <= 0:
            raise ValueError(f"Resize: size must be positive, got {size}")
        self.antialias = antialias

    def _apply(self, x):
        h, w = x.shape[-2:]
        size = self.size
        if isinstance(size, numbers.Integral):
            size = (size, int(size * w / h)) if h <= w else (int(size * h / w), size)
        rows, columns = (_triangles(a, b, self.antialias) for a, b in zip((h, w), size))
        y = rows @ x @ columns.T
        if x.dtype.kind in "iu":
            y = y.round()
        return y.astype(x.dtype)


def _triangles(n: int, out: int, antialias: bool) -> np.ndarray:
    """(out, n): weights of the input pixels in each output pixel, triangles that sum to one."""
    scale = n / out
    width = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(out)[:, None] + 0.5) * scale - 0.5
    if not antialias:
        centre = centre.clip(0, n - 1)
    weight = (1 - abs(np.arange(n) - centre) / width).clip(0)
    return weight / weight.sum(1, keepdims=True)


class RandomRotation(_OnArrays):
    """Turned counter-clockwise about the centre by an angle from `degrees`, a range or its half."""

    def __init__(self, degrees, interpolation: str = "nearest", fill: float = 0):
        span = (-degrees, degrees) if isinstance(degrees, numbers.Real) else tuple(degrees)
        if len(span) != 2 or span[0] > span[1]:
            raise ValueError(
                f"RandomRotation: expected a number >= 0 or (low, high), got {degrees}"
            )
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f"RandomRotation: interpolation must be nearest or bilinear, got {interpolation!r}"
            )
        self.degrees, self.interpolation, self.fill = span, interpolation, fill

    def _apply(self, x):
        return rotate(x, item_rng().uniform(*self.degrees), self.interpolation, self.fill)


def rotate(x, degrees: float, interpolation: str = "nearest", fill: float = 0) -> np.ndarray:
    """An array (..., H, W) turned counter-clockwise about its centre; `fill` where nothing was."""
    H, W = x.shape[-2:]
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    v, u = np.mgrid[:H, :W] - np.array([(H - 1) / 2, (W - 1) / 2])[:, None, None]
    row = (u * sin + v * cos) + (H - 1) / 2  # where each output pixel comes from
    column = (u * cos - v * sin) + (W - 1) / 2
    framed = Pad(1, fill)._apply(x)

    def pixel(i, j):
        return framed[..., (i + 1).clip(0, H + 1), (j + 1).clip(0, W + 1)]

    if interpolation == "nearest":
        # Rounded first: a quarter turn meets pixels half-way, give or take the error of its sine.
        return pixel(*(np.floor(p.round(9) + 0.5).astype(int) for p in (row, column)))
    i, j = np.floor(row).astype(int), np.floor(column).astype(int)
    a, b = row - i, column - j
    y = (1 - a) * ((1 - b) * pixel(i, j) + b * pixel(i, j + 1))
    y += a * ((1 - b) * pixel(i + 1, j) + b * pixel(i + 1, j + 1))
    return (y.round() if x.dtype.kind in "iu" else y).astype(x.dtype)


class RandomErasing(_OnArrays):
    """With probability p, a rectangle replaced by `value` or 'random' noise (Zhong et al. 2017).

    scale, ratio: ranges of its share of the area and of its height over width.
    """

    def __init__(self, p: float = 0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        self.p = _probability("RandomErasing", p)
        for name, (low, high), limit in (("scale", scale, 1), ("ratio", ratio, math.inf)):
            if not 0 < low <= high <= limit:
                raise ValueError(f"RandomErasing: {name} must be a range above 0, got {low, high}")
        self.scale, self.ratio, self.value = scale, ratio, value

    def _apply(self, x):
        rng = item_rng()
        if rng.random() >= self.p:
            return x
        H, W = x.shape[-2:]
        for _ in range(10):  # as torchvision: where none of ten fits, nothing is erased
            area = H * W * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(*map(math.log, self.ratio)))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < h < H and 0 < w < W:
                break
        else:
            return x
        x = x.copy()
        spot = _crop(x, int(rng.integers(H - h + 1)), int(rng.integers(W - w + 1)), (h, w))
        if isinstance(self.value, str):
            spot[...] = rng.standard_normal(spot.shape)
        else:
            value = np.asarray(self.value)
            spot[...] = value[:, None, None] if value.ndim else value
        return x
