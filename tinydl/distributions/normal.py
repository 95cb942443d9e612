"""The normal distribution."""

from __future__ import annotations

import math

from ..ops.elementwise import erf, erfinv
from ..ops.random import randn
from . import constraints
from .distribution import Distribution, parameters


class Normal(Distribution):
    """Normal of mean `loc` and standard deviation `scale`: tensors that broadcast, or numbers."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _tensors = ("loc", "scale")

    def __init__(self, loc, scale, validate_args: bool | None = None):
        self.loc, self.scale = parameters("Normal", loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.loc

    mode = mean

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale.square()

    def rsample(self, sample_shape=(), *, generator=None):
        shape = self._extended_shape(sample_shape)
        noise = randn(shape, generator=generator, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + noise * self.scale

    def log_prob(self, value):
        self._validate_sample(value)
        return -((value - self.loc) / self.scale).square() / 2 - self.scale.log() - math.log(2 * math.pi) / 2

    def cdf(self, value):
        self._validate_sample(value)
        return (1 + erf((value - self.loc) / (self.scale * math.sqrt(2)))) / 2

    def icdf(self, value):
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        return self.scale.log() + (1 + math.log(2 * math.pi)) / 2
