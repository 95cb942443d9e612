"""How CPU kernels run: on how many threads, and whether by Winograd.  Their code is imported only when asked."""

from __future__ import annotations

import os


def set_num_threads(n: int) -> None:
    """CPU threads for kernels from now on, at most as many as there are cores; NumPy's matrix products too,
    where threadpoolctl is installed."""
    from .kernels.cpu import jit

    jit.set_num_threads(n)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(jit.get_num_threads(), user_api="blas")


def get_num_threads() -> int:
    """CPU threads that kernels use."""
    from .kernels.cpu import jit

    return jit.get_num_threads()


def set_winograd(on: bool) -> None:
    """Whether convolutions, 3 x 3 of stride 1 and 4 x 4 of stride 2, of slices of volumes also, may multiply less
    (Winograd; Lavin and Gray 2016), at a few times the rounding error.
    Default: yes, unless the environment has TINYDL_WINOGRAD=0.

    on: TypeError unless a bool.
    """
    if not isinstance(on, bool):
        raise TypeError(f"set_winograd: expected a bool, got {type(on).__name__}")
    os.environ["TINYDL_WINOGRAD"] = str(int(on))


def get_winograd() -> bool:
    """Whether convolutions may be done by Winograd's algorithm."""
    return os.environ.get("TINYDL_WINOGRAD") != "0"
