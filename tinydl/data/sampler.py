"""In which order a DataLoader visits a dataset."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence, Sized

import numpy as np

from .seeding import draw_seed, order_rng


class Sampler:
    """Base of samplers: an iterable of indices."""

    def __init__(self, data_source: Sized | None = None):
        self.data_source = data_source

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__}: __iter__ is not defined")

    def begin(self, seed: int, epoch: int) -> None:
        """Told by a DataLoader before it iterates; a random sampler takes its order from these."""


class SequentialSampler(Sampler):
    """0, 1, ..., len(data_source) - 1."""

    data_source: Sized

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _RandomOrder(Sampler):
    """An order drawn anew in each epoch, from (seed, epoch) alone."""

    def __init__(self, data_source: Sized, generator):
        super().__init__(data_source)
        self.generator = generator
        self._seed, self._epoch = None, 0

    def begin(self, seed: int, epoch: int) -> None:
        self._seed, self._epoch = seed, epoch

    def __iter__(self) -> Iterator[int]:
        if self._seed is None:
            self._seed = draw_seed(self.generator)
        rng = order_rng(self._seed, self._epoch)
        self._epoch += 1
        return iter(self._draw(rng))

    def _draw(self, rng: np.random.Generator) -> list[int]:
        raise NotImplementedError


def _positive(name: str, what: str, value) -> int:
    """`value` as an integer above 0; ValueError otherwise."""
    try:
        if not isinstance(value, bool) and operator.index(value) > 0:
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError(f"{name}: {what} must be a positive integer, got {value!r}")


class RandomSampler(_RandomOrder):
    """A permutation of the indices; with replacement, `num_samples` independent draws."""

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator=None,
    ):
        super().__init__(data_source, generator)
        self.replacement = replacement
        self._num_samples = num_samples
        if num_samples is not None:
            _positive("RandomSampler", "num_samples", num_samples)

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        return self.num_samples

    def _draw(self, rng):
        n = len(self.data_source)
        if self.num_samples and not n:
            raise ValueError("RandomSampler: the dataset is empty, nothing can be drawn")
        if self.replacement:
            return rng.integers(0, n, self.num_samples).tolist() if n else []
        # As PyTorch: more samples than items are several permutations, one after another.
        rounds = [rng.permutation(n) for _ in range(-(-self.num_samples // max(n, 1)))]
        return np.concatenate(rounds)[: self.num_samples].tolist() if rounds else []


class SubsetRandomSampler(_RandomOrder):
    """A permutation of the given indices."""

    def __init__(self, indices: Sequence[int], generator=None):
        super().__init__(indices, generator)
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def _draw(self, rng):
        return [self.indices[i] for i in rng.permutation(len(self.indices))]


class WeightedRandomSampler(_RandomOrder):
    """`num_samples` indices, drawn in proportion to `weights` (which need not sum to one)."""

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator=None):
        w = np.asarray(weights, np.float64)
        super().__init__(w, generator)
        name = "WeightedRandomSampler"
        self.num_samples = _positive(name, "num_samples", num_samples)
        if w.ndim != 1 or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
            raise ValueError(f"{name}: weights must be a vector of finite numbers >= 0, not all 0, got shape {w.shape}")
        if not replacement and num_samples > np.count_nonzero(w):
            raise ValueError(
                f"{name}: {num_samples} samples without replacement, but only {np.count_nonzero(w)} weights above 0"
            )
        self.weights, self.replacement = w, replacement

    def __len__(self) -> int:
        return self.num_samples

    def _draw(self, rng):
        p = self.weights / self.weights.sum()
        return rng.choice(len(p), self.num_samples, self.replacement, p).tolist()


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of `sampler`; a short last one unless `drop_last`."""

    def __init__(self, sampler: Iterable, batch_size: int, drop_last: bool = False):
        super().__init__()
        self.sampler = sampler
        self.batch_size = _positive("BatchSampler", "batch_size", batch_size)
        self.drop_last = bool(drop_last)

    def begin(self, seed: int, epoch: int) -> None:
        if isinstance(self.sampler, Sampler):
            self.sampler.begin(seed, epoch)

    def __iter__(self) -> Iterator[list]:
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
