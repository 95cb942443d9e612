"""Workers of a DataLoader: they turn jobs (which items) into batches, in threads or processes."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, NamedTuple

from . import seeding
from .collate import default_collate, pin_memory
from .dataset import IterableDataset, whole_batch

_here = threading.local()
_END = object()
_DIED = (
    "DataLoader: a worker process died. Was it killed (out of memory)? Is the main part of the "
    "script under `if __name__ == '__main__':`?"
)


class WorkerInfo(NamedTuple):
    """What a worker may know of itself."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The WorkerInfo inside a worker that loads by index, None elsewhere.

    A stream has one reader whatever num_workers is, so it need not be divided, and sees None.
    """
    return getattr(_here, "info", None)


class Job(NamedTuple):
    """Which items make a batch: a list of keys, or one key where items are not batched.

    The keys of a stream are positions. `run` tells one pass over the data from the next.
    """

    run: int
    epoch: int
    keys: Any


class Fetcher:
    """Loads a job's items and collates them; one serves all threads."""

    def __init__(self, dataset, collate_fn: Callable, batched: bool, drop_last: bool, seed: int, stop):
        self.dataset, self.collate_fn, self.batched = dataset, collate_fn, batched
        self.drop_last, self.seed, self.stop = drop_last, seed, stop
        self._run = None

    def __call__(self, job: Job) -> list:
        """[batch], or [] where the stream has ended or the consumer has gone."""
        if self.stop.is_set():
            return []
        if not self.batched:
            item = self._item(job, job.keys)
            return [] if item is _END else [self.collate_fn(item)]
        if self.collate_fn is default_collate:
            with located(self.dataset, "items", job.keys):
                if (batch := whole_batch(self.dataset, job.keys)) is not None:
                    return [batch]
        items = []
        for key in job.keys:
            item = _END if self.stop.is_set() else self._item(job, key)
            if item is _END:
                break
            items.append(item)
        if len(items) < len(job.keys) and (self.stop.is_set() or self.drop_last or not items):
            return []
        with located(self.dataset, "the batch of items", job.keys):
            return [self.collate_fn(items)]

    def _item(self, job, key):
        if isinstance(self.dataset, IterableDataset):
            return self._from_stream(job, key)
        with seeding.loading(self.seed, job.epoch, key), located(self.dataset, "item", key):
            return self.dataset[key]

    def _from_stream(self, job, wanted):
        """The item at a position; those before it, left out by a resumed run, are drawn as well."""
        if job.run != self._run:
            self._run, self._stream, self._position = job.run, iter(self.dataset), 0
        item = _END
        for position in range(self._position, wanted + 1):
            with seeding.loading(self.seed, job.epoch, position):
                with located(self.dataset, "item", position):
                    item = next(self._stream, _END)
            if item is _END:
                break
            self._position = position + 1
        return item


class PinningFetcher(Fetcher):
    """A Fetcher whose batches are in page-locked memory."""

    def __call__(self, job: Job) -> list:
        return [pin_memory(batch) for batch in super().__call__(job)]


class located:
    """Inside, an exception gets the item's place into its text; it keeps its type if it can."""

    def __init__(self, dataset, what: str, key):
        self.place = dataset, what, key

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if not isinstance(error, Exception):
            return
        dataset, what, key = self.place
        text = f"DataLoader: {what} {_short(key)} of {type(dataset).__name__}: "
        try:
            raised = kind(f"{text}{error.args[0] if len(error.args) == 1 else error}")
        except Exception:  # this type wants other arguments
            raised = None
        if type(raised) is not kind or kind is StopIteration:
            raised = RuntimeError(f"{text}{kind.__name__}: {error}")
        raise raised from error


def _short(keys) -> str:
    """Keys for a message, at most eight of them."""
    if not isinstance(keys, list | range) or len(keys) <= 8:
        return str(list(keys) if isinstance(keys, range) else keys)
    return f"[{', '.join(map(str, keys[:8]))}, ...]"


class Threads:
    """As much of an executor as a loader needs.

    Its threads are daemons: an item that never comes does not keep Python from ending.
    """

    def __init__(self, count: int, start: Callable):
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(start,), daemon=True, name=f"tinydl-load-{i}")
            for i in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, start):
        start()
        while self._one():
            pass

    def _one(self) -> bool:
        """Do one task; its result is not held here while waiting for the next."""
        task = self._tasks.get()
        if task is None:
            return False
        future, f, argument = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(f(argument))
            except BaseException as error:
                future.set_exception(error)
        return True

    def submit(self, f: Callable, argument) -> futures.Future:
        future: futures.Future = futures.Future()
        self._tasks.put((future, f, argument))
        return future

    def shutdown(self, wait: bool = True) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads if wait else ():
            thread.join()


def _start(ids, fetcher: Fetcher, count: int, init: Callable | None) -> None:
    """What a worker does first."""
    number = ids.get()
    _here.fetcher, _here.failure = fetcher, None
    if not isinstance(fetcher.dataset, IterableDataset):
        _here.info = WorkerInfo(number, count, fetcher.seed + number, fetcher.dataset)
    if init is not None:
        try:
            init(number)
        except Exception as error:  # raised again with the first batch that is asked for
            _here.failure = RuntimeError(
                f"DataLoader: worker_init_fn({number}) failed: {type(error).__name__}: {error}"
            )


def _fetch(job: Job) -> list:
    if _here.failure is not None:
        raise _here.failure
    return _here.fetcher(job)


class Workers:
    """A pool of threads, or of processes where a multiprocessing `context` is given.

    `batches(jobs)` yields their batches in the order of the jobs, `ahead` of them in the making.
    Results are dropped, and workers stop after the item at hand, when the consumer goes away.
    """

    def __init__(self, make_fetcher, count: int, ahead: int, timeout: float, init, context):
        self.count, self.ahead, self.timeout = count, ahead, timeout
        self.stop = threading.Event() if context is None else context.Event()
        ids = queue.SimpleQueue() if context is None else context.SimpleQueue()
        for i in range(count):
            ids.put(i)
        arguments = ids, make_fetcher(self.stop), count, init
        if context is None:
            self.pool = Threads(count, lambda: _start(*arguments))
        else:
            self.pool = futures.ProcessPoolExecutor(count, context, _start, arguments)
        self.close = weakref.finalize(self, _close, self.pool, self.stop, True)

    def batches(self, jobs: Iterable[Job]) -> Iterator[list]:
        jobs, pending = iter(jobs), deque()
        try:
            pending.extend(map(self._submit, itertools.islice(jobs, self.ahead)))
            while pending:
                result = self._result(pending.popleft())
                if not result:
                    return
                pending.extend(map(self._submit, itertools.islice(jobs, 1)))
                yield result
        finally:
            if self.close.alive:  # a pool that breaks gives each future its end itself
                for _, future in pending:
                    future.cancel()

    def _submit(self, job):
        try:
            return job, self.pool.submit(_fetch, job)
        except futures.BrokenExecutor as error:
            self.abandon()
            raise RuntimeError(_DIED) from error
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise RuntimeError(
                f"DataLoader: its dataset or a function cannot be sent to a process: {error}. "
                "Define it at the top of a module, or use threads: no multiprocessing_context"
            ) from error

    def _result(self, task):
        job, future = task
        try:
            return future.result(self.timeout or None)
        except futures.BrokenExecutor as error:
            self.abandon()
            raise RuntimeError(_DIED) from error
        except TimeoutError:
            if future.done():  # the dataset's own
                raise
            self.abandon()
            raise RuntimeError(
                f"DataLoader: no batch within timeout={self.timeout} s (items {_short(job.keys)})"
            ) from None

    def abandon(self) -> None:
        """Leave without waiting: processes are ended, threads end after the item at hand."""
        if self.close.detach():
            _close(self.pool, self.stop, False)


def _close(pool, stop, wait: bool) -> None:
    stop.set()
    if isinstance(pool, Threads):
        return pool.shutdown(wait)
    processes = list((pool._processes or {}).values())  # public (kill_workers) from Python 3.14 on
    if not wait:
        for process in processes:
            process.terminate()
    pool.shutdown(wait, cancel_futures=wait)


def context_of(name) -> multiprocessing.context.BaseContext | None:
    """A multiprocessing context by name; None for threads.  ValueError for fork."""
    if name is None:
        return None
    context = multiprocessing.get_context(name) if isinstance(name, str) else name
    if context.get_start_method() == "fork":
        raise ValueError(
            "DataLoader: multiprocessing_context='fork' copies a process whose kernel threads the "
            "copy would not have; use 'spawn', or threads (the default)"
        )
    return context
