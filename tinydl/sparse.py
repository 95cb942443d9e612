"""Sparse matrices by rows (CSR), for graphs: their values can be trained, where they stand is fixed.

A = sparse.CSR.from_scipy(adjacency)
y = sparse.mm(A, x)                     # gradients for A.values and for x, of any order
"""

from __future__ import annotations

import numpy as np

from .ops.creation import as_tensor, zeros
from .ops.picking import add_at
from .tensor import Tensor


class CSR:
    """A matrix of which only some elements are stored, row after row.

    values: (E,) floating, may require grad.  columns: (E,) of the values.  starts: (rows + 1,), row i has the values
    from starts[i] to starts[i + 1].  Elements that occur twice are added.  ValueError for what is no such matrix.
    """

    def __init__(self, values, columns, starts, shape: tuple[int, int]):
        self.values = values if isinstance(values, Tensor) else as_tensor(values)
        columns, starts = (np.asarray(i.cpu() if isinstance(i, Tensor) else i) for i in (columns, starts))
        self.shape = n, m = tuple(map(int, shape))
        if any(i.ndim != 1 or i.dtype.kind not in "iu" for i in (columns, starts)) or self.values.ndim != 1:
            raise ValueError("CSR: values must be a vector, columns and starts vectors of integers")
        if len(starts) != n + 1 or starts[0] != 0 or (np.diff(starts) < 0).any():
            raise ValueError(f"CSR: starts must be {n + 1} numbers that ascend from 0, for {n} rows")
        if not len(columns) == self.values.numel() == starts[-1]:
            raise ValueError(
                f"CSR: starts end at {starts[-1]}, but there are {self.values.numel()} values "
                f"and {len(columns)} columns"
            )
        if columns.size and not 0 <= columns.min() <= columns.max() < m:
            raise ValueError(f"CSR: columns must lie in [0, {m - 1}], got {columns.min()} to {columns.max()}")
        rows = np.repeat(np.arange(n), np.diff(starts))
        self.rows, self.columns = (as_tensor(i.astype(np.int64), device=self.values.device) for i in (rows, columns))

    @classmethod
    def from_scipy(cls, matrix, dtype=None, device=None) -> CSR:
        """A matrix of scipy.sparse, in any of its formats."""
        matrix = matrix.tocsr()
        values = as_tensor(matrix.data.copy(), dtype=dtype, device=device)
        return cls(values, matrix.indices, matrix.indptr, matrix.shape)

    @classmethod
    def from_edges(cls, rows, columns, values, shape: tuple[int, int]) -> CSR:
        """values[e] at (rows[e], columns[e]), in any order."""
        rows, columns = (np.asarray(i.cpu() if isinstance(i, Tensor) else i) for i in (rows, columns))
        if rows.size and not 0 <= rows.min() <= rows.max() < shape[0]:
            raise ValueError(f"CSR: rows must lie in [0, {shape[0] - 1}], got {rows.min()} to {rows.max()}")
        values = values if isinstance(values, Tensor) else as_tensor(values)
        order = np.argsort(rows, kind="stable")
        starts = np.concatenate([[0], np.bincount(rows, minlength=shape[0]).cumsum()])
        return cls(values[as_tensor(order, device=values.device)], columns[order], starts, shape)

    @property
    def nnz(self) -> int:
        """How many elements are stored."""
        return self.values.numel()

    @property
    def T(self) -> CSR:
        """The transposed matrix, with the same values."""
        return CSR.from_edges(self.columns, self.rows, self.values, self.shape[::-1])

    def to_dense(self) -> Tensor:
        """The matrix with its zeros.  -> shape."""
        dense = zeros(self.shape, dtype=self.values.dtype, device=self.values.device)
        return dense.index_put((self.rows, self.columns), self.values, accumulate=True)

    def __matmul__(self, x: Tensor) -> Tensor:
        return mm(self, x)

    def __repr__(self):
        n, m = self.shape
        return f"CSR({n} x {m}, {self.nnz} values, dtype={self.values.dtype.name})"


def mm(A: CSR, x: Tensor) -> Tensor:
    """A x, A sparse (N, M), x (M, D) or (M,) -> (N, D) or (N,): each stored value takes a row of x to a row.

    RuntimeError where shapes or types do not fit.
    """
    if not isinstance(A, CSR) or not isinstance(x, Tensor):
        raise TypeError(f"sparse.mm: expected a CSR and a tensor, got {type(A).__name__} and {type(x).__name__}")
    if x.ndim not in (1, 2) or x.shape[0] != A.shape[1]:
        raise RuntimeError(f"sparse.mm: a matrix {A.shape} takes x ({A.shape[1]}, D), got {tuple(x.shape)}")
    if x.dtype != A.values.dtype:
        raise RuntimeError(f"sparse.mm: expected x of dtype {A.values.dtype}, got {x.dtype}; convert one by .to(dtype)")
    values = A.values if x.ndim == 1 else A.values.unsqueeze(1)
    messages = values * x.index_select(0, A.columns)
    return add_at(messages, None, [A.rows], (A.shape[0], *x.shape[1:]), (0,))
