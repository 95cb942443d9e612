"""Pictures of training while it goes: curves, samples."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...random import fork_rng, manual_seed
from ..loop import Callback, Trainer

MOST_POINTS = 2000  # of a curve over steps


class Plots(Callback):
    """Draws something into a file after every `every` epochs: `draw(run)` returns a matplotlib figure."""

    def __init__(self, path: str | os.PathLike, draw: Callable, every: int = 1):
        self.path, self.draw, self.every = Path(path), draw, every

    def on_epoch_end(self, run: Trainer) -> None:
        if run.epoch % self.every == 0 or run.epoch >= run.epochs:
            from ...pictures import keep

            with fork_rng():
                figure = self.draw(run)
            keep(figure, self.path)


class LivePlots(Callback):
    """Curves of all metrics, drawn again every `seconds`: in a notebook in place, and into the file `path` if given.

    draw: (history, steps) -> a matplotlib figure; see pictures.draw_metrics, which does it.
    """

    def __init__(self, path: str | os.PathLike | None = None, seconds: float = 5.0, draw: Callable | None = None):
        self.handle = _notebook_display()
        if path is None and self.handle is None:
            raise ValueError("LivePlots: this is no notebook; give the path of a picture to draw into")
        self.path, self.seconds, self.draw = None if path is None else Path(path), seconds, draw
        self.steps: list[dict[str, float]] = []
        self.every, self.next = 1, 0.0

    def on_fit_begin(self, run: Trainer) -> None:
        self.next = time.monotonic() + self.seconds

    def on_step_end(self, run: Trainer) -> None:
        if run.iteration % self.every == 0:
            self.steps.append({**run.metrics, "epoch": _progress(run)})
        if len(self.steps) > MOST_POINTS:
            self.steps, self.every = self.steps[1::2], 2 * self.every
        if time.monotonic() >= self.next:
            self.show(run)
            self.next = time.monotonic() + self.seconds  # the time of drawing does not count

    def on_fit_end(self, run: Trainer) -> None:
        if self.steps and not isinstance(run.error, Exception):  # drawing may be what failed
            self.show(run)

    def show(self, run: Trainer) -> None:
        """Draw now."""
        from ...pictures import draw_metrics, keep, png

        with fork_rng():  # when it is drawn depends on the clock, and training must not
            figure = (self.draw or draw_metrics)(run.history, self.steps)
        if self.path is not None:
            keep(figure, self.path)
        if self.handle is not None:
            self.handle(png(figure))


def _progress(run) -> float:
    """Finished epochs and the part of the one under way, as long as those before if its length is not known."""
    try:
        length = len(run.batches)
    except TypeError:
        length = (run.iteration - run.seen) / run.epoch if run.epoch else float("inf")
    return run.epoch + min(1.0, run.seen / length)


def _notebook_display() -> Callable | None:
    """PNG -> shows it in the cell in place of the last one; None outside of notebooks."""
    shell = sys.modules.get("IPython")  # a notebook has imported it
    if shell is None or not hasattr(shell.get_ipython(), "kernel"):
        return None
    from IPython.display import Image, display

    handles = []

    def show(picture):
        if handles:
            handles[0].update(Image(picture))
        else:
            handles.append(display(Image(picture), display_id=True))

    return show


class SampleGrid(Callback):
    """A picture of samples after every `every` epochs, in a folder, and at the end all of them as an animation.

    draw     run -> images (N, H, W), (N, 1, H, W) or (N, 3, H, W) in [0, 1].  It draws the same random numbers each
             time (those of `seed`) and leaves those of training alone
    folder   of epoch-0001.png, epoch-0002.png, ... and samples.gif
    columns  of the grid
    """

    def __init__(self, draw: Callable, folder: str | os.PathLike, every: int = 1, columns: int = 8, seed: int = 0):
        self.draw, self.folder, self.every, self.columns, self.seed = draw, Path(folder), every, columns, seed

    def on_epoch_end(self, run: Trainer) -> None:
        if run.epoch % self.every and run.epoch < run.epochs and not run.stopping:
            return
        from ...pictures import image_grid, keep_image

        with fork_rng():
            manual_seed(self.seed)
            grid = image_grid(self.draw(run), self.columns)
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_image(grid, self.folder / f"epoch-{run.epoch:04d}.png")

    def on_fit_end(self, run: Trainer) -> None:
        from ...pictures import keep_animation

        kept = [path for n in range(run.epoch + 1) if (path := self.folder / f"epoch-{n:04d}.png").exists()]
        if len(kept) > 1:
            keep_animation(kept, self.folder / "samples.gif")
