"""The multinomial distribution."""

from __future__ import annotations

import math

from ..ops.creation import arange, ones_like, zeros
from ..ops.elementwise import lgamma, where
from ..tensor import Size, Tensor
from . import constraints
from .categorical import Categorical
from .distribution import Distribution, inside


class Multinomial(Distribution):
    """How often each of K classes comes in `total_count` draws.  probs or logits: (*batch_shape, K)."""

    arg_constraints = Categorical.arg_constraints

    def __init__(self, total_count: int = 1, probs=None, logits=None, validate_args: bool | None = None):
        if not isinstance(total_count, int) or total_count < 0:
            raise NotImplementedError(f"Multinomial: total_count must be one number, at least 0, got {total_count!r}")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    def _given(self):
        return self._categorical._given()

    @property
    def support(self):
        """Counts of sum total_count, or fewer."""
        return constraints.multinomial(self.total_count)

    @property
    def param_shape(self) -> Size:
        """(*batch_shape, K)"""
        return self._categorical.param_shape

    @property
    def probs(self) -> Tensor:
        """Probabilities of the classes."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    def expand(self, batch_shape):
        new = super().expand(batch_shape)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=(), *, generator=None):
        drawn = self._categorical.sample((*sample_shape, self.total_count), generator=generator)
        drawn = drawn.movedim(len(sample_shape), -1)  # (*sample_shape, *batch_shape, total_count)
        ones = ones_like(drawn, dtype=self.probs.dtype)
        counts = zeros(self._extended_shape(sample_shape), dtype=ones.dtype, device=ones.device)
        return counts.scatter_add(-1, drawn, ones)

    def log_prob(self, value):
        self._validate_sample(value)
        logits = self.logits
        powers = where((value == 0) & (logits == -math.inf), 0.0, logits) * value
        return lgamma(value.sum(-1) + 1.0) - lgamma(value + 1.0).sum(-1) + powers.sum(-1)

    def entropy(self):
        n, p = self.total_count, inside(self.probs)
        x = arange(1, n + 1, dtype=p.dtype, device=p.device).reshape(-1, *(1 for _ in p.shape))
        ways = math.lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1)
        binomial = (ways + x * p.log() + (n - x) * (-p).log1p()).exp()  # how likely x of each class are
        return n * self._categorical.entropy() - math.lgamma(n + 1) + (binomial * lgamma(x + 1)).sum((0, -1))
