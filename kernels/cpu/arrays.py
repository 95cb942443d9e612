"""What all CPU kernels ask of their arrays, and the memory of large ones, which is used again.

The pages of a fresh large array cost more than most kernels (0.25 ms a MB), so the pool keeps the memory of those that
died.  An array is a view of its Memory and holds a reference to it, as do all views of it, NumPy's and DLPack's alike:
memory is free when nobody but the pool refers to it.
"""

import sys
import threading
from collections.abc import Iterable
from math import prod

import ml_dtypes
import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
NARROW = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
SMALLEST = 1 << 16  # bytes; smaller arrays come from memory that malloc keeps itself, and are copied by NumPy
STRAIGHT = 1 << 18  # bytes; a result in place is written straight to arrays as large
ALIGNMENT = 64


def plain(x: np.ndarray) -> np.ndarray:
    """x in the one layout that kernels are compiled for: C-contiguous, aligned and writable."""
    return x if x.flags.carray else copied(x)


def copied(x: np.ndarray) -> np.ndarray:
    """A C-contiguous copy: a large one on all threads, into memory that is used again."""
    if x.nbytes >= SMALLEST:
        from .strided import gather

        y = empty(x.shape, x.dtype)
        if gather(x, y):
            return y
    return x.copy(order="C")


class Memory(np.ndarray):
    """Bytes that an array is laid upon."""

    used = start = 0  # when it was last handed out; its first byte on a cache line


class Pool:
    """Memory in classes of size.  It keeps at most SPARE times what was in use when most was in use, lately, and LITTLE
    in any case: a small network's arrays have many sizes, few of them in use at a time."""

    SPARE, FORGET, LITTLE = 1.25, 0.98, 64 << 20

    def __init__(self):
        self.classes: dict[int, list[Memory]] = {}
        self.lock = threading.Lock()
        self.peak = self.total = self.clock = 0

    def take(self, size: int) -> Memory:
        """Free memory for `size` bytes.  The caller must hold the lock until its array refers to it."""
        step = 1 << max(size.bit_length() - 4, 12)  # at most an eighth too large; what is not touched costs nothing
        size = -(-size // step) * step
        kept = self.classes.setdefault(size, [])
        self.clock += 1
        for memory in reversed(kept):
            if sys.getrefcount(memory) == _FREE:
                break
        else:
            self._make_room(size)
            memory = Memory((size + ALIGNMENT,), np.uint8)
            memory.start = -memory.ctypes.data % ALIGNMENT
            self.classes[size].append(memory)
            self.total += size
        memory.used = self.clock
        return memory

    def _idle(self):
        return [(m.used, n) for n, kept in self.classes.items() for m in kept if sys.getrefcount(m) == _FREE]

    def _make_room(self, size):
        idle = self._idle()
        self.peak = max(self.peak * self.FORGET, self.total + size - sum(n for _, n in idle))
        excess = self.total + size - max(self.SPARE * self.peak, self.LITTLE)
        if excess > 0:
            self._drop(sorted(idle), excess)

    def _drop(self, idle, excess):
        for used, n in idle:
            if excess <= 0:
                return
            self.classes[n] = [m for m in self.classes[n] if m.used != used]
            self.total -= n
            excess -= n

    def clear(self):
        with self.lock:
            self._drop(self._idle(), float("inf"))
            self.peak = self.total


def _count_free():
    """What getrefcount says in a loop over a list that alone holds its elements."""
    for one in [Memory((1,), np.uint8)]:
        return sys.getrefcount(one)


def _count_owned():
    """What getrefcount says of the memory, kept in a list, of one array."""
    kept = [Memory((1,), np.uint8)]
    a = np.ndarray(1, np.uint8, kept[0])
    return sys.getrefcount(a.base)


_FREE, _OWNED = _count_free(), _count_owned()
_pool = Pool()
_COUNTED = getattr(sys, "_is_gil_enabled", lambda: True)()  # else a count of references says little


def empty(shape, dtype) -> np.ndarray:
    """An array for an output or for scratch, aligned to cache lines where it is large."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize * (shape if isinstance(shape, int) else prod(shape))
    if size < SMALLEST or not _COUNTED:
        return np.empty(shape, dtype)
    with _pool.lock:
        memory = _pool.take(size)
        return np.ndarray(shape, dtype, memory, memory.start)


def zeros(shape, dtype) -> np.ndarray:
    """As `empty`, full of zeros."""
    y = empty(shape, dtype)
    y.fill(0)
    return y


class into:
    """Within it, the kernel of one of these names may write its output to `array`, also where that is an operand.

    taken: whether one did, or was about to.
    """

    def __init__(self, names: Iterable[str], array: np.ndarray):
        self.names, self.array, self.taken = names, array, False

    def __enter__(self):
        self.outer, _now.offer = _now.offer, self
        return self

    def __exit__(self, *exc):
        _now.offer = self.outer


class _Now(threading.local):
    offer = None  # the innermost `into` of this thread


_now = _Now()


def offered(name: str, shape, dtype, operands) -> np.ndarray | None:
    """The array offered for what the kernel `name` computes element by element, if it is fit for that; else None.

    Elements are read before others are written: an operand is the array itself, or has nothing to do with it.
    """
    offer = _now.offer
    if offer is None or name not in offer.names:
        return None
    y = offer.array
    fits = y.shape == shape and y.dtype == dtype and y.flags.carray
    if not fits or any(a is not y and np.may_share_memory(a, y) for a in operands):
        return None
    offer.taken = True
    return y


class _Scratch(threading.local):
    """Of each thread that calls kernels: memory that lasts from call to call."""

    memory = np.empty(0, np.uint8)


_scratch = _Scratch()


def scratch(shape, dtype) -> np.ndarray:
    """An array that is the caller's until the next call in this thread: for what a kernel packs and never returns.
    The memory, at most a few MB for each thread that kernels use, is kept as long as the calling thread lives."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize * prod(shape)
    if size > len(_scratch.memory):
        _scratch.memory = empty(size, np.uint8)
    return np.ndarray(shape, dtype, _scratch.memory)


def sole_owner(a: np.ndarray) -> bool:
    """Whether no array that is not a view of `a` shares its memory."""
    # a result seen in another shape: what it is seen of must be known to nobody else, and no larger
    while type(a.base) is np.ndarray and a.base.size == a.size and sys.getrefcount(a.base) < _OWNED:
        a = a.base
    return a.base is None or (type(a.base) is Memory and sys.getrefcount(a.base) <= _OWNED)


def empty_cache() -> None:
    """Give the memory of large arrays that are no more, kept for those to come, back to the system."""
    _pool.clear()
