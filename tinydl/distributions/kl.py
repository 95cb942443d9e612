"""Kullback and Leibler's divergence between two distributions of one family."""

from __future__ import annotations

from collections.abc import Callable

from ..ops.activation import logsigmoid
from ..ops.elementwise import where
from ..tensor import Tensor
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution, sum_rightmost
from .exponential import Exponential
from .independent import Independent
from .multinomial import Multinomial
from .normal import Normal
from .uniform import Uniform

INFINITE = float("inf")
_DIVERGENCES: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """Declare the decorated function of (p, q) to be the divergence of these families and their subclasses."""

    def declare(function):
        _DIVERGENCES[type_p, type_q] = function
        return function

    return declare


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), the mean of log(p / q) under p, of shape batch_shape.

    NotImplementedError for families that no function was registered for.
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            if (kind_p, kind_q) in _DIVERGENCES:
                return _DIVERGENCES[kind_p, kind_q](p, q)
    raise NotImplementedError(
        f"kl_divergence: not known for {type(p).__name__} and {type(q).__name__}; give it by register_kl"
    )


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale).square()
    return (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log()) / 2


def _weighed(p, q, log_ratio):
    """p * log_ratio, log_ratio being log(p / q), in the limit where p or q is 0."""
    return where(p == 0, 0.0, where(q == 0, INFINITE, p * log_ratio))


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    ones = _weighed(p.probs, q.probs, logsigmoid(p.logits) - logsigmoid(q.logits))
    return ones + _weighed(1 - p.probs, 1 - q.probs, logsigmoid(-p.logits) - logsigmoid(-q.logits))


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    return _weighed(p.probs, q.probs, p.logits - q.logits).sum(-1)


@register_kl(Multinomial, Multinomial)
def _multinomial(p, q):
    if p.total_count != q.total_count:
        raise ValueError(f"kl_divergence: multinomials of {p.total_count} and {q.total_count} draws differ in support")
    return p.total_count * _categorical(p._categorical, q._categorical)


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), INFINITE, result)


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: Independents of different reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
