"""The GPU: whether there is one, what it is, and waiting for it."""

from __future__ import annotations

from typing import NamedTuple

from ..device import Device, cuda_is_available
from ..device import device as find_device


def gpu(device=None) -> Device:
    """The GPU as a Device.  RuntimeError, with the reason and advice, where there is none; ValueError for the CPU."""
    found = find_device("cuda" if device is None else device)
    if found.type == "cpu":
        raise ValueError("cuda: expected a GPU, got the device 'cpu'")
    return found


def is_available() -> bool:
    """Whether a GPU can be used.  Never raises; `tinydl doctor` tells why not."""
    return cuda_is_available()


def device_count() -> int:
    """How many GPUs can be used: one or none, as tinydl uses one.  CUDA_VISIBLE_DEVICES chooses it."""
    return int(is_available())


def current_device() -> int:
    """The number of the GPU in use, 0."""
    gpu()
    return 0


def set_device(device) -> None:
    """Use this GPU from now on; there is one, 0.  RuntimeError for another."""
    gpu(device)


class device:
    """`with tinydl.cuda.device(0):` uses this GPU inside.  There is one, so nothing changes; another is refused."""

    def __init__(self, device):
        self.idx = None if device is None else 0
        if device is not None:
            gpu(device)

    def __enter__(self):
        return None

    def __exit__(self, *exc):
        pass


class DeviceProperties(NamedTuple):
    """What a GPU is.  Memory in bytes."""

    name: str
    major: int  # of its compute capability
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    shared_memory_per_block: int
    L2_cache_size: int


def get_device_properties(device=None) -> DeviceProperties:
    """Name, compute capability and sizes of a GPU."""
    found = gpu(device).xp.cuda.runtime.getDeviceProperties(0)
    name = found["name"]
    return DeviceProperties(
        name.decode() if isinstance(name, bytes) else name, found["major"], found["minor"], found["totalGlobalMem"],
        found["multiProcessorCount"], found["warpSize"], found["maxThreadsPerMultiProcessor"],
        found["sharedMemPerBlock"], found["l2CacheSize"],
    )  # fmt: skip


def get_device_name(device=None) -> str:
    """The name of a GPU, such as 'NVIDIA H200'."""
    return get_device_properties(device).name


def get_device_capability(device=None) -> tuple[int, int]:
    """The compute capability of a GPU, such as (9, 0)."""
    found = get_device_properties(device)
    return found.major, found.minor


def synchronize(device=None) -> None:
    """Wait until all that the GPU was asked is done, on every stream.

    IndexError if a kernel met a bad value, such as an index outside of its dimension, since the last look.
    """
    gpu(device).synchronize()
