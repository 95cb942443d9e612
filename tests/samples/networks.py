"""Samples of what networks are made of: windows, normalisation, attention, losses, random numbers."""

import math

import numpy as np
import samples_conv_pool as planes

from .make import Sample, between, booleans, by_torch, integers, normal, positive

LOOK = np.tril(np.ones((3, 4), bool), 1)
LOOK[0] = False  # one that sees nothing
IGNORED = np.array([0, -1, 2, 1])
STREAM = (2**63 + 5, 2**33 - 2)  # seed and block: both words of each count
RAGGED = (3, 2, 2)  # three sequences, one of them ends after the first step
X, W, B = normal(3, 4, 2), positive(4), normal(4)

SAMPLES = {
    name: [Sample(*s.arrays, kernel=s.served, **s.constants) for s in samples]
    for name, samples in planes.SAMPLES.items()
}
SAMPLES |= {
    "affine": [
        Sample(X, positive(4, 1), normal(4, 1)),
        Sample(normal(0, 3), positive(3), normal(3)),
        Sample(normal(3, 4, 67), positive(4, 1), normal(4, 1), order=0, kernel=True),
    ],
    "affine_grad": [
        Sample(X, normal(3, 4, 2), positive(4, 1)),
        Sample(normal(3, 4, 67), normal(3, 4, 67), positive(4, 1), order=0, kernel=True),
    ],
    "batch_norm": [
        Sample(X, W, B, 1e-5, kernel=True),
        Sample(normal(5, 2), None, None, 0.1),
        Sample(normal(2, 4, 2, 2), W, None, 1e-3),
    ],
    "moving_average": [Sample(normal(3), normal(3), 0.1, 1.5), Sample(normal(0), normal(0), 1.0, 1.0)],
    "layer_norm": [
        Sample(X, normal(4, 2), normal(4, 2), 2, 1e-5, kernel=True),
        Sample(normal(3, 4), None, None, 1, 1e-5),
    ],
    "group_norm": [Sample(X, W, B, 2, 1e-5, kernel=True), Sample(normal(2, 4), None, None, 2, 1e-5)],
    "rms_norm": [Sample(X, normal(4, 2), 2, 1e-5, kernel=True), Sample(normal(3, 4), None, 1, 1e-5)],
    "attention": [
        Sample(normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), None, False, 0.7, kernel=True),
        Sample(normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), None, True, 0.7),
        Sample(normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), LOOK, False, 0.5),
        Sample(normal(3, 2), normal(4, 2), normal(4, 3), normal(3, 4), False, 0.5),
    ],
    "cross_entropy": [
        Sample(normal(33, 257), integers(257, 33), None, -100, "mean", 0.0, order=0, kernel=True),
        Sample(normal(900, 10), integers(10, 900), None, 3, "none", 0.0, order=0, kernel=True),
        Sample(normal(4, 3), integers(3, 4), None, -100, "mean", 0.0),
        Sample(normal(4, 3), IGNORED, positive(3), -1, "mean", 0.1),
        Sample(normal(2, 3, 2), integers(3, 2, 2), None, -100, "none", 0.0),
        Sample(normal(2, 3, 2), integers(3, 2, 2), positive(3), 1, "sum", 0.2),
    ],
    "nll_loss": [
        Sample(normal(4, 3), integers(3, 4), None, -100, "mean", kernel=True),
        *(Sample(normal(4, 3), IGNORED, None, -1, kind, kernel=True) for kind in ("mean", "sum", "none")),
        Sample(normal(4, 3), IGNORED, positive(3), -1, "mean"),
        Sample(normal(2, 3, 2), integers(3, 2, 2), None, -100, "none"),
    ],
    "binary_cross_entropy": [
        Sample(between(0.1, 0.9, 3, 4), between(0, 1, 3, 4)),
        Sample(np.array([0.0, 1.0]), np.ones(2), order=0),
    ],
    "binary_cross_entropy_with_logits": [
        Sample(normal(3, 4), between(0, 1, 3, 4)),
        Sample(normal(2) * 90, booleans(2) * 1.0),
    ],
    "rnn": [
        Sample(
            normal(7, 3),
            normal(3, 2),
            normal(2, 3),
            normal(2, 2),
            normal(2),
            normal(2),
            "tanh",
            RAGGED,
            False,
            kernel=True,
        ),
        Sample(normal(7, 3), normal(3, 2), normal(2, 3), normal(2, 2), None, None, "relu", RAGGED, True, kernel=True),
    ],
    "lstm": [
        Sample(
            normal(7, 3),
            normal(3, 2),
            normal(3, 2),
            normal(8, 3),
            normal(8, 2),
            normal(8),
            normal(8),
            None,
            RAGGED,
            False,
            kernel=True,
        ),
        Sample(
            normal(7, 3), normal(3, 1), normal(3, 2), normal(8, 3), normal(8, 1), None, None, normal(1, 2), RAGGED, True
        ),
    ],
    "gru": [
        Sample(
            normal(7, 3), normal(3, 2), normal(6, 3), normal(6, 2), normal(6), normal(6), RAGGED, False, kernel=True
        ),
        Sample(normal(7, 3), normal(3, 2), normal(6, 3), normal(6, 2), None, None, RAGGED, True, kernel=True),
    ],
    "dropout": [
        Sample(normal(3, 5), 0.3, *STREAM, kernel=True),
        Sample(normal(4), 1.0, *STREAM),
        Sample(normal(0, 3), 0.5, *STREAM),
    ],
    "philox_bits": [Sample(normal(3, 5), *STREAM, kernel=True), Sample(normal(0, 3), *STREAM)],
    "philox_uniform": [Sample(normal(3, 5), *STREAM, kernel=True, typed=False)],
    "philox_normal": [Sample(normal(3, 5), *STREAM, kernel=True), Sample(normal(1), 0, 0)],
    "philox_exponential": [Sample(normal(3, 5), *STREAM)],
    "philox_integers": [Sample(integers(9, 3, 5), -3, 90, *STREAM), Sample(integers(9, 5), -(2**62), 2**62, *STREAM)],
}


# ---------------------------------------------------------------- judges: loops over every place that a window reads
def reads(window):
    """(output place, place in the window, input place) for all that lie inside of the image."""
    for out in np.ndindex(*window.out):
        spans = [window.spans(d)[o] for d, o in enumerate(out)]
        for tap in np.ndindex(*map(len, spans)):
            at = tuple(span[t] for span, t in zip(spans, tap))
            if all(0 <= a < n for a, n in zip(at, window.image)):
                yield out, tap, at


def share(n, groups, g):
    return slice(g * n // groups, (g + 1) * n // groups)


def conv(x, w, b, window):
    y, G = np.zeros((len(x), len(w), *window.out)), window.groups
    for out, tap, at in reads(window):
        for g in range(G):
            i, o = share(x.shape[1], G, g), share(len(w), G, g)
            y[(slice(None), o, *out)] += x[(slice(None), i, *at)] @ w[(o, slice(None), *tap)].T
    return y if b is None else y + b.reshape(-1, *[1] * len(window.out))


def conv_transpose(u, w, b, window):
    G = window.groups
    x = np.zeros((len(u), w.shape[1] * G, *window.image))
    for out, tap, at in reads(window):
        for g in range(G):
            i, o = share(x.shape[1], G, g), share(len(w), G, g)
            x[(slice(None), i, *at)] += u[(slice(None), o, *out)] @ w[(o, slice(None), *tap)]
    return x if b is None else x + b.reshape(-1, *[1] * len(window.image))


def conv_weight(x, u, window):
    G = window.groups
    w = np.zeros((u.shape[1], x.shape[1] // G, *window.size))
    for out, tap, at in reads(window):
        for g in range(G):
            i, o = share(x.shape[1], G, g), share(len(w), G, g)
            w[(o, slice(None), *tap)] += u[(slice(None), o, *out)].T @ x[(slice(None), i, *at)]
    return w


def im2col(x, window):
    columns = np.zeros((*x.shape[:2], *window.size, *window.out))
    for out, tap, at in reads(window):
        columns[(..., *tap, *out)] = x[(..., *at)]
    return columns.reshape(len(x), -1, math.prod(window.out))


def col2im(columns, window):
    columns = columns.reshape(len(columns), -1, *window.size, *window.out)
    x = np.zeros((*columns.shape[:2], *window.image))
    for out, tap, at in reads(window):
        x[(..., *at)] += columns[(..., *tap, *out)]
    return x


def max_pool(x, window):
    y, winners = np.full((*x.shape[:2], *window.out), -np.inf), np.zeros((*x.shape[:2], *window.out), int)
    for out, _, at in reads(window):
        larger = x[(..., *at)] > y[(..., *out)]
        winners[(..., *out)][larger] = np.ravel_multi_index(at, window.image)
        y[(..., *out)] = np.where(larger, x[(..., *at)], y[(..., *out)])
    return y, winners


def at_winners(x, winners, window=None):
    flat = x.reshape(*x.shape[:2], -1)
    return np.array([flat[i][winners[i]] for i in np.ndindex(*x.shape[:2])]).reshape(winners.shape)


def scattered(g, winners, image, window=None, add=True):
    x = np.zeros((*g.shape[:2], math.prod(image)))
    for i in np.ndindex(*g.shape):
        place = (*i[:2], winners[i])
        x[place] = x[place] * add + g[i]
    return x.reshape(*g.shape[:2], *image)


def avg_pool(x, window, counts):
    y = np.zeros((*x.shape[:2], *window.out))
    for out, _, at in reads(window):
        y[(..., *out)] += x[(..., *at)] / math.prod(c[o] for c, o in zip(counts, out))
    return y


def avg_spread(g, window, counts):
    x = np.zeros((*g.shape[:2], *window.image))
    for out, _, at in reads(window):
        x[(..., *at)] += g[(..., *out)] / math.prod(c[o] for c, o in zip(counts, out))
    return x


# ---------------------------------------------------------------- judges: random numbers, in Python's integers
def philox(seed, block):
    """Philox 4x32-10 as in the paper (Salmon et al. 2011): four words."""
    c, k = [block % 2**32, block >> 32, 0, 0], [seed % 2**32, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b % 2**32, a >> 32 ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def words(count, seed, offset):
    return [w for i in range(-(-count // 4)) for w in philox(seed, offset + i)][:count]


def fractions(count, seed, offset):
    w = words(2 * count, seed, offset)
    return [((high >> 5) * 2**26 + (low >> 6)) / 2**53 for high, low in zip(w[::2], w[1::2])]


def normals(x, seed, offset):
    u = fractions(x.size + x.size % 2, seed, offset)
    both = [
        math.sqrt(-2 * math.log1p(-a)) * f(2 * math.pi * b)
        for a, b in zip(u[::2], u[1::2])
        for f in (math.cos, math.sin)
    ]
    return np.array(both[: x.size]).reshape(x.shape)


def whole_numbers(x, low, high, seed, offset):
    if high - low <= 2**32:
        drawn = [w * (high - low) >> 32 for w in words(x.size, seed, offset)]
    else:
        w = words(2 * x.size, seed, offset)
        drawn = [(a * 2**32 + b) % (high - low) for a, b in zip(w[::2], w[1::2])]
    return np.array([low + d for d in drawn]).reshape(x.shape)


def dropped(x, p, seed, offset):
    keep = np.array([(w >> 8) / 2**24 >= p for w in words(x.size, seed, offset)], bool).reshape(x.shape)
    return np.where(keep, x / (1 - p) if p < 1 else 0, 0)


# ---------------------------------------------------------------- judges: recurrent layers, sequence after sequence
def sequences(step, gates, state, sizes, backwards):
    first = np.concatenate([[0], np.cumsum(sizes)])
    ys, ended = np.zeros((len(gates), state[0].shape[1])), [s.astype(float) for s in state]
    for n in range(len(state[0])):
        times = [t for t, size in enumerate(sizes) if n < size]
        now = [s[n] for s in state]
        for t in times[::-1] if backwards else times:
            now = step(gates[first[t] + n], *now)
            ys[first[t] + n] = now[0]
        for s, v in zip(ended, now):
            s[n] = v
    return ys, *ended


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def affine_map(w, x, b):
    return x @ w.T + (0 if b is None else b)


def rnn(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, backwards):
    f = np.tanh if nonlinearity == "tanh" else lambda x: np.maximum(x, 0)
    step = lambda x, h: (f(x + affine_map(w_hh, h, b_hh)),)
    return sequences(step, affine_map(w_ih, x, b_ih), (h,), sizes, backwards)


def lstm(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, backwards):
    def step(x, h, c):
        i, f, g, o = np.split(x + affine_map(w_hh, h, b_hh), 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else w_hr @ h), c

    return sequences(step, affine_map(w_ih, x, b_ih), (h, c), sizes, backwards)


def gru(x, h, w_ih, w_hh, b_ih, b_hh, sizes, backwards):
    def step(x, h):
        (r, z, n), (ur, uz, un) = np.split(x, 3), np.split(affine_map(w_hh, h, b_hh), 3)
        z = sigmoid(z + uz)
        return ((1 - z) * np.tanh(n + sigmoid(r + ur) * un) + z * h,)

    return sequences(step, affine_map(w_ih, x, b_ih), (h,), sizes, backwards)


# ---------------------------------------------------------------- judges: norms, attention, losses
def batch_norm(torch, x, weight, bias, eps):
    dims = [d for d in range(x.ndim) if d != 1]
    y = torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    return y, x.mean(dims), x.var(dims, unbiased=False)


def layer_norm(torch, x, weight, bias, count, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-count:], weight, bias, eps)


def looked_at(torch, query, key, value, mask, causal, scale):
    scores = torch.einsum("...le,...se->...ls", query, key) * scale
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return torch.nan_to_num(scores.softmax(-1)) @ value


def _loss(name, **named):
    def judge(torch, x, target, weight, ignore_index, reduction, *smoothing):
        options = {"label_smoothing": smoothing[0]} if smoothing else {}
        function = getattr(torch.nn.functional, name)
        return function(x, target, weight, ignore_index=ignore_index, reduction=reduction, **options)

    return by_torch(judge)


def _binary(name):
    return by_torch(lambda torch, x, target: getattr(torch.nn.functional, name)(x, target, reduction="none"))


ORACLES = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "conv_weight": conv_weight,
    "conv_bias": lambda u, w: u.sum((0, *range(2, u.ndim))),
    "im2col": im2col,
    "col2im": col2im,
    "max_pool": lambda x, window: max_pool(x, window)[0],
    "max_pool_winners": max_pool,
    "max_pool_gather": at_winners,
    "max_pool_scatter": scattered,
    "max_unpool": lambda x, indices, plane: scattered(x, indices, plane, add=False),
    "avg_pool": avg_pool,
    "avg_pool_spread": avg_spread,
    "affine": lambda x, weight, bias: x * weight + bias,
    "affine_grad": lambda u, x, weight: (
        u * weight,
        np.einsum("abc,abc->b", u, x)[:, None],
        np.einsum("abc->b", u)[:, None],
    ),
    "batch_norm": by_torch(batch_norm),
    "moving_average": by_torch(lambda torch, running, value, momentum, factor: running.lerp(factor * value, momentum)),
    "layer_norm": by_torch(layer_norm),
    "group_norm": by_torch(lambda torch, x, w, b, n, eps: torch.nn.functional.group_norm(x, n, w, b, eps)),
    "rms_norm": by_torch(lambda torch, x, w, n, eps: torch.nn.functional.rms_norm(x, x.shape[-n:], w, eps)),
    "attention": by_torch(looked_at),
    "cross_entropy": _loss("cross_entropy"),
    "nll_loss": _loss("nll_loss"),
    "binary_cross_entropy": _binary("binary_cross_entropy"),
    "binary_cross_entropy_with_logits": _binary("binary_cross_entropy_with_logits"),
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "dropout": dropped,
    "philox_bits": lambda x, *stream: np.array(words(x.size, *stream)).reshape(x.shape),
    "philox_uniform": lambda x, *stream: np.array(fractions(x.size, *stream)).reshape(x.shape),
    "philox_normal": normals,
    "philox_exponential": lambda x, *stream: np.array([-math.log1p(-u) for u in fractions(x.size, *stream)]).reshape(
        x.shape
    ),
    "philox_integers": whole_numbers,
}
