"""Products of matrices, vectors and higher tensors.

All of them are `matmul` in other shapes, so that a fast product and one pair of rules serve
everything.
"""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..autograd.engine import Array, equal, op
from ..autograd.narrow import rounded_once
from ..dtype import is_floating
from ..tensor import Tensor
from .einsum import einsum
from .reduce import normalize_dim
from .vector_norm import vector_norm


@op(promote=equal)
def matmul(xp, x: Array, other: Array):
    """Matrix product of the last two dimensions; vectors as PyTorch's, leading dimensions
    broadcast.

    x: (..., n, k) or (k,), other: (..., k, m) or (k,) -> (..., n, m), without the dimension of a
    vector.
    """
    _check_product(x.shape, other.shape)
    if x.ndim > 2 == other.ndim and x.flags.c_contiguous:  # one large product, not many small ones
        rows = xp.matmul(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), other)
        return rows.reshape(*x.shape[:-1], other.shape[1])
    return xp.matmul(x, other)


def _check_product(a, b):
    if not (a and b):
        raise RuntimeError(f"matmul: both tensors need at least one dimension, got shapes {a} and {b}")
    rows = b[-2] if len(b) > 1 else b[0]
    if a[-1] != rows:
        raise RuntimeError(
            f"matmul: the last size of x, {a[-1]}, differs from the number of rows of other, {rows} "
            f"(shapes {a} and {b})"
        )


def _matmul_by_x(g, x_like, other):
    if other.ndim == 1:
        return g.unsqueeze(-1) * other  # an outer product, or for two vectors a scaled one
    if x_like.ndim == 1:
        return matmul(other, g.unsqueeze(-1)).squeeze(-1)
    return matmul(g, other.transpose(-2, -1))


def _matmul_by_other(g, x, other_like):
    if x.ndim == 1:
        return x * g if other_like.ndim == 1 else x.unsqueeze(-1) * g.unsqueeze(-2)
    if other_like.ndim == 1:
        return matmul(x.transpose(-2, -1), g.unsqueeze(-1)).squeeze(-1)
    if x.ndim > 2 == other_like.ndim:  # all rows at once: the sum over the batch is part of the product
        x, g = (t.reshape(math.prod(t.shape[:-1]), t.shape[-1]) for t in (x, g))
    return matmul(x.transpose(-2, -1), g)


matmul.grads(_matmul_by_x, _matmul_by_other)


# ---------------------------------------------------------------- the same for given numbers of dimensions
def _expect(name, tensors, dims):
    """Tensors of one dtype, with the given numbers of dimensions."""
    for key, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: {key} must be a tensor, got {type(t).__name__}")
    got = [f"{key} {tuple(t.shape)} {t.dtype}" for key, t in tensors.items()]
    if any(t.ndim != n for t, n in zip(tensors.values(), dims)):
        raise RuntimeError(f"{name}: expected tensors of {', '.join(map(str, dims))} dimensions, got {', '.join(got)}")
    if len({t.dtype for t in tensors.values()}) > 1:
        raise RuntimeError(f"{name}: expected tensors of one dtype, got {', '.join(got)}")


@listed
def mm(x, mat2):
    """Product of two matrices.  x: (n, k), mat2: (k, m) -> (n, m)."""
    _expect("mm", {"x": x, "mat2": mat2}, (2, 2))
    return matmul(x, mat2)


@listed
def bmm(x, mat2):
    """Products of two batches of matrices.  x: (b, n, k), mat2: (b, k, m) -> (b, n, m)."""
    _expect("bmm", {"x": x, "mat2": mat2}, (3, 3))
    if x.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: batches of {x.shape[0]} and {mat2.shape[0]} matrices; expected as many")
    return matmul(x, mat2)


@listed
def mv(x, vec):
    """Product of a matrix and a vector.  x: (n, k), vec: (k,) -> (n,)."""
    _expect("mv", {"x": x, "vec": vec}, (2, 1))
    return matmul(x, vec)


@listed
def dot(x, tensor):
    """Product of two vectors.  x, tensor: (n,) -> ()."""
    _expect("dot", {"x": x, "tensor": tensor}, (1, 1))
    return matmul(x, tensor)


@listed
def vdot(x, other):
    """Product of two real vectors, as `dot`.  x, other: (n,) -> ()."""
    _expect("vdot", {"x": x, "other": other}, (1, 1))
    return matmul(x, other)


def outer(x, vec2):
    """All products of two vectors' elements.  x: (n,), vec2: (m,) -> (n, m)."""
    if x.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: expected two vectors, got shapes {tuple(x.shape)} and {tuple(vec2.shape)}")
    return x.unsqueeze(1) * vec2


ger = outer


# ---------------------------------------------------------------- scaled sums with products
def _add_product(name, x, product, beta, alpha):
    """beta * x + alpha * product; x broadcasts to the product.  With beta 0, x is not read."""
    shape = tuple(product.shape)
    lead = len(shape) - x.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:])):
        raise RuntimeError(f"{name}: x of shape {tuple(x.shape)} does not broadcast to the product's {shape}")
    if x.dtype != product.dtype:
        raise RuntimeError(f"{name}: x is {x.dtype}, the product {product.dtype}; convert with .to(dtype)")
    if not is_floating(product.dtype) and not all(isinstance(v, int) for v in (beta, alpha)):
        raise RuntimeError(f"{name}: for {product.dtype}, beta and alpha must be integers, got {beta} and {alpha}")
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return (x if beta == 1 else x * beta) + scaled


@listed
@rounded_once
def addmm(x, mat1, mat2, *, beta=1, alpha=1):
    """beta * x + alpha * mat1 @ mat2.  mat1: (n, k), mat2: (k, m), x broadcasts to (n, m)."""
    return _add_product("addmm", x, mm(mat1, mat2), beta, alpha)


@listed
@rounded_once
def addmv(x, mat, vec, *, beta=1, alpha=1):
    """beta * x + alpha * mat @ vec.  mat: (n, k), vec: (k,), x broadcasts to (n,)."""
    return _add_product("addmv", x, mv(mat, vec), beta, alpha)


@listed
@rounded_once
def addr(x, vec1, vec2, *, beta=1, alpha=1):
    """beta * x + alpha * outer(vec1, vec2).  vec1: (n,), vec2: (m,), x broadcasts to (n, m)."""
    return _add_product("addr", x, outer(vec1, vec2), beta, alpha)


@listed
@rounded_once
def addbmm(x, batch1, batch2, *, beta=1, alpha=1):
    """beta * x + alpha * sum over the batch of products.

    batch1: (b, n, k), batch2: (b, k, m), x to (n, m).
    """
    return _add_product("addbmm", x, bmm(batch1, batch2).sum(0), beta, alpha)


@listed
@rounded_once
def baddbmm(x, batch1, batch2, *, beta=1, alpha=1):
    """beta * x + alpha * batch1 @ batch2.

    batch1: (b, n, k), batch2: (b, k, m), x broadcasts to (b, n, m).
    """
    return _add_product("baddbmm", x, bmm(batch1, batch2), beta, alpha)


# ---------------------------------------------------------------- products of higher tensors
def inner(x, other):
    """Sum of products over the last dimension of both.  x: (*A, k), other: (*B, k) -> (*A, *B)."""
    if not (x.ndim and other.ndim):
        return x * other
    if x.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: last sizes differ, shapes {tuple(x.shape)} and {tuple(other.shape)}")
    return tensordot(x, other, ([-1], [-1]))


@listed
def tensordot(x, other, dims=2):
    """Sum of products over `dims`: the last of x with the first of other, or two lists of
    dimensions.

    x: (*A, *K), other: (*K, *B) -> (*A, *B).
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(x.ndim, other.ndim):
            raise RuntimeError(f"tensordot: dims must lie in [0, {min(x.ndim, other.ndim)}], got {dims}")
        dims = (range(x.ndim - dims, x.ndim), range(dims))
    mine, its = ([normalize_dim("tensordot", d, t.ndim) for d in given] for given, t in zip(dims, (x, other)))
    if len(mine) != len(its):
        raise RuntimeError(f"tensordot: dims pair {len(mine)} dimensions of x with {len(its)} of other")
    for a, b in zip(mine, its):
        if x.shape[a] != other.shape[b] and 1 not in (x.shape[a], other.shape[b]):
            raise RuntimeError(
                f"tensordot: dimension {a} of x has size {x.shape[a]}, dimension {b} of other {other.shape[b]}"
            )
    labels = list(range(x.ndim))
    others = [mine[its.index(d)] if d in its else x.ndim + d for d in range(other.ndim)]
    free = [n for n in labels if n not in mine] + [n for n in others if n >= x.ndim]
    return einsum(x, labels, other, others, free)


def kron(x, other):
    """Kronecker product: every element of x times all of other.

    Sizes multiply, after padding with 1 in front.
    """
    n = max(x.ndim, other.ndim)
    a, b = ((1,) * (n - t.ndim) + tuple(t.shape) for t in (x, other))
    blocks = x.reshape([s for size in a for s in (size, 1)]) * other.reshape([s for size in b for s in (1, size)])
    return blocks.reshape([m * k for m, k in zip(a, b)])


@listed
def cross(x, other, dim=None):
    """Cross product along `dim`, of size 3 (default: the first such dimension).

    Shapes that broadcast.
    """
    if x.ndim != other.ndim:
        raise RuntimeError(f"cross: expected as many dimensions, got shapes {tuple(x.shape)} and {tuple(other.shape)}")
    if dim is None:
        dim = next((d for d, n in enumerate(x.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension has size 3 in shape {tuple(x.shape)}")
    dim = normalize_dim("cross", dim, x.ndim)
    if x.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(f"cross: dimension {dim} must have size 3, got {x.shape[dim]} and {other.shape[dim]}")
    return x.roll(-1, dim) * other.roll(-2, dim) - x.roll(-2, dim) * other.roll(-1, dim)


@listed
def chain_matmul(*matrices):
    """Product of several matrices in the cheapest order."""
    return multi_dot(matrices)


@listed
def multi_dot(tensors):
    """Product of two or more matrices, in the order that needs the fewest multiplications.

    The first and the last may be vectors.  Source: Cormen et al., Introduction to Algorithms, 15.2.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot: expected two or more tensors, got {len(tensors)}")
    ends = [tensors[0].ndim == 1, tensors[-1].ndim == 1]
    if ends[0]:
        tensors[0] = tensors[0].unsqueeze(0)
    if ends[1]:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for i, t in enumerate(tensors):
        if t.ndim != 2:
            raise RuntimeError(f"multi_dot: tensor {i} of shape {tuple(t.shape)} is no matrix")
    product = _product(
        tensors,
        0,
        len(tensors) - 1,
        _cheapest([t.shape[0] for t in tensors] + [tensors[-1].shape[1]]),
    )
    return product.reshape([n for n, dropped in zip(product.shape, ends) if not dropped])


def _cheapest(sizes):
    """{(i, j): where to cut the product of matrices i to j}, matrix i being (sizes[i], sizes[i +
    1]).
    """
    n = len(sizes) - 1
    cost, cut = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = {k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            cut[i, j] = min(costs, key=costs.get)
            cost[i, j] = costs[cut[i, j]]
    return cut


def _product(tensors, i, j, cut):
    if i == j:
        return tensors[i]
    k = cut[i, j]
    return matmul(_product(tensors, i, k, cut), _product(tensors, k + 1, j, cut))


# ---------------------------------------------------------------- distances
@listed
def dist(x, other, p=2):
    """The p-norm of x - other, over all elements.  Shapes that broadcast -> ()."""
    return vector_norm(x - other, p)


@listed
def cdist(x1, x2, p=2.0, compute_mode=None):
    """p-norm distances of all pairs of rows.  x1: (..., n, k), x2: (..., m, k) -> (..., n, m).

    compute_mode is accepted for PyTorch's sake: differences are always taken before squares, which
    is exact.
    """
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1] or p < 0:
        raise RuntimeError(
            f"cdist: expected (..., n, k) and (..., m, k) and p >= 0, got {tuple(x1.shape)}, {tuple(x2.shape)}, p={p}"
        )
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cdist", "chain_matmul", "cross", "dist", "dot", "einsum",
    "ger", "inner", "kron", "matmul", "mm", "mv", "outer", "tensordot", "vdot",
]  # fmt: skip
