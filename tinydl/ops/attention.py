"""Attention: scaled dot products, and many of them side by side."""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..autograd.engine import Array
from ..autograd.fused import fused
from ..dtype import is_floating
from ..tensor import Tensor
from .activation import softmax
from .creation import ones, zeros
from .dropout import dropout
from .elementwise import where
from .embedding import linear
from .shape import cat


@fused(hidden=("norms",))
def attention(query: Array, key: Array, value: Array, mask: Array | None, causal, scale):
    """softmax(scale * query key^T + mask) value.  query: (..., L, E), key: (..., S, E), value:
    (..., S, D) -> (..., L, D).

    causal: position i sees positions up to i only.  A position that sees none gives 0.
    Source: Vaswani et al. 2017, Attention is all you need, equation 1.
    """
    return _weights(query, key, mask, causal, scale) @ value


def _weights(query, key, mask, causal, scale):
    """How much each position of `query` takes of each of `key`.  (..., L, S)"""
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


@listed
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
        key, value = (_repeat_heads(name, tensors[name], query.shape[-3]) for name in ("key", "value"))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    if not dropout_p:
        return attention(query, key, value, attn_mask, bool(is_causal), scale)
    return dropout(_weights(query, key, attn_mask, is_causal, scale), dropout_p) @ value


def _check(tensors, mask, is_causal):
    shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
    name = "scaled_dot_product_attention"
    if any(t.ndim < 2 for t in tensors.values()):
        raise RuntimeError(f"{name}: expected two dimensions or more, got {shapes}")
    types = {t.dtype for t in tensors.values()}
    if len(types) > 1 or not is_floating(types.pop()):
        got = ", ".join(f"{name} {t.dtype}" for name, t in tensors.items())
        raise RuntimeError(f"{name}: expected floating tensors of one dtype, got {got}")
    query, key, value = tensors.values()
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(f"{name}: query and key must agree in the last size, key and value in length; got {shapes}")
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


# ---------------------------------------------------------------- many heads
def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Tensor | None = None, need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None, static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention of H = num_heads heads, each with its own projections of query, key and value.

    query: (L, N, E), key and value: (S, N, D), or all without N; in_proj_weight: (3E, E), for
    query, key and value, or, with use_separate_proj_weight, q_, k_ and v_proj_weight: (E, D).
    attn_mask: (L, S) or (N * H, L, S) and key_padding_mask: (N, S): bool, True where one must NOT
    look, or numbers to add.  bias_k, bias_v: (1, 1, E), one more position; add_zero_attn: another
    of zeros; static_k, static_v: (N * H, S, E / H) in place of the projected. is_causal: attn_mask
    hides what follows each position (a hint). -> (L, N, E), and with need_weights (N, L, S) the
    heads' mean weights, or (N, H, L, S) each head's. (Vaswani et al. 2017, section 3.2.2)
    """
    masks = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask}
    single = _check_heads({"query": query, "key": key, "value": value}, masks, num_heads, embed_dim_to_check, is_causal)
    if single:
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = _project((query, key, value), weights, in_proj_bias)
    q, k, v = (t.unsqueeze(1) if single else t for t in (q, k, v))
    (L, N, E), H = q.shape, num_heads
    q, k, v = (t.unflatten(-1, (H, E // H)).permute(1, 2, 0, 3) for t in (q, k, v))  # N H T E/H
    k = k if static_k is None else static_k.reshape(N, H, -1, E // H)
    v = v if static_v is None else static_v.reshape(N, H, -1, E // H)
    causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if causal else _merged_mask(attn_mask, key_padding_mask, (N, H, L, k.shape[2]), q.dtype)
    if bias_k is not None:
        k, v, mask = _one_more(k, v, mask, bias_k.reshape(1, H, 1, -1), bias_v.reshape(1, H, 1, -1))
    if add_zero_attn:
        nothing = zeros((1, 1, 1, 1), dtype=k.dtype, device=k.device)
        k, v, mask = _one_more(k, v, mask, nothing, nothing)
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        shares = dropout(_weights(q, k, mask, False, 1 / math.sqrt(E // H)), dropout_p)
        y = shares @ v
        shares = shares.mean(1) if average_attn_weights else shares
    else:
        y, shares = scaled_dot_product_attention(q, k, v, mask, dropout_p, causal), None
    y = linear(y.permute(2, 0, 1, 3).reshape(L, N, E), out_proj_weight, out_proj_bias)
    if single:
        return y.squeeze(1), None if shares is None else shares.squeeze(0)
    return y, shares


def _check_heads(tensors, masks, heads, embed_dim, is_causal):
    """Refuse what does not fit; whether there is no dimension for a batch."""
    name = "multi_head_attention_forward"
    shapes = ", ".join(f"{what} {tuple(t.shape)}" for what, t in tensors.items())
    query, key, value = tensors.values()
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        raise ValueError(f"{name}: expected query, key and value all (T, N, E) or all (T, E), got {shapes}")
    if query.shape[-1] != embed_dim or embed_dim % heads:
        raise ValueError(f"{name}: query must end in embed_dim = {embed_dim}, which {heads} heads divide; got {shapes}")
    if key.shape[:-1] != value.shape[:-1] or query.shape[1:-1] != key.shape[1:-1]:
        raise ValueError(f"{name}: key and value must agree in length, and all in batch size; got {shapes}")
    for what, mask in masks.items():
        if mask is not None and mask.dtype != bool and not is_floating(mask.dtype):
            raise TypeError(f"{name}: {what} must be bool or floating, got {mask.dtype}")
    if is_causal and masks["attn_mask"] is None:
        raise RuntimeError(
            f"{name}: is_causal is a hint about attn_mask; give the mask too (generate_square_subsequent_mask makes it)"
        )
    L, S, N = query.shape[0], key.shape[0], query.shape[1] if query.ndim == 3 else 1
    allowed = {"attn_mask": [(L, S), (N * heads, L, S)], "key_padding_mask": [(N, S) if query.ndim == 3 else (S,)]}
    for what, mask in masks.items():
        if mask is not None and tuple(mask.shape) not in allowed[what]:
            wanted = " or ".join(map(str, allowed[what]))
            raise RuntimeError(f"{name}: expected {what} of shape {wanted}, got {tuple(mask.shape)} ({shapes})")
    return query.ndim == 2


def _project(inputs, weights, bias):
    """Query, key and value, each by its own weight.

    weights: three of them, or one with all three below another.
    """
    query, key, value = inputs
    if isinstance(weights, Tensor) and query is key is value:  # self-attention: one product
        return linear(query, weights, bias).chunk(3, -1)
    weights = weights.chunk(3) if isinstance(weights, Tensor) else weights
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return tuple(linear(x, w, b) for x, w, b in zip(inputs, weights, biases))


def _merged_mask(mask, padding, sizes, dtype):
    """The two masks as one to add, of a shape that broadcasts to (N, H, L, S)."""
    N, H, L, S = sizes
    parts = []
    if mask is not None:
        parts.append(mask.reshape(1, 1, L, S) if mask.ndim == 2 else mask.reshape(N, H, L, S))
    if padding is not None:
        parts.append(padding.reshape(N, 1, 1, S))
    parts = [where(m, -math.inf, zeros((), dtype=dtype, device=m.device)) if m.dtype.kind == "b" else m for m in parts]
    return sum(parts[1:], parts[0]).to(dtype) if parts else None


def _one_more(k, v, mask, more_k, more_v):
    """k and v, (N, H, S, E), with one more position, which everybody sees."""
    shape = (*k.shape[:2], 1, k.shape[3])
    if mask is not None:
        seen = zeros((*mask.shape[:-1], 1), dtype=mask.dtype, device=mask.device)
        mask = cat([mask, seen], -1)
    return cat([k, more_k.expand(*shape)], 2), cat([v, more_v.expand(*shape)], 2), mask
