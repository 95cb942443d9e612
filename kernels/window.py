"""A window that slides over an image: which input each tap of each output reads.

A window has `image` and `out` (the input's and the output's plane) and `spans(d)`: for each output
position along dimension d the range of input positions under it, which may reach outside of the
image. Stride, padding, dilation, adaptive bins, the number of dimensions: all is in this table.
"""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=32)
def taps(window) -> np.ndarray:
    """(T, P) int64: flat input position under tap t of output p, -1 where there is none."""
    flat = np.zeros((1, 1), np.int64)
    for d, size in enumerate(window.image):
        spans = window.spans(d)
        here = np.full((max(map(len, spans), default=0), len(spans)), -1, np.int64)
        for o, span in enumerate(spans):
            here[: len(span), o] = span
        here[here >= size] = -1
        # both tables side by side: taps (t, k) and outputs (p, o), each flattened
        before, here = flat[:, None, :, None], here[None, :, None, :]
        flat = np.where((before < 0) | (here < 0), -1, before * size + here)
        T, t, P, p = flat.shape
        flat = flat.reshape(T * t, P * p)
    flat.flags.writeable = False
    return flat


@lru_cache(maxsize=32)
def taps_inside(window) -> np.ndarray:
    """`taps`, with another input of the same window in place of none: the one before, or the first.

    For what does not mind an input that occurs twice. Every window must have one.
    """
    table = np.maximum.accumulate(taps(window), axis=0)
    first = np.where(table < 0, table[-1], table).min(axis=0)
    return np.where(table < 0, first, table)
