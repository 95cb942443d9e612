"""Scaled dot-product attention."""

from __future__ import annotations

import math

from ..autograd.engine import Array
from ..autograd.fused import fused
from ..tensor import Tensor
from .creation import ones
from .elementwise import where


@fused
def attention(query: Array, key: Array, value: Array, mask: Array | None, causal, scale):
    """softmax(scale * query key^T + mask) value.  query: (..., L, E), key: (..., S, E), value:
    (..., S, D) -> (..., L, D).

    causal: position i sees positions up to i only.  A position that sees none gives 0.
    Source: Vaswani et al. 2017, Attention is all you need, equation 1.
    """
    return _weights(query, key, mask, causal, scale) @ value


def _weights(query, key, mask, causal, scale):
    """How much each position of `query` takes of each of `key`.  (..., L, S)"""
    from .activation import softmax

    scores = (query * scale) @ key.mT
    if causal:
        visible = ones(scores.shape[-2:], dtype=scores.dtype, device=scores.device).tril() > 0
        scores = where(visible, scores, -math.inf)
    if mask is not None:
        scores = where(mask, scores, -math.inf) if mask.dtype.kind == "b" else scores + mask
    elif not causal:
        return softmax(scores, -1)
    blind = (scores == -math.inf).all(-1, True)
    return where(blind, 0, softmax(where(blind, 0, scores), -1))


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(scale * query key^T + mask) value: of each position's values, an average by likeness.

    query: (N, ..., Hq, L, E), key: (N, ..., H, S, E), value: (N, ..., H, S, D) -> (N, ..., Hq, L,
    D). attn_mask, broadcast to (N, ..., Hq, L, S): bool, True where one may look, or numbers to
    add. is_causal: position i sees positions up to i only.  dropout_p: share of the weights to
    drop. scale: 1 / sqrt(E) unless given.  enable_gqa: heads of key and value serve Hq / H heads of
    query each.
    """
    tensors = {"query": query, "key": key, "value": value}
    _check(tensors, attn_mask, is_causal)
    if enable_gqa:
        key, value = (
            _repeat_heads(name, tensors[name], query.shape[-3]) for name in ("key", "value")
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    if not dropout_p:
        return attention(query, key, value, attn_mask, bool(is_causal), scale)
    from .dropout import dropout

    return dropout(_weights(query, key, attn_mask, is_causal, scale), dropout_p) @ value


def _check(tensors, mask, is_causal):
    shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
    name = "scaled_dot_product_attention"
    if any(t.ndim < 2 for t in tensors.values()):
        raise RuntimeError(f"{name}: expected two dimensions or more, got {shapes}")
    types = {t.dtype for t in tensors.values()}
    if len(types) > 1 or types.pop().kind != "f":
        got = ", ".join(f"{name} {t.dtype}" for name, t in tensors.items())
        raise RuntimeError(f"{name}: expected floating tensors of one dtype, got {got}")
    query, key, value = tensors.values()
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"{name}: query and key must agree in the last size, key and value in length; got {shapes}"
        )
    if mask is not None and is_causal:
        raise RuntimeError(f"{name}: give attn_mask or is_causal, not both")
    if mask is not None and mask.dtype.kind != "b" and mask.dtype != query.dtype:
        raise RuntimeError(f"{name}: attn_mask must be bool or {query.dtype}, got {mask.dtype}")


def _repeat_heads(name, t, heads):
    if t.ndim < 3 or heads % t.shape[-3]:
        raise RuntimeError(
            f"scaled_dot_product_attention: {heads} heads of query do not divide among those of {name}, "
            f"shape {tuple(t.shape)}"
        )
    return t.repeat_interleave(heads // t.shape[-3], -3)
