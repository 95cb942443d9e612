"""What all CPU kernels ask of their arrays."""

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def plain(x: np.ndarray) -> np.ndarray:
    """x in the one layout that kernels are compiled for: C-contiguous, aligned and writable."""
    return x if x.flags.carray else x.copy(order="C")
