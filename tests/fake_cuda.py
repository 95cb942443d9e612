"""A GPU that is none, for what tinydl asks of CuPy's runtime: memory, streams, events, copies that are under way.

Work waits in its stream until somebody synchronizes; only then is it done.  A block of pinned memory that nobody holds
is overwritten, as the pool of a real one would give it to the next: a copy that was not held in time shows.
Arrays are those of the strict stand-in, and bodies run, not kernels.
"""

import itertools
import sys
import weakref
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

import numpy as np

from tinydl.autograd import engine
from tinydl.kernels.gpu.memory import Allocator
from tinydl.kernels.gpu.transfer import in_flight, is_pinned
from tinydl.ops import generator
from tinydl.testing import strict

UNIT = 512


# ---------------------------------------------------------------- streams
class Stream:
    """As cupy.cuda.Stream: work in order, done when somebody waits for it."""

    every: list = []
    stack: list = []
    null = None
    clock = 0  # of the device: pieces of work that were done
    _numbers = itertools.count(1)

    def __init__(self, null=False, non_blocking=False, priority=None):
        self.queue, self.non_blocking, self.priority = deque(), non_blocking, priority
        self.ptr = 0 if null else next(self._numbers)
        self.every.append(self)

    def ask(self, work):
        self.queue.append(work)

    def step(self):
        Stream.clock += 1
        self.queue.popleft()()

    def synchronize(self):
        while self.queue:
            self.step()

    @property
    def done(self):
        return not self.queue

    def record(self, event=None):
        event = Event() if event is None else event
        event.mark = mark = Mark(self)
        self.ask(mark.reached)
        return event

    def wait_event(self, event):
        if event.mark:
            self.ask(event.mark.wait)

    def __enter__(self):
        self.stack.append(self)
        return self

    def __exit__(self, *exc):
        self.stack.pop()


class Mark:
    """A place in a stream, and when it was reached."""

    def __init__(self, stream):
        self.stream, self.time = stream, None

    def reached(self):
        self.time = Stream.clock

    def wait(self):
        while self.time is None:
            self.stream.step()


class Event:
    """As cupy.cuda.Event."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.mark = None

    @property
    def done(self):
        return self.mark is None or self.mark.time is not None

    def synchronize(self):
        if self.mark:
            self.mark.wait()


# ---------------------------------------------------------------- memory
class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class Block:
    """Memory that goes back to its pool when nobody holds it."""


class Pool:
    """As CuPy's MemoryPool on a device of `total` bytes, of which `others` belong to other programs.

    It keeps blocks that nobody holds, and gives them again for the same size only.  log: what was asked of it.
    """

    def __init__(self, total):
        self.total, self.others, self.limit, self.log = total, 0, 0, []
        self._used, self._kept = [], []

    def malloc(self, size):
        self.log.append(f"malloc {size}")
        size = -(-size // UNIT) * UNIT
        if size in self._kept:
            self._kept.remove(size)
        elif size > min(self.total - self.others, self.limit or self.total) - self.total_bytes():
            raise OutOfMemoryError
        block = Block()
        self._used.append(size)
        weakref.finalize(block, self._take_back, size)
        return block

    def _take_back(self, size):
        self._used.remove(size)
        self._kept.append(size)

    def free_all_blocks(self):
        self.log.append("free")
        self._kept.clear()

    def used_bytes(self):
        return sum(self._used)

    def total_bytes(self):
        return sum(self._used) + sum(self._kept)

    def get_limit(self):
        return self.limit


class Bytes(np.ndarray):
    """A block of pinned memory, which can be looked at."""


class PinnedPool:
    """As CuPy's PinnedMemoryPool; what is kept for later is overwritten.  limit: bytes it can have in all."""

    def __init__(self):
        self.every, self.free, self.limit = [], [], 1 << 30

    def alloc(self, size):
        fitting = [memory for memory in self.free if memory.size >= size]
        if fitting:
            memory = fitting[0]
            self.free = [other for other in self.free if other is not memory]
        elif sum(memory.size for memory in self.every) + size > self.limit:
            raise OutOfMemoryError("cudaErrorMemoryAllocation")
        else:
            memory = np.zeros(size, np.uint8)
            self.every.append(memory)
        block = memory.view(Bytes)
        weakref.finalize(block, self._take_back, memory)
        return block

    def _take_back(self, memory):
        memory[...] = 0xFF
        self.free.append(memory)

    def free_all_blocks(self):
        self.free.clear()

    def under(self, array):
        """The memory under a pinned array, which does not keep the block from being given back."""
        where = array.ctypes.data
        memory = next(m for m in self.every if 0 <= where - m.ctypes.data < m.size)
        start = where - memory.ctypes.data
        return memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)


# ---------------------------------------------------------------- the library
class Library(strict.Library):
    """The stand-in for `cupy`, with a runtime."""

    def __init__(self, total):
        super().__init__()
        self.pool, self.pinned_pool = Pool(total), PinnedPool()
        found = {
            "name": b"Fake GPU", "major": 9, "minor": 0, "totalGlobalMem": total, "multiProcessorCount": 132,
            "warpSize": 32, "maxThreadsPerMultiProcessor": 2048, "sharedMemPerBlock": 49152, "l2CacheSize": 50 << 20,
        }  # fmt: skip
        self.cuda = SimpleNamespace(
            Stream=Stream,
            Event=Event,
            get_current_stream=current,
            get_elapsed_time=lambda start, end: float(end.mark.time - start.mark.time),
            alloc_pinned_memory=self.pinned_pool.alloc,
            runtime=SimpleNamespace(
                getDeviceProperties=lambda number: found,
                deviceSynchronize=lambda: [stream.synchronize() for stream in Stream.every],
                memGetInfo=lambda: (total - self.pool.others - self.pool.total_bytes(), total),
            ),
        )

    def get_default_pinned_memory_pool(self):
        return self.pinned_pool

    def asarray(self, a, dtype=None, blocking=True, **kwargs):
        """As cupy.asarray; a copy from pinned memory is done when its stream comes to it."""
        if blocking or not is_pinned(a) or dtype not in (None, a.dtype):
            return super().asarray(a, dtype, **kwargs)
        source, sent = self.pinned_pool.under(a), np.full(a.shape, 99, a.dtype)
        current().ask(lambda: sent.__setitem__(..., source))
        return strict.ndarray(sent)

    def get(self, array, out=None, blocking=True):
        """As ndarray.get; without waiting, `out` is filled when the stream comes to it."""
        if out is None:
            current().synchronize()
            return array._host.copy()
        memory, source = self.pinned_pool.under(out), array._host
        current().ask(lambda: memory.__setitem__(..., source))
        return out


def current():
    """The current stream."""
    return Stream.stack[-1] if Stream.stack else Stream.null


@contextmanager
def fake_cuda(total=1 << 34):
    """Within it there is a GPU of `total` bytes, 'cuda'; gives the device."""
    devices = sys.modules["tinydl.device"]
    Stream.every.clear(), Stream.stack.clear()
    Stream.null = Stream(null=True)
    library = Library(total)
    device = devices.Device("cuda", None, library, ".kernels.gpu", strict.ndarray)
    device.kernels = strict._NoKernels()
    device.memory = Allocator(library.pool.malloc, library.pool, library.cuda.runtime.memGetInfo)
    devices.register(device)
    run = engine.execute

    def in_order(op, place, arrays, constants):
        """Operations come after what their stream was asked before."""
        if place is device:
            current().synchronize()
        return run(op, place, arrays, constants)

    engine.execute = in_order
    try:
        with mock.patch.object(strict.ndarray, "get", lambda array, **options: library.get(array, **options)):
            yield device
    finally:
        engine.execute = run
        for stream in Stream.every:
            stream.synchronize()
        in_flight.release()
        del devices._BY_NAME["cuda"], devices._BY_ARRAY[strict.ndarray]
        generator._of_device.pop("cuda", None)
