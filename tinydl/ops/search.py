"""Search in sorted sequences, distinct values, and how often they occur."""

from __future__ import annotations

from .. import dtype as dtypes
from ..autograd.engine import Array, op
from ..tensor import Tensor
from .creation import as_tensor, full
from .reduce import normalize_dim


# ---------------------------------------------------------------- search
@op
def searchsorted_(xp, sequence: Array, values: Array, sorter: Array | None, right):
    """Where values belong in the sorted rows of `sequence`: (..., n), (..., m) -> (..., m)."""
    if sorter is not None:
        sequence = xp.take_along_axis(sequence, sorter, -1)
    if sequence.ndim == 1:
        return xp.searchsorted(sequence, values, "right" if right else "left")
    n = sequence.shape[-1]
    low, high = xp.zeros(values.shape, "int64"), xp.full(values.shape, n, "int64")
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        found = xp.take_along_axis(sequence, xp.minimum(middle, n - 1), -1)
        after = (low < high) & ~(found > values if right else found >= values)
        low, high = xp.where(after, middle + 1, low), xp.where(after, high, middle)
    return low


def searchsorted(
    sorted_sequence: Tensor, input, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Indices at which `input` keeps the rows of `sorted_sequence` in order.

    sorted_sequence: (n,) or (..., n), input: (..., m) -> (..., m); right: behind equal elements.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(f"searchsorted: side={side!r} and right={right} do not go together")
    if not isinstance(input, Tensor):
        input = as_tensor(input, sorted_sequence.dtype, sorted_sequence.device)
    rows = sorted_sequence.shape
    if input.dtype != sorted_sequence.dtype:
        got = f"{sorted_sequence.dtype} and {input.dtype}"
        raise RuntimeError(f"searchsorted: expected tensors of one dtype, got {got}")
    if len(rows) == 0 or (len(rows) > 1 and rows[:-1] != input.shape[:-1]):
        raise RuntimeError(
            f"searchsorted: a sequence of shape {tuple(rows)} needs values of shape "
            f"({', '.join(map(str, rows[:-1]))}, any), got {tuple(input.shape)}"
        )
    if sorter is not None and (sorter.shape != rows or sorter.dtype != "int64"):
        got = f"{sorter.dtype} {tuple(sorter.shape)}"
        raise RuntimeError(f"searchsorted: sorter must be int64 of shape {tuple(rows)}, got {got}")
    found = searchsorted_(sorted_sequence, input, sorter, right or side == "right")
    return found.to(dtypes.int32) if out_int32 else found


def bucketize(x: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number (0 to n) of the interval between sorted `boundaries` (n,) that holds each x."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries must be a vector, got {tuple(boundaries.shape)}")
    return searchsorted(boundaries, x, out_int32=out_int32, right=right)


def isin(elements, test_elements, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each of `elements` is among `test_elements`, or with invert is not: bool, of the shape of elements.

    Either may be a number, not both.  assume_unique is accepted for PyTorch's sake.
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin: expected a tensor as elements or test_elements, got two numbers")
    like = elements if isinstance(elements, Tensor) else test_elements
    common = dtypes.result_of((elements, test_elements))
    elements, tests = (
        t.to(common) if isinstance(t, Tensor) else as_tensor(t, common, like.device) for t in (elements, test_elements)
    )
    tests = tests.reshape(-1)
    if not tests.numel():
        return full(elements.shape, invert, dtype="bool", device=elements.device)
    tests = tests.sort()[0]
    at = searchsorted(tests, elements.reshape(-1)).clamp(max=len(tests) - 1)  # where it stands, if anywhere
    found = (tests[at] == elements.reshape(-1)).reshape(elements.shape)
    return ~found if invert else found


# ---------------------------------------------------------------- distinct values
@op
def unique_(xp, x: Array, dim):
    """Sorted distinct values (slices along `dim`), for each element its number, and the counts."""
    values, inverse, counts = xp.unique(x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    return values, inverse.reshape(x.shape if dim is None else -1), counts


@op
def unique_consecutive_(xp, x: Array, dim):
    """As unique_, but of equal neighbours only."""
    rows = x.reshape(-1, 1) if dim is None else xp.moveaxis(x, dim, 0).reshape(x.shape[dim], -1)
    first = xp.ones(len(rows), "bool")
    first[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = xp.nonzero(first)[0]
    values = x.reshape(-1)[starts] if dim is None else xp.take(x, starts, dim)
    inverse = (xp.cumsum(first) - 1).reshape(x.shape if dim is None else -1)
    ends = xp.append(starts[1:], len(rows)) if len(rows) else starts
    return values, inverse, ends - starts


def unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
):  # fmt: skip
    """The distinct elements, sorted, or the distinct slices along `dim`.

    With return_inverse also the number of each element among them, with return_counts how often
    each of them occurs.
    """
    return _distinct("unique", unique_, x, dim, return_inverse, return_counts)


def unique_consecutive(x: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None):
    """As `unique`, but of equal neighbours only, and in their order."""
    return _distinct("unique_consecutive", unique_consecutive_, x, dim, return_inverse, return_counts)


def _distinct(name, over, x, dim, return_inverse, return_counts):
    dim = None if dim is None else normalize_dim(name, dim, x.ndim)
    wanted = (True, return_inverse, return_counts)
    out = tuple(t for t, w in zip(over(x, dim), wanted) if w)
    return out if len(out) > 1 else out[0]


# ---------------------------------------------------------------- counting
@op(exact=True)
def bincount(xp, x: Array, weights: Array | None = None, minlength=0):
    """How often, or with what weight, each number >= 0 occurs.  x: (n,) -> (max + 1,) or longer.

    Weights of float32 are summed as such, others in float64.
    """
    if x.ndim != 1 or dtypes.is_floating(x.dtype):
        raise RuntimeError(f"bincount: expected a vector of integers, got {x.dtype} {x.shape}")
    if x.size and (least := int(x.min())) < 0:
        raise RuntimeError(f"bincount: expected numbers of at least 0, got {least}")
    if weights is None:
        return xp.bincount(x, None, minlength)
    counts = xp.bincount(x, weights.astype("float64", copy=False), minlength)
    return counts.astype("float32") if weights.dtype == "float32" else counts


@op
def histc(xp, x: Array, bins=100, min=0, max=0):
    """How many elements lie in each of `bins` equal parts of [min, max] (equal: of x's range)."""
    if bins <= 0 or min > max:
        raise RuntimeError(f"histc: expected bins > 0 and min <= max, got bins {bins}, min {min}, max {max}")
    limits = None if min == max else (min, max)
    return xp.histogram(x.reshape(-1), bins, limits)[0].astype(x.dtype)


__all__ = ["bincount", "bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive"]
