"""Layers that keep adversarial games going: they let samples be compared with others."""

from __future__ import annotations

import math

from ..ops.creation import empty
from ..ops.joining import cat
from ..tensor import Tensor
from . import init
from .module import Module
from .normalization import _add_affine, _reset_affine
from .parameter import Parameter


class MinibatchDiscrimination(Module):
    """Appends to each sample how close it is to the others of its batch: a generator that collapses gives itself away.

    (N, in_features) -> (N, in_features + out_features): with M = x weight, (N, out_features, kernel_features), what
    is appended is o_ib = mean_j exp(-|M_ib - M_jb|_1), in (0, 1].  (Salimans et al. 2016, section 3.2; the sum that
    stands there grows with the batch, and so far beyond the other features that the discriminator wins at once)
    """

    def __init__(self, in_features: int, out_features: int, kernel_features: int = 5, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features, self.kernel_features = in_features, out_features, kernel_features
        shape = in_features, out_features, kernel_features
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """weight: normal, of variance 1 / in_features."""
        init.normal_(self.weight, std=1 / math.sqrt(self.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) -> (N, in_features + out_features)."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(
                f"MinibatchDiscrimination: expected input (N, {self.in_features}), got {tuple(x.shape)}; flatten it"
            )
        m = (x @ self.weight.flatten(1)).unflatten(1, (self.out_features, self.kernel_features))
        distances = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(3)
        return cat([x, (-distances).exp().mean(0)], 1)

    def extra_repr(self):
        """The sizes."""
        return f"{self.in_features}, {self.out_features}, {self.kernel_features}"


class _VirtualBatchNorm(Module):
    _ndims: int

    def __init__(
        self, num_features: int, reference: int, eps: float = 1e-5, affine: bool = True, device=None, dtype=None
    ):
        super().__init__()
        if reference < 1:
            raise ValueError(f"{type(self).__name__}: reference must be at least 1 sample, got {reference}")
        self.num_features, self.reference, self.eps, self.affine = num_features, reference, eps, affine
        _add_affine(self, (num_features,), affine, affine, device, dtype)

    def reset_parameters(self) -> None:
        """weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, x: Tensor) -> Tensor:
        """(reference + N, C, *) -> same shape; the first `reference` samples are the reference batch."""
        name, R = type(self).__name__, self.reference
        if x.ndim != self._ndims or x.shape[1] != self.num_features:
            raise ValueError(f"{name}: expected {self._ndims}D input of {self.num_features} channels, got {x.shape}")
        if len(x) < R:
            raise ValueError(f"{name}: {len(x)} samples came, of which {R} should be the reference; see nn.Referenced")
        inside, own = list(range(2, x.ndim)), x[R:]
        mean, var = _moments(x[:R], [0, *inside])
        own_mean, own_var = _moments(own, inside) if inside else (own, 0.0)
        share = 1 / (R + 1)
        middle = mean + share * (own_mean - mean)
        spread = share * (own_var + (own_mean - middle).square()) + (1 - share) * (var + (mean - middle).square())
        y = cat([(x[:R] - mean) / (var + self.eps).sqrt(), (own - middle) / (spread + self.eps).sqrt()])
        if not self.affine:
            return y
        shape = 1, -1, *[1] * len(inside)
        return y * self.weight.reshape(shape) + self.bias.reshape(shape)

    def extra_repr(self):
        """The options."""
        return f"{self.num_features}, reference={self.reference}, eps={self.eps}, affine={self.affine}"


def _moments(x, dims):
    return x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)


class VirtualBatchNorm1d(_VirtualBatchNorm):
    """Each feature normalised by a reference batch and the sample itself, whatever else is in the batch.

    (R + N, C) -> same shape: the first R = `reference` samples are the reference batch (see Referenced), normalised
    by its mean and variance; each other sample by those of the reference batch and itself, weighted R : 1.
    (Salimans et al. 2016, section 3.5)
    """

    _ndims = 2


class VirtualBatchNorm2d(_VirtualBatchNorm):
    """Each channel normalised by a reference batch and the image itself, as VirtualBatchNorm1d.

    (R + N, C, H, W) -> same shape.
    """

    _ndims = 4


class Referenced(Module):
    """Runs `module` on a fixed reference batch and the input together, for the VirtualBatchNorm layers within.

    reference: (R, ...), a buffer.  Each sample's output depends on it and on the reference alone.
    """

    def __init__(self, module: Module, reference: Tensor):
        super().__init__()
        self.module = module
        self.register_buffer("reference", reference.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> what `module` makes of it, (N, ...)."""
        return self.module(cat([self.reference, x]))[len(self.reference) :]
