"""Inverses, determinants and decompositions of matrices; leading dimensions are a batch.

Gradients after Giles 2008, "An extended collection of matrix derivative results", and PyTorch's,
whose choice of sign and scale of singular vectors and eigenvectors is kept: a loss should not
depend on it.
"""

from __future__ import annotations

from collections import namedtuple

from .. import dtype as dtypes
from ..autograd.autocast import listed
from ..autograd.engine import Array, equal, op
from .creation import zeros_like
from .elementwise import where

Slogdet = namedtuple("slogdet", "sign logabsdet")
Qr = namedtuple("qr", "Q R")
Eigh = namedtuple("eigh", "eigenvalues eigenvectors")
Svd = namedtuple("svd", "U S Vh")


class LinAlgError(RuntimeError):
    """A matrix does not have what was asked for: it is singular, or not positive definite, or did
    not converge.
    """


def _lapack(xp, name, *args, **kwargs):
    try:
        return getattr(xp.linalg, name)(*args, **kwargs)
    except ValueError as e:
        raise LinAlgError(f"linalg.{name}: {e} (shape {args[0].shape})") from None


def floating_matrices(name, *tensors, square=False):
    """Refuse what is not a batch of floating matrices (square ones)."""
    for x in tensors:
        if not hasattr(x, "array"):
            raise TypeError(f"linalg.{name}: expected a tensor, got {type(x).__name__}")
        if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
            kind = "square matrices (..., n, n)" if square else "matrices (..., m, n)"
            raise RuntimeError(f"linalg.{name}: expected {kind}, got shape {tuple(x.shape)}")
        if x.dtype not in (dtypes.float32, dtypes.float64):
            raise RuntimeError(f"linalg.{name}: expected float32 or float64, got {x.dtype}; convert with .to(dtype)")


def _eye(xp, n):
    return xp.eye(n, dtype=bool)


def _on_diagonal(d):
    """The diagonal matrices with d: (..., n) -> (..., n, n)."""
    return d.diag_embed()


# ---------------------------------------------------------------- linear systems
@op
def inv_(xp, x: Array):
    """The inverse of each matrix.  x: (..., n, n) -> (..., n, n)."""
    return _lapack(xp, "inv", x)


inv_.grads(lambda g, y: -(y.mT @ g @ y.mT))


@op(promote=equal)
def solve_(xp, x: Array, other: Array):
    """The y with x @ y = other.

    x: (..., n, n), other: (..., n, m), batches broadcast -> (..., n, m).
    """
    return _lapack(xp, "solve", x, other)


def _solve_rule(g, y, x, needed):
    by_other = solve_(x.mT, g)
    return -(by_other @ y.mT) if needed[0] else None, by_other


solve_.grads_together(_solve_rule)


@listed
def inv(x):
    """The inverse of each square matrix.

    x: (..., n, n) -> (..., n, n).  LinAlgError if one is singular.
    """
    floating_matrices("inv", x, square=True)
    return inv_(x)


@listed
def solve(x, other, *, left=True):
    """The y with x @ y = other, or y @ x = other if not left.

    x: (..., n, n); other: (..., n, m), or one vector for each matrix, (..., n).  LinAlgError if x
    is singular.
    """
    floating_matrices("solve", x, square=True)
    if x.dtype != other.dtype:
        raise RuntimeError(f"linalg.solve: expected one dtype, got {x.dtype} and {other.dtype}")
    vector = other.ndim == 1 or (other.ndim == x.ndim - 1 and other.shape == x.shape[:-1])
    columns = other.unsqueeze(-1) if vector else other
    if not left and not vector:
        columns = columns.mT
    if columns.ndim < 2 or columns.shape[-2] != x.shape[-1]:
        raise RuntimeError(f"linalg.solve: shapes {tuple(x.shape)} and {tuple(other.shape)} do not fit")
    y = solve_(x if left else x.mT, columns)
    return y.squeeze(-1) if vector else y if left else y.mT


@op
def pinv_(xp, x: Array, atol, rtol):
    """The pseudo-inverse of each matrix; singular values up to max(atol, rtol * the largest) count
    as 0.
    """
    u, s, vh = _lapack(xp, "svd", x, False)
    largest = s[..., :1] if s.shape[-1] else s
    large = s > xp.maximum(largest * rtol, atol)
    inverse = xp.where(large, 1 / xp.where(large, s, 1), 0)
    return (vh.swapaxes(-2, -1) * inverse[..., None, :]) @ u.swapaxes(-2, -1)


def _pinv_rule(g, x, y):
    """Golub and Pereyra 1973, for matrices near x of the same rank."""
    k = g.mT @ y
    ky = k @ y.mT
    return -(y @ k).mT + ky - x @ (y @ ky) + y.mT @ (y @ (g.mT - k @ x))


pinv_.grads(_pinv_rule)


@listed
def solve_triangular(x, other, *, upper, left=True, unitriangular=False):
    """As `solve`, reading of x only one triangle; unitriangular: its diagonal counts as ones."""
    floating_matrices("solve_triangular", x, square=True)
    x = x.triu(int(unitriangular)) if upper else x.tril(-int(unitriangular))
    if unitriangular:
        x = x + _on_diagonal(zeros_like(x[..., 0]) + 1)
    return solve(x, other, left=left)


# ---------------------------------------------------------------- determinants
@op
def det_(xp, x: Array):
    """The determinant of each matrix.  x: (..., n, n) -> (...)."""
    return xp.linalg.det(x)


@op
def cofactor(xp, x: Array):
    """The matrix of cofactors, det(x) inv(x)^T where x is regular, exact where it is not.

    (..., n, n) -> same.
    """
    u, s, vh = xp.linalg.svd(x)
    others = xp.where(_eye(xp, x.shape[-1]), 1, s[..., None, :]).prod(-1)  # product of the other singular values
    signs = xp.linalg.det(u) * xp.linalg.det(vh)
    return signs[..., None, None] * ((u * others[..., None, :]) @ vh)


def _cofactor_rule(g, x, y):
    inverse = inv_(x).mT  # of a singular matrix: refused, a second derivative is not known then
    return y * (g * inverse).sum((-2, -1), True) - y @ g.mT @ inverse


det_.grads(lambda g, x: g.unsqueeze(-1).unsqueeze(-1) * cofactor(x))
cofactor.grads(_cofactor_rule)


@op
def slogdet_(xp, x: Array):
    """Sign and logarithm of |det| of each matrix.  x: (..., n, n) -> (...), (...)."""
    sign, log = xp.linalg.slogdet(x)
    return xp.asarray(sign), xp.asarray(log)


slogdet_.grads(lambda g, x: None if g[1] is None else g[1].unsqueeze(-1).unsqueeze(-1) * inv_(x).mT)


@listed
def det(x):
    """The determinant of each square matrix.  x: (..., n, n) -> (...)."""
    floating_matrices("det", x, square=True)
    return det_(x)


@listed
def slogdet(x):
    """Sign and logarithm of |determinant|, without overflow.  x: (..., n, n) -> (...), (...)."""
    floating_matrices("slogdet", x, square=True)
    return Slogdet(*slogdet_(x))


def logdet(x):
    """Logarithm of the determinant, NaN where it is negative.  x: (..., n, n) -> (...)."""
    sign, log = slogdet(x)
    return where(sign < 0, float("nan"), log)


# ---------------------------------------------------------------- decompositions
@op
def cholesky_(xp, x: Array):
    """The lower triangular y with y @ y^T = x, of which the lower triangle is read.

    (..., n, n) -> same.
    """
    return _lapack(xp, "cholesky", x)


def _cholesky_rule(g, y):
    inner = (y.mT @ g).tril()
    inner = inner - _on_diagonal(inner.diagonal(0, -2, -1)) / 2
    full = solve_(y.mT, solve_(y.mT, inner.mT).mT)
    return ((full + full.mT) / 2,)


cholesky_.grads_together(_cholesky_rule)


@listed
def cholesky(x, *, upper=False):
    """The triangular factor of each positive definite matrix.

    x: (..., n, n) -> lower (or upper), same shape.
    """
    floating_matrices("cholesky", x, square=True)
    return cholesky_(x.mT).mT if upper else cholesky_(x)


@op
def qr_(xp, x: Array, mode):
    """Orthonormal q and upper triangular r with q @ r = x; mode 'reduced' or 'complete'."""
    q, r = xp.linalg.qr(x, mode)
    return q, r


def _qr_rule(g, y, mode):
    """For matrices with at least as many rows as columns."""
    (g_q, g_r), (q, r) = g, y
    if mode == "complete" and q.shape[-1] > r.shape[-1]:
        raise RuntimeError("linalg.qr: mode 'complete' has no gradient for matrices with more rows than columns")
    inner = 0 if g_r is None else g_r @ r.mT
    if g_q is not None:
        inner = inner - q.mT @ g_q
    upper = inner.triu()
    inner = q @ (upper + upper.mT - _on_diagonal(upper.diagonal(0, -2, -1)))
    if g_q is not None:
        inner = inner + g_q
    return (solve_(r, inner.mT).mT,)


qr_.grads_together(_qr_rule)


@listed
def qr(x, mode="reduced"):
    """Orthonormal q and upper triangular r with q @ r = x.  x: (..., m, n) -> (..., m, k), (..., k,
    n).

    k is min(m, n), or m if mode is 'complete'; mode 'r' leaves q empty, and has no gradient.
    """
    floating_matrices("qr", x)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    m, n = x.shape[-2:]
    if mode == "r":
        return Qr(x.new_empty(0), qr(x.detach())[1])
    if m >= n:
        return Qr(*qr_(x, mode))
    q, r = qr_(x[..., :m], mode)  # q turns the remaining columns as it does the first
    return Qr(q, _beside(r, q.mT @ x[..., m:]))


def _beside(a, b):
    from .shape import cat

    return cat([a, b], -1)


@op
def eigh_(xp, x: Array, UPLO):
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices, of which one triangle is
    read.
    """
    values, vectors = xp.linalg.eigh(x, UPLO)
    return values, vectors


def _eigh_rule(g, y):
    """Symmetric, whichever triangle was read: vectors turn by v^T dv, which is antisymmetric."""
    (g_values, g_vectors), (values, v) = g, y
    inner = 0 if g_values is None else _on_diagonal(g_values)
    if g_vectors is not None:
        turn = v.mT @ g_vectors
        inner = inner + (turn - turn.mT) / 2 * _reciprocal_gaps(values)
    return (v @ inner @ v.mT,)


eigh_.grads_together(_eigh_rule)


def _reciprocal_gaps(values):
    """1 / (values_j - values_i), and 0 for i = j.  (..., n) -> (..., n, n)."""
    gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
    same = _on_diagonal(zeros_like(values) + 1) > 0
    return where(same, 0, 1 / where(same, 1, gaps))


@listed
def eigh(x, UPLO="L"):
    """Eigenvalues, ascending, and orthonormal eigenvectors (columns) of symmetric matrices.

    x: (..., n, n), of which the lower (UPLO 'L') or upper ('U') triangle is read -> (..., n), (...,
    n, n).
    """
    floating_matrices("eigh", x, square=True)
    if UPLO not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    return Eigh(*eigh_(x, UPLO))


@op
def svd_(xp, x: Array, full_matrices):
    """u, s, vh with u @ diag(s) @ vh = x."""
    u, s, vh = _lapack(xp, "svd", x, full_matrices)
    return u, s, vh


def _svd_rule(g, y):
    """Columns beyond min(m, n), which any rotation leaves right, get no gradient."""
    (g_u, g_s, g_vh), (u, s, vh) = g, y
    k = s.shape[-1]
    m, n = u.shape[-2], vh.shape[-1]
    u, vh = u[..., :k], vh[..., :k, :]
    across, down = s.unsqueeze(-2), s.unsqueeze(-1)
    gaps = _reciprocal_gaps(s * s) if not (g_u is None and g_vh is None) else None
    inner = 0 if g_s is None else _on_diagonal(g_s)
    if g_u is not None:
        g_u = g_u[..., :k]
        ug = u.mT @ g_u
        inner = inner + (ug - ug.mT) * gaps * across
    if g_vh is not None:
        g_vh = g_vh[..., :k, :]
        vg = vh @ g_vh.mT
        inner = inner + down * ((vg - vg.mT) * gaps)
    left = u @ inner
    if g_u is not None and m > k:
        left = left + (g_u - u @ ug) / across
    result = left @ vh
    if g_vh is not None and n > k:
        result = result + u @ ((g_vh - (g_vh @ vh.mT) @ vh) / down)
    return (result,)


svd_.grads_together(_svd_rule)


@listed
def svd(x, full_matrices=True):
    """u, s, vh with u @ diag(s) @ vh = x, s descending.  x: (..., m, n) -> (..., m, k), (..., k),
    (..., k, n).

    k is min(m, n); with full_matrices u is (..., m, m) and vh (..., n, n).  Gradients are finite
    only where the singular values differ.
    """
    floating_matrices("svd", x)
    return Svd(*svd_(x, full_matrices))


inverse = inv
__all__ = ["cholesky", "det", "inverse", "logdet", "slogdet"]
