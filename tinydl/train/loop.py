"""The training loop. There is one: what differs between models is the step, what surrounds it the callbacks."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from itertools import islice
from typing import Any

from ..device import device
from ..ops.generator import default_generators, default_of
from ..tensor import Tensor

EVENTS = ("fit_begin", "epoch_begin", "step_end", "epoch_end", "fit_end")
BETWEEN_STEPS = ("step_end", "epoch_end")


class Stop(Exception):
    """Raised by a callback to end training after the current event."""


class Callback:
    """Something that happens around the steps.  Override any of the five events.

    Each gets the Trainer: `run.epoch` (finished epochs), `run.iteration` (finished steps), `run.metrics`
    (of the last step; at epoch_end the means over the epoch), `run.batch`, `run.step`, `run.history`,
    `run.stopping` (training ends after this event).
    A callback with `state_dict` and `load_state_dict` becomes part of checkpoints.
    """

    late = False  # told of events after the others, as one that keeps what they did

    def on_fit_begin(self, run: Trainer) -> None:
        """Training is about to begin, or to go on."""

    def on_epoch_begin(self, run: Trainer) -> None:
        """An epoch is about to begin (not told again where one goes on that was broken off)."""

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
    callbacks  told of each event in the order given, late ones (Checkpoint) after the others

    Between two steps the trainer is whole: a state taken there, even within an epoch, goes on bit by bit as if
    nothing had been, with a DataLoader or other batches that come in the same order each time.
    """

    def __init__(self, step: Callable, batches: Iterable, *callbacks: Callback):
        for c in callbacks:
            if not isinstance(c, Callback):
                raise TypeError(f"Trainer: expected callbacks, got {type(c).__name__}")
        self.step, self.batches, self.callbacks = step, batches, callbacks
        self.epoch = self.iteration = self.epochs = 0
        self.seen, self.totals = 0, Means()  # batches of the epoch that is under way, and their figures
        self.metrics: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.batch: Any = None
        self.error: BaseException | None = None
        self.stopping = self._interrupted = False

    def fit(self, epochs: int) -> list[dict[str, float]]:
        """Train until `epochs` epochs have been finished in all; returns the history, a row for each.

        Ctrl-C ends training after the step under way: callbacks are told (a Checkpoint writes), and
        KeyboardInterrupt is raised.  A second Ctrl-C does not wait.
        """
        self.epochs, self.error, self.stopping, self._interrupted = epochs, None, False, False
        with ExitStack() as last:
            for callback in reversed(self._told()):  # each is told of the end, even if others fail
                last.callback(callback.on_fit_end, self)
            try:
                with self._waiting_interrupts():
                    try:
                        self._emit("fit_begin")
                        while self.epoch < epochs:
                            self._run_epoch()
                    except Stop:
                        pass
                if self._interrupted:
                    raise KeyboardInterrupt
            except BaseException as e:
                self.error = e
                raise
        return self.history

    def _run_epoch(self):
        if not self.seen:
            self.totals = Means()
            self._emit("epoch_begin")
        for batch in self._rest_of_epoch():
            self.batch, self.metrics = batch, self.step(batch)
            self.iteration += 1
            self.seen += 1
            self.totals.add(self.metrics, batch_length(batch))
            self._emit("step_end")
        self.metrics = self.totals.means()
        self.epoch += 1
        self.seen = 0
        self.history.append({"epoch": self.epoch, **self.metrics})
        self._emit("epoch_end")

    def _rest_of_epoch(self):
        """The batches that are left of an epoch that was broken off, or all of the next."""
        if not self.seen:
            return self.batches
        if hasattr(self.batches, "load_state_dict"):
            self.batches.load_state_dict(self.batches.state_dict())
            return self.batches
        return islice(self.batches, self.seen, None)

    @contextmanager
    def _waiting_interrupts(self) -> Iterator[None]:
        """Within it the first Ctrl-C is only noted, where nobody else has a say in what it does."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def note(number, frame):
            self._interrupted = True
            print("\nending after this step; Ctrl-C again ends at once", file=sys.stderr)
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def record(self, **metrics: float) -> None:
        """Add figures to the metrics and to the history's last row: a callback's at epoch_end."""
        self.metrics = {**self.metrics, **metrics}
        if self.history:
            self.history[-1].update(metrics)

    def to_pandas(self):
        """The history as a pandas DataFrame, a row for each epoch; ImportError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("Trainer.to_pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.history, columns=None if self.history else ["epoch"]).set_index("epoch")

    def _told(self):
        return sorted(self.callbacks, key=lambda c: c.late)

    def _emit(self, event):
        if event in BETWEEN_STEPS and self._interrupted:
            self.stopping = True
        for callback in self._told():
            try:
                getattr(callback, f"on_{event}")(self)
            except Stop:  # the others are told first: a checkpoint must not miss the last epoch
                self.stopping = True
        if self.stopping:
            raise Stop

    def _stateful(self) -> dict[str, Callback]:
        """The callbacks that are part of checkpoints, by class and number; others may come and go."""
        named: dict[str, Callback] = {}
        for callback in self.callbacks:
            if hasattr(callback, "state_dict"):
                kind = type(callback).__name__
                named[f"{kind}-{sum(name.startswith(f'{kind}-') for name in named)}"] = callback
        return named

    def state_dict(self) -> dict[str, Any]:
        """All that decides how training goes on: step, order of data, random numbers, callbacks."""
        return {
            "epoch": self.epoch,
            "iteration": self.iteration,
            "seen": self.seen,
            "totals": self.totals.state_dict(),
            "history": [dict(row) for row in self.history],
            "step": self.step.state_dict(),
            "batches": self.batches.state_dict() if hasattr(self.batches, "state_dict") else None,
            "random": {str(g.device): g.get_state() for g in default_generators()},
            "callbacks": {name: c.state_dict() for name, c in self._stateful().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.  What does not fit is refused, and the trainer stays as it was."""
        for name, here, there in (
            ("callbacks", sorted(self._stateful()), sorted(state["callbacks"])),
            ("place in the batches", hasattr(self.batches, "load_state_dict"), state["batches"] is not None),
        ):
            if here != there:
                raise ValueError(
                    f"Trainer.load_state_dict: {name} with a state: the checkpoint has {there}, this trainer {here}; "
                    "build it as it was when the run began"
                )
        before = deepcopy(self.state_dict())
        try:
            self._load(state)
        except BaseException:
            self._load(before)
            raise

    def _load(self, state):
        self.step.load_state_dict(state["step"])
        if state["batches"] is not None:
            self.batches.load_state_dict(state["batches"])
        for name, random in state["random"].items():
            _set_random(name, random)
        for name, callback in self._stateful().items():
            callback.load_state_dict(state["callbacks"][name])
        self.epoch, self.iteration, self.seen = state["epoch"], state["iteration"], state["seen"]
        self.totals = Means()
        self.totals.load_state_dict(state["totals"])
        self.history = [dict(row) for row in state["history"]]


def _set_random(name: str, state: Tensor) -> None:
    """Give a device's generator its state; a run may go on where there is no such device."""
    try:
        here = device(name)
    except RuntimeError:
        return
    default_of(here).set_state(state)


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

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self.sums), "weights": dict(self.weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums, self.weights = dict(state["sums"]), dict(state["weights"])


def batch_length(batch) -> int:
    """How many items a batch holds: the length of its first tensor."""
    while isinstance(batch, (list, tuple, dict)) and len(batch):
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    return len(batch) if isinstance(batch, Tensor) and batch.ndim else 1
