"""Weighted sums along one dimension, and their adjoint: csrc/embedding.cu."""

from .arrays import instance, plain, served
from .embedding import EMBEDDING, combined, three
from .launch import backend_of, elementwise


def resample(x, index, weight, dim):
    """Sum over k of weight[k] * x at index[k], along `dim`.  index, weight: (K, new size)."""
    if not _served(x, index, weight):
        return NotImplemented
    (_, V, B), (K, m) = three(x.shape, dim), index.shape
    y = backend_of(x).empty((*x.shape[:dim], m, *x.shape[dim + 1 :]), x.dtype)
    weight = None if weight is None else plain(weight)
    elementwise(EMBEDDING, instance("resample", x), y.size, plain(x), plain(index), weight, y, K, V, m, B, y.size)
    return y


def resample_adjoint(g, index, weight, dim, size):
    """Each g given back to the places, of `size` along `dim`, from which `resample` takes."""
    if not _served(g, index, weight):
        return NotImplemented
    return combined(g, index, weight, (*g.shape[:dim], size, *g.shape[dim + 1 :]), dim)


def _served(x, index, weight):
    return served(x, weight) and x.size > 0 and index.dtype.name == "int64"
