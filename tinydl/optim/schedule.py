"""What all learning-rate schedules share: counting, setting rates, saving and loading."""

from __future__ import annotations

import types
import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from ..kernels.gpu.recording import refuse_in_capture
from .optimizer import Optimizer, number


class LRScheduler:
    """Base of schedules: `step()`, after each epoch or batch, sets the groups' rates to `get_lr()`.

    last_epoch: -1 to begin; otherwise to go on from there, which needs 'initial_lr' in each group.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {i} has no 'initial_lr', which going on from "
                    f"last_epoch={last_epoch} needs; load the optimizer's state first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._start()

    def _attach(self, optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer

    def _start(self):
        self._step_count, self._starting = 0, True
        try:
            self.step()
        finally:
            self._starting = False

    def get_lr(self) -> list[float]:
        """The learning rate of each group at `last_epoch`; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}: a schedule needs a method get_lr(self)")

    def get_last_lr(self) -> list[float]:
        """The learning rate that each group has had since the last step."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch (or to `epoch`) and set the learning rates."""
        skipped = type(self.optimizer).step is Optimizer.step and not self.optimizer.has_stepped
        if self._step_count == 1 and skipped:
            warnings.warn(
                "lr_scheduler.step() before optimizer.step(): the first learning rate is skipped; "
                "call optimizer.step() first",
                stacklevel=2,
            )
        self._step_count += 1
        self._go(epoch)

    def _go(self, epoch=None):
        refuse_in_capture("lr_scheduler.step() sets a rate on the host, which a replay would not do: call it after")
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        jump = getattr(self, "_get_closed_form_lr", self.get_lr)
        self._set(self.get_lr() if epoch is None else jump())

    def _set(self, rates):
        for group, lr in zip(self.optimizer.param_groups, rates):
            group["lr"] = lr
        self._last_lr = self._current()

    def _current(self):
        return [number(group["lr"]) for group in self.optimizer.param_groups]

    def _each(self, name, value) -> list:
        """One value for each group: the same for all, or as listed."""
        groups = self.optimizer.param_groups
        if not isinstance(value, list | tuple):
            return [value] * len(groups)
        if len(value) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: {name} has {len(value)} entries, the optimizer {len(groups)} groups"
            )
        return list(value)

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer; of functions nothing, of callable objects their attributes."""
        return {name: _saved(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the schedule that gave `state_dict` stood."""
        for name, value in state_dict.items():
            self.__dict__[name] = _restored(self.__dict__.get(name), value)


def _saved(value):
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if isinstance(value, list | tuple):
        return [_saved(v) for v in value]
    if callable(value):
        return None if isinstance(value, types.FunctionType) else dict(getattr(value, "__dict__", {}))
    return value


def _restored(old, saved):
    if isinstance(old, LRScheduler):
        old.load_state_dict(saved)
        return old
    if isinstance(old, list | tuple) and len(old) == len(saved):
        return [_restored(o, s) for o, s in zip(old, saved)]
    if callable(old):
        if saved:
            vars(old).update(saved)
        return old
    return deepcopy(saved)


def positive(owner: object, **values: Sequence[int] | int) -> None:
    """Refuse lengths that are not positive integers."""
    for name, value in values.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"{type(owner).__name__}: {name} must be a positive integer, got {value!r}")
