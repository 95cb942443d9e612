"""Page-locked host memory, which a GPU reads and writes by itself, and what copies that are under way hold."""

from __future__ import annotations

import threading
from math import prod

import numpy as np


class Pinned(np.ndarray):
    """Bytes of page-locked memory.  An array is laid upon them and refers to them, as do all its views."""


def pinned_empty(cuda, shape, dtype) -> np.ndarray:
    """A host array on page-locked memory.  cuda: cupy.cuda.  RuntimeError where the system grants no more of it."""
    in_flight.release()
    dtype = np.dtype(dtype)
    size = max(1, prod(shape) * dtype.itemsize)
    try:
        block = cuda.alloc_pinned_memory(size)
    except (MemoryError, RuntimeError) as error:
        raise RuntimeError(
            f"pin_memory: no {size} bytes of page-locked memory can be had ({error}); pin less at a time, or leave "
            "pin_memory out: copies from ordinary memory work, too"
        ) from None
    return np.ndarray(shape, dtype, Pinned(size, np.uint8, block))  # no view: NumPy would leave it out of the chain


def is_pinned(array) -> bool:
    """Whether an array lies on memory that `pinned_empty` gave."""
    while isinstance(array, np.ndarray):
        if type(array) is Pinned:
            return True
        array = array.base
    return False


class InFlight:
    """What copies under way read or write.  It must live, and be given to nobody else, until the event behind the copy
    has passed: a pinned block that is dropped goes back to a pool, which may hand it out at once."""

    def __init__(self):
        self._held: list[tuple] = []
        self._lock = threading.Lock()

    def keep(self, event, *arrays) -> None:
        """Hold the arrays until `event`, recorded behind their copy, has passed."""
        self.release()
        with self._lock:
            self._held.append((event, arrays))

    def release(self) -> None:
        """Let go of what passed events held."""
        with self._lock:
            before, self._held = self._held, [held for held in self._held if not held[0].done]
        del before  # what is freed here is freed outside of the lock

    def __len__(self):
        return len(self._held)


in_flight = InFlight()
