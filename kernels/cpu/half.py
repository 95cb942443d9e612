"""float16 on the CPU, for which NumPy has no BLAS: products go through float32 and are rounded once, as tensor cores
do it.
"""

import numpy as np

FLOAT16 = np.dtype(np.float16)


def through_float32(kernel, *args, **constants):
    """kernel(*args) computed in float32 and rounded, where all arrays are float16; a mixture is declined."""
    if any(isinstance(a, np.ndarray) and a.dtype != FLOAT16 for a in args):
        return NotImplemented
    y = kernel(*(a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args), **constants)
    return y if y is NotImplemented else y.astype(FLOAT16)
