"""Matrix products and linear layers, by gemm.py.

NumPy's BLAS has threads of its own, which wait by spinning and so take the cores from the kernels' threads when the
two take turns; products too small for it to use them are left to it.
"""

from math import prod

import numpy as np

from .arrays import FLOATS
from .gemm import products, two_products
from .reduce import sum_to

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


def linear_grad(u, input, weight, bias):
    """The gradients of linear's input (if weight is given), of weight (if input is) and of bias; declines as it does.

    u (..., m) is that of its output, input (..., k), weight (m, k).
    """
    given = [a for a in (input, weight) if a is not None]
    if not given or u.size * given[0].shape[-1] <= SMALL or len({u.dtype, *(a.dtype for a in given)}) > 1:
        return NotImplemented
    if u.dtype not in FLOATS:
        return NotImplemented
    m, k = u.shape[-1], given[0].shape[-1]
    flat, pairs = u.reshape(1, u.size // m, m), []
    if weight is not None:
        pairs.append((flat, weight[None]))
    if input is not None:
        pairs.append((flat.swapaxes(1, 2), input.reshape(1, u.size // m, k)))
    found = [y[0] for y in (two_products(*pairs) if len(pairs) == 2 else [products(*pairs[0])])]
    if weight is not None:
        found[0] = found[0].reshape(*u.shape[:-1], k)
    if bias:
        total = sum_to(flat[0], (m,))
        found.append(flat[0].sum(axis=0) if total is NotImplemented else total)
    return tuple(found)
