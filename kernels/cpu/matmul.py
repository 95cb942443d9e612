"""Matrix products as convolutions of one tap: the columns of `other` are pixels, the rows of x outputs.

NumPy's BLAS has threads of its own, which wait by spinning and so take the cores from the kernels' threads when the
two take turns; products too small for it to use them are left to it.
"""

from math import prod
from typing import NamedTuple

from .conv import conv

SMALL = 1 << 18  # multiplications up to which OpenBLAS stays on one thread


class Columns(NamedTuple):
    """The window of one pixel, for several products beside each other."""

    groups: int
    image: tuple[int]
    size: tuple[int] = (1,)

    @property
    def out(self):
        return self.image

    def spans(self, d):
        return [range(i, i + 1) for i in range(self.image[d])]


def matmul(x, other):
    """x (..., n, k), other (..., k, m) or (k, m) -> (..., n, m); small, broadcast and other cases are declined."""
    if x.ndim < 2 or other.ndim < 2 or x.shape[-1] != other.shape[-2]:
        return NotImplemented
    if other.ndim > 2 and x.shape[:-2] != other.shape[:-2]:
        return NotImplemented
    groups, (k, m) = prod(other.shape[:-2]), other.shape[-2:]
    n = x.size // max(1, groups * k)
    if n * k * m <= SMALL:
        return NotImplemented
    left, right = x.reshape(groups, n, k), other.reshape(groups, k, m)
    if n < m and not other.flags.c_contiguous:  # what has to be rearranged is the smaller then
        y = _product(right.swapaxes(1, 2), left.swapaxes(1, 2))
        y = y if y is NotImplemented else y.swapaxes(1, 2)
    else:
        y = _product(left, right)
    return y if y is NotImplemented else y.reshape(*x.shape[:-1], m)


def linear(input, weight, bias):
    """input (..., k), weight (m, k), bias (m,), (1,), () or None -> (..., m); declines as matmul does."""
    k = input.shape[-1]
    y = matmul(input.reshape(prod(input.shape[:-1]), k), weight.T)
    if y is NotImplemented:
        return y
    if bias is not None:
        y += bias
    return y.reshape(*input.shape[:-1], weight.shape[0])


def _product(x, other):
    """x (groups, n, k), other (groups, k, m) -> (groups, n, m)."""
    (groups, n, k), m = x.shape, other.shape[2]
    y = conv(other.reshape(1, groups * k, m), x.reshape(groups * n, k, 1), None, Columns(groups, (m,)))
    return y if y is NotImplemented else y.reshape(groups, n, m)
