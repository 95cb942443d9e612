"""Limited-memory BFGS: Newton's method with curvature learnt from the last steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..ops.shape import cat
from ..tensor import Tensor
from .optimizer import Optimizer, number


class Point(NamedTuple):
    """What is known at distance t along a search direction: loss, gradient, and slope along it."""

    t: float
    loss: float
    grad: Tensor
    slope: float


def dot(a: Tensor, b: Tensor) -> float:
    """Inner product of two vectors, as a number."""
    return (a * b).sum().item()


def largest(a: Tensor) -> float:
    """The largest magnitude of a vector."""
    return a.abs().max().item()


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal 1989), for whole-batch losses; `step` calls its closure often.

    line_search_fn: None (steps of length lr) or 'strong_wolfe'.
    """

    update = None

    def __init__(
        self, params: Iterable, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ):  # fmt: skip
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}")
        self._check_option("max_iter", max_iter)
        defaults = dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
            history_size=history_size, line_search_fn=line_search_fn,
        )  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        """The one group that there can be."""
        if self.param_groups:
            raise ValueError("LBFGS: all parameters form one vector; there cannot be several groups")
        super().add_param_group(param_group)

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    # ---- parameters and gradients as one vector
    def _gradient(self):
        for p in self._params:
            self._check_gradient(p)
        return cat([(p.new_zeros(p.shape) if p.grad is None else p.grad).reshape(-1) for p in self._params])

    def _move(self, t, d):
        start = 0
        for p in self._params:
            p.add_(d[start : start + p.numel()].reshape(p.shape), alpha=t)
            start += p.numel()

    def _probe(self, closure, d):
        """The function t -> Point at distance t along d; parameters stay where they are."""
        here = [p.detach().clone() for p in self._params]

        def evaluate(t):
            self._move(t, d)
            loss, grad = float(closure()), self._gradient()
            for p, value in zip(self._params, here):
                p.copy_(value)
            return Point(t, loss, grad, dot(grad, d))

        return evaluate

    # ---- the algorithm
    def _step(self, closure):
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss and its gradients")
        group, state = self.param_groups[0], self.state[self._params[0]]
        lr = number(group["lr"])
        first_loss = closure()
        loss, grad, evals = float(first_loss), self._gradient(), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if largest(grad) <= group["tolerance_grad"]:
            return first_loss
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            before = loss
            d = self._direction(state, grad, group["history_size"])
            first = state["n_iter"] == 1
            t = min(1.0, 1.0 / grad.abs().sum().item()) * lr if first else lr
            slope = dot(grad, d)
            state |= {"d": d, "t": t, "prev_flat_grad": grad.clone(), "prev_loss": before}
            if slope > -group["tolerance_change"]:
                break
            spent = 0
            if group["line_search_fn"]:
                start, budget = Point(0.0, loss, grad, slope), group["max_eval"] - evals
                point, spent = strong_wolfe(self._probe(closure, d), t, largest(d), start, budget)
                t, loss, grad = point.t, point.loss, point.grad
                self._move(t, d)
            else:
                self._move(t, d)
                if i < group["max_iter"]:
                    loss, grad, spent = float(closure()), self._gradient(), 1
            state["t"] = t
            evals += spent
            state["func_evals"] += spent
            if (
                evals >= group["max_eval"]
                or largest(grad) <= group["tolerance_grad"]
                or largest(d) * abs(t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, state, grad, history_size):
        """Minus the approximate inverse Hessian times grad, by the two-loop recursion."""
        if state["n_iter"] == 1:
            state |= {"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0}
            return -grad
        # under PyTorch's names: changes of the gradient, steps, 1 / <step, change>
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = grad - state["prev_flat_grad"], state["d"] * number(state["t"])
        curvature = dot(change, step)
        if curvature > 1e-10:
            for history, new in ((changes, change), (steps, step), (ro, 1.0 / curvature)):
                if len(history) == history_size:
                    history.pop(0)
                history.append(new)
            state["H_diag"] = curvature / dot(change, change)
        past = list(zip(changes, steps, map(number, ro)))
        q, alphas = -grad, []
        for y, s, r in reversed(past):
            alphas.append(dot(s, q) * r)
            q = q - y * alphas[-1]
        q = q * number(state["H_diag"])
        alphas.reverse()
        state["al"] = alphas + [None] * (history_size - len(alphas))
        for (y, s, r), alpha in zip(past, alphas):
            q = q + s * (alpha - dot(y, q) * r)
        return q


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic with both points' values and slopes is least in bounds; or their middle."""
    if a.t > b.t:
        a, b = b, a
    low, high = bounds
    if a.t < b.t:
        d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if square >= 0:
            d2 = math.sqrt(square)
            spread = b.slope - a.slope + 2 * d2
            if spread:
                return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / spread), low), high)
    return (low + high) / 2


def strong_wolfe(
    evaluate: Callable[[float], Point], t: float, size: float, start: Point, budget: int, c1: float
    = 1e-4, c2: float = 0.9, tolerance: float = 1e-9,
) -> tuple[Point, int]:  # fmt: skip
    """A point that meets the strong Wolfe conditions, and how often `evaluate` was called.

    size: the largest element of the direction.  budget: points to try beyond the first.
    (Nocedal and Wright 2006, algorithms 3.5 and 3.6)
    """

    def too_high(p):
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat_enough(p):
        return abs(p.slope) <= -c2 * start.slope

    now, before, tried = evaluate(t), start, 0
    while tried < budget:  # go on until a minimum must lie between the last two points
        if too_high(now) or (tried > 1 and now.loss >= before.loss):
            break
        if flat_enough(now):
            return now, tried + 1
        if now.slope >= 0:
            break
        bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
        before, now = now, evaluate(cubic_minimum(before, now, bounds))
        tried += 1
    else:
        before = start
    low, high = sorted((before, now), key=lambda p: p.loss)
    stuck = False
    while tried < budget and abs(high.t - low.t) * size >= tolerance:  # narrow it down
        left, right = sorted((low.t, high.t))
        t, margin = cubic_minimum(low, high, (left, right)), 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end, a second time: step inside
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = evaluate(t)
        tried += 1
        if too_high(now) or now.loss >= low.loss:
            low, high = sorted((low, now), key=lambda p: p.loss)
            continue
        done = flat_enough(now)
        if not done and now.slope * (high.t - low.t) >= 0:
            high = low
        low = now
        if done:
            break
    return low, tried + 1
