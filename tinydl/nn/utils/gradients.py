"""Gradients measured and clipped."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...autograd import no_grad
from ...dtype import is_narrow
from ...ops.creation import tensor
from ...ops.shape import stack
from ...tensor import Tensor


def _listed(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters):
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def _power(t, p):
    return t * t if p == 2 else t.abs() ** p


@no_grad()
def get_total_norm(
    tensors: Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as one vector: a 0-d tensor, of narrow ones in float32.

    RuntimeError if it is infinite or NaN and error_if_nonfinite.
    """
    tensors = [t.float() if is_narrow(t.dtype) else t for t in _listed(tensors)]
    if not tensors:
        return tensor(0.0)
    device, p = tensors[0].device, float(norm_type)
    if p == math.inf:
        total = stack([t.abs().max().to(device) for t in tensors]).max()
    else:
        total = stack([_power(t, p).sum().to(device) for t in tensors]).sum() ** (1 / p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"clip_grad_norm_: the total norm (of order {norm_type}) is {total.item()}; a gradient "
            "is not finite. Give error_if_nonfinite=False to go on"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """In place: gradients scaled by max_norm / total_norm where that is less than 1."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for g in _gradients(parameters):
        g.mul_(scale.to(g.device, g.dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """In place: gradients scaled so that their norm, as one vector, is at most max_norm.

    Returns what the norm was.  RuntimeError, with nothing scaled, if it is infinite or NaN and
    error_if_nonfinite.
    """
    parameters = _listed(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """In place: each element of the gradients clamped to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        g.clamp_(-float(clip_value), float(clip_value))
