"""The uniform distribution."""

from __future__ import annotations

from ..dtype import float32, is_narrow
from ..ops.elementwise import where
from ..ops.random import rand
from . import constraints
from .distribution import Distribution, parameters


class Uniform(Distribution):
    """Uniform from `low` to `high`, tensors that broadcast, or numbers.  ValueError unless low < high."""

    arg_constraints = {"low": constraints.real, "high": constraints.real}
    has_rsample = True
    _tensors = ("low", "high")

    def __init__(self, low, high, validate_args: bool | None = None):
        self.low, self.high = parameters("Uniform", low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not (self.low < self.high).all().item():
            raise ValueError(f"Uniform: low must lie below high, got low {self.low} and high {self.high}")

    @property
    def support(self):
        """From low to high."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self):
        return (self.high + self.low) / 2

    @property
    def mode(self):
        return self.low * float("nan")

    @property
    def variance(self):
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape=(), *, generator=None):
        shape = self._extended_shape(sample_shape)
        narrow = is_narrow(self.low.dtype)  # their own numbers are coarse, and may be rounded to `high`
        dtype = float32 if narrow else self.low.dtype
        share = rand(shape, generator=generator, dtype=dtype, device=self.low.device)
        drawn = (self.low + share * (self.high - self.low)).to(self.low.dtype)
        return where(drawn < self.high, drawn, self.low) if narrow else drawn

    def log_prob(self, value):
        self._validate_sample(value)
        inside = (self.low <= value) & (value < self.high)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value):
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def entropy(self):
        return (self.high - self.low).log()
