"""The negative log-likelihood of classes: a number of each row picked, in two or three of NumPy's calls."""

import numpy as np

from .arrays import FLOATS, zeros


def nll_loss(x, target, weight, ignore_index, reduction):
    """As the operation, of (N, C) without weights: the loss."""
    if not _served(x, weight):
        return NotImplemented
    rows, classes, counts = _counted(target, ignore_index)
    picked = x[rows, classes]
    if reduction == "none":
        loss = np.zeros(len(x), x.dtype)
        loss[rows] = -picked
        return loss
    total = -picked.sum(dtype=x.dtype)
    return total if reduction == "sum" else np.divide(total, x.dtype.type(counts))


def nll_loss_grad(g, x, target, weight, ignore_index, reduction, needed):
    """The gradient of x."""
    if not _served(x, weight):
        return NotImplemented
    rows, classes, counts = _counted(target, ignore_index)
    if reduction == "mean":
        g = g / x.dtype.type(counts)
    out = zeros(x.shape, x.dtype)
    out[rows, classes] = -g if reduction != "none" else -g[rows]
    return out, None, None


def _served(x, weight):
    return x.ndim == 2 and weight is None and x.dtype in FLOATS and len(x) > 0


def _counted(target, ignore_index):
    """The rows that are not ignored, their classes, and how many these are."""
    rows = np.flatnonzero(target != ignore_index)
    return rows, target[rows], len(rows)
