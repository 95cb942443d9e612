"""The exponential distribution."""

from __future__ import annotations

from ..ops.creation import empty
from . import constraints
from .distribution import Distribution, parameters


class Exponential(Distribution):
    """Waiting times for what happens `rate` times in a unit of time."""

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _tensors = ("rate",)

    def __init__(self, rate, validate_args: bool | None = None):
        (self.rate,) = parameters("Exponential", rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.rate.reciprocal()

    stddev = mean

    @property
    def mode(self):
        return self.rate.detach() * 0

    @property
    def variance(self):
        return self.rate.pow(-2)

    def rsample(self, sample_shape=(), *, generator=None):
        shape = self._extended_shape(sample_shape)
        return (
            empty(shape, dtype=self.rate.dtype, device=self.rate.device).exponential_(generator=generator) / self.rate
        )

    def log_prob(self, value):
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        self._validate_sample(value)
        return -(-self.rate * value).expm1()

    def icdf(self, value):
        return -(-value).log1p() / self.rate

    def entropy(self):
        return 1 - self.rate.log()
