"""Embeddings: rows of a table, looked up by index; V entries of D features."""

from __future__ import annotations

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _Table(Module):
    """What embeddings share: the table, its padding row, its options."""

    def _build(self, sizes, padding_idx, options, weight, freeze, device, dtype):
        super().__init__()
        self.num_embeddings, self.embedding_dim = sizes
        self.padding_idx = self._row(padding_idx)
        for name, value in options.items():
            setattr(self, name, value)
        if weight is None:
            self.weight = Parameter(empty(sizes, device=device, dtype=dtype), not freeze)
            self.reset_parameters()
        elif tuple(weight.shape) != tuple(sizes):
            raise ValueError(f"{type(self).__name__}: weight has shape {tuple(weight.shape)}, expected {sizes}")
        else:
            self.weight = Parameter(weight, not freeze)

    def _row(self, padding_idx):
        V = self.num_embeddings
        if padding_idx is not None and not -V <= padding_idx < V:
            raise ValueError(f"{type(self).__name__}: padding_idx {padding_idx} is no row of a table of {V}")
        return padding_idx if padding_idx is None else padding_idx % V

    def reset_parameters(self) -> None:
        """Draw new entries, standard normal; the padding row is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0.0

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, **options):
        """A layer on the table `embeddings` (V, D), which it does not train if `freeze`."""
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: expected a table (V, D), got shape {tuple(embeddings.shape)}")
        return cls(*embeddings.shape, _weight=embeddings, _freeze=freeze, **options)

    def extra_repr(self):
        """Sizes, and what differs from the defaults."""
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        parts += [f"{n}={getattr(self, n)}" for n, v in usual.items() if getattr(self, n) != v]
        return ", ".join(parts)


class Embedding(_Table):
    """Rows of a table (V, D).  indices (*) -> (*, D).

    padding_idx: a row that is 0 at first and gets no gradient.  max_norm: longer rows are shortened
    when looked up.  scale_grad_by_freq: gradients are divided by how often an index occurs.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False, device=None,
        dtype=None,
    ):  # fmt: skip
        options = dict(
            max_norm=max_norm, norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )  # fmt: skip
        sizes = (num_embeddings, embedding_dim)
        self._build(sizes, padding_idx, options, _weight, _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """indices (*) -> (*, D)."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip


class EmbeddingBag(_Table):
    """Sum, mean or maximum of the rows of each bag of indices.  -> (bags, D).

    Called with (bags, n) indices, or with all indices (n,) and `offsets` where each bag begins.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, _weight: Tensor | None = None, include_last_offset: bool = False,
        padding_idx: int | None = None, device=None, dtype=None, *, _freeze: bool = False,
    ):  # fmt: skip
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
        options = dict(
            max_norm=max_norm, norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq,
            mode=mode, sparse=sparse, include_last_offset=include_last_offset,
        )  # fmt: skip
        sizes = (num_embeddings, embedding_dim)
        self._build(sizes, padding_idx, options, _weight, _freeze, device, dtype)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """indices (bags, n), or (n,) with offsets (bags,) -> (bags, D)."""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self):
        """Sizes, and what differs from the defaults."""
        return f"{super().extra_repr()}, mode={self.mode!r}"
