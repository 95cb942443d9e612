"""Optimizers that divide each element's step by the size of its past gradients."""

from __future__ import annotations

from collections.abc import Iterable

from ..ops.creation import full_like
from .adam import _Averaging
from .optimizer import count, counter
from .update import direction, lerp, update


@update
def adagrad_update(xp, param, grad, sum, *, eps, weight_decay, maximize, rate):
    """sum <- sum + grad**2;  param <- param - rate * grad / (sqrt(sum) + eps)."""
    grad = direction(param, grad, maximize, weight_decay)
    sum += grad * grad
    param -= rate * (grad / (xp.sqrt(sum) + eps))


class Adagrad(_Averaging):
    """Adagrad: the sum of all squared gradients (Duchi et al. 2011)."""

    update = adagrad_update

    def __init__(
        self, params: Iterable, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        return {"step": counter(), "sum": full_like(p, group["initial_accumulator_value"])}

    def _advance(self, p, state, group):
        return {"rate": self._plain(group["lr"]) / (1 + (count(state) - 1) * self._plain(group["lr_decay"]))}


@update
def adadelta_update(xp, param, grad, square_avg, acc_delta, *, lr, rho, eps, weight_decay, maximize, step):
    """The step is grad scaled by the ratio of past steps' size to past gradients' size."""
    grad = direction(param, grad, maximize, weight_decay)
    lerp(square_avg, grad * grad, 1 - rho)
    delta = xp.sqrt(acc_delta + eps) / xp.sqrt(square_avg + eps) * grad
    lerp(acc_delta, delta * delta, 1 - rho)
    param -= lr * delta


class Adadelta(_Averaging):
    """Adadelta (Zeiler 2012)."""

    update = adadelta_update

    def __init__(
        self, params: Iterable, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay:
        float = 0, foreach: bool | None = None, *, maximize: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults, implementation)


@update
def rmsprop_update(
    xp, param, grad, square_avg, momentum_buffer=None, grad_avg=None, *, lr, alpha, eps,
    weight_decay, momentum, maximize, step,
):  # fmt: skip
    """param <- param - lr * grad / (sqrt(mean of grad**2, or variance) + eps), with momentum."""
    grad = direction(param, grad, maximize, weight_decay)
    lerp(square_avg, grad * grad, 1 - alpha)
    square = square_avg
    if grad_avg is not None:
        lerp(grad_avg, grad, 1 - alpha)
        square = square_avg - grad_avg * grad_avg
    scaled = grad / (xp.sqrt(square) + eps)
    if momentum_buffer is not None:
        momentum_buffer *= momentum
        momentum_buffer += scaled
        scaled = momentum_buffer
    param -= lr * scaled


class RMSprop(_Averaging):
    """RMSprop (Tieleman and Hinton 2012); centered: by the variance of gradients (Graves 2013)."""

    update = rmsprop_update

    def __init__(
        self, params: Iterable, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False, capturable: bool =
        False, foreach: bool | None = None, maximize: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(
            lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        state = super()._begin(p, group)
        if not group["momentum"] > 0:
            del state["momentum_buffer"]
        if not group["centered"]:
            del state["grad_avg"]
        return state
