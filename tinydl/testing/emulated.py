"""A device that is none: bodies run on the strict stand-in's arrays, CUDA kernels in the emulator.

    with emulated_device() as device:
        x = tinydl.rand(3, device=device)

Everything that passes here is "emulated": shown to compute what it should, not verified on a GPU.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from ..device import Kernels
from ..kernels.gpu.launch import BACKENDS, Backend
from . import cudaemu, strict
from .tape import Runtime, recorded

EMULATED = Backend(
    kind="cuda-emulated",
    xp=strict.Library(),
    empty=lambda shape, dtype: strict.ndarray(_poisoned(shape, dtype)),
    raw_module=recorded(cudaemu.RawModule),
    unwrap=lambda a: None if a is None else a._host,
    address=lambda a: a._host.ctypes.data,
    synchronize=lambda: None,
    graphs=Runtime,
)


def _poisoned(shape, dtype):
    """Memory as a kernel must expect it: full of NaN or of -1."""
    a = np.empty(shape, dtype)
    a.reshape(-1).view(np.uint8)[:] = 0xFF
    return a


@contextmanager
def emulated_device():
    """Within it there is a device on which CUDA kernels run in the emulator; gives the device."""
    with strict.strict_device() as device:
        device.kernels = Kernels(".kernels.gpu")
        BACKENDS[strict.ndarray] = EMULATED
        try:
            yield device
        finally:
            del BACKENDS[strict.ndarray]
