"""The Bernoulli distribution."""

from __future__ import annotations

from ..autograd import no_grad
from ..ops.creation import arange
from ..ops.elementwise import where
from ..ops.losses import binary_cross_entropy_with_logits
from ..ops.random import bernoulli
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution, inside, one_of, parameters


class Bernoulli(Distribution):
    """1 with probability `probs` (or sigmoid(logits)), else 0.  One of the two must be given."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _tensors = ("_param",)

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        self._name = one_of("Bernoulli", probs, logits)
        (self._param,) = parameters("Bernoulli", logits if probs is None else probs)
        super().__init__(self._param.shape, validate_args=validate_args)

    def _given(self):
        return [self._name]

    @property
    def probs(self) -> Tensor:
        """Probabilities of 1."""
        return self._param if self._name == "probs" else self._param.sigmoid()

    @property
    def logits(self) -> Tensor:
        """log(probs / (1 - probs)), finite."""
        if self._name == "logits":
            return self._param
        p = inside(self._param)
        return p.log() - (-p).log1p()

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        p = self.probs.detach()
        return where(p == 0.5, float("nan"), (p > 0.5).to(p.dtype))

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=(), *, generator=None):
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)), generator=generator)

    def log_prob(self, value):
        self._validate_sample(value)
        return -self._cross_entropy(value)

    def entropy(self):
        return self._cross_entropy(self.probs)

    def _cross_entropy(self, value):
        logits = self.logits
        logits, value = (logits + 0 * value, value + 0 * logits) if value.shape != logits.shape else (logits, value)
        return binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")

    def enumerate_support(self, expand=True):
        values = arange(2, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape(2, *(1 for _ in self._batch_shape))
        return values.expand((2, *self._batch_shape)) if expand else values
