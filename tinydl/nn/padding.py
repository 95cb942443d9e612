"""Padding: with a constant, by reflection, by repeating the edge, or from the other side."""

from __future__ import annotations

from . import functional as F
from .layer import Layer, Size


class _Pad(Layer, function=""):
    """padding: a width for all sides, or one for each: (left, right, top, bottom, front, back)."""

    _dims, _mode = 1, "constant"
    padding: Size

    def __post_init__(self):
        sides, given = 2 * self._dims, self.padding
        self.padding = (given,) * sides if isinstance(given, int) else tuple(given)
        if len(self.padding) != sides:
            raise ValueError(f"{type(self).__name__}: padding needs {sides} widths, got {given}")

    def forward(self, input):
        """(N, C, *image) or (C, *image) -> the padded image."""
        if self._mode != "constant" and input.ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"{type(self).__name__}: expected {self._dims + 1} or {self._dims + 2} dimensions, "
                f"got shape {tuple(input.shape)}"
            )
        value = getattr(self, "value", 0.0)
        return F.pad(input, self.padding, self._mode, value)


class _ConstantPad(_Pad, function=""):
    value: float


class ConstantPad1d(_ConstantPad, function="pad"):
    """The constant `value` around a sequence.  (N, C, W) or without N."""


class ConstantPad2d(_ConstantPad, function="pad"):
    """The constant `value` around an image.  (N, C, H, W) or without N."""

    _dims = 2


class ConstantPad3d(_ConstantPad, function="pad"):
    """The constant `value` around a volume.  (N, C, D, H, W) or without N."""

    _dims = 3


class ZeroPad1d(_Pad, function="pad", shown="*padding"):
    """Zeros around a sequence.  (N, C, W) or without N."""


class ZeroPad2d(_Pad, function="pad", shown="*padding"):
    """Zeros around an image.  (N, C, H, W) or without N."""

    _dims = 2


class ZeroPad3d(_Pad, function="pad", shown="*padding"):
    """Zeros around a volume.  (N, C, D, H, W) or without N."""

    _dims = 3


class ReflectionPad1d(_Pad, function="pad", shown="*padding"):
    """A sequence reflected at its edges, which are not repeated.  (N, C, W) or without N."""

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad, function="pad", shown="*padding"):
    """An image reflected at its edges, which are not repeated.  (N, C, H, W) or without N."""

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad, function="pad", shown="*padding"):
    """A volume reflected at its edges, which are not repeated.  (N, C, D, H, W) or without N."""

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad, function="pad", shown="*padding"):
    """A sequence's edges repeated.  (N, C, W) or without N."""

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad, function="pad", shown="*padding"):
    """An image's edges repeated.  (N, C, H, W) or without N."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad, function="pad", shown="*padding"):
    """A volume's edges repeated.  (N, C, D, H, W) or without N."""

    _dims, _mode = 3, "replicate"


class CircularPad1d(_Pad, function="pad", shown="*padding"):
    """A sequence continued from its other side.  (N, C, W) or without N."""

    _dims, _mode = 1, "circular"


class CircularPad2d(_Pad, function="pad", shown="*padding"):
    """An image continued from its other side.  (N, C, H, W) or without N."""

    _dims, _mode = 2, "circular"


class CircularPad3d(_Pad, function="pad", shown="*padding"):
    """A volume continued from its other side.  (N, C, D, H, W) or without N."""

    _dims, _mode = 3, "circular"
