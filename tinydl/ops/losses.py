"""Losses of predictions element by element: regression, likelihoods, binary classification.

Each takes `reduction`: 'mean', 'sum' or 'none' (one value an element), and PyTorch's old
size_average and reduce.
"""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Iterable

from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from ..autograd.fused import fused
from ..autograd.mode import no_grad
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from .activation import log_sigmoid
from .elementwise import abs, clamp, clamp_min, exp, log, where, xlogy


# ---------------------------------------------------------------- what the losses share
def reduction_of(name, reduction, size_average=None, reduce=None, also=()):
    """The reduction that is meant; ValueError for an unknown one."""
    if size_average is not None or reduce is not None:
        if reduce is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum", *also):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def reduced(loss, reduction):
    """The losses of all elements brought together."""
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def _warn_of_shapes(name, input, target):
    if input.shape != target.shape:
        warnings.warn(
            f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} differ in shape "
            "and are broadcast; "
            "this is rarely meant",
            stacklevel=3,
        )


def _same_shape(name, input, target, error=ValueError):
    if input.shape != target.shape:
        raise error(f"{name}: target must have the shape of input {tuple(input.shape)}, got {tuple(target.shape)}")


def _refuse(name, wrong, what):
    """RuntimeError where an element is wrong; a GPU is not waited for to look."""
    if wrong.device.type == "cpu" and wrong.any().item():
        raise RuntimeError(f"{name}: {what}")


def _weighted(name, loss, weight, reduction, divide_by_weight):
    """Reduce `loss`, each element times its weight; the weights may divide the sum, too."""
    if weight is None:
        return reduced(loss, reduction)
    _same_shape(name, loss, weight)
    if reduction == "mean" and divide_by_weight:
        return (loss * weight).sum() / weight.sum()
    return reduced(loss * weight, reduction)


# ---------------------------------------------------------------- regression
@listed
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2.  Equal shapes, of weight too."""
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    _warn_of_shapes("mse_loss", input, target)
    d = input - target
    return _weighted("mse_loss", d * d, weight, reduction, True)


@listed
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|.  Equal shapes, of weight too."""
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    _warn_of_shapes("l1_loss", input, target)
    return _weighted("l1_loss", abs(input - target), weight, reduction, True)


def mbe_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """input - target: the mean bias error, near 0 also where errors of both signs cancel.  Equal shapes."""
    reduction = reduction_of("mbe_loss", reduction)
    _warn_of_shapes("mbe_loss", input, target)
    return reduced(input - target, reduction)


@listed
@rounded_once
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; d = input - target (Girshick 2015)."""
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    _warn_of_shapes("smooth_l1_loss", input, target)
    loss = reduced(huber_(input, target, beta), reduction)
    return loss if beta == 1 else loss / beta


@listed
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); d = input - target (Huber 1964)."""
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta must be positive, got {delta}")
    reduction = reduction_of("huber_loss", reduction)
    _warn_of_shapes("huber_loss", input, target)
    return _weighted("huber_loss", huber_(input, target, delta), weight, reduction, False)


@fused
def huber_(x: Array, target: Array, delta):
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); d = x - target."""
    d = x - target
    held = clamp(d, -delta, delta)
    return held * (d - 0.5 * held)


# ---------------------------------------------------------------- likelihoods
@listed
@rounded_once
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-log P(target) for Poisson's distribution of mean exp(input), or input (log_input=False).

    full: with Stirling's approximation of log(target!), which does not depend on input.
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    if log_input:
        loss = exp(input) - target * input
    else:
        loss = input - target * log(input + eps)
    if full:
        n = where(target > 1, target, 1)
        stirling = n * log(n) - n + 0.5 * log(2 * math.pi * n)
        loss = loss + where(target > 1, stirling, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """-log p(target), normally distributed with mean input and variance max(var, eps) (Nix 1994).

    var: shape of input, or without its last dimension, or of size 1 in one dimension.  full: with
    log(2 pi) / 2.
    """
    reduction = reduction_of("gaussian_nll_loss", reduction)
    if not isinstance(var, Tensor):
        var = input.detach() * 0 + var
    if var.device.type == "cpu" and (var < 0).any().item():
        raise ValueError("gaussian_nll_loss: var has negative elements")
    if var.shape != input.shape:
        differ = [m for n, m in zip(input.shape, var.shape) if n != m]
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or differ != [1]:
            raise ValueError(f"gaussian_nll_loss: var {tuple(var.shape)} does not fit input {tuple(input.shape)}")
    var = var.clone()
    with no_grad():  # the gradient passes the limit by, that var may come back from below it
        var.clamp_(min=eps)
    loss = 0.5 * (log(var) + (input - target) ** 2 / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


@listed
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log target - input), input a log-probability: the Kullback-Leibler divergence.

    log_target: target is a log-probability, too.  'batchmean' divides the sum by the batch; 'mean'
    by all elements.
    """
    reduction = reduction_of("kl_div", reduction, size_average, reduce, also=("batchmean",))
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / (input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)


# ---------------------------------------------------------------- yes or no
@op
def binary_cross_entropy_(xp, x: Array, target: Array):
    """-t log x - (1 - t) log(1 - x), the logarithms at least -100."""
    yes = xp.where(x > 0, xp.log(xp.where(x > 0, x, 1)), -100)
    no = xp.where(x < 1, xp.log1p(-xp.where(x < 1, x, 0)), -100)
    return (target - 1) * xp.maximum(no, -100) - target * xp.maximum(yes, -100)


binary_cross_entropy_.grads(
    lambda g, x, target: g * (x - target) / clamp_min((1 - x) * x, 1e-12),
    lambda g, x: g * (clamp_min(log(1 - x), -100) - clamp_min(log(x), -100)),
)


@listed
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-t log p - (1 - t) log(1 - p), input the probability p in [0, 1], target t.  Equal shapes.

    RuntimeError for a p outside.  From logits better `binary_cross_entropy_with_logits`.
    """
    name = "binary_cross_entropy"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_shape(name, input, target)
    inside = (input >= 0) & (input <= 1)
    _refuse(name, ~inside, "every element of input must be a probability, from 0 to 1")
    loss = binary_cross_entropy_(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@fused
def binary_cross_entropy_with_logits_(x: Array, target: Array):
    """-t log s(x) - (1 - t) log(1 - s(x)), s the logistic function."""
    return (1 - target) * x - log_sigmoid(x)


@listed
@rounded_once
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-w t log s(x) - (1 - t) log(1 - s(x)); x input, t target, w pos_weight, s the sigmoid.

    input, target: equal shapes; weight and pos_weight broadcast.
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_shape(name, input, target)
    if pos_weight is None:
        loss = binary_cross_entropy_with_logits_(input, target)
    else:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * log_sigmoid(input)
    return reduced(loss if weight is None else loss * weight, reduction)


@listed
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target input)), target -1 or 1."""
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    return reduced(-log_sigmoid(target * input), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of logits, averaged over C classes.  input, target: (*, C) -> (*)."""
    reduction = reduction_of("multilabel_soft_margin_loss", reduction, size_average, reduce)
    loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


# ---------------------------------------------------------------- regularisation of weights
def l1_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of |w| over all parameters (Tibshirani 1996, the lasso): drives small weights to 0."""
    return _summed("l1_penalty", parameters, abs)


def l2_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of w^2 over all parameters (Hoerl and Kennard 1970, ridge): prefers many small weights to few large."""
    return _summed("l2_penalty", parameters, lambda w: w * w)


def elastic_net_penalty(parameters: Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """l1 sum |w| + l2 sum w^2 over all parameters (Zou and Hastie 2005)."""
    if l1 < 0 or l2 < 0:
        raise ValueError(f"elastic_net_penalty: l1 and l2 must not be negative, got {l1} and {l2}")
    return _summed("elastic_net_penalty", parameters, lambda w: l1 * abs(w) + l2 * w * w)


def _summed(name, parameters, cost):
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not parameters:
        raise ValueError(f"{name}: no parameters; an iterator such as model.parameters() can be used only once")
    return functools.reduce(operator.add, [cost(w).sum() for w in parameters])


__all__ = ["binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss"]
