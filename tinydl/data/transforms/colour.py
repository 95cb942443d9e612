"""Transforms that change values and leave every pixel where it is."""

from __future__ import annotations

import math
import numbers

import numpy as np

from ...dtype import is_floating
from ..seeding import item_rng
from .base import OnArrays, probability
from .geometry import crop, random_area


def _luma(x):
    """Brightness of an RGB image (..., 3, H, W) -> (..., 1, H, W), floating (ITU-R BT.601)."""
    return 0.2989 * x[..., :1, :, :] + 0.587 * x[..., 1:2, :, :] + 0.114 * x[..., 2:, :, :]


def _coloured(name: str, x) -> None:
    if x.ndim < 3 or x.shape[-3] != 3:
        raise ValueError(f"{name}: expected an image (3, H, W), red, green and blue, got shape {x.shape}")


def _as(dtype, y):
    return (y.round() if dtype.kind in "iu" else y).astype(dtype)


class Grayscale(OnArrays):
    """Brightness alone, in one channel or the same in three.  x: (..., 3, H, W)."""

    moves = False

    def __init__(self, num_output_channels: int = 1):
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
        self.num_output_channels = num_output_channels

    def _apply(self, x, drawn, mask):
        _coloured("Grayscale", x)
        return np.repeat(_as(x.dtype, _luma(x)), self.num_output_channels, -3)


def _scale(x, factor, base, top):
    """Away from `base` (factor > 1) or towards it (factor < 1), within 0 ... top."""
    return (factor * x + (1 - factor) * base).clip(0, top)


def _turn_hue(x, turn, top):
    """Hue turned by `turn` of a full circle, saturation and value kept (Smith 1978, the HSV hexcone)."""
    high, low = x.max(-3, keepdims=True), x.min(-3, keepdims=True)
    chroma = high - low
    r, g, b = (x[..., i : i + 1, :, :] for i in range(3))
    away = np.where(chroma == 0, 1, chroma)  # grey has no hue, and keeps its colour with any
    hue = np.select([high == r, high == g], [(g - b) / away, 2 + (b - r) / away], 4 + (r - g) / away) + 6 * turn
    sector = (np.array([5, 3, 1])[:, None, None] + hue) % 6
    return high - chroma * np.minimum(sector, 4 - sector).clip(0, 1)


class ColorJitter(OnArrays):
    """Brightness, contrast, saturation and hue changed at random, in random order.  x: (..., 3, H, W).

    brightness, contrast, saturation  a number v, for factors from max(0, 1 - v) ... 1 + v, or (low, high)
    hue     a number v <= 0.5, for turns of -v ... v of the circle of colours, or (low, high)
    Floating images have values from 0 to 1, others from 0 to 255. Grey images (1, H, W) allow brightness and contrast.
    """

    moves = False

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        self.brightness = self._range("brightness", brightness)
        self.contrast = self._range("contrast", contrast)
        self.saturation = self._range("saturation", saturation)
        self.hue = self._range("hue", hue, 0, (-0.5, 0.5))

    @staticmethod
    def _range(name, value, centre=1, limits=(0, math.inf)):
        """(low, high), or None where nothing is to be changed."""
        if isinstance(value, numbers.Real):
            span = (max(centre - value, limits[0]) if centre else -value, centre + value)
        else:
            span = tuple(value)
        if len(span) != 2 or not limits[0] <= span[0] <= span[1] <= limits[1]:
            raise ValueError(f"ColorJitter: {name} must be a number >= 0 or a range in {limits}, got {value}")
        return None if span == (centre, centre) else span

    def _draw(self, x):
        """[(what, factor)] in the order in which they are applied."""
        rng = item_rng()
        spans = [(n, getattr(self, n)) for n in ("brightness", "contrast", "saturation", "hue")]
        drawn = [(name, rng.uniform(*span)) for name, span in spans if span]
        return [drawn[i] for i in rng.permutation(len(drawn))]

    def _apply(self, x, drawn, mask):
        if x.ndim < 3 or x.shape[-3] != 1 or self.saturation or self.hue:
            _coloured("ColorJitter", x)
        top = 1 if is_floating(x.dtype) else 255
        y = x.astype(np.result_type(x.dtype, np.float32)) if is_floating(x.dtype) else x.astype(np.float32)
        for name, factor in drawn:
            grey = y if y.shape[-3] == 1 else _luma(y)
            if name == "brightness":
                y = _scale(y, factor, 0, top)
            elif name == "contrast":
                y = _scale(y, factor, grey.mean((-3, -2, -1), keepdims=True), top)
            elif name == "saturation":
                y = _scale(y, factor, grey, top)
            else:
                y = _turn_hue(y, factor, top)
        return _as(x.dtype, y)


class RandomErasing(OnArrays):
    """With probability p, a rectangle replaced by `value` or 'random' noise (Zhong et al. 2017).

    scale, ratio: ranges of its share of the area and of its height over width.
    """

    moves = False

    def __init__(self, p: float = 0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        self.p = probability("RandomErasing", p)
        for name, (low, high), limit in (("scale", scale, 1), ("ratio", ratio, math.inf)):
            if not 0 < low <= high <= limit:
                raise ValueError(f"RandomErasing: {name} must be a range above 0, got {low, high}")
        self.scale, self.ratio, self.value = scale, ratio, value

    def _draw(self, x):
        """(top, left, size) of the rectangle, or None."""
        if item_rng().random() >= self.p:
            return None
        H, W = x.shape[-2:]
        return random_area(H, W, self.scale, self.ratio, lambda h, w: h < H and w < W)

    def _apply(self, x, drawn, mask):
        if drawn is None:
            return x
        x = x.copy()
        spot = crop(x, *drawn)
        if isinstance(self.value, str):
            spot[...] = item_rng().standard_normal(spot.shape)
        else:
            value = np.asarray(self.value)
            spot[...] = value[:, None, None] if value.ndim else value
        return x
