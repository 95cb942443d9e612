"""Memory of the GPU: every array's comes through one allocator, which tries again and tells when there is no more."""

from __future__ import annotations

import gc
import threading

_UNIT = 512  # bytes; CuPy's pool gives multiples of it
_NO_MEMORY = 2  # cudaErrorMemoryAllocation


class OutOfMemoryError(RuntimeError, MemoryError):
    """The GPU has no memory for an array.  The message says what was asked for, what was there, and what helps."""


class Allocator:
    """Takes the place of `malloc(size)`, a method of `pool`, a pool of CuPy's or one that answers as it does.

    Where there is no memory, it gives back what the pool keeps for later, and asks once more.  It knows the most bytes
    that arrays held at one time (`peak_allocated`) and the most that the pool had of the device (`peak_reserved`).
    memory_info: gives the device's free and total bytes.
    """

    def __init__(self, malloc, pool, memory_info):
        self._malloc, self.pool, self.memory_info = malloc, pool, memory_info
        self._lock = threading.Lock()
        self.reset_peaks()

    def __call__(self, size: int):
        """Memory for `size` bytes.  OutOfMemoryError where there is none."""
        try:
            memory = self._malloc(size)
        except Exception as error:
            if not _says_no_memory(error):
                raise
            memory = self._once_more(size)
        self._count(size)
        return memory

    def _once_more(self, size):
        gc.collect()  # what refers to itself holds arrays until it is looked for
        self.pool.free_all_blocks()
        try:
            return self._malloc(size)
        except Exception as error:
            if not _says_no_memory(error):
                raise
            raise OutOfMemoryError(self._explain(size)) from None

    def _count(self, size):
        """Keep the peaks.  To count what arrays hold takes as long as there are arrays, so it is counted only where
        what they held at the last count, and all that was given since, would be a new peak."""
        with self._lock:
            self.peak_reserved = max(self.peak_reserved, self.pool.total_bytes())
            self._at_most += -(-size // _UNIT) * _UNIT
            if self._at_most > self.peak_allocated:
                self._at_most = self.pool.used_bytes()
                self.peak_allocated = max(self.peak_allocated, self._at_most)

    def reset_peaks(self) -> None:
        """Forget the peaks: they begin at what is held now."""
        with self._lock:
            self.peak_allocated = self._at_most = self.pool.used_bytes()
            self.peak_reserved = self.pool.total_bytes()

    def _explain(self, size):
        free, total = self.memory_info()
        used, reserved = self.pool.used_bytes(), self.pool.total_bytes()
        limit = self.pool.get_limit()
        others = total - free - reserved
        parts = [
            f"cuda: out of memory: {in_units(size)} were asked for; of the GPU's {in_units(total)}, "
            f"{in_units(free)} are free. Arrays hold {in_units(used)}; the pool keeps {in_units(reserved - used)} "
            f"more, in pieces between them. Programs, this one's libraries too, hold the other {in_units(others)}."
        ]
        if limit:
            parts.append(f"The pool may have {in_units(limit)} at most (CUPY_GPU_MEMORY_LIMIT, or its set_limit).")
        parts.append(
            "Smaller batches help, no_grad() where no gradient is wanted, tinydl.utils.checkpoint for deep models, "
            "keeping loss.item() rather than loss, and ending other programs on this GPU"
        )
        return " ".join(parts)


def guarded(library) -> Allocator:
    """The allocator of all CuPy's arrays from now on, around the one that it had.  library: cupy."""
    cuda = library.cuda
    malloc = cuda.get_allocator()
    if isinstance(malloc, Allocator):
        return malloc
    pool = getattr(malloc, "__self__", None)  # a user may have put one of his own
    if not hasattr(pool, "used_bytes"):
        pool = library.get_default_memory_pool()
    allocator = Allocator(malloc, pool, cuda.runtime.memGetInfo)
    cuda.set_allocator(allocator)
    return allocator


def _says_no_memory(error):
    return isinstance(error, MemoryError) or getattr(error, "status", None) == _NO_MEMORY


def in_units(size: int) -> str:
    """A number of bytes, to be read: 1.5 GiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
