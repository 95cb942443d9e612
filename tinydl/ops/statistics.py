"""How variables vary together."""

from __future__ import annotations

import warnings

from ..dtype import get_default_dtype, is_floating
from ..tensor import Tensor
from .elementwise import clamp, sqrt
from .linalg import matmul


def cov(x: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """Covariances of the rows of x (variables, observations) -> (variables, variables); of a vector, its variance ().

    correction  taken from the number of observations: 1 for the unbiased estimate, 0 for the mean
    fweights    (observations,) of integers: how often each was seen
    aweights    (observations,) floating: how much each counts
    RuntimeError for more than two dimensions, for bools, and for weights of other shapes or types or below 0.
    """
    if x.ndim > 2:
        raise RuntimeError(f"cov: expected at most two dimensions (variables, observations), got {tuple(x.shape)}")
    if x.dtype == "bool":
        raise RuntimeError("cov: expected numbers, got bool; convert it by .to(dtype)")
    rows = x if x.ndim == 2 else x.reshape(1, -1)
    rows = rows if is_floating(rows.dtype) else rows.to(get_default_dtype())
    weights = _weights(rows, fweights, aweights)
    if weights is None:
        centred = rows - rows.mean(1, keepdim=True)
        freedom, weighed = rows.shape[1] - correction, centred
    else:
        total = weights.sum()
        centred = rows - (rows * weights).sum(1, keepdim=True) / total
        lost = 1 if aweights is None else (weights * aweights).sum() / total  # by each unit of the correction
        freedom, weighed = total - correction * lost, centred * weights
    if freedom <= 0:
        warnings.warn(f"cov: the degrees of freedom are {float(freedom)}, not positive; taken as 0", stacklevel=2)
        freedom = freedom * 0
    found = matmul(weighed, centred.T) / freedom
    return found if x.ndim == 2 and len(x) != 1 else found.reshape(())


def _weights(rows, fweights, aweights):
    """The weights of observations multiplied, in types of their own, as PyTorch's are; None if there are none."""
    found = None
    for name, w, floating in (("fweights", fweights, False), ("aweights", aweights, True)):
        if w is None:
            continue
        if w.shape != rows.shape[1:]:
            raise RuntimeError(f"cov: expected {name} of shape ({rows.shape[1]},), got {tuple(w.shape)}")
        if is_floating(w.dtype) != floating or w.dtype == "bool":
            raise RuntimeError(f"cov: {name} must be {'floating' if floating else 'integers'}, got {w.dtype}")
        if (w < 0).any():
            raise RuntimeError(f"cov: {name} must not be negative")
        found = w if found is None else found * w
    return found


def corrcoef(x: Tensor) -> Tensor:
    """Correlations of the rows of x (variables, observations) -> (variables, variables), within [-1, 1]."""
    if x.ndim > 2:
        raise RuntimeError(f"corrcoef: expected at most two dimensions (variables, observations), got {tuple(x.shape)}")
    found = cov(x)
    if not found.ndim:
        return found / found
    spread = sqrt(found.diagonal())
    return clamp(found / spread.unsqueeze(1) / spread, -1, 1)


__all__ = ["corrcoef", "cov"]
