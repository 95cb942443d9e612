"""The GPU, as PyTorch's `torch.cuda`: what it is, its memory, its streams.

Without CuPy or a GPU, `is_available()` is False, seeding does nothing, and every other function raises RuntimeError
that says why and what to do.
"""

from .devices import (
    DeviceProperties,
    current_device,
    device,
    device_count,
    get_device_capability,
    get_device_name,
    get_device_properties,
    is_available,
    set_device,
    synchronize,
)
from .graphs import graph
from .memory import (
    OutOfMemoryError,
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    reset_peak_memory_stats,
)
from .random import get_rng_state, initial_seed, manual_seed, manual_seed_all, seed, set_rng_state
from .streams import Event, Stream, current_stream, default_stream, stream

__all__ = [
    "DeviceProperties", "Event", "OutOfMemoryError", "Stream", "current_device", "current_stream", "default_stream",
    "device", "device_count", "empty_cache", "get_device_capability", "get_device_name", "get_device_properties",
    "get_rng_state", "graph", "initial_seed", "is_available", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "seed",
    "set_device", "set_rng_state", "stream", "synchronize",
]  # fmt: skip
