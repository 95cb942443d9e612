"""What the kernels need to know of a window sliding over an image: which input each tap of each output reads.

A window has `image` and `out` (shapes of the input's and the output's plane) and `spans(d)`: for each output
position along dimension d, the range of input positions under it, which may reach outside of the image.
Everything else (stride, padding, dilation, adaptive bins, the number of dimensions) is in the table.
"""

from functools import lru_cache

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@lru_cache(maxsize=32)
def taps(window) -> np.ndarray:
    """(T, P) int64: flat input position under tap t of output p, -1 where there is none."""
    flat = np.zeros((1, 1), np.int64)
    for d, size in enumerate(window.image):
        spans = window.spans(d)
        here = np.full((max(map(len, spans)), len(spans)), -1, np.int64)
        for o, span in enumerate(spans):
            here[: len(span), o] = span
        here[here >= size] = -1
        # both tables side by side: taps (t, k) and outputs (p, o), each flattened
        before, here = flat[:, None, :, None], here[None, :, None, :]
        flat = np.where((before < 0) | (here < 0), -1, before * size + here)
        flat = flat.reshape(flat.shape[0] * flat.shape[1], -1)
    return flat


@lru_cache(maxsize=32)
def taps_of_output(window) -> np.ndarray:
    """(P, T): `taps`, the taps of one output side by side."""
    return np.ascontiguousarray(taps(window).T)


def plain(x: np.ndarray) -> np.ndarray:
    """x as the one layout that kernels are compiled for: C-contiguous, aligned and writable."""
    return x if x.flags.carray else x.copy(order="C")
