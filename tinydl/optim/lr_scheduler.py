"""Learning-rate schedules, under PyTorch's names.

for epoch in range(epochs):
    train(...)            # calls optimizer.step()
    schedule.step()
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from .cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .optimizer import Optimizer, number
from .schedule import LRScheduler, positive

_LRScheduler = LRScheduler  # the name that older scripts know

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


class _Shaped(LRScheduler):
    """A rate that follows eta_min + (base - eta_min) * shape(epoch).

    Each step multiplies by the ratio of two shapes, so that schedules can act on one rate together.
    """

    eta_min = 0.0
    acts_on_resume = False  # whether construction with last_epoch >= 0 is a step itself

    def shape(self, t: int) -> float:
        """Height at epoch t; 1 is the base rate."""
        raise NotImplementedError

    def get_lr(self):
        """Each group's rate, from the one it has."""
        t = self.last_epoch
        if t > 0 and self._starting and not self.acts_on_resume:
            return self._current()
        before, now = self.shape(t - 1) if t > 0 else 1.0, self.shape(t)
        if before == 0:
            return [lr + (b - self.eta_min) * now for lr, b in zip(self._current(), self.base_lrs)]
        return [self.eta_min + (lr - self.eta_min) * (now / before) for lr in self._current()]

    def _get_closed_form_lr(self):
        return [self.eta_min + (b - self.eta_min) * self.shape(self.last_epoch) for b in self.base_lrs]


class StepLR(_Shaped):
    """Times gamma every step_size epochs."""

    acts_on_resume = True

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        positive(self, step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """gamma ** (number of periods)."""
        return self.gamma ** (t // self.step_size)


class MultiStepLR(_Shaped):
    """Times gamma at each of the milestones; one that is listed twice counts twice."""

    acts_on_resume = True

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """gamma ** (number of milestones passed)."""
        return self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(_Shaped):
    """Times factor for total_iters epochs, then the base rate."""

    acts_on_resume = True

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must lie between 0 and 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """factor, then 1."""
        return self.factor if t < self.total_iters else 1.0


class LinearLR(_Shaped):
    """From start_factor to end_factor of the base rate in total_iters epochs: a warm-up."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0,
        total_iters: int = 5, last_epoch: int = -1,
    ):  # fmt: skip
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must lie between 0 and 1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """On the line from start to end."""
        done = min(t, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class ExponentialLR(_Shaped):
    """Times gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """gamma ** t."""
        return self.gamma**t


class PolynomialLR(_Shaped):
    """(1 - t / total_iters) ** power, down to 0."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        positive(self, total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """What is left of the way, to the power."""
        return (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(_Shaped):
    """Half a cosine from the base rate to eta_min in T_max epochs (Loshchilov and Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        positive(self, T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def shape(self, t):
        """(1 + cos) / 2, exactly 0 at the bottom."""
        if t % (2 * self.T_max) == self.T_max:
            return 0.0
        return (1 + math.cos(math.pi * t / self.T_max)) / 2


# ---------------------------------------------------------------- by a function
class LambdaLR(LRScheduler):
    """The base rate times lr_lambda(epoch); a list has one function for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable | list[Callable], last_epoch: int = -1):
        self._attach(optimizer)
        self.lr_lambdas = self._each("lr_lambda", lr_lambda)
        if not all(map(callable, self.lr_lambdas)):
            raise TypeError(f"{type(self).__name__}: lr_lambda must be a function, or one for each group")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """Each group's rate."""
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(LambdaLR):
    """Times lr_lambda(epoch) every epoch."""

    def get_lr(self):
        """Each group's rate, from the one it has."""
        rates = self._current()
        return rates if self._starting else [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates)]


# ---------------------------------------------------------------- several at once
class _Combined(LRScheduler):
    """Schedules of one optimizer; each saves its own state."""

    def _take(self, schedulers, optimizer):
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{type(self).__name__}: expected at least one schedule, got none")
        self._attach(self._schedulers[0].optimizer if optimizer is None else optimizer)
        for i, s in enumerate(self._schedulers):
            if isinstance(s, ReduceLROnPlateau):
                raise ValueError(f"{type(self).__name__}: schedule {i}, ReduceLROnPlateau, needs a metric")
            if s.optimizer is not self.optimizer:
                raise ValueError(f"{type(self).__name__}: schedule {i} belongs to another optimizer")


class SequentialLR(_Combined):
    """One schedule after another: at each of the milestones the next begins."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ):
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, "
                f"got {len(milestones)}"
            )
        self._milestones, self.last_epoch = list(milestones), last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo(self)  # each schedule has set the rate when it was made; only one may
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._start()
        self._last_lr = first.get_last_lr()

    def _undo(self, schedule):
        for s in getattr(schedule, "_schedulers", ()):
            s.last_epoch = getattr(s, "last_epoch", 0) - 1
            self._undo(s)

    def step(self) -> None:
        """Step the schedule whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            schedule._go(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()


class ChainedScheduler(_Combined):
    """Schedules that all step, one after another, on the same rate."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer)
        self._last_lr = self._current()

    def step(self) -> None:
        """Step them all."""
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._current()


# ---------------------------------------------------------------- by a measurement
class ReduceLROnPlateau(LRScheduler):
    """Times factor when the metric has not improved for more than `patience` epochs.

    mode: whether 'min' or 'max' is better; threshold: by how much ('rel' or 'abs') to be better.
    cooldown: epochs to wait after a reduction; min_lr: no rate goes below; eps: the least change.
    """

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float |
        list[float] = 0, eps: float = 1e-8,
    ):  # fmt: skip
        self._attach(optimizer)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be less than 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.min_lrs = self._each("min_lr", min_lr)
        self.mode, self.factor, self.patience, self.cooldown = mode, factor, patience, cooldown
        self.threshold, self.threshold_mode, self.eps = threshold, threshold_mode, eps
        self.best = None
        self.last_epoch = self.cooldown_counter = self.num_bad_epochs = 0
        self._last_lr = self._current()

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs are not counted yet."""
        return self.cooldown_counter > 0

    def _is_better(self, value):
        if self.best is None:
            return not math.isnan(value)
        sign = 1 if self.mode == "min" else -1
        margin = self.threshold * (1 if self.threshold_mode == "abs" else self.best)
        return sign * value < sign * self.best - margin

    def step(self, metrics: float, epoch: int | None = None) -> None:
        """Take note of the epoch's metric, and reduce the rates if it is time."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._current()

    def _reduce(self):
        if len(self.min_lrs) != len(self.optimizer.param_groups):
            raise RuntimeError("ReduceLROnPlateau: the optimizer has new groups; set min_lrs to one for each")
        for group, least in zip(self.optimizer.param_groups, self.min_lrs):
            old = number(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                group["lr"] = new
