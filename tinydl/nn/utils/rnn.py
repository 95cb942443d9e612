"""Sequences of different lengths: padded to one length, or packed without gaps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...ops.creation import arange, empty_like, full, tensor
from ...ops.pad import pad
from ...ops.shape import stack
from ...tensor import Tensor


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences step by step: the rows of step 0 of all sequences, then those of step 1 of all that have one, ...

    data: (sum of lengths, *).  batch_sizes: (T,) int64 on the CPU, how many sequences have a step t.
    sorted_indices: (N,), the order, longest first, in which the sequences stand; unsorted_indices: its inverse.
    Made by `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(
        cls, data: Tensor, batch_sizes: Tensor | None = None, sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ):  # fmt: skip
        if batch_sizes is None:  # PyTorch's other form: one pair
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(f"PackedSequence: batch_sizes must be on the CPU, got {batch_sizes.device}")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs) -> PackedSequence:
        """The data to a device or dtype, and the indices to the device; arguments as Tensor.to."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if i is None else i.to(data.device) for i in self[2:])
        return type(self)(data, self.batch_sizes, *indices)

    def pin_memory(self) -> PackedSequence:
        """All in page-locked memory, as Tensor.pin_memory."""
        return type(self)(*(None if t is None else t.pin_memory() for t in self))

    def cpu(self) -> PackedSequence:
        """All to the CPU."""
        return self.to("cpu")

    def cuda(self, device=None) -> PackedSequence:
        """All but batch_sizes to the GPU."""
        return self.to("cuda" if device is None else device)

    def float(self) -> PackedSequence:
        """The data to float32."""
        return self.to("float32")

    def double(self) -> PackedSequence:
        """The data to float64."""
        return self.to("float64")

    def half(self) -> PackedSequence:
        """The data to float16."""
        return self.to("float16")

    def bfloat16(self) -> PackedSequence:
        """The data to bfloat16."""
        return self.to("bfloat16")

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on the GPU."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one.  (N,) int64 -> (N,)"""
    if permutation is None:
        return None
    steps = arange(len(permutation), dtype=permutation.dtype, device=permutation.device)
    return empty_like(permutation).scatter_(0, permutation, steps)


def _rows(sizes, N):
    """Where the packed rows stand among the rows of a padded (T, N): step t, sequence n is row t * N + n."""
    return [t * N + n for t, size in enumerate(sizes) for n in range(size)]


def _index(places, like):
    return tensor(places, dtype="int64", device=like.device)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Sequences (T, N, *), or (N, T, *) if batch_first, without their padding.

    lengths: N numbers in [1, T].  enforce_sorted: they fall; else the sequences are sorted here, and given back in
    their own order by `pad_packed_sequence` and the recurrent layers.
    """
    lengths = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    if input.ndim < 2:
        raise RuntimeError(f"pack_padded_sequence: expected input (T, N, *), got shape {tuple(input.shape)}")
    x = input.transpose(0, 1) if batch_first else input
    T, N = x.shape[:2]
    if len(lengths) != N or not N or min(lengths) <= 0 or max(lengths) > T:
        raise RuntimeError(f"pack_padded_sequence: expected {N} lengths in [1, {T}], for each sequence, got {lengths}")
    order = sorted(range(N), key=lambda n: -lengths[n])
    if enforce_sorted and any(a < b for a, b in zip(lengths, lengths[1:])):
        raise RuntimeError(
            f"pack_padded_sequence: lengths must fall, got {lengths}; give enforce_sorted=False to have them sorted"
        )
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    rows = [place - place % N + order[place % N] for place in _rows(sizes, N)]
    data = x.reshape(T * N, *x.shape[2:]).index_select(0, _index(rows, x))
    return PackedSequence(
        data, tensor(sizes, dtype="int64", device="cpu"), None if enforce_sorted else _index(order, x)
    )


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """-> (sequences padded to one length (T, N, *), or (N, T, *) if batch_first; their lengths (N,)).

    total_length: T, at least the longest length, which it is unless given.
    """
    sizes = sequence.batch_sizes.tolist()
    T, N = total_length or len(sizes), sizes[0]
    if len(sizes) > T:
        raise ValueError(f"pad_packed_sequence: total_length is {T}, but the longest sequence has {len(sizes)} steps")
    data = sequence.data
    blank = full((T * N, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    padded = blank.index_copy(0, _index(_rows(sizes, N), data), data).reshape(T, N, *data.shape[1:])
    lengths = tensor([sum(size > n for size in sizes) for n in range(N)], dtype="int64", device="cpu")
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Tensor | list[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (T_n, *) padded to the longest T and stacked.  -> (T, N, *), or (N, T, *) if batch_first."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: expected a list of tensors, got {type(sequences).__name__}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}")
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: expected at least one sequence, got none")
    shapes = [tuple(s.shape) for s in sequences]
    if any(not shape or shape[1:] != shapes[0][1:] for shape in shapes):
        raise RuntimeError(f"pad_sequence: sequences (T_n, *) must agree in all but their length, got {shapes}")
    T = max(len(s) for s in sequences)

    def padded(s):
        missing = T - len(s)
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        return pad(s, (0, 0) * (s.ndim - 1) + ends, value=padding_value)

    return stack([padded(s) for s in sequences], 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences (T_n, *) of (T, N, *), or (N, T, *) if batch_first: views."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if len(rows) != len(lengths):
        raise ValueError(f"unpad_sequence: {len(rows)} sequences, but {len(lengths)} lengths")
    return [row[: int(n)] for row, n in zip(rows, lengths)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (T_n, *) packed.  enforce_sorted as in `pack_padded_sequence`."""
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (T_n, *) that were packed."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
