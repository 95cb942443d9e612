"""Attention (ops/attention.py) without its matrix of weights in memory: Dao et al. 2022, FlashAttention.

A job is one head.  Of its weights only a few rows (queries) exist at a time, in the cache; what is kept for the
gradient is each row's largest score and sum, from which the rows are computed again.  (Both in one logarithm would be
rounded where scores are large, and the gradient with it.)
"""

import numpy as np

from .arrays import FLOATS, empty, plain
from .jit import jit
from .jobs import jobs
from .microkernel import MR, address, strip
from .panels import turn
from .tiles import add_rows, columns, columns_tile, line_dot, line_most, line_total, put_rows, put_scaled, rows_tile
from .vmath import decay

QUERIES = 4 * MR  # whose weights stand in the cache during the backward pass
JOBS = 16  # that a call is cut into where there are fewer heads


def attention(query, key, value, mask, causal, scale):
    """query (..., L, E), key (..., S, E), value (..., S, D) -> y (..., L, D) and norms (heads, L, 2).

    norms: of each row the largest score, and one over the sum of the exponentials.
    """
    batch, (L, _), D = query.shape[:-2], query.shape[-2:], value.shape[-1]
    if query.dtype not in FLOATS or not batch == key.shape[:-2] == value.shape[:-2]:
        return NotImplemented
    if not (query.size and key.size and value.size):
        return NotImplemented
    if mask is not None and not _fits(mask.shape, (*query.shape[:-1], key.shape[-2])):
        return NotImplemented
    q, k, v = map(_heads, (query, key, value))
    y, norms = empty((len(q), L, D), q.dtype), empty((len(q), L, 2), q.dtype)
    masks, which = _masks(mask, batch, L, k.shape[1], q.dtype)
    parts = min(-(-JOBS // len(q)), -(-L // MR))
    _forward(len(q) * parts, q, k, v, masks, which, causal, float(scale), parts, y, norms)
    return y.reshape(*batch, L, D), norms


def attention_grad(g, query, key, value, mask, causal, scale, norms, needed):
    """-> the gradients of query, key, value; that of a mask is declined."""
    if needed[3]:
        return NotImplemented
    batch, (q, k, v, g) = query.shape[:-2], map(_heads, (query, key, value, g))
    dq, dk, dv = (empty(t.shape, t.dtype) for t in (q, k, v))
    masks, which = _masks(mask, batch, q.shape[1], k.shape[1], q.dtype)
    _backward(len(q), q, k, v, masks, which, causal, float(scale), norms, g, dq, dk, dv)
    return dq.reshape(query.shape), dk.reshape(key.shape), dv.reshape(value.shape), None


def _fits(small, shape):
    """Whether arrays of the shape `small` broadcast to `shape` itself."""
    return len(small) <= len(shape) and all(a in (1, b) for a, b in zip(small[::-1], shape[::-1]))


def _heads(t):
    return plain(t).reshape(-1, *t.shape[-2:])


def _masks(mask, batch, L, S, dtype):
    """(masks, L, S), numbers to add, and for each head which of them is its own; no masks at all for None."""
    heads = int(np.prod(batch))
    if mask is None:
        return np.zeros((0, 1, 1), dtype), np.zeros(heads, np.int64)
    if mask.dtype == bool:
        mask = np.where(mask, dtype.type(0), dtype.type(-np.inf))
    masks = plain(np.broadcast_to(mask, (*mask.shape[:-2], L, S)).astype(dtype, copy=False)).reshape(-1, L, S)
    which = np.arange(len(masks)).reshape(mask.shape[:-2])
    return masks, np.broadcast_to(which, batch).reshape(heads).copy()


@jobs
def _forward(job, q, k, v, masks, which, causal, scale, parts, y, norms):
    h, part, L = job // parts, job % parts, q.shape[1]
    tiles = (L + MR - 1) // MR
    m = masks[which[h]] if len(masks) else np.zeros((0, 0), q.dtype)
    low, high = tiles * part // parts * MR, min(L, tiles * (part + 1) // parts * MR)
    _attend(q[h], k[h], v[h], m, causal, q.dtype.type(scale), low, high, y[h], norms[h])


@jit(apart=True)
def _attend(q, k, v, mask, causal, scale, low, high, y, norms):
    """Queries low to high of one head."""
    S, D, NR = k.shape[0], v.shape[1], strip(q)
    turned, values = _turned(k), _padded(v)
    shares, tile = np.empty((MR, len(turned) * NR), q.dtype), np.empty(MR * NR, q.dtype)
    top, wide = np.empty(MR, q.dtype), values.shape[1]
    for row in range(low, high, MR):
        n = min(MR, high - row)
        seen = min(S, row + n) if causal else S
        _scores(q, row, n, turned, mask, causal, scale, S, seen, tile, shares, 0)
        for r in range(n):
            strips, line = (seen + NR - 1) // NR, address(shares, r * shares.shape[1])
            most = line_most(strips, line)
            if most == -np.inf and (causal or len(mask)):  # sees nothing
                most = 0
            _exp(shares[r, : strips * NR], most, q.dtype.type(1))
            total = line_total(strips, line)
            top[r] = 1 / total if total != 0 or not (causal or len(mask)) else 0
            norms[row + r, 0] = most if total != 0 else np.inf
            norms[row + r, 1] = 1 / total if total != 0 else 0
        for d in range(0, D, NR):
            rows_tile(n, seen, address(shares, 0), shares.shape[1], address(values, d), wide, address(tile, 0))
            for r in range(n):
                put_scaled(address(tile, r * NR), address(tile, r * NR), top[r])
            put_rows(y, row * D + d, D, tile, 0, NR, n, columns(y, min(NR, D - d)))


@jobs
def _backward(h, q, k, v, masks, which, causal, scale, norms, g, dq, dk, dv):
    m = masks[which[h]] if len(masks) else np.zeros((0, 0), q.dtype)
    _head_back(q[h], k[h], v[h], m, causal, q.dtype.type(scale), norms[h], g[h], dq[h], dk[h], dv[h])


@jit(apart=True)
def _head_back(q, k, v, mask, causal, scale, norms, g, dq, dk, dv):
    (L, E), S, NR = q.shape, len(k), strip(q)
    k_turned, v_turned, queries, keys, gs = _turned(k), _turned(v), _padded(q), _padded(k), _padded(g)
    step = len(k_turned) * NR
    p, ds = np.empty((QUERIES, step), q.dtype), np.empty((QUERIES, step), q.dtype)
    tile, none = np.empty(MR * NR, q.dtype), np.zeros((0, 0), q.dtype)
    dk[:], dv[:] = 0, 0
    for first in range(0, L, QUERIES):
        last = min(L, first + QUERIES)
        seen = min(S, last) if causal else S
        width = (seen + NR - 1) // NR * NR
        for row in range(first, last, MR):
            n = min(MR, last - row)
            _scores(q, row, n, k_turned, mask, causal, scale, S, seen, tile, p, row - first)
            _scores(g, row, n, v_turned, none, False, q.dtype.type(1), step, seen, tile, ds, row - first)
            for r in range(row - first, row - first + n):
                _exp(p[r, :width], norms[first + r, 0], norms[first + r, 1])
                _softmax_back(p[r, :width], ds[r, :width], scale)
            for e in range(0, E, NR):
                a, b = address(ds, (row - first) * step), address(keys, e)
                rows_tile(n, seen, a, step, b, keys.shape[1], address(tile, 0))
                put_rows(dq, row * E + e, E, tile, 0, NR, n, columns(q, min(NR, E - e)))
        _add_products(last - first, seen, ds, queries, first, tile, dk)
        _add_products(last - first, seen, p, gs, first, tile, dv)


@jit(apart=True)
def _add_products(depth, seen, weights, right, first, tile, out):
    """out (S, E) += weights[:depth]^T (S, depth) right[first:] (depth, E), in the rows before `seen`."""
    E, NR = out.shape[1], strip(out)
    for row in range(0, seen, MR):
        n = min(MR, seen - row)
        for e in range(0, E, NR):
            b = address(right, first * right.shape[1] + e)
            columns_tile(n, depth, address(weights, row), weights.shape[1], b, right.shape[1], address(tile, 0))
            add_rows(out, row * E + e, E, tile, 0, NR, n, columns(out, min(NR, E - e)))


@jit(apart=True)
def _scores(q, row, n, turned, mask, causal, scale, S, seen, tile, out, to):
    """out[to:], n rows: scale times the products of rows `row`.. of q with the keys; -inf where nothing is seen."""
    E, NR = q.shape[1], strip(q)
    for j in range(0, seen, NR):
        rows_tile(n, E, address(q, row * E), E, address(turned, j * E), NR, address(tile, 0))
        for r in range(n):
            put_scaled(address(out, (to + r) * out.shape[1] + j), address(tile, r * NR), scale)
        if len(mask):
            for r in range(n):
                line, more = out[to + r, j : j + NR], mask[row + r, j : min(j + NR, S)]
                for l in range(len(more)):
                    line[l] = -np.inf if more[l] == -np.inf else line[l] + more[l]
        if j + NR > min(S, row + 1 if causal else S):  # some of the columns are not seen
            for r in range(n):
                line = out[to + r, j : j + NR]
                for l in range(max(0, min(S, row + r + 1 if causal else S) - j), NR):
                    line[l] = -np.inf


@jit(apart=True)
def _exp(line, most, factor):
    """factor * exp(line - most), in place."""
    for k in range(len(line)):
        line[k] = factor * decay(line[k] - most)


@jit(apart=True)
def _softmax_back(p, d, scale):
    """d = scale * p * (d - sum(p * d)), in place."""
    total = line_dot(len(p) // strip(p), address(p, 0), address(d, 0))
    for k in range(len(p)):
        d[k] = scale * p[k] * (d[k] - total)


@jit(apart=True)
def _turned(x):
    """x (n, E) -> (strips, E, NR): the columns of strips are rows of x, or zeros."""
    (n, E), NR = x.shape, strip(x)
    out = np.empty(((n + NR - 1) // NR, E, NR), x.dtype)
    for i in range(0, n, NR):
        turn(x.reshape(-1), i * E, E, E, min(NR, n - i), out.reshape(-1), i * E, NR)
    if n % NR:
        out[-1, :, n % NR :] = 0
    return out


@jit
def _padded(x):
    """x, its rows filled with zeros to whole strips."""
    (n, E), NR = x.shape, strip(x)
    wide = (E + NR - 1) // NR * NR
    if wide == E:
        return x
    out = np.zeros((n, wide), x.dtype)
    for i in range(n):
        line, to = x[i], out[i]
        for e in range(E):
            to[e] = line[e]
    return out
