"""What decides how training goes on: validation, schedules, early stopping, checkpoints, averages of weights."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from ...io import Checkpoint as CheckpointFile
from ...io import load, save
from ..gan_tricks import follow
from ..loop import Callback, Stop, Trainer
from ..steps import evaluate


class Validate(Callback):
    """After each epoch, loss and accuracy on data that is not learned from, as val_loss, val_accuracy."""

    def __init__(self, model, batches: Iterable, evaluate: Callable = evaluate):
        self.model, self.batches, self.evaluate = model, batches, evaluate

    def on_epoch_end(self, run: Trainer) -> None:
        figures = self.evaluate(self.model, self.batches)
        run.record(**{f"val_{name}": value for name, value in figures.items()})


class Schedule(Callback):
    """Steps a learning-rate schedule after each epoch, or after each batch with by='step'.

    One that follows a metric (ReduceLROnPlateau) is given `monitor`.
    """

    def __init__(self, scheduler, by: str = "epoch", monitor: str | None = None):
        if by not in ("epoch", "step"):
            raise ValueError(f"Schedule: by must be 'epoch' or 'step', got {by!r}")
        self.scheduler, self.by, self.monitor = scheduler, by, monitor

    def on_step_end(self, run: Trainer) -> None:
        if self.by == "step":
            self.scheduler.step()

    def on_epoch_end(self, run: Trainer) -> None:
        if self.by == "epoch":
            self.scheduler.step(*([run.metrics[self.monitor]] if self.monitor else []))

    def state_dict(self):
        return self.scheduler.state_dict()

    def load_state_dict(self, state):
        self.scheduler.load_state_dict(state)


class Monitor(Callback):
    """Base of those that watch a metric; the metric's best value so far is part of checkpoints.

    mode: 'min' or 'max', whether less or more is better; better by more than `min_delta` counts.
    """

    def __init__(self, monitor: str | None, mode: str = "min", min_delta: float = 0.0):
        if mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.best = math.inf  # the least so far, of the negative where more is better

    def improved(self, run: Trainer) -> bool:
        """Whether the epoch that ended was the best; ValueError where there is no such metric."""
        if self.monitor not in run.metrics:
            known = ", ".join(run.metrics)
            raise ValueError(f"{type(self).__name__}: there is no metric {self.monitor!r}; there are {known}")
        value = run.metrics[self.monitor] * (1 if self.mode == "min" else -1)
        better = value < self.best - self.min_delta
        self.best = value if better else self.best
        return better

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


class EarlyStopping(Monitor):
    """Ends training when `monitor` has not improved by `min_delta` for `patience` epochs.

    mode     'min' or 'max', whether less or more is better
    restore  when training has ended, the step goes back to its best epoch (a Checkpoint's last state does not)
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, mode: str = "min", min_delta: float = 0.0,
        restore: bool = False,
    ):  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        self.patience, self.restore = patience, restore
        self.waited, self.kept = 0, None

    def on_fit_begin(self, run: Trainer) -> None:
        if self.waited >= self.patience:  # a run that had stopped stays so
            raise Stop

    def on_epoch_end(self, run: Trainer) -> None:
        if self.improved(run):
            self.waited = 0
            self.kept = deepcopy(run.step.state_dict()) if self.restore else None
            return
        self.waited += 1
        if self.waited >= self.patience:
            raise Stop

    def on_fit_end(self, run: Trainer) -> None:
        if self.kept is not None and run.error is None:
            run.step.load_state_dict(self.kept)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"waited": self.waited, "kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited, self.kept = state["waited"], state["kept"]


class Checkpoint(Monitor):
    """Writes the whole state of the run into a folder every `every` epochs and whenever training ends.

    A kill at any moment leaves a whole checkpoint; an error within training leaves the last good one.

    settings  numbers, strings, ... that are kept with it
    steps     write also after every so many steps
    monitor   a metric: the epoch in which it was best is kept as best.safetensors too (mode: 'min' or 'max')
    """

    late = True

    def __init__(
        self, folder: str | os.PathLike, every: int = 1, settings: dict | None = None, *,
        steps: int | None = None, monitor: str | None = None, mode: str = "min",
    ):  # fmt: skip
        super().__init__(monitor, mode)
        if every < 1 or (steps is not None and steps < 1):
            raise ValueError(f"Checkpoint: every and steps must be at least 1, got {every} and {steps}")
        self.file = CheckpointFile(folder)
        self.every, self.steps, self.settings = every, steps, settings or {}

    @property
    def best_path(self):
        """Where the best epoch is kept."""
        return self.file.path.with_name("best.safetensors")

    def on_step_end(self, run: Trainer) -> None:
        if run.stopping or (self.steps and run.iteration % self.steps == 0):
            self.write(run)

    def on_epoch_end(self, run: Trainer) -> None:
        best = self.monitor is not None and self.improved(run)
        if best or run.stopping or run.epoch % self.every == 0 or run.epoch >= run.epochs:
            self.write(run)
        if best:
            save(self._state(run), self.best_path)

    def write(self, run: Trainer) -> None:
        """Keep the run as it is now, between two steps."""
        self.file.save(self._state(run))

    def _state(self, run):
        return {"settings": self.settings, "run": run.state_dict()}

    def resume(self, run: Trainer) -> None:
        """Bring `run` to where the checkpoint was written."""
        run.load_state_dict(self.file.load()["run"])

    def restore_best(self, run: Trainer) -> None:
        """Give the step the state of its best epoch."""
        run.step.load_state_dict(load(self.best_path)["run"]["step"])


class Average(Callback):
    """`average.model` is a copy of a model whose weights follow it: a <- decay a + (1 - decay) p after each step.

    Buffers are copied.  The decay is at most (1 + t) / (10 + t) at step t, so that the beginning is forgotten.
    """

    def __init__(self, model, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"Average: decay must be in [0, 1), got {decay}")
        self.followed, self.model, self.decay, self.done = model, deepcopy(model), decay, 0

    def on_step_end(self, run: Trainer) -> None:
        self.done += 1
        follow(self.model, self.followed, min(self.decay, (1 + self.done) / (10 + self.done)))

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.done = state["done"]
