"""Convolutions and transposed convolutions in 1, 2 and 3 dimensions; windows as columns."""

from __future__ import annotations

import math

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .layer import Layer, Size
from .linear import uniform_bias
from .module import Module
from .parameter import Parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What convolutions share: sizes, checks, parameters."""

    _dims: int
    transposed = False

    def _build(
        self, in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
        groups, bias, padding_mode, device, dtype,
    ):  # fmt: skip
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = self._sizes(kernel_size), self._sizes(stride)
        self.padding = padding if isinstance(padding, str) else self._sizes(padding)
        self.output_padding, self.dilation = self._sizes(output_padding), self._sizes(dilation)
        self.padding_mode = padding_mode
        self._check()
        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        new = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty(shape, **new))
        self.register_parameter("bias", Parameter(empty((out_channels,), **new)) if bias else None)
        self.reset_parameters()

    def _sizes(self, value):
        return (value,) * self._dims if isinstance(value, int) else tuple(value)

    def _check(self):
        name, groups = type(self).__name__, self.groups
        if groups <= 0:
            raise ValueError(f"{name}: groups must be positive, got {groups}")
        for what in ("in_channels", "out_channels"):
            if getattr(self, what) % groups:
                raise ValueError(f"{name}: {what} {getattr(self, what)} does not divide into {groups} groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding must be 'same', 'valid' or numbers, got {self.padding!r}")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding='same' needs stride 1, got {self.stride}")
        if self.padding_mode not in _PADDING_MODES:
            known = ", ".join(_PADDING_MODES)
            raise ValueError(f"{name}: padding_mode must be one of {known}, got {self.padding_mode!r}")

    def reset_parameters(self) -> None:
        """Draw new parameters, uniform in +-1 / sqrt(inputs that an output sees)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        uniform_bias(self.bias, math.prod(self.weight.shape[1:]))

    def extra_repr(self):
        """Channels, window and what differs from the defaults."""
        parts = [f"{self.in_channels}, {self.out_channels}"]
        parts += [f"kernel_size={self.kernel_size}, stride={self.stride}"]
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        parts += [
            f"{name}={getattr(self, name)!r}".replace("'", "")
            for name, value in usual.items()
            if getattr(self, name) != self._sizes(value)
        ]
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_Convolution):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size | str = 0, dilation: Size = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _widths(self):
        """What padding adds before and after each dimension, the last first, as F.pad asks."""
        widths = []
        for i in reversed(range(self._dims)):
            if isinstance(self.padding, str):
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                total = total if self.padding == "same" else 0
                widths += [total // 2, total - total // 2]
            else:
                widths += [self.padding[i]] * 2
        return tuple(widths)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *image) or without N -> (N, out_channels, *out)."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._widths(), self.padding_mode), 0
        convolve = getattr(F, f"conv{self._dims}d")
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """Convolution over sequences.  (N, C, W) or (C, W) -> (..., out_channels, W').

    padding: widths, 'same' or 'valid'; padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
    weight: (out_channels, in_channels / groups, *kernel_size).
    """

    _dims = 1


class Conv2d(_Conv):
    """Convolution over images, as Conv1d.  (N, C, H, W) or (C, H, W) -> (..., H', W')."""

    _dims = 2


class Conv3d(_Conv):
    """Convolution over volumes, as Conv1d.  (N, C, D, H, W) or without N -> (..., D', H', W')."""

    _dims = 3


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size = 0, output_padding: Size = 0, groups: int = 1, bias: bool = True,
        dilation: Size = 1, padding_mode: str = "zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(
                f"{type(self).__name__}: padding must be numbers and padding_mode 'zeros', "
                f"got {padding!r} and {padding_mode!r}"
            )
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input, output_size):
        """What is to be added at the end of each dimension to reach `output_size`."""
        if output_size is None:
            return self.output_padding
        n, image = self._dims, input.shape[-self._dims :]
        sizes = self._sizes(output_size)
        if len(sizes) == input.ndim:
            sizes = sizes[-n:]
        if len(sizes) != n:
            raise ValueError(f"{type(self).__name__}: output_size needs {n} or {input.ndim} numbers, got {sizes}")
        least = [
            (image[i] - 1) * self.stride[i] - 2 * self.padding[i] + self.dilation[i] * (self.kernel_size[i] - 1) + 1
            for i in range(n)
        ]
        extra = tuple(size - low for size, low in zip(sizes, least))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            most = tuple(low + s - 1 for low, s in zip(least, self.stride))
            raise ValueError(
                f"{type(self).__name__}: output_size {sizes} is out of reach; for an input of "
                f"{tuple(image)} it must lie between {tuple(least)} and {most}"
            )
        return extra

    def forward(self, input: Tensor, output_size: Size | None = None) -> Tensor:
        """(N, in_channels, *image) or without N -> (N, out_channels, *out)."""
        extra = self._output_padding(input, output_size)
        convolve = getattr(F, f"conv_transpose{self._dims}d")
        return convolve(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of Conv1d: from its outputs' shape to its inputs'.  (N, C, W) -> (N, C', W').

    output_padding, or output_size of the call, chooses among the sizes that a stride leaves open.
    weight: (in_channels, out_channels / groups, *kernel_size).
    """

    _dims = 1


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of Conv2d, as ConvTranspose1d.  (N, C, H, W) -> (N, C', H', W')."""

    _dims = 2


class ConvTranspose3d(_ConvTranspose):
    """The adjoint of Conv3d, as ConvTranspose1d.  (N, C, D, H, W) -> (N, C', D', H', W')."""

    _dims = 3


class Unfold(Layer, function="unfold"):
    """Each window of the image as a column.  (N, C, H, W) -> (N, C * window, windows)."""

    kernel_size: Size
    dilation: Size = 1
    padding: Size = 0
    stride: Size = 1


class Fold(Layer, function="fold"):
    """The adjoint of Unfold: columns added up.  (N, C * window, windows) -> (N, C, H, W)."""

    output_size: Size
    kernel_size: Size
    dilation: Size = 1
    padding: Size = 0
    stride: Size = 1
