"""Runs CUDA kernel sources on the CPU, unchanged: `RawModule` as CuPy's, on NumPy arrays.

Each CUDA thread is a fiber of one CPU thread; barriers, warp collectives, shared memory, tensor-core instructions
and asynchronous copies (behind wrappers of one instruction each) have their CPU meaning.  It is stricter than a GPU:
arguments' types are checked, shared memory begins as NaN, arrays can lie between forbidden pages, and threads run
in any of three orders, so that a missing barrier or bound check shows.

    module = RawModule(path="pool.cu", name_expressions=["max_pool<float, int>"])
    with launches(order="shuffle", seed=3, guard=True):
        module.get_function("max_pool<float, int>")((4,), (256,), (x, y, np.int32(n)))

It needs g++, and says nothing of speed, of bank conflicts or of memory-order faults.  What passed here is
"emulated", not verified on a device.
"""

from .compiler import available
from .module import EmulationError, RawKernel, RawModule, launches

__all__ = ["EmulationError", "RawKernel", "RawModule", "available", "launches"]
