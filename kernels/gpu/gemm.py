"""Matrix products of float32 on tensor cores (csrc/gemm.cu): as accurate as float32 itself, and faster than by its own
units, or with 10 bits (precision.py).  Everything else, and what is small, is left to cuBLAS.  Small ones are not in a
step that becomes a CUDA graph: CuPy lets no call of cuBLAS be captured.

Narrow types cuBLAS multiplies as they are, with sums in float32.  What CuPy cannot give it, stacks of bfloat16 and
products in a graph, goes through float32 with 10 bits: they hold both narrow types, so nothing is lost.

Hopper's warpgroups multiply faster still (csrc/wgmma.cu).  No device has run that kernel yet: it serves where the
environment has TINYDL_WGMMA=1.
"""

import os
from math import prod

import numpy as np

from . import recording
from .arrays import NARROW, plain
from .launch import backend_of, launch
from .precision import arithmetic
from .source import Source
from .tiles import shared_bytes, threads

TILES = ((64, 64, 32, 32), (128, 128, 64, 32))
LEAST_BLOCKS = 64  # tiles of 64 x 64: with fewer, most of a GPU would idle; cuBLAS cuts k, too
LARGE = 132  # as many tiles of 128 x 128 as make these worth while


def _instance(name, a_deep, b_deep, tile):
    return f"gemm<{', '.join(map(str, ('float', name, int(a_deep), int(b_deep), *tile)))}>"


GEMM = Source(
    "gemm.cu",
    *(_instance(n, a, b, t) for n in ("Ieee", "Tf32") for a in (0, 1) for b in (0, 1) for t in TILES),
    apart=True,
)
WGMMA = Source(
    "wgmma.cu", *(f"gemm_wgmma<float, {n}, {a}, {b}>" for n in ("Ieee", "Tf32") for a in (0, 1) for b in (0, 1)),
    apart=True, target="sm_90a",
)  # fmt: skip
WGMMA_TILE, WGMMA_THREADS = (128, 128), 256
WGMMA_STAGES = 3 * 2 * 128 * 128  # bytes of all three, for each part of a number


def matmul(x, other):
    """x (..., n, k), other (..., k, m) or (k, m) -> (..., n, m); declines small and broadcast products of float32."""
    if not (x.ndim and other.ndim) or x.shape[-1] != other.shape[-2 if other.ndim > 1 else 0]:
        return NotImplemented  # the body says what is wrong
    if x.dtype.name in NARROW:
        return _of_narrow(x, other)
    return _matmul(x, other)


def _of_narrow(x, other):
    flat = other.ndim <= 2 and recording.now.step is None
    if flat or (x.dtype == "float16" and recording.now.step is None):
        rows = x.reshape(prod(x.shape[:-1]), x.shape[-1]) if flat and x.ndim > 2 else x
        y = backend_of(x).xp.matmul(rows, other).astype(x.dtype, copy=False)
        return y.reshape(*x.shape[:-1], *other.shape[1:]) if rows is not x else y
    y = _matmul(x.astype("float32"), other.astype("float32"), "Tf32")
    return y if y is NotImplemented else y.astype(x.dtype)


def _matmul(x, other, name=None):
    if x.ndim < 2 or other.ndim < 2 or (other.ndim > 2 and x.shape[:-2] != other.shape[:-2]):
        return NotImplemented if recording.now.step is None else _of_stacks(x, other, name)
    batch, (k, m) = prod(other.shape[:-2]), other.shape[-2:]
    if other.ndim == 2 and x.ndim > 2:
        x2 = x.reshape(prod(x.shape[:-1]), k)
        y = product(x2[None], other[None], name=name)
    else:
        y = product(x.reshape(batch, *x.shape[-2:]), other.reshape(batch, k, m), name=name)
    return y if y is NotImplemented else y.reshape(*x.shape[:-1], m)


def _of_stacks(x, other, name):
    """A product with a vector, or of stacks that broadcast, as that of two stacks of one shape."""
    xp = backend_of(x).xp
    a, b = x[None] if x.ndim == 1 else x, other[:, None] if other.ndim == 1 else other
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = _matmul(xp.broadcast_to(a, (*lead, *a.shape[-2:])), xp.broadcast_to(b, (*lead, *b.shape[-2:])), name)
    shape = *lead, *x.shape[-2:-1], *(other.shape[-1:] if other.ndim > 1 else ())
    return y if y is NotImplemented else y.reshape(shape)


def linear(input, weight, bias):
    """input (..., k), weight (m, k), bias (m,) or None -> (..., m); declines as matmul does."""
    if input.shape[-1] != weight.shape[1] or (bias is not None and bias.shape != weight.shape[:1]):
        return NotImplemented
    if input.dtype.name in NARROW:
        y = _of_narrow(input, weight.T)
        return y if bias is None or y is NotImplemented else y + bias
    y = product(input.reshape(1, prod(input.shape[:-1]), weight.shape[1]), weight.T[None], bias)
    return y if y is NotImplemented else y.reshape(*input.shape[:-1], len(weight))


def linear_grad(u, input, weight):
    """u (..., m), input (..., k), weight (m, k) -> u W (..., k), u^T x (m, k); what matmul declines, by cuBLAS."""
    rows = u.reshape(prod(u.shape[:-1]), u.shape[-1])
    pairs = (u, weight), (rows.T, input.reshape(len(rows), input.shape[-1]))
    found = [matmul(x, other) for x, other in pairs]
    return tuple(backend_of(u).xp.matmul(*pair) if y is NotImplemented else y for y, pair in zip(found, pairs))


def product(a, b, bias=None, what="matmul", name=None):
    """a (batch, n, k), b (batch, k, m), bias (m,) -> (batch, n, m).  Arrays turned on their sides are read as they lie.

    what: whose precision is meant.  name: the arithmetic, instead of that.
    """
    (batch, n, k), m = a.shape, b.shape[2]
    if {t.dtype.name for t in (a, b, bias) if t is not None} != {"float32"}:
        return NotImplemented
    blocks, captured = -(-n // 64) * -(-m // 64) * batch, recording.now.step is not None
    if captured and not (k and blocks):
        y = backend_of(a).xp.zeros((batch, n, m), a.dtype)
        return y if bias is None else y + bias
    if not k or (blocks < LEAST_BLOCKS and not captured) or batch >= 2**16 or max(n * k, k * m, n * m) >= 2**31:
        return NotImplemented
    (a, a_deep), (b, b_flat) = _lying(a), _lying(b)
    backend = backend_of(a)
    unaligned = (k if a_deep else n) % 4 or (m if b_flat else k) % 4 or (backend.address(a) | backend.address(b)) % 16
    if unaligned:  # 16 bytes at once is the only way that the kernel copies
        return _aligned(a, b, bias, what, name, a_deep, b_flat) if captured else NotImplemented
    large = -(-n // 128) * -(-m // 128) * batch >= LARGE
    tile, name = TILES[large], name or arithmetic("float32", what)
    source, instance, block = GEMM, _instance(name, a_deep, not b_flat, tile), threads(tile)
    shared = shared_bytes(tile, 4, a_deep, not b_flat)
    if large and has_warpgroups(backend):
        source, instance, block = WGMMA, f"gemm_wgmma<float, {name}, {int(a_deep)}, {int(not b_flat)}>", WGMMA_THREADS
        tile, shared = WGMMA_TILE, WGMMA_STAGES * (2 if name == "Ieee" else 1)
    y = backend.empty((batch, n, m), a.dtype)
    launch(
        source, instance, (-(-n // tile[0]) * -(-m // tile[1]), 1, batch), block,
        a, b, bias if bias is None else plain(bias), y, n, m, k, shared=shared,
    )  # fmt: skip
    return y


def has_warpgroups(backend):
    """Whether products shall be Hopper's, and the device is one."""
    return os.environ.get("TINYDL_WGMMA", "0") != "0" and backend.capability() == "90"


def _aligned(a, b, bias, what, name, a_deep, b_flat):
    """The product of copies with lines that are multiples of 16 bytes long, filled up with zeros."""
    a, b = a if a_deep else a.swapaxes(1, 2), b if b_flat else b.swapaxes(1, 2)
    m = b.shape[2]
    y = product(_filled_up(a), _filled_up(b, rows=True), None, what, name)[..., :m]
    return plain(y) if bias is None else y + bias


def _filled_up(a, rows=False):
    batch, n, k = a.shape
    y = backend_of(a).xp.zeros((batch, -(-n // 4) * 4 if rows else n, -(-k // 4) * 4), a.dtype)
    y[:, :n, :k] = a
    return y


def _lying(a):
    """The array of which `a` is a view, in C order, and whether it is `a` itself, not turned on its side."""
    if a.flags.c_contiguous:
        return a, True
    turned = a.swapaxes(1, 2)
    return (turned, False) if turned.flags.c_contiguous else (a.copy(), True)
