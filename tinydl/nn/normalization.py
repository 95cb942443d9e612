"""Normalisation: to mean 0 and variance 1 over the batch, the layer, groups or each image."""

from __future__ import annotations

import warnings

from ..ops.creation import ones, tensor, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .layer import Layer
from .module import Module
from .parameter import Parameter


def _add_affine(module, shape, weight, bias, device, dtype):
    """weight and bias of this shape, or None for one that is not wanted."""
    for name, wanted, make in (("weight", weight, ones), ("bias", bias, zeros)):
        p = Parameter(make(shape, device=device, dtype=dtype)) if wanted else None
        module.register_parameter(name, p)


def _reset_affine(module):
    if module.weight is not None:
        init.ones_(module.weight)
    if getattr(module, "bias", None) is not None:
        init.zeros_(module.bias)


class _ChannelNorm(Module):
    """What batch and instance normalisation share: affine parameters and running statistics."""

    _ndims: tuple[int, ...]  # of the inputs

    def _build(self, num_features, eps, momentum, affine, track_running_stats, device, dtype, bias):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        _add_affine(self, (num_features,), affine, affine and bias, device, dtype)
        new = {"device": device, "dtype": dtype}
        kept = track_running_stats
        self.register_buffer("running_mean", zeros((num_features,), **new) if kept else None)
        self.register_buffer("running_var", ones((num_features,), **new) if kept else None)
        count = tensor(0, dtype="int64", device=device) if kept else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Forget what was seen: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget what was seen and learnt."""
        self.reset_running_stats()
        _reset_affine(self)

    def _check(self, input):
        if input.ndim not in self._ndims:
            wanted = " or ".join(f"{n}D" for n in self._ndims)
            raise ValueError(f"{type(self).__name__}: expected {wanted} input, got shape {tuple(input.shape)}")

    def extra_repr(self):
        """The options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
            f", bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
        affine: bool = True, track_running_stats: bool = True, device=None, dtype=None, *,
        bias: bool = True,
    ):  # fmt: skip
        self._build(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> same shape."""
        self._check(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches
                momentum = 1.0 / self.num_batches_tracked.item()
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        keeps = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if keeps else (None, None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Each feature normalised over the batch.  (N, C) or (N, C, W) -> same shape.

    Outside training by running statistics: running <- running + momentum * (batch's - running);
    momentum None: their plain mean.  (Ioffe and Szegedy 2015)
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel normalised over the batch, as BatchNorm1d.  (N, C, H, W) -> same shape."""

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Each channel normalised over the batch, as BatchNorm1d.  (N, C, D, H, W) -> same shape."""

    _ndims = (5,)


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device=None, dtype=None, *, bias: bool = True,
    ):  # fmt: skip
        self._build(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *image) or (C, *image) -> same shape."""
        self._check(input)
        single = input.ndim == self._ndims[0]
        channels = input.shape[0 if single else 1]
        if channels != self.num_features:
            what = f"{type(self).__name__}: input has {channels} channels, num_features is "
            if self.affine:
                raise ValueError(f"{what}{self.num_features}")
            warnings.warn(f"{what}{self.num_features}, which is not used", stacklevel=4)
        y = F.instance_norm(
            input[None] if single else input, self.running_mean, self.running_var, self.weight,
            self.bias, self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return y[0] if single else y


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample normalised.  (N, C, W) or (C, W) -> same shape.

    (Ulyanov et al. 2016)
    """

    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """As InstanceNorm1d.  (N, C, H, W) or (C, H, W) -> same shape."""

    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """As InstanceNorm1d.  (N, C, D, H, W) or (C, D, H, W) -> same shape."""

    _ndims = (4, 5)


class GroupNorm(Module):
    """Groups of channels of each sample normalised.  (N, C, *) -> same shape.  (Wu and He 2018)

    ValueError if num_channels does not divide into num_groups.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        device=None, dtype=None, *, bias: bool = True,
    ):  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels do not divide into {num_groups} groups")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        _add_affine(self, (num_channels,), affine, affine and bias, device, dtype)

    def reset_parameters(self) -> None:
        """weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) -> same shape."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        """The options."""
        sizes = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{sizes}, bias={self.bias is not None}"


class LayerNorm(Module):
    """The last dimensions, normalized_shape, normalised together.  (*, *normalized_shape) -> same.

    (Ba et al. 2016)
    """

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5,
        elementwise_affine: bool = True, bias: bool = True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        wanted = elementwise_affine, elementwise_affine and bias
        _add_affine(self, self.normalized_shape, *wanted, device, dtype)

    def reset_parameters(self) -> None:
        """weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        """(*, *normalized_shape) -> same shape."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        """The options."""
        options = f"eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, {options}, bias={self.bias is not None}"


class RMSNorm(Module):
    """The last dimensions divided by their root mean square.  (*, *normalized_shape) -> same.

    eps None: that of the input's dtype.  (Zhang and Sennrich 2019)
    """

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float | None = None,
        elementwise_affine: bool = True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = ones(self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter("weight", Parameter(weight) if elementwise_affine else None)

    def reset_parameters(self) -> None:
        """weight 1."""
        _reset_affine(self)

    def forward(self, x: Tensor) -> Tensor:
        """(*, *normalized_shape) -> same shape."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        """The options."""
        options = f"eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, {options}"


def _as_shape(shape):
    return (shape,) if isinstance(shape, int) else tuple(shape)


class LocalResponseNorm(Layer, function="local_response_norm", shown="*size alpha beta k"):
    """Each element divided by a norm of its neighbours in `size` channels.  (N, C, *) -> same.

    (Krizhevsky et al. 2012)
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
