"""Datasets for the tests of the loader, in a module of their own: spawned workers import it."""

import os
import signal
import threading
import time

import numpy as np

from tinydl.data import Dataset, IterableDataset, get_worker_info, item_rng


class Noisy(Dataset):
    """Item i is (i, two random numbers)."""

    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return i, np.array([item_rng().random(), item_rng().random()])


class Stream(IterableDataset):
    """The same as a stream, which shuffles a little as it goes."""

    def __init__(self, n=23):
        self.n = n

    def __iter__(self):
        held = 0
        for i in range(1, self.n):
            if item_rng().random() < 0.5:
                held, i = i, held
            yield i, item_rng().random()
        yield held, item_rng().random()


class SizedStream(Stream):
    def __len__(self):
        return self.n


class Broken(Noisy):
    """Item 7 cannot be loaded."""

    def __init__(self, error=ValueError, *arguments):
        super().__init__()
        self.error, self.arguments = error, arguments or ("bad pixel",)

    def __getitem__(self, i):
        if i == 7:
            raise self.error(*self.arguments)
        return super().__getitem__(i)


class Slow(Noisy):
    """Each item takes a while; counts how many were loaded."""

    loaded = 0

    def __init__(self, seconds, n=23):
        super().__init__(n)
        self.seconds = seconds

    def __getitem__(self, i):
        time.sleep(self.seconds)
        type(self).loaded += 1
        return i


class Killed(Noisy):
    """The process that loads item 7 dies."""

    def __getitem__(self, i):
        if i == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


class WhoAmI(Noisy):
    """Item i is (id of the worker, its process, its thread)."""

    def __getitem__(self, i):
        info = get_worker_info()
        assert info.num_workers == 2 and isinstance(info.dataset, WhoAmI)
        return info.id, os.getpid(), threading.get_ident()


def fail_to_start(number):
    raise OSError("no such disk")
