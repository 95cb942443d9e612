"""Connectionist temporal classification (Graves 2006): a label sequence without alignment."""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..tensor import Tensor
from .creation import arange, tensor
from .elementwise import clamp_min, exp, logaddexp, where
from .losses import reduced, reduction_of
from .pad import constant_pad

NEVER = -1e30  # stands for log 0: finite, so that gradients stay numbers


def _lengths(name, given, most, N, what):
    """Lengths as a list; RuntimeError where there are not N, or one is too long."""
    if isinstance(given, Tensor):
        if given.is_floating_point():
            raise RuntimeError(f"{name}: {what} lengths must be integers, got {given.dtype}")
        given = given.reshape(-1).tolist()
    found = list(given) if hasattr(given, "__len__") else [given]
    if len(found) != N:
        raise RuntimeError(f"{name}: expected {N} {what} lengths, one a sample, got {len(found)}")
    if any(not 0 <= n <= most for n in found):
        raise RuntimeError(f"{name}: {what} lengths must lie in [0, {most}], got {found}")
    return found


def _as_matrix(targets, lengths, N):
    """Targets (N, S), also where they came one after another in a vector."""
    if targets.ndim == 2:
        return targets
    S, starts = max(lengths, default=0), [sum(lengths[:i]) for i in range(N)]
    place = tensor(starts, device=targets.device).reshape(-1, 1) + arange(S, device=targets.device)
    if not targets.numel():
        return place
    return targets[place.clamp(max=targets.numel() - 1)]


def _paths(log_probs, labels, blank):
    """The log-likelihood of having reached each state, after each step: T tensors (N, L).

    The states are the labels with blanks around: blank, label, blank, ..., blank.
    """
    T, N, _ = log_probs.shape
    L = 2 * labels.shape[1] + 1
    states = labels.unsqueeze(2).expand(N, -1, 2).reshape(N, L - 1)
    states = constant_pad(states, ((0, 0), (1, 0)), blank)  # state 2k+1 is label k, and state 2k+2 for now
    even = arange(L, device=labels.device) % 2 == 0
    states = where(even, blank, states)
    # a label may follow another one directly, if it differs from it
    skips = ~even & (states != constant_pad(states, ((0, 0), (2, -2)), blank))
    seen = clamp_min(log_probs.gather(2, states.unsqueeze(0).expand(T, N, L)), NEVER)
    seen = seen.unbind(0)
    reached = where(arange(L, device=labels.device) < 2, seen[0], NEVER)
    steps = [reached]
    for t in range(1, T):
        before = constant_pad(reached, ((0, 0), (1, -1)), NEVER)
        skipped = where(skips, constant_pad(reached, ((0, 0), (2, -2)), NEVER), NEVER)
        reached = logaddexp(logaddexp(reached, before), skipped) + seen[t]
        steps.append(reached)
    return steps


def _likelihood(log_probs, labels, T_of, S_of, blank):
    """-log P(labels), (N,); infinite where no path exists."""
    T, N, _ = log_probs.shape
    at_end = 0
    for t, reached in enumerate(_paths(log_probs, labels, blank)):
        at_end = at_end + where((T_of == t + 1).reshape(-1, 1), reached, 0)
    last = (2 * S_of).reshape(-1, 1)
    on_blank = at_end.gather(1, last).squeeze(1)
    on_label = at_end.gather(1, clamp_min(last - 1, 0)).squeeze(1)
    both = logaddexp(on_blank, where(S_of > 0, on_label, NEVER))
    loss = where(T_of > 0, -both, where(S_of > 0, math.inf, 0.0))
    return where(loss > -NEVER / 2, math.inf, loss)


@listed
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log P(targets | log_probs), the sum over all alignments.

    log_probs: (T, N, C) or (T, C), logarithms of probabilities; targets: (N, S), (sum of
    lengths,) or (S,); lengths: (N,), as tensors or tuples.  'mean' divides by the target's length
    first.  zero_infinity: targets too long for T give 0 in place of infinity.  The gradient is
    that of log_probs which stay normalised, as PyTorch's.
    """
    name = "ctc_loss"
    reduction = reduction_of(name, reduction)
    if not log_probs.is_floating_point() or log_probs.ndim not in (2, 3):
        raise RuntimeError(
            f"{name}: expected floating log_probs (T, N, C) or (T, C), got {log_probs.dtype} {tuple(log_probs.shape)}"
        )
    if targets.is_floating_point():
        raise RuntimeError(f"{name}: targets must be integers, got {targets.dtype}")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    T, N, C = x.shape
    if not 0 <= blank < C:
        raise RuntimeError(f"{name}: blank must be one of {C} classes, got {blank}")
    most = targets.numel() if targets.ndim == 1 else targets.shape[-1]
    T_list = _lengths(name, input_lengths, T, N, "input")
    S_list = _lengths(name, target_lengths, most, N, "target")
    if targets.ndim == 1 and sum(S_list) != targets.numel() and not single:
        raise RuntimeError(f"{name}: {targets.numel()} targets in a row, but target_lengths add up to {sum(S_list)}")
    if targets.ndim == 2 and targets.shape[0] != N:
        raise RuntimeError(f"{name}: expected targets for {N} samples, got {tuple(targets.shape)}")
    labels = _as_matrix(targets, S_list, N)
    device = dict(device=x.device)
    T_of, S_of = tensor(T_list, **device), tensor(S_list, **device)
    labels = where(arange(labels.shape[1], **device) < S_of.reshape(-1, 1), labels, blank)
    loss = _likelihood(x, labels.to("int64"), T_of, S_of, blank)
    # sum(exp(x)) - 1 is 0 for probabilities; with its gradient, the whole stays among them
    used = (arange(T, **device).reshape(-1, 1) < T_of) & (loss < math.inf)
    total = where(used.unsqueeze(2), exp(x), 0).sum((0, 2))
    loss = loss + (total - total.detach())
    if zero_infinity:
        loss = where(loss == math.inf, 0, loss)
    if reduction == "mean":
        return (loss / clamp_min(S_of, 1).to(loss.dtype)).mean()
    return loss.squeeze(0) if single and reduction == "none" else reduced(loss, reduction)


__all__ = ["ctc_loss"]
