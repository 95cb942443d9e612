"""How many CPU threads kernels use.  The kernels' own code is imported only when asked."""

from __future__ import annotations


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
