"""Memory of the GPU: how much there is, who holds it, and giving it back.  All figures are bytes.

Arrays get their memory from CuPy's pool, which keeps that of arrays that are no more, for later ones.
"""

from __future__ import annotations

from ..kernels.gpu.memory import OutOfMemoryError
from ..kernels.gpu.transfer import in_flight
from .devices import gpu

__all__ = [
    "OutOfMemoryError", "empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_reserved", "reset_peak_memory_stats",
]  # fmt: skip


def memory_allocated(device=None) -> int:
    """What arrays hold."""
    return gpu(device).memory.pool.used_bytes()


def memory_reserved(device=None) -> int:
    """What the pool has of the GPU: what arrays hold, and what is kept for later ones."""
    return gpu(device).memory.pool.total_bytes()


def max_memory_allocated(device=None) -> int:
    """The most that arrays held at one time, since the GPU was first used or `reset_peak_memory_stats`."""
    return gpu(device).memory.peak_allocated


def max_memory_reserved(device=None) -> int:
    """The most that the pool had at one time, since the GPU was first used or `reset_peak_memory_stats`."""
    return gpu(device).memory.peak_reserved


def reset_peak_memory_stats(device=None) -> None:
    """Let the peaks begin anew, at what is held now."""
    gpu(device).memory.reset_peaks()


def mem_get_info(device=None) -> tuple[int, int]:
    """What of the GPU's memory is free, for any program, and how much it has."""
    return tuple(gpu(device).memory.memory_info())


def empty_cache() -> None:
    """Give back to the GPU, and to the system, what is kept for later arrays and pinned tensors."""
    found = gpu()
    in_flight.release()
    found.memory.pool.free_all_blocks()
    found.xp.get_default_pinned_memory_pool().free_all_blocks()
