"""The loader: against PyTorch's, and that a run is the same with any workers and when resumed."""

import gc
import multiprocessing
import threading
import time
from collections import Counter, namedtuple

import numpy as np
import pytest
from loader_items import (
    Broken,
    Killed,
    Noisy,
    SizedStream,
    Slow,
    Stream,
    WhoAmI,
    fail_to_start,
)
from oracle import oracle

from tinydl import data
from tinydl.data import DataLoader
from tinydl.tensor import Tensor

THREADS = {"num_workers": 3}
PROCESSES = {"num_workers": 2, "multiprocessing_context": "spawn"}


def plain(batch):
    """A batch with its tensors (tinydl's or PyTorch's) as arrays."""
    if isinstance(batch, dict):
        return {k: plain(v) for k, v in batch.items()}
    if isinstance(batch, list | tuple):
        return [plain(v) for v in batch]
    return batch.numpy() if hasattr(batch, "numpy") else batch


def assert_same(a, b):
    a, b = plain(a), plain(b)
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


@pytest.fixture(autouse=True)
def no_thread_or_process_is_left():
    before, processes = set(threading.enumerate()), set(multiprocessing.active_children())
    yield
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("tinydl-load")]
    for thread in left:
        thread.join(10)  # an abandoned one ends after the item at hand
    assert not [t for t in left if t.is_alive()]
    gc.collect()  # an iterator in a traceback's frames may keep its workers
    for process in (started := set(multiprocessing.active_children()) - processes):
        process.join(10)
    assert not [p for p in started if p.is_alive()]


# ---- batches
Pair = namedtuple("Pair", "x y")
KINDS = {
    "ints": lambda i: i,
    "floats": lambda i: i / 2,
    "bools": lambda i: i > 3,
    "strings": lambda i: f"item {i}",
    "arrays": lambda i: np.full((2, 3), i, np.float32),
    "numpy scalars": lambda i: np.float32(i),
    "dicts": lambda i: {"x": np.arange(i, i + 2), "name": "a", "inner": {"y": i}},
    "named tuples": lambda i: Pair(i, [float(i), (i, i)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"batch_size": None}])
def test_batches_are_pytorchs(kind, options):
    torch = oracle()

    class Items(data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            return KINDS[kind](i)

    options = {"batch_size": 3, **options}
    ours = DataLoader(Items(), **options)
    theirs = torch.utils.data.DataLoader(Items(), **options)
    assert len(ours) == len(theirs)
    assert_same(list(ours), list(theirs))
    one, other = next(iter(ours)), next(iter(theirs))
    assert type(one) is type(other) or isinstance(one, Tensor)


def test_tensors_are_stacked_and_named_tuples_keep_their_type():
    items = [Pair(Tensor(np.full(2, i, np.float32)), i) for i in range(3)]
    batch = data.default_collate(items)
    assert type(batch) is Pair and batch.x.shape == (3, 2) and batch.x.dtype == np.float32
    assert batch.y.array.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "items, error, text",
    [
        (
            [np.zeros(2), np.zeros(3)],
            ValueError,
            r"got \[\(2,\), \(3,\)\]; pad or crop",
        ),
        ([[1, 2], [1]], ValueError, r"same length, got \[1, 2\]"),
        ([object()], TypeError, "got object; give the DataLoader a collate_fn"),
        ([np.zeros(2), None], TypeError, "different types"),
        ([], ValueError, "no items"),
    ],
)
def test_what_cannot_be_collated(items, error, text):
    with pytest.raises(error, match=text):
        data.default_collate(items)


# ---- the same with any workers
@pytest.mark.parametrize("dataset", [Noisy, Stream])
@pytest.mark.parametrize("workers", [{"num_workers": 1}, THREADS, PROCESSES])
def test_any_workers_give_the_same_epochs(dataset, workers):
    options = {"batch_size": 4, "seed": 5, "shuffle": dataset is Noisy or None}
    alone = DataLoader(dataset(), **options)
    helped = DataLoader(dataset(), **options, **workers, persistent_workers=True)
    first, second = list(alone), list(alone)
    assert_same(list(helped), first)
    assert_same(list(helped), second)
    assert not np.array_equal(plain(first[0][1]), plain(second[0][1]))
    assert sorted(np.concatenate([b[0].numpy() for b in first])) == list(range(23))
    if helped._workers is not None:
        helped._workers.close()


def test_an_items_randomness_depends_on_its_index_and_not_on_its_place():
    by_index = {}
    for options in ({}, {"shuffle": True}, {"sampler": [3, 1, 2]}):
        for i, noise in DataLoader(Noisy(), None, seed=1, **options):
            by_index.setdefault(i, set()).add(noise.array.tobytes())
    assert len(by_index) == 23 and all(len(found) == 1 for found in by_index.values())
    assert len(set.union(*by_index.values())) == 23


# ---- resuming
@pytest.mark.parametrize("dataset", [Noisy, Stream])
@pytest.mark.parametrize("workers", [{}, THREADS])
def test_resumed_anywhere_it_goes_on_bit_equal(dataset, workers):
    make = lambda: DataLoader(dataset(), 4, dataset is Noisy or None, **workers)
    whole, states, batches = make(), [], []
    whole.load_state_dict({"seed": 3, "epoch": 0, "position": 0})
    states.append(whole.state_dict())
    for _ in range(2):
        for batch in whole:
            batches.append(batch)
            states.append(whole.state_dict())
    assert len(batches) == 12 and states[3] == {"seed": 3, "epoch": 0, "position": 3}
    for done in (0, 1, 5, 6, 8):
        resumed = make()
        resumed.load_state_dict(states[done])
        rest = list(resumed) + list(resumed)
        expected = batches[done:]
        assert_same(rest[: len(expected)], expected)


def test_an_iteration_left_early_and_the_next_are_different_epochs():
    loader = DataLoader(Noisy(), 4, True, seed=0)
    first = next(iter(loader))
    state = loader.state_dict()
    assert state == {"seed": 0, "epoch": 0, "position": 1}
    again = list(loader)
    assert len(again) == 6 and not np.array_equal(plain(again[0][0]), plain(first[0]))
    assert loader.state_dict() == {"seed": 0, "epoch": 2, "position": 0}


@pytest.mark.parametrize("state", [{}, {"seed": 0, "epoch": 0}, {"seed": 0, "epoch": -1, "position": 0}])
def test_a_wrong_state_is_refused(state):
    loader = DataLoader(Noisy(), seed=4)
    with pytest.raises(ValueError, match="expected integers >= 0 for seed, epoch and position"):
        loader.load_state_dict(state)
    assert loader.state_dict()["seed"] == 4


# ---- what goes wrong
@pytest.mark.parametrize("workers", [{}, THREADS, PROCESSES])
def test_an_error_names_the_item_and_keeps_its_type(workers):
    seen = 0
    with pytest.raises(ValueError, match=r"DataLoader: item 7 of Broken: bad pixel"):
        for _ in DataLoader(Broken(), 4, **workers):
            seen += 1
    assert seen == 1


@pytest.mark.parametrize(
    "error, arguments, raised",
    [
        (KeyError, ("label",), KeyError),
        (FileNotFoundError, (2, "No such file", "a.png"), FileNotFoundError),
        (UnicodeDecodeError, ("utf8", b"x", 0, 1, "odd"), RuntimeError),
        (StopIteration, (), RuntimeError),
    ],
)
def test_errors_of_every_make(error, arguments, raised):
    with pytest.raises(raised, match="item 7 of Broken") as caught:
        list(DataLoader(Broken(error, *arguments), 4, **THREADS))
    assert isinstance(caught.value.__cause__, error)


def test_a_collate_error_names_the_items():
    with pytest.raises(ZeroDivisionError, match=r"batch of items \[0, 1\] of Noisy"):
        list(DataLoader(Noisy(), 2, collate_fn=lambda items: 1 / 0))


@pytest.mark.parametrize("workers", [THREADS, PROCESSES])
def test_stopping_early_waits_for_one_item_only(workers):
    batches = [[0], list(range(1, 200)), list(range(200, 400))]  # 0.05 s, then 10 s each
    iterator = iter(DataLoader(Slow(0.05, 400), batch_sampler=batches, **workers))
    next(iterator)
    start = time.perf_counter()
    del iterator
    assert time.perf_counter() - start < 5
    loaded = Slow.loaded
    time.sleep(0.2)
    assert Slow.loaded == loaded


def test_timeout_of_a_hung_worker():
    start = time.perf_counter()
    with pytest.raises(RuntimeError, match=r"no batch within timeout=0.2 s \(items \[0, 1\]\)"):
        list(DataLoader(Slow(3), 2, num_workers=2, timeout=0.2))
    assert time.perf_counter() - start < 2.5
    with pytest.raises(RuntimeError, match="no batch within timeout"):
        list(DataLoader(Slow(60), 2, **PROCESSES, timeout=2))
    assert time.perf_counter() - start < 30


def test_a_killed_process_is_reported():
    loader = DataLoader(Killed(), 4, **PROCESSES, persistent_workers=True)
    with pytest.raises(RuntimeError, match="a worker process died"):
        list(loader)
    assert not loader._workers.close.alive, "the next epoch starts new ones"


def test_a_dataset_that_cannot_be_sent_is_reported():
    dataset = Noisy()
    dataset.f = lambda: 0
    with pytest.raises(RuntimeError, match="cannot be sent to a process.*threads"):
        list(DataLoader(dataset, 4, **PROCESSES))


@pytest.mark.parametrize("workers", [{"num_workers": 2}, PROCESSES])
def test_worker_info_and_worker_init_fn(workers):
    ids, processes, threads = zip(*DataLoader(WhoAmI(), None, **workers))
    assert set(ids) <= {0, 1} and data.get_worker_info() is None
    if "multiprocessing_context" not in workers:
        assert threading.get_ident() not in threads and len(set(processes)) == 1
    with pytest.raises(RuntimeError, match=r"worker_init_fn\(\d\) failed: OSError: no such disk"):
        list(DataLoader(Noisy(), 4, **workers, worker_init_fn=fail_to_start))


@pytest.mark.parametrize(
    "options, text",
    [
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"num_workers": -1}, "num_workers must be an integer >= 0"),
        ({"timeout": -1}, "timeout must be >= 0"),
        ({"prefetch_factor": 2}, "need workers"),
        ({"persistent_workers": True}, "need workers"),
        ({"sampler": [1], "shuffle": True}, "a sampler or shuffle=True, not both"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler decides"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs batches"),
        ({"multiprocessing_context": "fork"}, "use 'spawn', or threads"),
    ],
)
def test_arguments_that_contradict(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Noisy(), **options)


# ---- streams
def test_streams():
    torch = oracle()
    ours = [b[1].shape[0] for b in DataLoader(Stream(), 4, drop_last=True, seed=0)]
    assert ours == [4] * 5 and len(list(DataLoader(Stream(), 4, seed=0))) == 6
    with pytest.raises(TypeError, match="Stream has no __len__"):
        len(DataLoader(Stream(), 4))
    for drop in (False, True):
        assert len(DataLoader(SizedStream(), 4, drop_last=drop)) == 6 - drop
    with pytest.raises(ValueError, match="comes in its own order"):
        DataLoader(Stream(), shuffle=True)
    chained = Stream(3) + Stream(2)
    assert len(list(DataLoader(chained, None, seed=0))) == 5
    assert isinstance(chained, data.ChainDataset) and torch is not None


# ---- samplers
def order(sampler, seed=0, epoch=0):
    sampler.begin(seed, epoch)
    return list(sampler)


def test_random_sampler_draws_permutations_evenly():
    first_places = Counter(order(data.RandomSampler(range(5)), 0, epoch)[0] for epoch in range(2000))
    assert set(first_places) == set(range(5)) and max(first_places.values()) < 500
    assert sorted(order(data.RandomSampler(range(9)))) == list(range(9))
    assert order(data.RandomSampler(range(9)), 1) != order(data.RandomSampler(range(9)), 2)
    sampler = data.RandomSampler(range(9))
    sampler.begin(0, 0)
    assert list(sampler) != list(sampler), "each iteration is an epoch"


def test_random_sampler_with_more_samples_than_items():
    twice = order(data.RandomSampler(range(5), num_samples=12))
    assert sorted(twice[:5]) == sorted(twice[5:10]) == list(range(5)) and len(twice) == 12
    drawn = order(data.RandomSampler(range(5), True, 1000))
    assert len(drawn) == 1000 and set(drawn) == set(range(5))
    with pytest.raises(ValueError, match="the dataset is empty"):
        order(data.RandomSampler([], num_samples=3))


def test_weighted_and_subset_samplers():
    counts = Counter(order(data.WeightedRandomSampler([1, 0, 3], 4000)))
    assert counts[1] == 0 and counts[2] / counts[0] == pytest.approx(3, rel=0.15)
    assert sorted(order(data.WeightedRandomSampler([1, 0, 3], 2, False))) == [0, 2]
    assert sorted(order(data.SubsetRandomSampler([4, 8, 6]))) == [4, 6, 8]
    with pytest.raises(ValueError, match="only 2 weights above 0"):
        data.WeightedRandomSampler([1, 0, 3], 3, replacement=False)
    with pytest.raises(ValueError, match="finite numbers >= 0"):
        data.WeightedRandomSampler([1, -1], 3)


def test_batch_sampler_in_a_loader_is_shuffled_by_its_seed():
    batches = data.BatchSampler(data.RandomSampler(range(23)), 4, False)
    loader = DataLoader(Noisy(), batch_sampler=batches, seed=5)
    assert_same(list(loader), list(DataLoader(Noisy(), 4, True, seed=5)))
    assert len(loader) == 6 and len(data.BatchSampler(range(23), 4, True)) == 5
