"""What looks into the models while they learn: numbers that are not finite, statistics of layers."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...autograd import no_grad
from ...io import write_atomically
from ...nn.module import Module
from ...tensor import Tensor
from ..loop import Callback, Means, Trainer
from ..steps import modules_of


class NaNGuard(Callback):
    """Ends training by FloatingPointError at the first metric or parameter that is not a finite number.

    The error names the step and where the first gradient is that is not finite; a Checkpoint keeps its last good state.
    every: steps between two looks at the parameters (metrics are looked at after each step).
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ValueError(f"NaNGuard: every must be at least 1, got {every}")
        self.every = every

    def on_step_end(self, run: Trainer) -> None:
        bad = [f"{name} is {value}" for name, value in run.metrics.items() if not math.isfinite(value)]
        if bad:
            self._stop(run, ", ".join(bad))
        if run.iteration % self.every == 0:
            self._look(run)

    def on_epoch_end(self, run: Trainer) -> None:
        bad = [f"{name} of the epoch is {value}" for name, value in run.metrics.items() if not math.isfinite(value)]
        if bad:
            self._stop(run, ", ".join(bad))
        self._look(run)

    def _look(self, run):
        for name, p in _parameters(run.step):
            if not _finite(p):
                self._stop(run, f"{name} has {_count(p)}")

    def _stop(self, run, what):
        gradients = ((name, p.grad) for name, p in _parameters(run.step) if p.grad is not None)
        first = next((f"the gradient of {name} has {_count(g)}" for name, g in gradients if not _finite(g)), "")
        raise FloatingPointError(
            f"step {run.iteration} (epoch {run.epoch + bool(run.seen)}, batch {run.seen or 'last'}): {what}"
            f"{f'; {first}' if first else ''}. The last checkpoint is from before. A smaller learning rate or "
            "nn.utils.clip_grad_norm_ may help; autograd.detect_anomaly() finds the line"
        )


def _parameters(step) -> Iterator[tuple[str, Tensor]]:
    for place, module in modules_of(step).items():
        for name, p in module.named_parameters():
            yield f"{place}.{name}" if place else name, p


@no_grad()
def _finite(x: Tensor) -> bool:
    """One pass in most cases; a sum may overflow though all its terms are finite."""
    with np.errstate(all="ignore"):
        return math.isfinite(x.sum().item()) or bool(x.isfinite().all())


def _count(x: Tensor) -> str:
    return f"{int((~x.isfinite()).sum())} of {x.numel()} numbers that are not finite"


class Statistics(Callback):
    """For each layer and epoch: how its outputs are distributed, how large its weights and gradients are.

    path   a CSV file for the rows; `rows` has them, `draw()` a figure
    every  steps between two looks; an epoch's figures are their means
    A row: epoch, layer, mean, deviation, zeros (their share) of the outputs; weight, gradient: root mean squares.
    The hooks that it needs are there while training runs.
    """

    def __init__(self, path: str | os.PathLike | None = None, every: int = 10):
        if every < 1:
            raise ValueError(f"Statistics: every must be at least 1, got {every}")
        self.path, self.every = None if path is None else Path(path), every
        self.rows: list[dict[str, Any]] = []
        self.totals: dict[str, Means] = {}
        self.handles: list = []
        self.listening = False

    def on_fit_begin(self, run: Trainer) -> None:
        for name, layer in _layers(run.step):
            self.handles.append(layer.register_forward_hook(self._hear(name, layer)))
        self.listening = run.iteration % self.every == 0

    def _hear(self, name, layer):
        @no_grad()
        def hook(module, args, output):
            y = output[0] if isinstance(output, tuple) else output
            if self.listening and layer.training and isinstance(y, Tensor) and y.is_floating_point():
                figures = {"mean": y.mean().item(), "deviation": y.std(correction=0).item()}
                self._add(name, figures | {"zeros": (y == 0).float().mean().item()})

        return hook

    def _add(self, name, figures):
        self.totals.setdefault(name, Means()).add(figures, 1.0)

    @no_grad()
    def on_step_end(self, run: Trainer) -> None:
        if self.listening:
            for name, layer in _layers(run.step):
                own = [p for p in layer.parameters(recurse=False)]
                for kind, tensors in (("weight", own), ("gradient", [p.grad for p in own if p.grad is not None])):
                    if tensors:
                        squares = sum(t.square().sum().item() for t in tensors)
                        self._add(name, {kind: math.sqrt(squares / sum(t.numel() for t in tensors))})
        self.listening = run.iteration % self.every == 0

    def on_epoch_end(self, run: Trainer) -> None:
        self.rows += [{"epoch": run.epoch, "layer": name, **total.means()} for name, total in self.totals.items()]
        self.totals = {}
        if self.path is not None:
            text = io.StringIO()
            columns = ["epoch", "layer", "mean", "deviation", "zeros", "weight", "gradient"]
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            write_atomically(self.path, text.getvalue().encode())

    def on_fit_end(self, run: Trainer) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles, self.listening = [], False

    def draw(self):
        """The rows as a matplotlib figure."""
        from ...pictures import draw_layers

        return draw_layers(self.rows)

    def state_dict(self) -> dict[str, Any]:
        totals = {name: total.state_dict() for name, total in self.totals.items()}
        return {"rows": [dict(row) for row in self.rows], "totals": totals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state["rows"]]
        self.totals = {name: Means() for name in state["totals"]}
        for name, total in self.totals.items():
            total.load_state_dict(state["totals"][name])


def _layers(step) -> Iterator[tuple[str, Module]]:
    """Modules without others inside, and those with parameters of their own."""
    for place, model in modules_of(step).items():
        for name, module in model.named_modules():
            if not list(module.children()) or list(module.parameters(recurse=False)):
                yield ".".join(filter(None, (place, name))), module
