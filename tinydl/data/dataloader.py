"""Batches of a dataset, in an order and with a randomness that can be repeated and resumed."""

from __future__ import annotations

import itertools
import operator
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized

from ..device import cuda_is_available
from .collate import default_collate, default_convert
from .collate import pin_memory as pinned
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, _positive
from .seeding import draw_seed
from .workers import Fetcher, Job, PinningFetcher, Workers, context_of


class DataLoader:
    """Iterates over batches of `dataset`, as PyTorch's; each iteration is one epoch.

    dataset           items by index (`__getitem__`, `__len__`), or an IterableDataset
    batch_size        items in a batch; None gives the items themselves
    shuffle           visit the items in random order
    sampler           order of the items instead: an iterable of indices
    batch_sampler     order of whole batches instead: an iterable of lists of indices
    num_workers       0 loads here; else so many threads (the dataset must bear being read by
                      several at once), or processes with `multiprocessing_context="spawn"`
    collate_fn        makes a batch of a list of items; `default_collate`
    drop_last         leave out a last batch that is short
    timeout           seconds to wait for a batch of a worker; 0 waits for ever
    worker_init_fn    called with the worker's number before it loads anything
    prefetch_factor   batches loaded ahead, per worker (2)
    persistent_workers  keep the workers from one epoch to the next
    seed, generator   where the randomness comes from: a number, or a tinydl.Generator from which
                      one is drawn here (default: tinydl's own generator)
    pin_memory        give batches in page-locked memory, which a GPU copies from while the program goes on
                      (`batch.to("cuda", non_blocking=True)`); without a GPU a warning, and no effect

    The order depends on (seed, epoch) and the randomness of an item, if it draws it from
    `tinydl.data.item_rng()` as the transforms do, on (seed, epoch, index): results are the same
    with any number of workers, and `state_dict()` (seed, epoch, position) lets a run go on
    bit-equal in the middle of an epoch. An iteration that was left early and one that is begun
    afterwards are different epochs; what `state_dict` gives in between continues the former.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable | None = None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        seed: int | None = None,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.pin_memory, self.drop_last, self.worker_init_fn = pin_memory, drop_last, worker_init_fn
        self.prefetch_factor = prefetch_factor if prefetch_factor or not num_workers else 2
        self.persistent_workers = persistent_workers
        self.multiprocessing_context = context_of(multiprocessing_context)
        self._pins = _can_pin(pin_memory)
        self._streams = isinstance(dataset, IterableDataset)
        if sampler is None and not self._streams:
            sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            sampler, batch_size = getattr(batch_sampler, "sampler", None), None
        elif batch_size is not None and not self._streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.sampler, self.batch_sampler = batch_size, sampler, batch_sampler
        self._batched = batch_sampler is not None or batch_size is not None
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self.generator = getattr(sampler, "generator", None) if generator is None else generator
        # Drawn now, not when needed: by then a resumed run has its generator's state restored.
        self._seed = draw_seed(self.generator) if seed is None else operator.index(seed)
        self._next_epoch, self._start = 0, 0
        self._place = 0, 0  # epoch, batches of it handed out
        self._runs, self._workers = itertools.count(), None

    @property
    def _index_sampler(self):
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        """Batches in an epoch; TypeError where the dataset or sampler does not know its length."""
        if not self._streams:
            return len(self._index_sampler)
        if not isinstance(self.dataset, Sized):
            raise TypeError(
                f"DataLoader: {type(self.dataset).__name__} has no __len__, so the number of batches is not known"
            )
        n, size = len(self.dataset), self.batch_size or 1
        return n // size if self.drop_last else -(-n // size)

    def __iter__(self) -> Iterator:
        epoch, position = self._place = self._next_epoch, self._start
        self._next_epoch, self._start = epoch + 1, 0
        return self._batches(epoch, position)

    def state_dict(self) -> dict[str, int]:
        """Where the iteration stands: seed, epoch, position (batches handed out)."""
        epoch, position = self._place
        return {"seed": self._seed, "epoch": epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next iteration goes on where `state_dict` was taken; ValueError for a wrong state."""
        keys = ("seed", "epoch", "position")
        if set(state) != set(keys) or not all(type(v) is int and v >= 0 for v in state.values()):
            raise ValueError(
                f"DataLoader.load_state_dict: expected integers >= 0 for seed, epoch and position, got {state}"
            )
        if self._workers is not None:  # they know another seed
            self._workers.close()
        self._seed, self._next_epoch, self._start = (state[k] for k in keys)
        self._place = self._next_epoch, self._start

    def _jobs(self, run: int, epoch: int, position: int) -> Iterator[Job]:
        """What to load, batch by batch, from `position` on."""
        if self._streams:
            size = self.batch_size
            starts = itertools.count(position)
            keys = starts if size is None else (range(i * size, (i + 1) * size) for i in starts)
        else:
            order = self._index_sampler
            if isinstance(order, Sampler):
                order.begin(self._seed, epoch)
            keys = itertools.islice(order, position, None)
            keys = map(list, keys) if self._batched else keys
        return (Job(run, epoch, k) for k in keys)

    def _batches(self, epoch: int, position: int) -> Iterator:
        jobs = self._jobs(next(self._runs), epoch, position)
        workers = self._start_workers() if self.num_workers else None
        in_processes = workers is not None and self.multiprocessing_context is not None
        try:
            if workers is None:
                results = map(self._fetcher(threading.Event()), jobs)
            else:
                results = workers.batches(jobs)
            for result in results:
                if not result:
                    break
                position += 1
                self._place = epoch, position
                yield pinned(result[0]) if self._pins and in_processes else result[0]
        finally:
            if workers is not None:
                results.close()
                if not self.persistent_workers:
                    workers.close()
        self._place = self._next_epoch, 0

    def _fetcher(self, stop) -> Fetcher:
        # page-locked memory is one process's: what other processes load is pinned here
        kind = PinningFetcher if self._pins and self.multiprocessing_context is None else Fetcher
        return kind(self.dataset, self.collate_fn, self._batched, self.drop_last, self._seed, stop)

    def _start_workers(self) -> Workers:
        """The workers kept from the last epoch, or new ones."""
        if self._workers is not None and self._workers.close.alive:
            return self._workers
        workers = Workers(
            self._fetcher,
            1 if self._streams else self.num_workers,  # a stream has one reader
            self.num_workers * self.prefetch_factor,
            self.timeout,
            self.worker_init_fn,
            self.multiprocessing_context,
        )
        self._workers = workers if self.persistent_workers else None
        return workers


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers):
    if type(num_workers) is not int or num_workers < 0:
        raise ValueError(f"DataLoader: num_workers must be an integer >= 0, got {num_workers!r}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must be >= 0 seconds, got {timeout}")
    if num_workers == 0 and (prefetch_factor is not None or persistent_workers):
        raise ValueError("DataLoader: prefetch_factor and persistent_workers need workers: num_workers > 0")
    if prefetch_factor is not None:
        _positive("DataLoader", "prefetch_factor", prefetch_factor)


def _can_pin(wanted) -> bool:
    """Whether batches are to be pinned."""
    usable = bool(wanted) and cuda_is_available()
    if wanted and not usable:
        warnings.warn(
            "DataLoader: pin_memory=True has no effect without a GPU; leave it out (`tinydl doctor` tells more)",
            stacklevel=3,
        )
    return usable


def _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last):
    """Options that say the same thing twice, or that the kind of dataset cannot follow."""
    if isinstance(dataset, IterableDataset):
        if shuffle or sampler is not None or batch_sampler is not None:
            raise ValueError(
                "DataLoader: an IterableDataset comes in its own order; shuffle, sampler and "
                "batch_sampler need items by index"
            )
    elif not hasattr(dataset, "__getitem__") or (sampler is batch_sampler is None and not hasattr(dataset, "__len__")):
        raise TypeError(
            "DataLoader: expected a dataset with __getitem__ and __len__, or an IterableDataset, "
            f"got {type(dataset).__name__}"
        )
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: give a sampler or shuffle=True, not both")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "DataLoader: batch_sampler decides about batch_size, shuffle, sampler and drop_last; leave them out"
            )
    elif batch_size is not None:
        _positive("DataLoader", "batch_size", batch_size)
    elif drop_last:
        raise ValueError("DataLoader: drop_last needs batches, but batch_size is None")
