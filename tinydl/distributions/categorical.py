"""The categorical distribution."""

from __future__ import annotations

import math

from .. import dtype as dtypes
from ..autograd import no_grad
from ..ops.activation import softmax
from ..ops.creation import arange
from ..ops.random import multinomial
from ..ops.reduce import logsumexp
from ..ops.shape import broadcast_shapes
from ..tensor import Size, Tensor
from . import constraints
from .distribution import Distribution, inside, one_of, parameters


class Categorical(Distribution):
    """One of K classes, by number.  probs (need not add up to 1) or logits: (*batch_shape, K)."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _tensors = ("_param",)

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        self._name = one_of("Categorical", probs, logits)
        (given,) = parameters("Categorical", logits if probs is None else probs)
        if given.ndim < 1:
            raise ValueError(f"Categorical: {self._name} must have a dimension of classes, got a 0-d tensor")
        if probs is None:
            self._param = given - logsumexp(given, -1, keepdim=True)
        else:
            self._param = given / given.sum(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def _given(self):
        return [self._name]

    @property
    def support(self):
        """The numbers of classes."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Size:
        """(*batch_shape, K)"""
        return self._param.shape

    @property
    def probs(self) -> Tensor:
        """Probabilities of the classes."""
        return self._param if self._name == "probs" else softmax(self._param, -1)

    @property
    def logits(self) -> Tensor:
        """Their logarithms; if made from probs, finite."""
        return self._param if self._name == "logits" else inside(self._param).log()

    @property
    def mean(self):
        return self._param[..., 0].detach() * 0 + math.nan

    variance = mean

    @property
    def mode(self):
        return self._param.argmax(-1)

    def sample(self, sample_shape=(), *, generator=None):
        count = Size(sample_shape).numel()
        with no_grad():
            drawn = multinomial(self.probs.reshape(-1, self._num_events), count, True, generator=generator)
            return drawn.transpose(0, 1).reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        self._validate_sample(value)
        shape = broadcast_shapes(value.shape, self._batch_shape)
        logits = self.logits.expand((*shape, self._num_events))
        return logits.gather(-1, value.to(dtypes.int64).expand(shape).unsqueeze(-1)).squeeze(-1)

    def entropy(self):
        lowest = float(dtypes.finfo(self._param.dtype).min)
        return -(self.logits.clamp(min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        values = arange(self._num_events, device=self._param.device)
        values = values.reshape(-1, *(1 for _ in self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
