"""Attention without its matrix of weights in memory (Dao et al. 2022, FlashAttention): csrc/attention.cu."""

from math import prod

import numpy as np

from .arrays import instance, plain, served, table, wide
from .launch import _MOST_INT, backend_of, launch
from .source import Source

BOUNDS = (64, 128)  # sizes of heads that tiles are made for
TILES = {"float": 64, "__half": 64, "__nv_bfloat16": 64, "double": 32}  # queries or keys of a block
KERNELS = "attention", "attention_queries", "attention_keys"
ATTENTION = Source(
    "attention.cu",
    *(
        f"{name}<{kind}, {'double' if kind == 'double' else 'float'}, {tile}, {bound}>"
        for name in KERNELS
        for kind, tile in TILES.items()
        for bound in BOUNDS
    ),
    apart=True,
)


def attention(query, key, value, mask, causal, scale):
    """query (..., L, E), key (..., S, E), value (..., S, D) -> y (..., L, D) and norms (heads, L, 2).

    norms: of each row the largest score, and one over the sum of the exponentials.
    """
    batch, (L, E), (S, D) = query.shape[:-2], query.shape[-2:], value.shape[-2:]
    if not served(query, key, value) or not batch == key.shape[:-2] == value.shape[:-2] or max(E, D) > BOUNDS[-1]:
        return NotImplemented
    if not (query.size and key.size and value.size) or L * S * prod(batch) > _MOST_INT * 64:
        return NotImplemented
    if mask is not None and not _fits(mask.shape, (*batch, L, S)):
        return NotImplemented
    backend, heads = backend_of(query), prod(batch)
    y, norms = backend.empty((*batch, L, D), query.dtype), backend.empty((heads, L, 2), wide(query))
    given = *map(plain, (query, key, value)), *_masks(backend, mask, batch, L, S, query.dtype), y, norms
    _run("attention", query, heads, (L, S, E, D), L, 3, *given, L, S, E, D, int(causal), scale)
    return y, norms


def attention_grad(g, query, key, value, mask, causal, scale, norms, needed):
    """-> the gradients of query, key, value; that of a mask is declined."""
    if needed[3] or not served(g, query):
        return NotImplemented
    batch, (L, E), (S, D) = query.shape[:-2], query.shape[-2:], value.shape[-2:]
    backend, heads, sizes = backend_of(query), prod(batch), (L, S, E, D)
    g, q, k, v = map(plain, (g, query, key, value))
    dq, dk, dv = (backend.empty(t.shape, t.dtype) for t in (q, k, v))
    delta = backend.empty((heads, L), wide(query))
    given = g, q, k, v, *_masks(backend, mask, batch, L, S, query.dtype), norms, delta
    _run("attention_queries", query, heads, sizes, L, 4, *given, dq, *sizes, int(causal), scale)
    _run("attention_keys", query, heads, sizes, S, 4, *given, dk, dv, *sizes, int(causal), scale)
    return dq, dk, dv, None


def _fits(small, shape):
    """Whether arrays of the shape `small` broadcast to `shape` itself."""
    return len(small) <= len(shape) and all(a in (1, b) for a, b in zip(small[::-1], shape[::-1]))


def _run(name, x, heads, sizes, rows, tiles, *args):
    """Launch with a block for each tile of rows of each head, and shared memory for `tiles` tiles and one of scores."""
    bound = next(b for b in BOUNDS if b >= max(sizes[2:]))
    tile = 32 if x.dtype == "float64" else 64
    size = 8 if x.dtype == "float64" else 4
    pad = 16 // size
    shared = size * tile * (tiles * (bound + pad) + tile + pad)
    call = instance(name, x, str(tile), str(bound))
    launch(ATTENTION, call, heads * -(-rows // tile), 256, *args, shared=shared)


def _masks(backend, mask, batch, L, S, dtype):
    """(masks, L, S), numbers to add, and for each head which of them is its own; twice None without a mask."""
    if mask is None:
        return None, None
    if mask.dtype == bool:
        mask = backend.xp.where(mask, np.float32(0), np.float32(-np.inf))
    own = mask.shape[:-2]
    masks = plain(backend.xp.broadcast_to(mask, (*own, L, S)).astype(dtype, copy=False))
    return masks, table(backend, _which, own, batch)


def _which(own, batch):
    return np.broadcast_to(np.arange(prod(own)).reshape(own), batch).reshape(-1).astype(np.int64)
