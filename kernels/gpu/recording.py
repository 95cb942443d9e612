"""A step on its way into a CUDA graph (tinydl/cuda/graphs.py), as kernels and operations see it.

A graph holds launches together with their arguments.  A number that is another one at each step (a learning rate, the
place in a stream of random numbers) must not be such an argument: while a graph is captured, whoever needs one asks
`now.step.live` for a place on the device, from which its kernel reads it, and each replay fills these places anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

from .launch import Backend, launch
from .source import Source

SENDS = "sends data of the host, which would be the same at every replay; make the tensor before, as an argument"
LENGTH = 256  # words of 8 bytes that one launch passes
_STRUCT = np.dtype([("at", "u8", LENGTH)])
WORDS = Source("words.cu", "set_words", structs={"Words": _STRUCT})


class _Now(threading.local):
    step: Recording | None = None  # whose step runs in this thread


now = _Now()


class Refused(RuntimeError):
    """Something that no graph can hold."""


class Recording:
    """What one graph needs beside its launches.

    phase: "warm-up", the step runs, by those kernels that a graph can hold; "capture", its launches are noted and do
    not run; "refill", only its numbers are computed, for the next replay.
    """

    def __init__(self, backend: Backend):
        self.backend, self.phase = backend, "warm-up"
        self.runtime = backend.graphs()
        self.leaves: dict = {}  # id of a leaf that got a gradient -> (leaf, the gradient that it had when asked)
        self.written: set = set()  # storages that the step writes
        self.kept: list = []  # arrays that the graph reads and nobody else may keep
        self.undo: list[Callable] = []  # what takes back what the host did in a capture
        self.repeats: list[Callable] = []  # what computes the numbers of the next replay
        # whether what runs on the CPU now is meant to: an optimizer's counts, constants of rules
        self.host_work = False
        self._added: set = set()
        self._held: list = []
        self._blocks: list = []  # (words on the host, on the device), sent by one launch each
        self._used = LENGTH
        self._places: list = []
        self._at = 0
        self._streams: dict = {}

    @property
    def capturing(self) -> bool:
        """Whether launches are noted now, and not run."""
        return self.phase == "capture"

    @property
    def refilling(self) -> bool:
        """Whether numbers alone are wanted now, no launches."""
        return self.phase == "refill"

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Within it the recording is in force, in this phase."""
        if now.step is not None:
            raise RuntimeError("cuda.graph: a captured step called another; capture the outer one alone")
        self.phase, self._at, now.step = phase, 0, self
        try:
            yield
        finally:
            now.step = None

    @contextmanager
    def on_host(self) -> Iterator[None]:
        """Within it work on the CPU is not refused."""
        before, self.host_work = self.host_work, True
        try:
            yield
        finally:
            self.host_work = before

    # ---- numbers that change
    def live(self, values, kind: str = "f8"):
        """An array of the device with these numbers, that are computed again for each replay; None in a warm-up."""
        if self.phase == "warm-up":
            return None
        if self.capturing:
            self._places.append(self._place(len(values), kind))
        elif self._at == len(self._places):
            raise RuntimeError("cuda.graph: an optimizer has more to update than when it was captured; capture anew")
        host, device = self._places[self._at]
        self._at += 1
        host[:] = values
        return device

    def _place(self, count, kind):
        if self._used + count > LENGTH:
            words = self.backend.empty(LENGTH, "uint64")
            self._blocks.append((np.zeros(1, _STRUCT), words))
            self._used = 0
        (host, device), start = self._blocks[-1], self._used
        self._used += count
        part = slice(start, start + count)
        return host["at"][0, part].view(kind), device[part].view(kind)

    def draw(self, generator, blocks: int):
        """As generator.draw: (words on the device with the seed and the first block, number of the block after it)."""
        seed, offset = generator.draw(blocks)
        if generator not in self._streams:
            self._streams[generator] = (seed, offset), self._place(2, "u8")
        (_, first), (_, device) = self._streams[generator]
        return device, (offset - first) % 2**64

    # ---- gradients
    def adds_to_grad(self, leaf) -> None:
        """Note that the step adds to the gradient of `leaf`; refuse one that was there before a capture."""
        _, before = self.leaves.setdefault(id(leaf), (leaf, leaf.grad))
        if not self.capturing or id(leaf) in self._added:
            return
        self._added.add(id(leaf))
        if before is not None and leaf.grad is before:
            raise Refused("adds to a gradient from before the step, whose place may change: begin it with zero_grad()")

    def gradients(self) -> list:
        """(leaf, its gradient, whether it had none when the capture began) of those that the capture added to."""
        return [(leaf, leaf.grad, old is None) for key, (leaf, old) in self.leaves.items() if key in self._added]

    # ---- what must stay as it is
    def holds(self, what: str, look: Callable) -> None:
        """Refuse later replays where the arrays and options that `look` gives are no longer the same."""
        if self.capturing:
            self._held.append((what, look, look()))

    def check(self) -> None:
        """RuntimeError where something that the graph holds was replaced."""
        for what, look, before in self._held:
            found = look()
            if len(found) != len(before) or not all(map(_same, found, before)):
                raise RuntimeError(
                    f"cuda.graph: {what} changed since the capture, and the graph would go on with the old; "
                    "write in place (copy_), or make the graph anew"
                )

    # ---- replays
    def finish(self) -> None:
        """The capture is over: the generators go back to where they were, and as far as they came at each replay."""
        self._advance = {g: (g.position[1] - start) % 2**64 for g, ((_, start), _) in self._streams.items()}
        self.rewind()

    def rewind(self) -> None:
        """Put generators back to where they were before the capture."""
        for generator, (start, _) in self._streams.items():
            generator.position = start

    def fill(self, first: bool) -> None:
        """Send the numbers of the coming replay; those of the first were computed by the capture itself."""
        if not first:
            self.check()
            with self.during("refill"):
                for again in self.repeats:
                    again()
                if self._at != len(self._places):
                    raise RuntimeError("cuda.graph: an optimizer has less to update than when captured; capture anew")
        for generator, (_, (host, _)) in self._streams.items():
            host[:] = generator.draw(self._advance[generator])
        for host, device in self._blocks:
            launch(WORDS, "set_words", 1, LENGTH, device, host, LENGTH)


def _same(a, b):
    return a is b or (not hasattr(a, "dtype") and a == b)


def on_host():
    """Within it work on the CPU is not refused, should a graph be captured."""
    return nullcontext() if now.step is None else now.step.on_host()


def refuse_in_capture(reason: str) -> None:
    """Raise where a graph is captured: it cannot hold this."""
    step = now.step
    if step is not None and step.capturing and not step.host_work:
        raise Refused(reason)
