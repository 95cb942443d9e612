"""Schedules that go up and down: cyclic rates, one cycle, cosine with restarts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from .optimizer import Optimizer, number
from .schedule import LRScheduler, positive


class _MovesMomentum(LRScheduler):
    """Moves momentum (or Adam's first beta) too, between two ends that each group keeps."""

    def _prepare_momentum(self, cycle_momentum, base_momentum, max_momentum, last_epoch):
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"{type(self).__name__}: {type(self.optimizer).__name__} has neither momentum nor "
                "betas; give cycle_momentum=False"
            )
        low, high = (
            self._each("base_momentum", base_momentum),
            self._each("max_momentum", max_momentum),
        )
        if last_epoch == -1:
            for group, base, top in zip(self.optimizer.param_groups, low, high):
                group["base_momentum"], group["max_momentum"] = base, top
                _set_momentum(group, top)


def _set_momentum(group, value):
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(_MovesMomentum):
    """Up from base_lr to max_lr in step_size_up steps, down again, and so on (Smith 2017).

    mode: 'triangular' (all cycles alike), 'triangular2' (each half as high), 'exp_range'
    (gamma**step); or scale_fn, a function of the cycle's number (scale_mode 'cycle') or of the
    step ('iterations').
    """

    def __init__(
        self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float],
        step_size_up: int = 2000, step_size_down: int | None = None, mode: str = "triangular",
        gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None, scale_mode: str =
        "cycle", cycle_momentum: bool = True, base_momentum: float = 0.8, max_momentum: float = 0.9,
        last_epoch: int = -1,
    ):  # fmt: skip
        self._attach(optimizer)
        known = ("triangular", "triangular2", "exp_range")
        if scale_fn is None and mode not in known:
            raise ValueError(f"CyclicLR: mode must be one of {', '.join(known)}, got {mode!r}; or give scale_fn")
        lows, self.max_lrs = self._each("base_lr", base_lr), self._each("max_lr", max_lr)
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self._prepare_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            self._set(lows)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def _scale(self, cycle):
        x = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self.scale_fn is not None:
            return self.scale_fn(x)
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self):
        """Each group's rate; moves momentum the other way."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                span = group["max_momentum"] - group["base_momentum"]
                _set_momentum(group, group["max_momentum"] - span * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(_MovesMomentum):
    """Once up to max_lr and down to nearly nothing, a step for each batch (Smith and Topin 2018).

    Starts at max_lr / div_factor, ends at that / final_div_factor; pct_start: the rising part.
    three_phase: down to the start first, then to the end.  ValueError beyond total_steps.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float |
        list[float] = 0.85, max_momentum: float | list[float] = 0.95, div_factor: float = 25.0,
        final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1,
    ):  # fmt: skip
        self._attach(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
            positive(self, epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        positive(self, total_steps=total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must lie between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        top, peak = total_steps - 1, pct_start * total_steps - 1
        # (last step, rates from and to, momenta from and to): keys of the groups
        self._phases = [(peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            self._phases += [
                (
                    2 * pct_start * total_steps - 2,
                    "max_lr",
                    "initial_lr",
                    "base_momentum",
                    "max_momentum",
                ),
                (top, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases += [(top, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        rates = self._each("max_lr", max_lr)
        self._prepare_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, rates):
                group["max_lr"], group["initial_lr"] = rate, rate / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, start, end, fraction):
        if self.anneal_strategy == "linear":
            return start + (end - start) * fraction
        return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))

    def get_lr(self):
        """Each group's rate; moves momentum the other way."""
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of {self.total_steps}: the cycle is over")
        ends = [phase[0] for phase in self._phases]
        i = min(bisect_left(ends, self.last_epoch), len(ends) - 1)
        start, (end, low, high, fast, slow) = ends[i - 1] if i else 0.0, self._phases[i]
        fraction = (self.last_epoch - start) / (end - start)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                _set_momentum(group, self._between(group[fast], group[slow], fraction))
        return [self._between(g[low], g[high], fraction) for g in self.optimizer.param_groups]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to eta_min in T_0 epochs, again and again, each T_mult times longer.

    (Loshchilov and Hutter 2017).  step(epoch) may be given fractions of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ):
        positive(self, T_0=T_0, T_mult=T_mult)
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """Each group's rate."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (number(base) - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to the (fractional) `epoch`."""
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must not be negative, got {epoch}")
        else:
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())
