"""Matrix products and linear layers, by gemm.py.

NumPy's BLAS has threads of its own, which wait by spinning and so take the cores from the kernels' threads when the
two take turns; products too small for it to use them are left to it.
"""

from math import prod

import numpy as np

from .arrays import FLOATS, plain
from .gemm import products, two_products

SMALL = 1 << 18  # multiplications up to which OpenBLAS stays on one thread


def matmul(x, other):
    """x (..., n, k), other (..., k, m) or (k, m) -> (..., n, m); small, broadcast and other cases are declined."""
    if x.ndim == 2 and other.ndim and x.size * other.shape[-1] <= SMALL:  # as most that are declined
        return NotImplemented
    if x.ndim < 2 or other.ndim < 2 or x.dtype != other.dtype or x.dtype not in FLOATS:
        return NotImplemented
    if other.ndim > 2 and x.shape[:-2] != other.shape[:-2]:
        return NotImplemented
    groups, (k, m) = prod(other.shape[:-2]), other.shape[-2:]
    if x.size * m <= SMALL * groups:
        return NotImplemented
    y = products(x.reshape(groups, x.size // (groups * k), k), other.reshape(groups, k, m))
    return y.reshape(*x.shape[:-1], m)


def linear(input, weight, bias):
    """input (..., k), weight (m, k), bias (m,), (1,), () or None -> (..., m); declines as matmul does."""
    m, k = weight.shape
    if input.size * m <= SMALL:
        return NotImplemented
    types = {a.dtype for a in (input, weight, bias) if a is not None}
    if len(types) > 1 or input.dtype not in FLOATS:
        return NotImplemented
    if bias is not None and bias.shape != (m,):
        bias = np.full((m,), bias, bias.dtype)
    y = products(input.reshape(1, input.size // k, k), weight.T[None], bias)
    return y.reshape(*input.shape[:-1], m)


def linear_grad(u, input, weight):
    """u (..., m), input (..., k), weight (m, k) -> u W (..., k), u^T x (m, k); declines as matmul does."""
    m, k = weight.shape
    if u.size * k <= SMALL or not u.dtype == input.dtype == weight.dtype or u.dtype not in FLOATS:
        return NotImplemented
    rows = plain(u).reshape(1, u.size // m, m)
    by_input, by_weight = two_products(
        (rows, weight[None]), (rows.swapaxes(1, 2), input.reshape(1, input.size // k, k))
    )
    return by_input.reshape(input.shape), by_weight[0]
