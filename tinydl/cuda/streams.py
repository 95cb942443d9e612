"""Streams and events: work of the GPU that is done in order, and marks in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..device import raise_faults
from .devices import gpu


class Stream:
    """A queue of work, done in order; work of different streams may overlap, with that of the default stream, too.

        side = tinydl.cuda.Stream()
        side.wait_stream(tinydl.cuda.current_stream())   # what it reads is there
        with tinydl.cuda.stream(side):
            y = f(x)
        tinydl.cuda.current_stream().wait_stream(side)   # y is there

    A tensor that another stream reads must live until the stream that made it has waited for that one, as its memory
    is used again in the order of its own stream.  `backward` runs on the stream that is current when it is called.
    priority: lower numbers come first; 0 is the lowest priority.
    """

    def __init__(self, device=None, priority: int = 0):
        self._stream = gpu(device).xp.cuda.Stream(non_blocking=True, priority=priority)

    def synchronize(self) -> None:
        """Wait until its work is done.  IndexError if a kernel met a bad value."""
        self._stream.synchronize()
        raise_faults(every=True)

    def query(self) -> bool:
        """Whether all its work is done."""
        return self._stream.done

    def wait_event(self, event: Event) -> None:
        """Do what comes later only when the event has passed."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Do what comes later only when what `stream` was asked until now is done."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """Mark this place: the event passes when what was asked until now is done.  A new event unless given."""
        event = Event() if event is None else event
        event.record(self)
        return event

    @property
    def cuda_stream(self) -> int:
        """CUDA's handle."""
        return self._stream.ptr

    def __enter__(self):
        self._stream.__enter__()
        return self

    def __exit__(self, *exc):
        return self._stream.__exit__(*exc)

    def __eq__(self, other):
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self):
        return hash(self.cuda_stream)

    def __repr__(self):
        return f"<tinydl.cuda.Stream {self.cuda_stream:#x}>"


def _known(stream) -> Stream:
    """A Stream for one of CuPy's."""
    known = Stream.__new__(Stream)
    known._stream = stream
    return known


def current_stream(device=None) -> Stream:
    """The stream that this thread's operations go to."""
    return _known(gpu(device).xp.cuda.get_current_stream())


def default_stream(device=None) -> Stream:
    """The stream that operations go to where none was chosen."""
    return _known(gpu(device).xp.cuda.Stream.null)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Inside, this thread's operations go to `stream`; None changes nothing."""
    if stream is None:
        yield
        return
    with stream:
        yield


class Event:
    """A mark in a stream.

    enable_timing  measure time: `start.elapsed_time(end)`
    blocking       `synchronize` lets other threads have the processor
    interprocess   can be sent to other processes
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        self._times = enable_timing
        self._recorded = False
        self._event = gpu().xp.cuda.Event(
            block=blocking, disable_timing=not enable_timing, interprocess=interprocess
        )  # fmt: skip

    def record(self, stream: Stream | None = None) -> None:
        """Mark this place in `stream`, or in the current one."""
        (current_stream() if stream is None else stream)._stream.record(self._event)
        self._recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Let what `stream`, or the current one, is asked later wait for this mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether what was asked before the mark is done."""
        return self._event.done

    def synchronize(self) -> None:
        """Wait until what was asked before the mark is done.  IndexError if a kernel met a bad value."""
        self._event.synchronize()
        raise_faults(every=True)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to the other.  RuntimeError unless both time, and were recorded and passed."""
        for event, which in ((self, "the start"), (end_event, "the end")):
            if not event._times:
                raise RuntimeError(f"elapsed_time: {which} does not time; make it by Event(enable_timing=True)")
            if not event._recorded:
                raise RuntimeError(f"elapsed_time: {which} was not recorded; call its record() first")
            if not event.query():
                raise RuntimeError(f"elapsed_time: {which} has not passed yet; call its synchronize() first")
        return gpu().xp.cuda.get_elapsed_time(self._event, end_event._event)
