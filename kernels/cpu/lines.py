"""Windows that advance by a step along rows: where each tap of a whole row of outputs lies.

A row is split into as many phases as the step is long, each with padding: number i of the row is number
(i + before) // step of phase (i + before) % step. Under one tap lie then, for all outputs of a row, numbers
that follow each other in one phase.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from numba import carray

from ..window import taps
from .jit import jit
from .microkernel import address
from .taps import deal, mix

SPARE = 16  # numbers behind a row that a vector may read: the widest vector


class Lines(NamedTuple):
    """For each row of outputs where its taps begin in the split plane, and what inner loops need besides."""

    table: np.ndarray  # (rows, most taps) int64
    counts: np.ndarray  # (rows,) taps of each row
    numbers: tuple
    # of pooling by maximum only: positions of the taps in the plane, of the first tap's row, and of the first
    # taps inside of the row
    places: np.ndarray | None = None
    starts: np.ndarray | None = None
    initial: np.ndarray | None = None


class _Outer(NamedTuple):
    """All dimensions of a window but the last."""

    window: tuple

    @property
    def image(self):
        return self.window.image[:-1]

    def spans(self, d):
        return self.window.spans(d)


def _along(window):
    """(outputs, taps, step, padding, dilation) along the last dimension; of unequal bins each number by itself."""
    line, n = window.image[-1], window.out[-1]
    if hasattr(window, "size"):
        step = window.stride[-1] if n > 1 else 1
        return n, window.size[-1], step, window.padding[-1], window.dilation[-1]
    if line % n:
        return line, 1, 1, 0, 1
    return n, line // n, line // n if n > 1 else 1, 0, 1


@lru_cache(maxsize=32)
def unequal(window) -> np.ndarray | None:
    """(2, outputs): where the bins along the last dimension begin and end, if lines leave them to be joined."""
    if hasattr(window, "size") or window.image[-1] % window.out[-1] == 0:
        return None
    return np.array([(s.start, s.stop) for s in window.spans(len(window.image) - 1)]).T.copy()


@lru_cache(maxsize=32)
def forward(window) -> Lines:
    """From a row's taps to its outputs; `numbers`: length of a row, step, padding before it, length of a phase."""
    line = window.image[-1]
    n, size, step, before, dilation = _along(window)
    width = max((n - 1) * step + (size - 1) * dilation, line + before - 1) // step + 1
    rows = taps(_Outer(window)).T
    shift = np.arange(size) * dilation
    tap = rows[:, :, None] * width + shift % step * width * prod(window.image[:-1]) + shift // step
    place = rows[:, :, None] * line + shift - before
    inside = np.broadcast_to((rows >= 0)[:, :, None], tap.shape).reshape(len(rows), -1)
    table, places, counts = _together(inside, tap, place)
    first = np.arange(n)[:, None] * step - before + shift
    initial = np.zeros(n + SPARE, np.int32)
    initial[:n] = np.where(first >= 0, first, line).min(axis=1)
    starts = np.where(rows >= 0, rows, rows.max(initial=0)).min(axis=1) * line
    return Lines(table, counts, (line, step, before, width), places.astype(np.int32), starts, initial)


@lru_cache(maxsize=32)
def backward(window) -> Lines:
    """From a row's outputs to what lies under their taps: for each phase and row of the image.

    numbers: as those of `forward`, then the length of a row of outputs, and the zeros before it and its length
    with zeros all around.
    """
    line = window.image[-1]
    n, size, step, before, dilation = _along(window)
    width = (line + before - 1) // step + 1
    shift = np.arange(size) * dilation
    left = int(shift[-1]) // step
    stride = left + max(width, n)
    rows = taps(_Outer(window)).T
    height = prod(window.image[:-1])
    entries = [[] for _ in range(step * height)]
    for q, under in enumerate(rows):
        for row in under[under >= 0]:
            for s in shift:
                entries[s % step * height + row].append(q * stride + left - s // step)
    counts = np.array([len(e) for e in entries])
    table = np.zeros((len(entries), max(1, *map(len, entries))), np.int64)
    for to, e in zip(table, entries):
        to[: len(e)] = e
    return Lines(table, counts, (line, step, before, width, n, left, stride))


def _together(inside, *tables):
    """The entries that are inside, first in each row, in order; and their numbers."""
    order = np.argsort(~inside, axis=1, kind="stable")
    moved = [np.ascontiguousarray(np.take_along_axis(t.reshape(inside.shape), order, axis=1)) for t in tables]
    return *moved, inside.sum(axis=1)


@jit
def split(x, at, rows, line, step, before, width, phases):
    """A plane, which begins at element `at`, into its phases."""
    if before == 0 and line == step * width:  # then it is like one row
        rows, line, width = 1, rows * line, rows * width
    if step == 2:
        even, odd = _phase(0, rows, step, before, width), _phase(1, rows, step, before, width)
        for r in range(rows):
            to, other = address(phases, even + r * width), address(phases, odd + r * width)
            deal(line, address(x, at + r * line), to, other)
        return
    for i in range(min(step, line)):
        start, n = _phase(i, rows, step, before, width), (line - i + step - 1) // step
        for r in range(rows):
            row, to = carray(address(x, at + r * line + i), line - i), carray(address(phases, start + r * width), n)
            if step == 1:
                for j in range(n):
                    to[j] = row[j]
            else:
                for j in range(n):
                    to[j] = row[j * step]


@jit
def join(phases, x, at, rows, line, step, before, width):
    """A plane, which begins at element `at`, from its phases."""
    if before == 0 and line == step * width:
        rows, line, width = 1, rows * line, rows * width
    if step == 2:
        even, odd = _phase(0, rows, step, before, width), _phase(1, rows, step, before, width)
        for r in range(rows):
            part, other = address(phases, even + r * width), address(phases, odd + r * width)
            mix(line, address(x, at + r * line), part, other)
        return
    for i in range(min(step, line)):
        start, n = _phase(i, rows, step, before, width), (line - i + step - 1) // step
        for r in range(rows):
            row, part = carray(address(x, at + r * line + i), line - i), carray(address(phases, start + r * width), n)
            if step == 1:
                for j in range(n):
                    row[j] = part[j]
            else:
                for j in range(n):
                    row[j * step] = part[j]


@jit
def _phase(i, rows, step, before, width):
    """Where number i of the first row lies, which those `step` further on follow; rows are `width` apart."""
    return (before + i) % step * rows * width + (before + i) // step
