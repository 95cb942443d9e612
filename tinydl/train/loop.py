"""The training loop. There is one: what differs between models is the step, what surrounds it the callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

from ..tensor import Tensor

EVENTS = ("fit_begin", "epoch_begin", "step_end", "epoch_end", "fit_end")


class Stop(Exception):
    """Raised by a callback to end training after the current event."""


class Callback:
    """Something that happens around the steps.  Override any of the five events.

    Each gets the Trainer: `run.epoch` (finished epochs), `run.iteration` (finished steps), `run.metrics`
    (of the last step; at epoch_end the means over the epoch), `run.batch`, `run.step`, `run.history`.
    A callback with `state_dict` and `load_state_dict` becomes part of checkpoints.
    """

    def on_fit_begin(self, run: Trainer) -> None:
        """Training is about to begin, or to go on."""

    def on_epoch_begin(self, run: Trainer) -> None:
        """An epoch is about to begin."""

    def on_step_end(self, run: Trainer) -> None:
        """A batch has been learned from."""

    def on_epoch_end(self, run: Trainer) -> None:
        """All batches of an epoch have been seen."""

    def on_fit_end(self, run: Trainer) -> None:
        """Training has ended: finished, stopped, or broken off by an error."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith("on_") and name.removeprefix("on_") not in EVENTS:
                raise TypeError(f"{cls.__name__}.{name}: there is no such event; events are {', '.join(EVENTS)}")


class Trainer:
    """Runs `step(batch)` over `batches`, epoch by epoch, and tells the callbacks.

    step       a callable batch -> {"loss": float, ...}, which owns models and optimizers (see `steps`);
               its `state_dict()` is what a checkpoint keeps
    batches    iterable again and again, one epoch each time: a DataLoader
    callbacks  told of each event in the order given
    """

    def __init__(self, step: Callable, batches: Iterable, *callbacks: Callback):
        for c in callbacks:
            if not isinstance(c, Callback):
                raise TypeError(f"Trainer: expected callbacks, got {type(c).__name__}")
        self.step, self.batches, self.callbacks = step, batches, callbacks
        self.epoch = self.iteration = self.epochs = 0
        self.metrics: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.batch: Any = None
        self.error: BaseException | None = None

    def fit(self, epochs: int) -> list[dict[str, float]]:
        """Train until `epochs` epochs have been finished in all; returns the history, a row for each."""
        self.epochs, self.error = epochs, None
        with ExitStack() as last:
            for callback in reversed(self.callbacks):  # each is told of the end, even if others fail
                last.callback(callback.on_fit_end, self)
            try:
                self._emit("fit_begin")
                while self.epoch < epochs:
                    self._run_epoch()
            except Stop:
                pass
            except BaseException as e:
                self.error = e
                raise
        return self.history

    def _run_epoch(self):
        self._emit("epoch_begin")
        totals = Means()
        for batch in self.batches:
            self.batch, self.metrics = batch, self.step(batch)
            self.iteration += 1
            totals.add(self.metrics, batch_length(batch))
            self._emit("step_end")
        self.metrics = totals.means()
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **self.metrics})
        self._emit("epoch_end")

    def record(self, **metrics: float) -> None:
        """Add figures to the metrics and to the history's last row: a callback's at epoch_end."""
        self.metrics = {**self.metrics, **metrics}
        if self.history:
            self.history[-1].update(metrics)

    def _emit(self, event):
        stop = None
        for callback in self.callbacks:
            try:
                getattr(callback, f"on_{event}")(self)
            except Stop as e:  # the others are told first: a checkpoint must not miss the last epoch
                stop = e
        if stop is not None:
            raise stop

    def state_dict(self) -> dict[str, Any]:
        """All that decides how training goes on: step, order of data, random numbers, callbacks."""
        from ..random import get_rng_state

        return {
            "epoch": self.epoch,
            "iteration": self.iteration,
            "history": [dict(row) for row in self.history],
            "step": self.step.state_dict(),
            "batches": self.batches.state_dict() if hasattr(self.batches, "state_dict") else None,
            "random": get_rng_state(),
            "callbacks": [c.state_dict() if hasattr(c, "state_dict") else None for c in self.callbacks],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.  What does not fit is refused, and the trainer stays as it was."""
        if len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(
                f"Trainer.load_state_dict: the checkpoint has {len(state['callbacks'])} callbacks, "
                f"this trainer {len(self.callbacks)}; build it as it was when the run began"
            )
        before = deepcopy(self.state_dict())
        try:
            self._load(state)
        except BaseException:
            self._load(before)
            raise

    def _load(self, state):
        from ..random import set_rng_state

        self.step.load_state_dict(state["step"])
        if state["batches"] is not None:
            self.batches.load_state_dict(state["batches"])
        set_rng_state(state["random"])
        for callback, saved in zip(self.callbacks, state["callbacks"]):
            if saved is not None:
                callback.load_state_dict(saved)
        self.epoch, self.iteration = state["epoch"], state["iteration"]
        self.history = [dict(row) for row in state["history"]]


class Means:
    """Means of several figures over batches of different length."""

    def __init__(self):
        self.sums: dict[str, float] = {}
        self.weights: dict[str, float] = {}

    def add(self, metrics: dict[str, float], weight: float) -> None:
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + weight * float(value)
            self.weights[name] = self.weights.get(name, 0.0) + weight

    def means(self) -> dict[str, float]:
        return {name: total / self.weights[name] for name, total in self.sums.items()}


def batch_length(batch) -> int:
    """How many items a batch holds: the length of its first tensor."""
    while isinstance(batch, (list, tuple, dict)) and len(batch):
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    return len(batch) if isinstance(batch, Tensor) and batch.ndim else 1
