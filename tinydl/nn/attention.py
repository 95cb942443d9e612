"""Attention as a layer."""

from __future__ import annotations

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Each position of query gathers values from where its heads find likeness between query and key.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (L, N, E) and weights (N, L, S); (N, L, E), ... if
    batch_first; all without N for one sample.  add_bias_kv: one more, learnt, position; add_zero_attn: one of zeros.
    ValueError if num_heads does not divide embed_dim.  (Vaswani et al. 2017, section 3.2.2)
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
        device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim must be a positive multiple of num_heads, got embed_dim={embed_dim}, "
                f"num_heads={num_heads}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        new = {"device": device, "dtype": dtype}
        together = self.kdim == self.vdim == embed_dim
        shapes = {
            "in_proj_weight": together and (3 * embed_dim, embed_dim),
            "q_proj_weight": not together and (embed_dim, embed_dim),
            "k_proj_weight": not together and (embed_dim, self.kdim),
            "v_proj_weight": not together and (embed_dim, self.vdim),
            "in_proj_bias": bias and (3 * embed_dim,),
            "bias_k": add_bias_kv and (1, 1, embed_dim),
            "bias_v": add_bias_kv and (1, 1, embed_dim),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, Parameter(empty(shape, **new)) if shape else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, **new)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new projections of the input (Glorot and Bengio 2010); biases begin at zero."""
        for p in self.parameters(recurse=False):
            if p.ndim > 1:
                (init.xavier_normal_ if p.ndim == 3 else init.xavier_uniform_)(p)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """-> (the output; weights (N, L, S), each head's (N, H, L, S) unless averaged, None unless need_weights).

        key_padding_mask: (N, S), attn_mask: (L, S) or (N * H, L, S): bool, True where one must not look, or numbers
        to add.  is_causal: a hint that attn_mask hides what follows each position.
        """
        swap = self.batch_first and query.ndim == 3
        if swap:  # one tensor in three places stays one: its projections are one product
            swapped = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = (swapped[id(t)] for t in (query, key, value))
        y, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, self.in_proj_weight is None, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (y.transpose(0, 1) if swap else y), weights
