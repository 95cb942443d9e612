"""Adam and its relatives: steps scaled by running averages of gradients and of their squares."""

from __future__ import annotations

from collections.abc import Iterable

from ..ops.creation import zeros_like
from .optimizer import Optimizer, count, counter
from .update import direction, lerp, update


def decayed(param, grad, lr, weight_decay, decoupled, maximize):
    """The gradient to follow; a decoupled weight decay acts on the parameter itself, at once."""
    if decoupled and weight_decay:
        param *= 1 - lr * weight_decay
        weight_decay = 0
    return direction(param, grad, maximize, weight_decay)


def moments(grad, exp_avg, exp_avg_sq, betas):
    """In place: the running averages of the gradient and of its square."""
    lerp(exp_avg, grad, 1 - betas[0])
    exp_avg_sq *= betas[1]
    exp_avg_sq += (1 - betas[1]) * (grad * grad)


class _Averaging(Optimizer):
    """Its state is a step counter and arrays that begin as zeros: those that its update names."""

    def _begin(self, p, group):
        return {"step": counter()} | {name: zeros_like(p) for name in self.update.state}

    def _advance(self, p, state, group):
        return {"step": count(state)}


@update
def adam_update(
    xp, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq=None, *, lr, betas, eps, weight_decay,
    decoupled_weight_decay, maximize, step,
):  # fmt: skip
    """param <- param - lr * m / (sqrt(v) + eps); m, v: unbiased averages of grad and grad**2."""
    grad = decayed(param, grad, lr, weight_decay, decoupled_weight_decay, maximize)
    moments(grad, exp_avg, exp_avg_sq, betas)
    if max_exp_avg_sq is not None:
        xp.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
        exp_avg_sq = max_exp_avg_sq
    scale = xp.sqrt(exp_avg_sq) / (1 - betas[1] ** step) ** 0.5 + eps
    param -= (lr / (1 - betas[0] ** step)) * (exp_avg / scale)


class Adam(_Averaging):
    """Adam (Kingma and Ba 2015); amsgrad: with guaranteed convergence (Reddi et al. 2018)."""

    update = adam_update

    def __init__(
        self, params: Iterable, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps:
        float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False,
        decoupled_weight_decay: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            maximize=maximize, decoupled_weight_decay=decoupled_weight_decay,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        state = super()._begin(p, group)
        if not group["amsgrad"]:
            del state["max_exp_avg_sq"]
        return state


class AdamW(Adam):
    """Adam whose weight decay does not pass through the averages (Loshchilov and Hutter 2019)."""

    def __init__(
        self, params: Iterable, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps:
        float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
        **implementation,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            decoupled_weight_decay=True, **implementation,
        )  # fmt: skip


@update
def adamax_update(xp, param, grad, exp_avg, exp_inf, *, lr, betas, eps, weight_decay, maximize, step):
    """As Adam's, with a decaying maximum of |grad| in place of the root of the averaged square."""
    grad = direction(param, grad, maximize, weight_decay)
    lerp(exp_avg, grad, 1 - betas[0])
    exp_inf *= betas[1]
    xp.maximum(exp_inf, xp.abs(grad) + eps, out=exp_inf)
    param -= (lr / (1 - betas[0] ** step)) * (exp_avg / exp_inf)


class Adamax(_Averaging):
    """Adam with the infinity norm (Kingma and Ba 2015, section 7.1)."""

    update = adamax_update

    def __init__(
        self, params: Iterable, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps:
        float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool =
        False, **implementation,
    ):  # fmt: skip
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, defaults, implementation)


@update
def nadam_update(
    xp, param, grad, exp_avg, exp_avg_sq, *, lr, betas, eps, weight_decay, decoupled_weight_decay,
    maximize, step, of_grad, of_average,
):  # fmt: skip
    """As Adam's, looking one step ahead: of_grad * grad + of_average * exp_avg for m."""
    grad = decayed(param, grad, lr, weight_decay, decoupled_weight_decay, maximize)
    moments(grad, exp_avg, exp_avg_sq, betas)
    scale = xp.sqrt(exp_avg_sq / (1 - betas[1] ** step)) + eps
    param -= lr * (of_grad * grad + of_average * exp_avg) / scale


class NAdam(_Averaging):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    update = nadam_update

    def __init__(
        self, params: Iterable, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps:
        float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay:
        bool = False, *, maximize: bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)

    def _begin(self, p, group):
        return super()._begin(p, group) | {"mu_product": counter(1)}

    def _advance(self, p, state, group):
        step, beta, decay = count(state), self._plain(group["betas"][0]), self._plain(group["momentum_decay"])
        mu, mu_next = (beta * (1 - 0.5 * 0.96 ** (t * decay)) for t in (step, step + 1))
        state["mu_product"] = state["mu_product"] * mu
        product = self._plain(state["mu_product"])
        of_average = mu_next / (1 - product * mu_next)
        return {"step": step, "of_grad": (1 - mu) / (1 - product), "of_average": of_average}


@update
def radam_update(
    xp, param, grad, exp_avg, exp_avg_sq, *, lr, betas, eps, weight_decay, decoupled_weight_decay,
    maximize, step,
):  # fmt: skip
    """As Adam's, unscaled until the averaged square has enough terms, then rectified by r."""
    grad = decayed(param, grad, lr, weight_decay, decoupled_weight_decay, maximize)
    moments(grad, exp_avg, exp_avg_sq, betas)
    moved = exp_avg * (lr / (1 - betas[0] ** step))
    unbiased = 1 - betas[1] ** step
    longest = 2 / (1 - betas[1]) - 1
    length = longest - 2 * step * betas[1] ** step / unbiased  # of the average, in terms
    if length > 5:
        r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        moved = moved * ((unbiased * r) ** 0.5 / (xp.sqrt(exp_avg_sq) + eps))
    param -= moved


class RAdam(_Averaging):
    """Rectified Adam: no warm-up needed (Liu et al. 2020)."""

    update = radam_update

    def __init__(
        self, params: Iterable, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps:
        float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *, maximize:
        bool = False, **implementation,
    ):  # fmt: skip
        defaults = dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip
        super().__init__(params, defaults, implementation)
