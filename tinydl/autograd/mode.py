"""What the current thread records: gradients on or off, anomaly checks, checkpoint in force."""

from __future__ import annotations

import functools
import inspect
import threading


class _State(threading.local):
    recording = True  # new operations become part of the graph
    walking = False  # a gradient is on its way back
    anomaly = False  # each node remembers the line that made it; NaN is refused
    packing = None  # a checkpoint that keeps its region's operands away from memory
    autocast = None  # mixed precision: to what types operands are cast (autocast.py)


state = _State()


class set_grad_enabled:
    """Record operations, or not: takes effect at once, and as a context ends with its block."""

    def __init__(self, mode: bool):
        self.before = state.recording
        self.mode = state.recording = bool(mode)

    def __enter__(self):
        state.recording = self.mode
        return self

    def __exit__(self, *exc):
        state.recording = self.before

    def __call__(self, function):
        state.recording = self.before  # a decorator changes nothing where it stands
        return _switched(function, self.mode)


class _Switch:
    """Base of `no_grad` and `enable_grad`: a context manager and a decorator, usable again and nested."""

    mode: bool

    def __new__(cls, function=None):
        self = super().__new__(cls)
        self.before = []
        return self if function is None else self(function)  # @no_grad without parentheses

    def __enter__(self):
        self.before.append(state.recording)
        state.recording = self.mode
        return self

    def __exit__(self, *exc):
        state.recording = self.before.pop()

    def __call__(self, function):
        return _switched(function, self.mode)


class no_grad(_Switch):
    """Within it nothing is recorded: results do not require grad.  Other threads are not affected."""

    mode = False


class walking_back:
    """Within it rules run: recorded or not, and in the types in which their operations ran."""

    def __init__(self, recorded: bool):
        self.recorded = recorded

    def __enter__(self):
        self.before = state.recording, state.autocast
        state.recording, state.autocast = self.recorded, None

    def __exit__(self, *exc):
        state.recording, state.autocast = self.before


class autocasting:
    """Within it operands are cast as `casting` says; None leaves them alone."""

    def __init__(self, casting):
        self.casting = casting

    def __enter__(self):
        self.before, state.autocast = state.autocast, self.casting

    def __exit__(self, *exc):
        state.autocast = self.before


class enable_grad(_Switch):
    """Within it operations are recorded again, inside `no_grad` too."""

    mode = True


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return state.recording


def _switched(function, mode):
    """`function` run with recording set to `mode`, a generator function at each of its steps."""
    switch = enable_grad if mode else no_grad
    if not inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def run(*args, **kwargs):
            with switch():
                return function(*args, **kwargs)

        return run

    @functools.wraps(function)
    def steps(*args, **kwargs):
        inner = function(*args, **kwargs)
        go_on, given = inner.send, None
        try:
            while True:
                with switch():
                    item = go_on(given)
                try:
                    go_on, given = inner.send, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    go_on, given = inner.throw, error
        except StopIteration as stop:
            return stop.value
        finally:
            with switch():
                inner.close()

    return steps
