"""CUDA graphs through CuPy: launches captured once, with memory of their own, and launched again together."""

from __future__ import annotations

from contextlib import contextmanager, suppress


class Runtime:
    """One graph of CuPy's: `with runtime.capture(): ...`, then `runtime.replay()`.

    The pool knows nothing of graphs: memory freed during a capture would be given to later work while the graph still
    writes there.  So a graph has a pool of its own, which lives as long as the graph and every array from it.
    """

    def __init__(self):
        import cupy

        self._cuda = cupy.cuda
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._aside = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()
        self._graph = None

    @contextmanager
    def capture(self):
        """Within it launches of this thread are noted and do not run; what is wrong is raised when it ends."""
        import cupy

        self._cuda.get_current_stream().synchronize()
        cupy.get_default_memory_pool().free_all_blocks()  # as much as the graph will need, from the warm-up
        with self._cuda.using_allocator(self._allocate), self._stream:
            self._stream.begin_capture()
            try:
                yield
            except BaseException:
                self._abandon()
                raise
            self._graph = self._stream.end_capture()

    def _abandon(self):
        with suppress(Exception):  # CUDA says again what was raised already
            self._stream.end_capture()

    def _allocate(self, size):
        """Memory of the pool that keeps the pool, which CuPy's own does not."""
        pointer = self._pool.malloc(size)
        if not size:
            return pointer
        memory = self._cuda.UnownedMemory(pointer.ptr, size, (self._pool, pointer), pointer.device_id)
        return self._cuda.MemoryPointer(memory, 0)

    def upload(self, host):
        """A host array on the device, sent now, beside the capture, in memory of the common pool."""
        import cupy

        with self._cuda.using_allocator(cupy.get_default_memory_pool().malloc), self._aside:
            array = cupy.asarray(host)
            self._aside.synchronize()
        return array

    def replay(self):
        """Launch the graph on the current stream."""
        self._graph.launch(self._cuda.get_current_stream())
