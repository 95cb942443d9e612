"""Page-locked memory of the CPU, from which a GPU copies while the program goes on."""

from __future__ import annotations

from ..autograd.engine import Array, op
from ..autograd.mode import state
from ..device import CPU
from ..device import device as find_device
from ..kernels.gpu import transfer
from ..tensor import Tensor


@op(exact=True)
def page_locked(xp, x: Array, device):
    """A copy of x in page-locked memory of the GPU `device`.  x: any shape, on the CPU -> same shape."""
    return device.pinned(x)


page_locked.grads(lambda g: g)


def pin_memory(self, device=None) -> Tensor:
    """The tensor in page-locked memory, from which `to("cuda", non_blocking=True)` copies while the program goes on.

    The tensor itself where it lies there already.  device: the GPU that shall copy; there is one.
    RuntimeError for a tensor that is not on the CPU, and where there is no GPU.
    """
    if self.device is not CPU:
        raise RuntimeError(f"pin_memory: only memory of the CPU can be pinned, this tensor is on {self.device}")
    if transfer.is_pinned(self.array):
        return self
    return page_locked(self, find_device("cuda" if device is None else device))


def is_pinned(self, device=None) -> bool:
    """Whether the tensor lies in memory that `pin_memory` gave."""
    return transfer.is_pinned(self.array)


def takes_copies(y: Tensor, source: Tensor) -> bool:
    """Whether a GPU can copy `source` to y by itself: bytes into pinned memory, of which no gradient is recorded."""
    same = y.shape == source.shape and y.dtype == source.dtype and y.is_contiguous()
    recorded = state.recording and (y.requires_grad or source.requires_grad)
    return same and not recorded and is_pinned(y)
