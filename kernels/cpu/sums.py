"""Sums over what lies together in memory.

Within a chunk the order is the vectoriser's, lane by lane; chunks are added in float64. So the error does not
grow with the length, and the order depends on the width of the vectors alone.
"""

from numba import carray

from .jit import jit
from .microkernel import address

CHUNK = 2048


@jit(reorder=True)
def total(x, at, n):
    """Sum of x[at : at + n]."""
    found = 0.0
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        a, part = carray(address(x, at + begin), m), x.dtype.type(0)
        for i in range(m):
            part += a[i]
        found += part
    return found


@jit(reorder=True)
def squares(x, at, n, centre):
    """Sum of (x - centre) ** 2 over x[at : at + n]."""
    found = 0.0
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        a, part = carray(address(x, at + begin), m), x.dtype.type(0)
        for i in range(m):
            part += (a[i] - centre) * (a[i] - centre)
        found += part
    return found


@jit(reorder=True)
def products(g, x, at, n, centre):
    """Sums of g, and of g * (x - centre), over [at : at + n] of both."""
    found, weighted = 0.0, 0.0
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        a, u = carray(address(x, at + begin), m), carray(address(g, at + begin), m)
        part, other = x.dtype.type(0), x.dtype.type(0)
        for i in range(m):
            part += u[i]
            other += u[i] * (a[i] - centre)
        found += part
        weighted += other
    return found, weighted


@jit(reorder=True)
def scaled_products(g, w, x, at, n, centre):
    """As `products`, of g * w[:n]."""
    found, weighted = 0.0, 0.0
    for begin in range(0, n, CHUNK):
        m = min(CHUNK, n - begin)
        a, u, v = carray(address(x, at + begin), m), carray(address(g, at + begin), m), carray(address(w, begin), m)
        part, other = x.dtype.type(0), x.dtype.type(0)
        for i in range(m):
            part += u[i] * v[i]
            other += u[i] * v[i] * (a[i] - centre)
        found += part
        weighted += other
    return found, weighted
