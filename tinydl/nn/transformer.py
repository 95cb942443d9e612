"""The Transformer (Vaswani et al. 2017): encoder, decoder, and their layers.

Sequences are (T, N, D), with D = d_model; (N, T, D) if batch_first; (T, D) without batch.  Masks (L, S) or
(N * heads, L, S), and padding masks (N, S), are bool, True where one must not look, or numbers to add.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

from ..ops.creation import full
from ..tensor import Tensor
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

Activation = str | Callable[[Tensor], Tensor]


class _TransformerLayer(Module):
    """Attentions and two linear maps, one after the other; each adds to what came in, and is normalised.

    norm_first: each block sees its input normalised (Xiong et al. 2020), else its sum is normalised.
    """

    _attentions: tuple[str, ...]

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        named = {"relu": F.relu, "gelu": F.gelu}
        if isinstance(activation, str) and activation not in named:
            raise RuntimeError(
                f"{type(self).__name__}: activation must be 'relu', 'gelu' or a function, got {activation!r}"
            )
        new = {"device": device, "dtype": dtype}
        for name in self._attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **new)
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **new)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **new)
        self.norm_first = norm_first
        blocks = range(1, len(self._attentions) + 2)
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, **new))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = named.get(activation, activation) if isinstance(activation, str) else activation

    def _add(self, i, x, block):
        """x + block(x), normalised by norm i, inside or after."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        if self.norm_first:
            return x + dropout(block(norm(x)))
        return norm(x + dropout(block(x)))

    def _feed_forward(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


def _attend(attention, x, memory, mask, padding, is_causal):
    """What each position of x takes from memory."""
    return attention(x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=bool(is_causal))[0]


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention, then two linear maps at each position.  (S, N, D) -> (S, N, D)."""

    _attentions = ("self_attn",)

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """(S, N, D) -> same shape.  is_causal: a hint that src_mask hides what follows each position."""
        x = self._add(1, src, lambda x: _attend(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal))
        return self._add(2, x, self._feed_forward)


class TransformerDecoderLayer(_TransformerLayer):
    """Self-attention, attention to the encoder's memory, two linear maps.  (T, N, D), (S, N, D) -> (T, N, D)."""

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """tgt (T, N, D), memory (S, N, D) -> (T, N, D).  The masks of tgt are (T, T), those of memory (T, S)."""
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        others = memory_mask, memory_key_padding_mask, memory_is_causal
        x = self._add(1, tgt, lambda x: _attend(self.self_attn, x, x, *own))
        x = self._add(2, x, lambda x: _attend(self.multihead_attn, x, memory, *others))
        return self._add(3, x, self._feed_forward)


class _Stack(Module):
    """Copies of one layer, one upon the other, and a norm on top."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def _through(self, x, *more, **masks):
        for layer in self.layers:
            x = layer(x, *more, **masks)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """num_layers copies of encoder_layer, then norm.  (S, N, D) -> (S, N, D).

    enable_nested_tensor and mask_check change nothing: they choose among PyTorch's implementations.
    """

    def __init__(
        self, encoder_layer: Module, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):  # fmt: skip
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:  # fmt: skip
        """(S, N, D) -> same shape."""
        masks = {"src_mask": mask, "src_key_padding_mask": src_key_padding_mask}
        return self._through(src, **masks, is_causal=bool(is_causal))


class TransformerDecoder(_Stack):
    """num_layers copies of decoder_layer, then norm.  (T, N, D), (S, N, D) -> (T, N, D)."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """tgt (T, N, D), memory (S, N, D) -> (T, N, D)."""
        return self._through(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=bool(tgt_is_causal),
            memory_is_causal=memory_is_causal,
        )  # fmt: skip


class Transformer(Module):
    """Encoder and decoder.  src (S, N, D), tgt (T, N, D) -> (T, N, D).  (Vaswani et al. 2017)"""

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = F.relu,
        custom_encoder: Module | None = None, custom_decoder: Module | None = None, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        new = {"device": device, "dtype": dtype}
        options = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias

        def stacked(custom, stack, layer, count):
            if custom is not None:
                return custom
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **new)
            return stack(layer(*options, **new), count, norm)

        self.encoder = stacked(custom_encoder, TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        self.decoder = stacked(custom_decoder, TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights (Glorot and Bengio 2010); vectors stay."""
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """src (S, N, D), tgt (T, N, D) -> (T, N, D)."""
        got = f"src {tuple(src.shape)}, tgt {tuple(tgt.shape)}"
        batch = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or src.ndim not in (2, 3) or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise RuntimeError(f"Transformer: src and tgt must agree in their batch, dimension {batch}; got {got}")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(f"Transformer: src and tgt must end in d_model = {self.d_model}, got {got}")
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
            memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device=None, dtype=None) -> Tensor:
        """(sz, sz) numbers to add: -inf right of the diagonal, so that no position sees what follows; else 0."""
        return full((sz, sz), -math.inf, device=device, dtype=dtype).triu(1)
