"""Gradient descent, with momentum, with averaging, and by signs."""

from __future__ import annotations

from collections.abc import Iterable

from ..ops.creation import zeros_like
from .optimizer import Optimizer, count, counter
from .update import direction, update


@update
def sgd_update(
    xp, param, grad, momentum_buffer=None, *, lr, momentum, dampening, weight_decay, nesterov,
    maximize, first,
):  # fmt: skip
    """b <- momentum * b + (1 - dampening) * grad;  param <- param - lr * b."""
    grad = direction(param, grad, maximize, weight_decay)
    if momentum_buffer is not None:
        if first:
            momentum_buffer[...] = grad
        else:
            momentum_buffer *= momentum
            momentum_buffer += (1 - dampening) * grad
        grad = grad + momentum * momentum_buffer if nesterov else momentum_buffer
    param -= lr * grad


class SGD(Optimizer):
    """Gradient descent with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013).

    ValueError for Nesterov's momentum without momentum or with dampening.
    """

    update = sgd_update

    def __init__(
        self, params: Iterable, lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False,
        **implementation,
    ):  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: Nesterov's momentum needs momentum > 0 and dampening = 0")
        defaults = dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _advance(self, p, state, group):
        first = group["momentum"] != 0 and state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = zeros_like(p)
        return {"first": first}


@update
def asgd_update(xp, param, grad, ax, *, lambd, weight_decay, maximize, eta, mu):
    """A step of size eta on the penalised loss; ax <- the average of params, the last by mu."""
    grad = direction(param, grad, maximize, weight_decay)
    param *= 1 - lambd * eta
    param -= eta * grad
    if mu == 1:
        ax[...] = param
    else:
        ax += mu * (param - ax)


class ASGD(Optimizer):
    """Averaged gradient descent (Polyak and Juditsky 1992); the average is state['ax']."""

    update = asgd_update

    def __init__(
        self, params: Iterable, lr: float = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0:
        float = 1e6, weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
        **implementation,
    ):  # fmt: skip
        defaults = dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        eta = counter(self._plain(group["lr"]))
        return {"step": counter(), "eta": eta, "mu": counter(1), "ax": zeros_like(p)}

    def _advance(self, p, state, group):
        now = {"eta": self._plain(state["eta"]), "mu": state["mu"].item()}
        step = count(state)
        lr, lambd, alpha = (self._plain(group[name]) for name in ("lr", "lambd", "alpha"))
        state["eta"] = counter(lr / (1 + lambd * lr * step) ** alpha)
        state["mu"] = counter(1 / max(1, step - group["t0"]))
        return now


@update
def rprop_update(xp, param, grad, prev, step_size, *, etas, step_sizes, maximize):
    """Each element's step grows where the gradient keeps its sign and shrinks where it turns."""
    grad = -grad if maximize else grad
    turn = grad * prev
    shrink, grow = etas
    step_size *= xp.where(turn > 0, grow, xp.where(turn < 0, shrink, 1.0)).astype(param.dtype)
    xp.clip(step_size, *step_sizes, out=step_size)
    prev[...] = xp.where(turn < 0, xp.zeros_like(grad), grad)
    param -= xp.sign(prev) * step_size


class Rprop(Optimizer):
    """Resilient backpropagation: only signs of gradients count (Riedmiller and Braun 1993)."""

    update = rprop_update

    def __init__(
        self, params: Iterable, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, maximize: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        start = zeros_like(p)
        return {"step": counter(), "prev": start, "step_size": start + self._plain(group["lr"])}

    def _advance(self, p, state, group):
        count(state)
        return {}
