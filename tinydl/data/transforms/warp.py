"""Transforms that resample the image under an affine map: rotation, shear, shift, scale."""

from __future__ import annotations

import math
import numbers

import numpy as np

from ..seeding import item_rng
from .base import OnArrays
from .geometry import known_interpolation, pad


def warp(x, inverse, shift=(0.0, 0.0), interpolation: str = "nearest", fill: float = 0) -> np.ndarray:
    """An array (..., H, W) under the map p -> A p + shift, p = (x, y) from its centre; `fill` where nothing was.

    inverse  A^-1, (2, 2)
    """
    H, W = x.shape[-2:]
    v, u = np.mgrid[:H, :W] - np.array([(H - 1) / 2 + shift[1], (W - 1) / 2 + shift[0]])[:, None, None]
    (a, b), (c, d) = inverse
    column = a * u + b * v + (W - 1) / 2  # where each output pixel comes from
    row = c * u + d * v + (H - 1) / 2
    framed = pad(x, 1, 1, 1, 1, fill)

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


def rotate(x, degrees: float, interpolation: str = "nearest", fill: float = 0) -> np.ndarray:
    """An array (..., H, W) turned counter-clockwise about its centre; `fill` where nothing was."""
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return warp(x, ((cos, -sin), (sin, cos)), (0.0, 0.0), interpolation, fill)


def affine(
    x, angle: float, translate, scale: float, shear, interpolation: str = "nearest", fill: float = 0
) -> np.ndarray:
    """An array (..., H, W) sheared, scaled, turned clockwise about its centre, then shifted; `fill` where nothing was.

    angle, shear  degrees; shear is (along x, along y)         translate  pixels (x, y)
    """
    turn, sx, sy = math.radians(angle), *(math.radians(s) for s in shear)
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    sheared = np.array([[1, 0], [-math.tan(sy), 1]]) @ np.array([[1, -math.tan(sx)], [0, 1]])
    return warp(x, np.linalg.inv(scale * turned @ sheared).tolist(), translate, interpolation, fill)


def _span(name: str, degrees) -> tuple[float, float]:
    """A range of angles, or its half."""
    span = (-degrees, degrees) if isinstance(degrees, numbers.Real) else tuple(degrees)
    if len(span) != 2 or span[0] > span[1]:
        raise ValueError(f"{name}: expected a number >= 0 or (low, high), got {degrees}")
    return span


class RandomRotation(OnArrays):
    """Turned counter-clockwise about the centre by an angle from `degrees`, a range or its half."""

    def __init__(self, degrees, interpolation: str = "nearest", fill: float = 0, *, mask_fill: float = 0):
        self.degrees = _span("RandomRotation", degrees)
        known_interpolation("RandomRotation", interpolation)
        self.interpolation, self.fill, self.mask_fill = interpolation, fill, mask_fill

    def _draw(self, x):
        return item_rng().uniform(*self.degrees)

    def _apply(self, x, drawn, mask):
        return rotate(x, drawn, *(("nearest", self.mask_fill) if mask else (self.interpolation, self.fill)))


class RandomAffine(OnArrays):
    """Turned, shifted, scaled and sheared about the centre, each by a random amount.

    degrees    range of the angle, clockwise, or its half
    translate  greatest shift (x, y), as shares of width and height
    scale      range of the factor
    shear      degrees: a number, (low, high) along x, or (low, high, low, high) along x and y
    """

    def __init__(
        self, degrees, translate=None, scale=None, shear=None, interpolation: str = "nearest", fill: float = 0,
        *, mask_fill: float = 0,
    ):  # fmt: skip
        self.degrees = _span("RandomAffine", degrees)
        self.translate = (0.0, 0.0) if translate is None else tuple(translate)
        if len(self.translate) != 2 or not all(0 <= t <= 1 for t in self.translate):
            raise ValueError(f"RandomAffine: translate must be two numbers in 0 ... 1, got {translate}")
        self.scale = (1.0, 1.0) if scale is None else tuple(scale)
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"RandomAffine: scale must be a range above 0, got {scale}")
        if shear is None or isinstance(shear, numbers.Real) or len(shear) == 2:
            self.shear = (*_span("RandomAffine", shear or 0), 0.0, 0.0)
        else:
            self.shear = (*_span("RandomAffine", shear[:2]), *_span("RandomAffine", shear[2:]))
        known_interpolation("RandomAffine", interpolation)
        self.interpolation, self.fill, self.mask_fill = interpolation, fill, mask_fill

    def _draw(self, x):
        """(angle, shift, factor, shear)"""
        rng = item_rng()
        angle = rng.uniform(*self.degrees)
        limits = (share * size for share, size in zip(self.translate, x.shape[:-3:-1]))
        shift = tuple(round(rng.uniform(-limit, limit)) for limit in limits)
        factor = rng.uniform(*self.scale)
        return angle, shift, factor, (rng.uniform(*self.shear[:2]), rng.uniform(*self.shear[2:]))

    def _apply(self, x, drawn, mask):
        return affine(x, *drawn, *(("nearest", self.mask_fill) if mask else (self.interpolation, self.fill)))
