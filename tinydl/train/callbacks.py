"""What happens around the steps of training: progress, history, checkpoints, schedules."""

from __future__ import annotations

import csv
import io as text_io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..io import Checkpoint as CheckpointFile
from ..io import write_atomically
from .loop import Callback, Stop, Trainer, batch_length
from .steps import evaluate


class Progress(Callback):
    """A bar over the whole training: epoch, loss and other metrics, items per second, time left."""

    def __init__(self, unit: str = "images"):
        self.unit = unit
        self.bar = None

    def on_fit_begin(self, run: Trainer) -> None:
        from tqdm.auto import tqdm

        length = _length(run.batches)
        self.bar = tqdm(
            total=length and length * (run.epochs - run.epoch),
            unit=f" {self.unit}",
            unit_scale=True,
            dynamic_ncols=True,
            smoothing=0.05,
            desc=f"epoch {min(run.epoch + 1, run.epochs)}/{run.epochs}",
            disable=run.epoch >= run.epochs,
        )
        self.began = False

    def on_epoch_begin(self, run: Trainer) -> None:
        self.bar.set_description(f"epoch {run.epoch + 1}/{run.epochs}", refresh=False)

    def on_step_end(self, run: Trainer) -> None:
        if not self.began:  # the first step compiles kernels, and says nothing about the time that is left
            self.bar.unpause()
            self.began = True
        self.bar.set_postfix(_shown(run.metrics), refresh=False)
        self.bar.update(batch_length(run.batch))

    def on_epoch_end(self, run: Trainer) -> None:
        self.bar.set_postfix(_shown(run.metrics))

    def on_fit_end(self, run: Trainer) -> None:
        if self.bar is not None:  # another callback may have failed before it was made
            self.bar.close()


def _length(batches) -> int | None:
    """Items in an epoch, where it is known."""
    try:
        if getattr(batches, "drop_last", False):
            return len(batches) * batches.batch_size
        return len(batches.dataset)
    except (AttributeError, TypeError):
        return None


def _shown(metrics):
    return {k: f"{100 * v:.1f}%" if "accuracy" in k else f"{v:.4g}" for k, v in metrics.items()}


class Validate(Callback):
    """After each epoch, loss and accuracy on data that is not learned from, as val_loss, val_accuracy."""

    def __init__(self, model, batches: Iterable, evaluate: Callable = evaluate):
        self.model, self.batches, self.evaluate = model, batches, evaluate

    def on_epoch_end(self, run: Trainer) -> None:
        figures = self.evaluate(self.model, self.batches)
        run.record(**{f"val_{name}": value for name, value in figures.items()})


class History(Callback):
    """Keeps the metrics of each epoch in a CSV file.  `run.history` has them as rows."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def on_epoch_end(self, run: Trainer) -> None:
        names = list(dict.fromkeys(name for row in run.history for name in row))
        text = text_io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(run.history)
        write_atomically(self.path, text.getvalue().encode())


class Checkpoint(Callback):
    """Writes the whole state of the run into a folder every `every` epochs and when training ends.

    A kill at any moment leaves a whole checkpoint.  `settings` (numbers, strings, ...) are kept with it.
    """

    def __init__(self, folder: str | os.PathLike, every: int = 1, settings: dict | None = None):
        self.file = CheckpointFile(folder)
        self.every, self.settings = every, settings or {}

    def on_epoch_end(self, run: Trainer) -> None:
        if run.epoch % self.every == 0 or run.epoch >= run.epochs:
            self.write(run)

    def write(self, run: Trainer) -> None:
        """Keep the run as it is now, between two epochs."""
        self.file.save({"settings": self.settings, "run": run.state_dict()})

    def resume(self, run: Trainer) -> None:
        """Bring `run` to where the checkpoint was written."""
        run.load_state_dict(self.file.load()["run"])


class EarlyStopping(Callback):
    """Ends training when `monitor` has not improved by `min_delta` for `patience` epochs.

    mode: 'min' or 'max', whether less or more is better.
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, mode: str = "min", min_delta: float = 0.0):
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.patience, self.mode, self.min_delta = monitor, patience, mode, min_delta
        self.best, self.waited = math.inf, 0

    def on_epoch_end(self, run: Trainer) -> None:
        if self.monitor not in run.metrics:
            known = ", ".join(run.metrics)
            raise ValueError(f"EarlyStopping: there is no metric {self.monitor!r}; there are {known}")
        value = run.metrics[self.monitor] * (1 if self.mode == "min" else -1)
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            raise Stop

    def state_dict(self):
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state):
        self.best, self.waited = state["best"], state["waited"]


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


class Plots(Callback):
    """Draws something into a file after every `every` epochs: `draw(run)` returns a matplotlib figure."""

    def __init__(self, path: str | os.PathLike, draw: Callable, every: int = 1):
        self.path, self.draw, self.every = Path(path), draw, every

    def on_epoch_end(self, run: Trainer) -> None:
        if run.epoch % self.every == 0 or run.epoch >= run.epochs:
            from ..pictures import keep

            keep(self.draw(run), self.path)
