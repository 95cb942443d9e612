"""What says how training goes: a progress bar, a table, TensorBoard."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

from ...io import write_atomically
from ...random import fork_rng
from ..loop import Callback, Trainer, batch_length
from ..steps import modules_of


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
            initial=run.seen * (getattr(run.batches, "batch_size", None) or 1),  # of an epoch that goes on
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


class History(Callback):
    """Keeps the metrics of each epoch in a CSV file.  `run.history` has them as rows, `run.to_pandas()` as a table."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def on_epoch_end(self, run: Trainer) -> None:
        names = list(dict.fromkeys(name for row in run.history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(run.history)
        write_atomically(self.path, text.getvalue().encode())


class TensorBoard(Callback):
    """Writes for TensorBoard: metrics of steps and of epochs, weights as histograms, pictures.  Needs tensorboardX.

    folder      of this run; `tensorboard --logdir` wants the one above it
    every       steps between two entries of the steps' metrics
    histograms  epochs between two histograms of all weights, 0 for none
    draw        run -> images (N, H, W), (N, 1, H, W) or (N, 3, H, W) in [0, 1], after each epoch
    """

    def __init__(self, folder: str | os.PathLike, every: int = 10, histograms: int = 1, draw: Callable | None = None):
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise ImportError("TensorBoard needs tensorboardX: pip install 'tinydl[tensorboard]'") from None
        self.folder, self.every, self.histograms, self.draw = folder, every, histograms, draw
        self.writer = None

    def on_fit_begin(self, run: Trainer) -> None:
        from tensorboardX import SummaryWriter

        # Of a run that was killed, what it wrote after its checkpoint is told anew.
        self.writer = SummaryWriter(os.fspath(self.folder), purge_step=run.iteration + 1 if run.iteration else None)

    def on_step_end(self, run: Trainer) -> None:
        if run.iteration % self.every == 0:
            self._scalars("step", run)

    def on_epoch_end(self, run: Trainer) -> None:
        from ...pictures import image_grid

        self._scalars("epoch", run)
        if self.histograms and run.epoch % self.histograms == 0:
            for place, module in modules_of(run.step).items():
                for name, p in module.named_parameters():
                    self.writer.add_histogram(f"{place}.{name}", p.numpy(force=True), run.iteration)
        if self.draw is not None:
            with fork_rng():
                grid = image_grid(self.draw(run))
            self.writer.add_image("samples", grid, run.iteration, dataformats="HW" if grid.ndim == 2 else "HWC")

    def _scalars(self, kind, run):
        for name, value in run.metrics.items():
            self.writer.add_scalar(f"{kind}/{name}", value, run.iteration)

    def on_fit_end(self, run: Trainer) -> None:
        if self.writer is not None:
            self.writer.close()
