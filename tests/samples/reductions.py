"""Samples of what runs along dimensions: reductions, scans, sorting, searching, linear algebra."""

import math

import numpy as np

from .make import Sample, booleans, by_torch, definite, distinct, integers, normal, positive

NANS = np.array([[3.0, np.nan, 1.0, 2.0], [4.0, 2.5, 0.5, 1.5]])
GROUPS = np.array([[3, 1, 1, 2], [3, 1, 1, 2], [0, 3, 3, 3]])
BOTH, LAST = (0, 1), (1,)
DISTINCT = [Sample(distinct(3, 4), BOTH), Sample(distinct(2, 3, 2), LAST)]
SIGNS = {"through": lambda *parts: tuple(abs(p) for p in parts)}
WIDE, TALL, BATCH = normal(2, 4), normal(4, 2), normal(2, 3, 3)

NEAR_1 = np.exp(normal(131, 257) / 9)  # so that products of many stay numbers
LARGE = {"order": 0, "kernel": True}

SAMPLES = {
    # reductions; reduced dimensions stay with size 1
    "sum_to": [
        Sample(normal(2, 3, 4), (3, 1)),
        Sample(normal(3, 4), ()),
        Sample(normal(0, 3), (1, 3)),
        Sample(normal(131, 257), (257,), order=0, kernel=True),
    ],
    "amax": DISTINCT,
    "amin": DISTINCT,
    "all": [Sample(booleans(3, 4), LAST), Sample(integers(2, 3, 4), BOTH), Sample(normal(0, 3), (0,))],
    "any": [Sample(booleans(3, 4), LAST), Sample(integers(2, 3, 4), BOTH), Sample(normal(0, 3), (0,))],
    "logsumexp": [Sample(normal(3, 4) * 9, BOTH), Sample(normal(2, 3, 2), LAST), Sample(normal(0, 3), (0,))],
    "prod": [
        Sample(normal(3, 4), 1),
        Sample(np.array([[0.0, 2, 3], [0, 0, 4]]), 1),
        Sample(normal(0, 3), 0),
        Sample(NEAR_1, 1, **LARGE),
        Sample(NEAR_1, 0, **LARGE),
        Sample(NEAR_1.reshape(-1), 0, **LARGE),
    ],
    "std": [Sample(normal(3, 4), BOTH, 1), Sample(normal(2, 3, 2), LAST, 0)],
    "var": [Sample(normal(3, 4), BOTH, 1), Sample(normal(2, 3, 2), LAST, 0)],
    "vector_norm": [
        *(Sample(distinct(3, 4), p, LAST) for p in (2, 1, 0, math.inf, -math.inf, 3.5, 0.5)),
        *(Sample(normal(131, 257), 2.0, dims, order=0, kernel=True) for dims in ((0,), (1,), (0, 1))),
    ],
    # scans
    "cumsum": [
        Sample(normal(3, 4), 1),
        Sample(normal(3, 4), 0, reverse=True),
        Sample(normal(0, 3), 0),
        Sample(normal(131, 257), 1, False, **LARGE),
        Sample(normal(3, 113, 101), 1, True, **LARGE),
    ],
    "cumprod": [
        Sample(normal(3, 4), 1),
        Sample(np.array([2.0, 0, 3, 0, 4]), 0),
        Sample(normal(0, 3), 0),
        Sample(NEAR_1, 1, **LARGE),
        Sample(NEAR_1, 0, **LARGE),
    ],
    "logcumsumexp": [
        Sample(normal(3, 4), 1),
        Sample(normal(4, 2) * 30, 0),
        Sample(normal(131, 257), 1, **LARGE),
        Sample(normal(131, 257) * 30, 0, **LARGE),
    ],
    "recurrence": [
        Sample(normal(2, 4), normal(2, 4), 1),
        Sample(normal(3, 2), normal(3, 2), 0, True),
        Sample(normal(131, 257), normal(131, 257), 1, False, **LARGE),
        Sample(normal(3, 113, 101), normal(3, 113, 101), 1, True, **LARGE),
    ],
    "running_winner": [
        Sample(integers(4, 3, 6), 1, "maximum"),
        Sample(normal(5, 2), 0, "minimum"),
        Sample(normal(131, 257), 1, "maximum", **LARGE),
        Sample(normal(3, 113, 101), 1, "minimum", **LARGE),
    ],
    # order
    "argmax": [Sample(distinct(3, 4), 1), Sample(distinct(3, 4), 0)],
    "argmin": [Sample(distinct(3, 4), 1), Sample(distinct(3, 4), 0)],
    "argsort": [
        Sample(distinct(3, 4), 1, False),
        Sample(distinct(3, 4), 0, True),
        Sample(normal(0, 3), 0, False),
        Sample(distinct(131, 257), 1, False, **LARGE),
        Sample(distinct(131, 257), 0, True, **LARGE),
        Sample(distinct(33001), 0, False, **LARGE),
    ],
    "kth_place": [
        Sample(distinct(3, 4), 2, 1),
        Sample(distinct(3, 4), 3, 0),
        Sample(distinct(131, 257), 99, 1, **LARGE),
        Sample(distinct(131, 257), 7, 0, **LARGE),
    ],
    "topk_places": [
        Sample(distinct(3, 4), 2, 1, True),
        Sample(distinct(3, 4), 2, 0, False),
        Sample(distinct(131, 257), 33, 1, True, typed=False, **LARGE),  # bfloat16 has not as many numbers
        Sample(distinct(131, 257), 99, 0, False, typed=False, **LARGE),
    ],
    "median_place": [
        Sample(distinct(3, 4), False, 1),
        Sample(NANS, True, 1),
        Sample(NANS, False, 1),
        Sample(distinct(131, 257), False, 1, **LARGE),
        Sample(distinct(131, 257), True, 0, **LARGE),
    ],
    "median_of_all": [Sample(distinct(3, 4), False, BOTH), Sample(NANS, True, BOTH, order=0)],
    "mode_place": [Sample(GROUPS, 1), Sample(GROUPS.astype(float), 0)],
    # search
    "searchsorted": [
        Sample(np.sort(normal(5)), normal(2, 3), None, False),
        Sample(np.sort(integers(4, 2, 5)), integers(5, 2, 3), None, True),
        Sample(normal(2, 5), normal(2, 3), integers(5, 2, 5), False),
    ],
    "bincount": [Sample(integers(4, 9)), Sample(integers(4, 5), positive(5)), Sample(integers(3, 4), None, 6)],
    "histc": [Sample(normal(9), 4, -1.0, 1.0), Sample(normal(3, 3), bins=3)],
    "unique": [Sample(GROUPS, None), Sample(GROUPS, 0), Sample(GROUPS[2].astype(float), None)],
    "unique_consecutive": [Sample(GROUPS, None), Sample(GROUPS, 0), Sample(GROUPS[0].astype(float), None)],
    # linear algebra
    "matmul": [
        Sample(normal(2, 3), normal(3, 4)),
        Sample(normal(3), normal(3)),
        Sample(normal(2, 3), normal(3)),
        Sample(normal(2, 1, 2, 3), normal(4, 3, 2)),
        Sample(normal(2, 2, 3), normal(3, 2)),
        Sample(normal(3), normal(2, 3, 2)),
        Sample(normal(0, 3), normal(3, 2)),
        Sample(normal(2, 0), normal(0, 3)),
        Sample(integers(5, 2, 3), integers(5, 3)),
        # large enough for the kernel; one has to be rearranged
        Sample(normal(66, 64), normal(64, 66), kernel=True),
        Sample(normal(2, 65, 64), normal(2, 66, 64).swapaxes(1, 2), kernel=True),
    ],
    "linear": [
        Sample(normal(2, 3), normal(4, 3), normal(4)),
        Sample(normal(2, 5, 3), normal(4, 3), normal(1)),
        Sample(normal(3), normal(4, 3), normal()),
        Sample(normal(2, 3), normal(4, 3), None),
        Sample(normal(0, 3), normal(4, 3), normal(4)),
        Sample(normal(2, 0), normal(4, 0), normal(4)),
        # large enough for the kernel
        Sample(normal(2, 33, 64), normal(66, 64), normal(66), kernel=True),
        Sample(normal(66, 64), normal(65, 64), None, kernel=True),
    ],
    "linear_grad": [
        Sample(normal(2, 4), normal(2, 3), normal(4, 3)),
        Sample(normal(2, 5, 4), normal(2, 5, 3), normal(4, 3)),
        Sample(normal(4), normal(3), normal(4, 3)),
        Sample(normal(0, 4), normal(0, 3), normal(4, 3)),
        # large enough for the kernel
        Sample(normal(2, 33, 64), normal(2, 33, 66), normal(64, 66), kernel=True),
        Sample(normal(64, 67).T, normal(67, 65), normal(64, 65), kernel=True),
    ],
    "det": [Sample(BATCH), Sample(normal(0, 2, 2)), Sample(np.diag([2.0, 0.0, 3.0]), order=1)],
    "slogdet": [Sample(BATCH)],
    "inv": [Sample(BATCH), Sample(normal(0, 2, 2))],
    "solve": [Sample(BATCH, normal(2, 3, 2)), Sample(BATCH[0], normal(2, 3, 1))],
    "pinv": [Sample(WIDE, 0.0, 1e-15), Sample(TALL, 0.0, 1e-15)],
    "cofactor": [Sample(BATCH)],
    "cholesky": [Sample(definite(3), symmetric=True), Sample(definite(3, 2), symmetric=True)],
    "qr": [Sample(TALL, "reduced", **SIGNS), Sample(BATCH, "complete", **SIGNS)],
    "eigh": [Sample(definite(3, 2), "L", symmetric=True, **SIGNS), Sample(definite(3), "U", symmetric=True, **SIGNS)],
    "svd": [Sample(TALL, False, **SIGNS), Sample(WIDE, False, **SIGNS), Sample(BATCH[:1], True, **SIGNS)],
}


# ---------------------------------------------------------------- judges
def recurrence(x, a, dim, reverse=False):
    x, a, y = (np.moveaxis(v.astype(float), dim, 0) for v in (x, a, x))
    y, n = y.copy(), len(x)
    for i in list(range(n))[:: -1 if reverse else 1]:
        before = i + 1 if reverse else i - 1
        y[i] = x[i] + (a[i] * y[before] if 0 <= before < n else 0)
    return np.moveaxis(y, 0, dim)


def cofactors(x):
    """By their definition: signed determinants of what is left without a row and a column."""
    out = np.empty_like(x)
    for *batch, i, j in np.ndindex(*x.shape):
        rest = np.delete(np.delete(x[tuple(batch)], i, 0), j, 1)
        out[(*batch, i, j)] = (-1) ** (i + j) * np.linalg.det(rest)
    return out


def places(function):
    """Of a result (values, indices) the indices."""
    return by_torch(lambda torch, *args: function(torch, *args)[1])


def unique(name):
    def judge(torch, x, dim):
        return getattr(torch, name)(x, return_inverse=True, return_counts=True, dim=dim)

    return by_torch(judge)


def bare_median(x, skip_nan, dims):
    flat = np.sort(x.ravel())
    flat = flat[~np.isnan(flat)] if skip_nan else flat
    return np.array(flat[(len(flat) - 1) // 2])


def mode_at(values):
    """Of the most frequent, the smallest: where it stands last."""
    best = max(set(values.tolist()), key=lambda v: (values.tolist().count(v), -v))
    return max(i for i, v in enumerate(values) if v == best)


def linear_gradients(u, x, weight):
    """Row by row; of the weight as outer products."""
    rows, inputs = u.reshape(-1, u.shape[-1]), x.reshape(-1, x.shape[-1])
    by_weight = sum((np.outer(a, b) for a, b in zip(rows, inputs)), np.zeros(weight.shape))
    return np.array([a @ weight for a in rows]).reshape(x.shape), by_weight


ORACLES = {
    "linear_grad": linear_gradients,
    "sum_to": by_torch(lambda torch, x, shape: x.sum_to_size(shape)),
    "amax": lambda x, dims: np.max(x, dims, keepdims=True),
    "amin": lambda x, dims: np.min(x, dims, keepdims=True),
    "all": lambda x, dims: np.all(x, dims, keepdims=True),
    "any": lambda x, dims: np.any(x, dims, keepdims=True),
    "logsumexp": lambda x, dims: by_torch(lambda torch, x: torch.logsumexp(x, dims, keepdim=True))(x),
    "prod": by_torch(lambda torch, x, dim: x.prod(dim, keepdim=True)),
    "std": lambda x, dims, correction: np.std(x, dims, ddof=correction, keepdims=True),
    "var": lambda x, dims, correction: np.var(x, dims, ddof=correction, keepdims=True),
    "vector_norm": by_torch(lambda torch, x, p, dims: torch.linalg.vector_norm(x, p, dims, keepdim=True)),
    "cumsum": lambda x, dim, reverse=False: np.flip(np.cumsum(np.flip(x, dim), dim), dim) if reverse else x.cumsum(dim),
    "recurrence": recurrence,
    "running_winner": places(lambda torch, x, dim, name: (torch.cummax if name == "maximum" else torch.cummin)(x, dim)),
    "argmax": by_torch(lambda torch, x, dim: x.argmax(dim, keepdim=True)),
    "argmin": by_torch(lambda torch, x, dim: x.argmin(dim, keepdim=True)),
    "argsort": by_torch(lambda torch, x, dim, down: torch.argsort(x, dim=dim, descending=down, stable=True)),
    "kth_place": places(lambda torch, x, k, dim: x.kthvalue(k, dim, keepdim=True)),
    "topk_places": places(lambda torch, x, k, dim, largest: x.topk(k, dim, largest)),
    "median_place": places(
        lambda torch, x, skip, dim: (torch.nanmedian if skip else torch.median)(x, dim, keepdim=True)
    ),
    "median_of_all": bare_median,
    "mode_place": lambda x, dim: np.expand_dims(np.apply_along_axis(mode_at, dim, x), dim),
    "searchsorted": by_torch(lambda torch, s, v, sorter, right: torch.searchsorted(s, v, sorter=sorter, right=right)),
    "bincount": by_torch(lambda torch, x, weights=None, minlength=0: torch.bincount(x, weights, minlength)),
    "unique": unique("unique"),
    "unique_consecutive": unique("unique_consecutive"),
    "pinv": by_torch(lambda torch, x, atol, rtol: torch.linalg.pinv(x, atol=atol, rtol=rtol)),
    "solve": by_torch(lambda torch, x, other: torch.linalg.solve(x, other)),
    "cholesky": by_torch(lambda torch, x: torch.linalg.cholesky(x)),
    "slogdet": by_torch(lambda torch, x: tuple(torch.linalg.slogdet(x))),
    "eigh": by_torch(lambda torch, x, UPLO: tuple(torch.linalg.eigh(x, UPLO))),
    "svd": by_torch(lambda torch, x, full: tuple(torch.linalg.svd(x, full))),
    "qr": by_torch(lambda torch, x, mode: tuple(torch.linalg.qr(x, mode))),
    "cofactor": cofactors,
}
