"""CuPy's part in CUDA graphs: what is asked of it, in which order, and which memory lives how long.  No GPU runs."""

import sys
import types
import weakref

import pytest

from tinydl.kernels.gpu import graphs


class Log(list):
    """A module that notes what is asked of it."""

    def __getattr__(self, name):
        def noted(*args, **kwargs):
            self.append(name)
            return made

        made = Thing(self)
        return noted


class Thing:
    """Whatever the log gives: a stream, a pool, a context."""

    ptr, device_id = 512, 0

    def __init__(self, log):
        self._log = log

    def __getattr__(self, name):
        return getattr(self._log, name)

    def __enter__(self):
        self._log.append("enter")

    def __exit__(self, *error):
        self._log.append("exit")


@pytest.fixture
def cupy(monkeypatch):
    log = Log()
    module = types.ModuleType("cupy")
    module.cuda, module.get_default_memory_pool = log, log.get_default_memory_pool
    module.asarray = lambda a: log.append("asarray") or ("sent", a)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return log


def test_what_is_asked_of_cupy(cupy):
    """The calls, in their order, by which CuPy captures; nothing of CuPy's runs here."""
    runtime = graphs.Runtime()
    assert cupy == ["Stream", "Stream", "MemoryPool"]
    cupy.clear()
    with runtime.capture():
        cupy.append("the step")
    before = ["get_current_stream", "synchronize", "get_default_memory_pool", "free_all_blocks"]
    begun = ["using_allocator", "enter", "enter", "begin_capture"]
    assert cupy == [*before, *begun, "the step", "end_capture", "exit", "exit"]
    cupy.clear()
    runtime.replay()
    assert cupy == ["get_current_stream", "launch"]
    cupy.clear()
    assert runtime.upload("host") == ("sent", "host")
    assert cupy == ["get_default_memory_pool", "using_allocator", "enter", "enter", "asarray", "synchronize"] + 2 * [
        "exit"
    ]
    with pytest.raises(KeyError, match="mine"), runtime.capture():
        raise KeyError("mine")
    assert cupy[-3:] == ["end_capture", "exit", "exit"]


def test_memory_of_a_graph_keeps_its_pool():
    """With CuPy's own classes: an array's memory leaves last, and nothing is freed before."""
    cuda = pytest.importorskip("cupy").cuda
    for name in ("begin_capture", "end_capture", "synchronize"):
        assert hasattr(cuda.Stream, name)
    assert hasattr(cuda.Graph, "launch")
    gone, runtime = [], graphs.Runtime.__new__(graphs.Runtime)
    pool, pointer = (type(name, (), {"ptr": 512, "device_id": 0})() for name in ("Pool", "Pointer"))
    for name, thing in (("pointer", pointer), ("pool", pool)):
        weakref.finalize(thing, gone.append, name)
    type(pool).malloc = lambda self, size, found=[pointer]: found.pop()
    runtime._cuda, runtime._pool = cuda, pool
    memory = runtime._allocate(100)
    assert memory.ptr == 512
    del pool, pointer, thing, runtime
    assert gone == []
    del memory
    assert gone == ["pointer", "pool"]
