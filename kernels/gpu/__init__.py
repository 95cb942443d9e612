"""CUDA kernels: plain CUDA C++ sources launched through CuPy will stand here, one family a file.

None is written yet, so every operation runs its body on CuPy arrays.
"""

from collections.abc import Callable

KERNELS: dict[str, str] = {}


def load(name: str) -> Callable | None:
    """The kernel of the operation `name`, or None where it has none on the GPU."""
    return None
