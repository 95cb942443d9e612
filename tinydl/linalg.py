"""Linear algebra under the names of `torch.linalg`; leading dimensions are a batch."""

from __future__ import annotations

import math

from . import dtype as dtypes
from .autograd.autocast import listed
from .ops.creation import eye
from .ops.decompose import (
    LinAlgError,
    cholesky,
    det,
    eigh,
    floating_matrices,
    inv,
    pinv_,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
)
from .ops.linalg import cross as _cross
from .ops.linalg import matmul, multi_dot
from .ops.reduce import normalize_dim
from .ops.vector_norm import vector_norm
from .tensor import Tensor

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_triangular", "svd", "svdvals", "vander", "vecdot", "vector_norm",
]  # fmt: skip


# ---------------------------------------------------------------- norms
@listed
def matrix_norm(A: Tensor, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None) -> Tensor:
    """A norm of each matrix, whose rows and columns lie in `dim`.

    ord: 'fro', 'nuc' (sum of the singular values), 2 and -2 (the largest, the smallest of them), 1
    and -1 (largest and smallest sum of a column's sizes), inf and -inf (of a row's).
    """
    _floating("matrix_norm", A)
    if A.ndim < 2 or len(dim) != 2:
        raise RuntimeError(f"matrix_norm: expected matrices and two dims, got shape {tuple(A.shape)}, dim={dim}")
    rows, columns = (normalize_dim("matrix_norm", d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"matrix_norm: dims must differ, got {dim}")
    if dtype is not None:
        A = A.to(dtypes.as_dtype(dtype))
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        s = svdvals(A.movedim((rows, columns), (-2, -1)))
        y = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        down, across = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(A, 1, down, True)
        y = (sums.amax if ord > 0 else sums.amin)((down, across))
    elif isinstance(ord, (int, float)):
        raise RuntimeError(f"matrix_norm: ord must be 1, -1, 2, -2, inf, -inf, 'fro' or 'nuc', got {ord}")
    else:
        raise RuntimeError(f"matrix_norm: ord must be a number, 'fro' or 'nuc', got {ord!r}")
    if not keepdim:
        return y
    return y.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns))


def norm(A: Tensor, ord=None, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """A norm of vectors or matrices: of matrices where `dim` has two dimensions, or where A has and
    ord is given.

    ord None: the square root of the sum of all squares.
    """
    dims = (dim,) if isinstance(dim, int) else dim
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dims is None and A.ndim not in (1, 2) or dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"norm: ord={ord!r} is for vectors and matrices, got shape {tuple(A.shape)}, dim={dim}")
    if (A.ndim if dims is None else len(dims)) == 2:
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"norm: ord={ord!r} is for matrices, got shape {tuple(A.shape)}, dim={dim}")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def cond(A: Tensor, p=None) -> Tensor:
    """Condition number of each matrix, in the norm p (default 2): norm(A) * norm(inv(A))."""
    if p in (None, 2, -2):
        floating_matrices("cond", A)
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def _floating(name, A):
    if not isinstance(A, Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(A).__name__}")
    if not dtypes.is_floating(A.dtype):
        raise RuntimeError(f"{name}: expected a floating tensor, got {A.dtype}; convert with .to(float)")


# ---------------------------------------------------------------- spectra
def svdvals(A: Tensor) -> Tensor:
    """Singular values, descending.  A: (..., m, n) -> (..., min(m, n))."""
    return svd(A, full_matrices=False)[1]


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices, ascending.  A: (..., n, n) -> (..., n)."""
    return eigh(A, UPLO)[0]


def matrix_rank(A: Tensor, *, atol=None, rtol=None, hermitian: bool = False) -> Tensor:
    """How many singular values exceed max(atol, rtol * the largest).

    A: (..., m, n) -> (...), int64.
    """
    floating_matrices("matrix_rank", A)
    s = abs(eigvalsh(A.detach())) if hermitian else svdvals(A.detach())
    rtol = _default_rtol(A, atol) if rtol is None else rtol
    largest = s.amax(-1, True) if s.shape[-1] else s
    return (s > (largest * rtol).clamp(min=atol or 0.0)).sum(-1)


def _default_rtol(A, atol):
    return 0.0 if atol else max(A.shape[-2:]) * float(dtypes.finfo(A.dtype).eps)


@listed
def pinv(A: Tensor, rtol=None, hermitian: bool = False, *, atol=None) -> Tensor:
    """The pseudo-inverse (Moore-Penrose) of each matrix.  A: (..., m, n) -> (..., n, m).

    Singular values up to max(atol, rtol * the largest) count as 0.
    """
    floating_matrices("pinv", A)
    rtol = _default_rtol(A, atol) if rtol is None else rtol
    return pinv_(A, float(atol or 0), float(rtol))


def lstsq(A: Tensor, B: Tensor) -> Tensor:
    """The X of least |A @ X - B|, and of these the smallest.  A: (..., m, n), B: (..., m, k) ->
    (..., n, k).

    Only the solution is returned.
    """
    floating_matrices("lstsq", A, B)
    return pinv(A) @ B


# ---------------------------------------------------------------- other
def matrix_power(A: Tensor, n: int) -> Tensor:
    """The n-th power of each square matrix, by repeated squaring; of the inverse if n is negative."""
    floating_matrices("matrix_power", A, square=True)
    if n < 0:
        return matrix_power(inv(A), -n)
    y = None
    while n:
        if n % 2:
            y = A if y is None else y @ A
        n //= 2
        A = A @ A if n else A
    return eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape) if y is None else y.clone()


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross product of vectors of 3 elements along `dim`."""
    return _cross(input, other, dim)


@listed
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum of products along `dim`.  Shapes that broadcast."""
    return (x * y).sum(dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of each matrix, as a view."""
    return A.diagonal(offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers 0 to N - 1 of each element.  x: (..., n) -> (..., n, N), N being n unless given."""
    powers = [x * 0 + 1]
    for _ in range(1, x.shape[-1] if N is None else N):
        powers.append(powers[-1] * x)
    return _stack(powers)


def _stack(tensors):
    from .ops.shape import stack

    return stack(tensors, -1)
