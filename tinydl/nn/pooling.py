"""Pooling: the maximum, mean or norm of windows; and unpooling.  W, H W or D H W are the image."""

from __future__ import annotations

from .layer import Layer, Size


class _Pool(Layer, function=""):
    """Windows that do not overlap unless told so: the stride is the window's size by default."""

    _tuples = 0  # as how many numbers a size is kept, where PyTorch does not keep what was given

    def __post_init__(self):
        super().__post_init__()
        self.stride = self.kernel_size if self.stride is None else self.stride
        if self._tuples:
            for name in ("kernel_size", "stride", "padding"):
                value = getattr(self, name)
                setattr(self, name, (value,) * self._tuples if isinstance(value, int) else value)


class _MaxPool(_Pool, function=""):
    kernel_size: Size
    stride: Size | None = None
    padding: Size = 0
    dilation: Size = 1
    return_indices: bool = False
    ceil_mode: bool = False


_MAX_POOL = "kernel_size stride padding dilation ceil_mode"


class MaxPool1d(_MaxPool, function="max_pool1d", shown=_MAX_POOL):
    """The largest of each window.  (N, C, W) or (C, W) -> (..., W').

    return_indices: also where in the image each was, for MaxUnpool1d.
    """


class MaxPool2d(_MaxPool, function="max_pool2d", shown=_MAX_POOL):
    """The largest of each window.  (N, C, H, W) or (C, H, W) -> (..., H', W'); as MaxPool1d."""


class MaxPool3d(_MaxPool, function="max_pool3d", shown=_MAX_POOL):
    """The largest of each window.  (N, C, D, H, W) or (C, D, H, W) -> (..., D', H', W')."""


class AvgPool1d(_Pool, function="avg_pool1d", shown="kernel_size stride padding"):
    """The mean of each window.  (N, C, W) or (C, W) -> (..., W')."""

    _tuples = 1

    kernel_size: Size
    stride: Size | None = None
    padding: Size = 0
    ceil_mode: bool = False
    count_include_pad: bool = True


class AvgPool2d(AvgPool1d, function="avg_pool2d", shown="kernel_size stride padding"):
    """The mean of each window.  (N, C, H, W) or (C, H, W) -> (..., H', W').

    divisor_override: what to divide the sum by instead of the window's size.
    """

    _tuples = 0

    divisor_override: int | None = None


class AvgPool3d(AvgPool2d, function="avg_pool3d", shown="kernel_size stride padding"):
    """The mean of each window.  (N, C, D, H, W) or (C, D, H, W) -> (..., D', H', W')."""


class LPPool1d(Layer, function="lp_pool1d"):
    """(sum of x ** p over each window) ** (1 / p), p = norm_type.  (N, C, W) -> (N, C, W')."""

    norm_type: float
    kernel_size: Size
    stride: Size | None = None
    ceil_mode: bool = False


class LPPool2d(LPPool1d, function="lp_pool2d"):
    """As LPPool1d.  (N, C, H, W) or (C, H, W) -> (..., H', W')."""


class LPPool3d(LPPool1d, function="lp_pool3d"):
    """As LPPool1d.  (N, C, D, H, W) or (C, D, H, W) -> (..., D', H', W')."""


class AdaptiveAvgPool1d(Layer, function="adaptive_avg_pool1d"):
    """Means of windows so chosen that there are output_size.  (N, C, W) -> (N, C, output_size)."""

    output_size: Size | None


class AdaptiveAvgPool2d(AdaptiveAvgPool1d, function="adaptive_avg_pool2d"):
    """As AdaptiveAvgPool1d.  (N, C, H, W) -> (N, C, *output_size); None keeps a size."""


class AdaptiveAvgPool3d(AdaptiveAvgPool1d, function="adaptive_avg_pool3d"):
    """As AdaptiveAvgPool1d.  (N, C, D, H, W) -> (N, C, *output_size); None keeps a size."""


class AdaptiveMaxPool1d(Layer, function="adaptive_max_pool1d", shown="output_size"):
    """Maxima of windows so chosen that there are output_size.  (N, C, W) -> (N, C, output_size)."""

    output_size: Size | None
    return_indices: bool = False


class AdaptiveMaxPool2d(AdaptiveMaxPool1d, function="adaptive_max_pool2d", shown="output_size"):
    """As AdaptiveMaxPool1d.  (N, C, H, W) -> (N, C, *output_size); None keeps a size."""


class AdaptiveMaxPool3d(AdaptiveMaxPool1d, function="adaptive_max_pool3d", shown="output_size"):
    """As AdaptiveMaxPool1d.  (N, C, D, H, W) -> (N, C, *output_size); None keeps a size."""


class MaxUnpool1d(_Pool, function="max_unpool1d"):
    """Each value back at its place in MaxPool1d's input, 0 elsewhere.  (N, C, W') -> (N, C, W)."""

    _tuples = 1

    kernel_size: Size
    stride: Size | None = None
    padding: Size = 0

    def forward(self, input, indices, output_size=None):
        """input, indices: equal shapes.  output_size: where the windows leave a choice."""
        return super().forward(input, indices, output_size=output_size)


class MaxUnpool2d(MaxUnpool1d, function="max_unpool2d"):
    """As MaxUnpool1d.  (N, C, H', W') -> (N, C, H, W)."""

    _tuples = 2


class MaxUnpool3d(MaxUnpool1d, function="max_unpool3d"):
    """As MaxUnpool1d.  (N, C, D', H', W') -> (N, C, D, H, W)."""

    _tuples = 3
