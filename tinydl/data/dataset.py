"""What can be loaded: datasets, and datasets made of others."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from ..tensor import Tensor
from .seeding import draw_seed, order_rng


class Dataset:
    """Base of datasets with items by index: define `__getitem__`, and `__len__` for most uses.

    A dataset whose batches can be made in one piece, faster than item by item, may also define
    `collated(indices)`: the batch as `default_collate` would make it of the items, or None where
    it cannot. An item is then the same whichever way it is loaded.
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__}: __getitem__ is not defined")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base of datasets that are streams: define `__iter__`."""

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__}: __iter__ is not defined")

    def __add__(self, other: Dataset) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Item i is the tuple of `t[i]` for the given tensors, which have one first dimension."""

    def __init__(self, *tensors: Tensor):
        if len({len(t) for t in tensors}) != 1:
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors) or "no tensor"
            raise ValueError(f"TensorDataset: expected tensors with the same first dimension, got {shapes}")
        self.tensors = tensors

    def __getitem__(self, index) -> tuple:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def collated(self, indices: Sequence[int]) -> list:
        return [t[list(indices)] for t in self.tensors]


class ConcatDataset(Dataset):
    """The items of several datasets, one dataset after another."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset, got none")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError("ConcatDataset: an IterableDataset has no indices; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int):
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
        which = bisect.bisect_right(self.cumulative_sizes, position)
        return self.datasets[which][position - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Several streams, one after another."""

    def __init__(self, datasets: Iterable[Iterable]):
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(map(len, self.datasets))


class Subset(Dataset):
    """The items of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def collated(self, indices: Sequence[int]):
        return whole_batch(self.dataset, [self.indices[i] for i in indices])


def whole_batch(dataset, indices: Sequence[int]):
    """The batch by the dataset's own `collated`, or None.

    A subclass that changes what an item is must not inherit how a batch of them is made: whichever
    of `collated` and `__getitem__` was defined last decides.
    """
    for cls in type(dataset).__mro__:
        if "collated" in vars(cls):
            return dataset.collated(indices)
        if "__getitem__" in vars(cls):
            return None
    return None


def _as_counts(lengths: Sequence[float], total: int) -> list[int]:
    """Fractions of one as counts, what rounding leaves dealt out from the first on."""
    if not math.isclose(sum(lengths), 1) or sum(lengths) > 1 + 1e-9:
        return list(lengths)
    if any(not 0 <= f <= 1 for f in lengths):
        raise ValueError(f"random_split: fractions must lie in 0 ... 1, got {list(lengths)}")
    counts = [math.floor(total * f) for f in lengths]
    for i in range(total - sum(counts)):
        counts[i % len(counts)] += 1
    return counts


def random_split(dataset: Dataset, lengths: Sequence[int | float], generator=None) -> list[Subset]:
    """Random disjoint subsets of the given lengths, or fractions that sum to one.

    `generator` (default: tinydl's own) decides which items go where.
    ValueError if the lengths do not sum to the dataset's.
    """
    counts = _as_counts(lengths, len(dataset))
    if sum(counts) != len(dataset) or any(c != int(c) or c < 0 for c in counts):
        raise ValueError(
            f"random_split: lengths {list(lengths)} must be counts that sum to the length of the "
            f"dataset, {len(dataset)}, or fractions that sum to 1"
        )
    order = order_rng(draw_seed(generator), 0).permutation(len(dataset)).tolist()
    ends = list(itertools.accumulate(map(int, counts)))
    return [Subset(dataset, order[a:b]) for a, b in zip([0, *ends], ends)]
