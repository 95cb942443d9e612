"""Losses against a class: log-likelihood, cross-entropy, margins."""

from __future__ import annotations

from ..autograd.autocast import listed
from ..autograd.engine import Array
from ..autograd.fused import fused
from ..dtype import int64, uint8
from ..tensor import Tensor
from .activation import log_softmax, relu
from .creation import arange
from .elementwise import where
from .losses import reduced, reduction_of


# ---------------------------------------------------------------- checks
def _check_batch(name, input, target):
    """input (N, C, *) or (C,), target (N, *) or ()."""
    given, got = input.array.shape, target.array.shape
    if not given or len(got) != max(len(given) - 1, 0):
        raise RuntimeError(
            f"{name}: expected input (N, C, *) with target (N, *), or (C,) with (), got {given} and {got}"
        )
    expected = (*given[:1], *given[2:]) if len(given) > 1 else ()
    if got != expected:
        raise (ValueError if got[:1] != expected[:1] else RuntimeError)(
            f"{name}: expected a target of shape {expected} for input {given}, got {got}"
        )


def _check_classes(name, target, C, ignore_index=None):
    """IndexError for a class that is none of the C; a GPU is not waited for to look."""
    classes = target.array
    if classes.dtype not in (int64, uint8):
        raise RuntimeError(f"{name}: expected int64 classes, got {target.dtype}; convert with .long()")
    if target.device.type != "cpu" or not classes.size:
        return
    # the usual case costs one pass, and no operations: without a sign, what is negative is larger than any class
    if (classes if classes.dtype == uint8 else classes.view("uint64")).max() < C:
        return
    outside = (target < 0) | (target >= C)
    if ignore_index is not None:
        outside = outside & (target != ignore_index)
    if outside.any().item():
        wrong = target[outside][0].item()
        raise IndexError(f"{name}: target {wrong} is none of the classes 0 to {C - 1}")


def _check_weight(name, weight, input, C):
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(f"{name}: weight must have the input's dtype, {input.dtype}, got {weight.dtype}")
    if weight is not None and tuple(weight.shape) != (C,):
        raise RuntimeError(f"{name}: expected a weight for each of {C} classes, got shape {tuple(weight.shape)}")


def _channels_last(weight, ndim):
    """A vector of C in a shape that acts on (N, C, *)."""
    return weight.reshape(-1, *[1] * (ndim - 2))


# ---------------------------------------------------------------- one class of C
def _chosen(x, target, weight, ignore_index):
    """x at the target class; the weight of each target, 0 for those to ignore: both (N, *)."""
    counts = target != ignore_index
    safe = where(counts, target, 0).to("int64")
    picked = x.gather(1, safe.unsqueeze(1)).squeeze(1)
    if weight is None:
        return picked, counts.to(x.dtype)
    return picked, weight[safe] * counts.to(x.dtype)


def _of_rows(loss, share, reduction):
    """Losses (N, *), weights included: brought together; the mean is by weight."""
    return loss.sum() / share.sum() if reduction == "mean" else reduced(loss, reduction)


@fused
def nll_loss_(x: Array, target: Array, weight: Array | None, ignore_index, reduction):
    """-x at the target class, weighted.  x: (N, C, *), target: (N, *)."""
    picked, share = _chosen(x, target, weight, ignore_index)
    return _of_rows(where(share == 0, 0, -picked * share), share, reduction)


@fused
def cross_entropy_(x: Array, target: Array, weight: Array | None, ignore_index, reduction, label_smoothing):
    """-log softmax(x) at the target class, weighted.  x: (N, C, *), target: (N, *)."""
    logp = log_softmax(x, 1)
    picked, share = _chosen(logp, target, weight, ignore_index)
    loss = where(share == 0, 0, -picked * share)
    if label_smoothing:
        all_classes = logp if weight is None else logp * _channels_last(weight, x.ndim)
        spread = where(target != ignore_index, -all_classes.sum(1), 0)
        loss = (1 - label_smoothing) * loss + label_smoothing / x.shape[1] * spread
    return _of_rows(loss, share, reduction)


@listed
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class.  input: log-probabilities (N, C, *) or (C,).

    target: classes (N, *) or (), weight: (C,).  Targets of ignore_index count for nothing.
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    _check_batch("nll_loss", input, target)
    single = input.ndim == 1
    if single:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    C = input.shape[1]
    _check_classes("nll_loss", target, C, ignore_index)
    _check_weight("nll_loss", weight, input, C)
    loss = nll_loss_(input, target, weight, ignore_index, reduction)
    return loss.squeeze(0) if single and reduction == "none" else loss


@listed
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target.  input: logits (N, C, *) or (C,).

    target: classes (N, *) or (), or probabilities in the shape of input; weight: (C,).  Targets of
    ignore_index count for nothing.  label_smoothing: this part of the target is spread over all
    classes (Szegedy 2015).
    """
    name = "cross_entropy"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing}")
    soft = input.array.shape == target.array.shape
    if soft and not target.is_floating_point():
        raise RuntimeError(
            f"{name}: a target in the shape of input holds probabilities and must be floating, got {target.dtype}"
        )
    if soft and ignore_index >= 0:
        raise RuntimeError(
            f"{name}: ignore_index={ignore_index} needs class indices as target; these are probabilities"
        )
    if not soft:
        _check_batch(name, input, target)
    single = input.ndim == 1
    if single:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    C = input.shape[1]
    _check_weight(name, weight, input, C)
    if soft:
        loss = soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    else:
        _check_classes(name, target, C, ignore_index)
        loss = cross_entropy_(input, target, weight, ignore_index, reduction, label_smoothing)
    return loss.squeeze(0) if single and reduction == "none" else loss


def soft_cross_entropy(x, target, weight, reduction, label_smoothing):
    """Cross-entropy of logits and class probabilities, both (N, C, *)."""
    C = x.shape[1]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / C
    terms = log_softmax(x, 1) * target
    if weight is not None:
        terms = terms * _channels_last(weight, x.ndim)
    return reduced(-terms.sum(1), reduction)


# ---------------------------------------------------------------- margins
def _rows(name, input):
    """input as (N, C), also where it was (C,) or ()."""
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(f"{name}: expected input (N, C) or (C,), got {tuple(input.shape)}")
    return input if input.ndim == 2 else input.reshape(1, -1)


@listed
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the classes i but the target y of max(0, margin - x_y + x_i)^p.

    input: (N, C) or (C,), target: (N,) or (); weight: (C,).
    """
    name = "multi_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"{name}: weight must be 1-d, got shape {tuple(weight.shape)}")
    x = _rows(name, input)
    if target.ndim > 1 or target.numel() != len(x):
        raise RuntimeError(f"{name}: expected {len(x)} targets, got shape {tuple(target.shape)}")
    y = target.reshape(-1, 1)
    C = x.shape[1]
    _check_classes(name, y, C)
    _check_weight(name, weight, input, C)
    short = relu(margin - x.gather(1, y) + x)
    short = short * short if p == 2 else short
    if weight is not None:
        short = short * weight[y]
    loss = where(arange(C, device=x.device) == y, 0, short).sum(1) / C
    return reduced(loss if input.ndim == 2 or target.ndim else loss.squeeze(0), reduction)


@listed
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum over target classes j and other classes i of max(0, 1 - x_j + x_i) / C.

    input, target: (N, C) or (C,); a row of target holds classes, and ends at the first -1.
    """
    name = "multilabel_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x = _rows(name, input)
    if input.shape != target.shape:
        raise RuntimeError(
            f"{name}: target must have the shape of input {tuple(input.shape)}, got {tuple(target.shape)}"
        )
    y = target.reshape(x.shape)
    C = x.shape[1]
    _check_classes(name, y, C, ignore_index=-1)
    listed = (y < 0).to("int64").cumsum(1) == 0
    y = where(listed, y, 0)
    is_target = ((y.unsqueeze(2) == arange(C, device=x.device)) & listed.unsqueeze(2)).any(1)
    short = relu(1 - x.gather(1, y).unsqueeze(2) + x.unsqueeze(1))
    counts = listed.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = where(counts, short, 0).sum((1, 2)) / C
    return reduced(loss if input.ndim == 2 else loss.squeeze(0), reduction)


__all__ = []
