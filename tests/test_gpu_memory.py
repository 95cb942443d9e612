"""Memory of the GPU: one allocator tries again, explains, and knows the peaks; on a fake pool, and under CuPy."""

import gc
import types

import numpy as np
import pytest
from fake_cuda import OutOfMemoryError as CuPysError
from fake_cuda import Pool, fake_cuda
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
from tinydl.kernels.gpu.memory import Allocator, guarded, in_units
from tinydl.kernels.gpu.transfer import is_pinned, pinned_empty

GIB = 1 << 30


def allocator(total=10 * 512):
    pool = Pool(total)
    return Allocator(pool.malloc, pool, lambda: (total - pool.others - pool.total_bytes(), total)), pool


# ---------------------------------------------------------------- no more memory
def test_what_the_pool_keeps_is_given_back_and_asked_for_once_more():
    allocate, pool = allocator()
    kept = [allocate(512) for _ in range(8)]
    del kept  # eight small blocks, of which no large one can be made
    assert pool.total_bytes() == 8 * 512
    pool.log.clear()
    held = allocate(6 * 512)
    assert pool.log == ["malloc 3072", "free", "malloc 3072"]
    assert pool.used_bytes() == pool.total_bytes() == 6 * 512 and held is not None


def test_what_refers_to_itself_is_let_go_before_the_second_try():
    allocate, pool = allocator()
    gc.disable()
    try:
        ring = [allocate(8 * 512)]
        ring.append(ring)
        del ring
        assert pool.used_bytes() == 8 * 512
        held = allocate(8 * 512)
    finally:
        gc.enable()
    assert pool.used_bytes() == 8 * 512 and held is not None


def test_the_error_says_what_was_asked_for_and_what_was_there():
    allocate, pool = allocator(16 * GIB)
    pool.others = 3 * GIB
    held = [allocate(9 * GIB), allocate(2 * GIB)]
    held.pop()
    pool.free_all_blocks = lambda: pool.log.append("free")  # blocks beside others stay
    pool.log.clear()
    with pytest.raises(tinydl.OutOfMemoryError) as caught:
        allocate(5 * GIB)
    assert pool.log == [f"malloc {5 * GIB}", "free", f"malloc {5 * GIB}"]  # once more, not again and again
    text = str(caught.value)
    for part in ("5 GiB were asked for", "of the GPU's 16 GiB, 2 GiB are free", "Arrays hold 9 GiB",
                 "keeps 2 GiB more", "hold the other 3 GiB", "Smaller batches", "no_grad()"):  # fmt: skip
        assert part in text
    assert "limit" not in text
    pool.limit = 12 * GIB
    with pytest.raises(tinydl.OutOfMemoryError, match="The pool may have 12 GiB at most .CUPY_GPU_MEMORY_LIMIT"):
        allocate(5 * GIB)
    assert tinydl.OutOfMemoryError is tinydl.cuda.OutOfMemoryError
    assert issubclass(tinydl.OutOfMemoryError, RuntimeError) and issubclass(tinydl.OutOfMemoryError, MemoryError)


class CudaError(RuntimeError):
    """As CuPy's CUDARuntimeError, of which an allocator without a pool raises number 2."""

    def __init__(self, status):
        self.status = status


def test_the_drivers_own_refusal_is_one_too_and_other_errors_are_none():
    allocate, pool = allocator()

    def refuse(status):
        def malloc(size):
            pool.log.append("malloc")
            raise CudaError(status)

        return malloc

    with pytest.raises(tinydl.OutOfMemoryError):
        Allocator(refuse(2), pool, allocate.memory_info)(512)
    assert pool.log == ["malloc", "free", "malloc"]
    pool.log.clear()
    with pytest.raises(CudaError):  # an error of a kernel that ran before
        Allocator(refuse(700), pool, allocate.memory_info)(512)
    assert pool.log == ["malloc"]


SIZES = {0: "0 bytes", 1000: "1000 bytes", 1536: "1.5 KiB", 5 * GIB // 2: "2.5 GiB", 1 << 45: "3.277e+04 GiB"}


@pytest.mark.parametrize("size, text", SIZES.items())
def test_sizes_are_readable(size, text):
    assert in_units(size) == text


# ---------------------------------------------------------------- peaks
@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(st.integers(1, 4000), st.integers(-5, -1), st.just(0))))
def test_peaks_are_those_of_counting_after_every_step(steps):
    """n > 0: allocate n bytes; n < 0: let the block before the last |n| go; 0: forget the peaks."""
    allocate, pool = allocator(1 << 40)
    held, most_used, most_reserved = [], 0, 0
    for n in steps:
        if n > 0:
            held.append(allocate(n))
        elif n:
            del held[n : n + 1]
        else:
            allocate.reset_peaks()
            most_used = most_reserved = 0
        most_used, most_reserved = max(most_used, pool.used_bytes()), max(most_reserved, pool.total_bytes())
        assert (allocate.peak_allocated, allocate.peak_reserved) == (most_used, most_reserved)


def test_a_step_that_repeats_itself_is_seldom_counted():
    allocate, pool = allocator(1 << 40)
    count, used_bytes = [], pool.used_bytes

    def step():
        kept = [allocate(512 * n) for n in range(1, 60)]
        for _ in range(59):
            temporary = allocate(512)
            kept.pop()
            del temporary

    step()
    pool.used_bytes = lambda: count.append(1) or used_bytes()
    for _ in range(10):
        step()
    assert len(count) < 10 * 118 / 3


# ---------------------------------------------------------------- the public functions
def test_figures_and_giving_back():
    with fake_cuda(total=GIB) as device:
        allocate = device.memory
        x, y = allocate(1000), allocate(3000)
        assert tinydl.cuda.memory_allocated() == 1024 + 3072 == tinydl.cuda.max_memory_allocated()
        del y
        assert tinydl.cuda.memory_allocated("cuda") == 1024 and tinydl.cuda.memory_reserved() == 1024 + 3072
        assert tinydl.cuda.mem_get_info(0) == (GIB - 4096, GIB)
        tinydl.cuda.reset_peak_memory_stats()
        assert tinydl.cuda.max_memory_allocated() == 1024 and tinydl.cuda.max_memory_reserved() == 4096
        tinydl.ones(7).pin_memory()
        assert device.xp.pinned_pool.free
        tinydl.cuda.empty_cache()
        assert tinydl.cuda.memory_reserved() == 1024 and not device.xp.pinned_pool.free
        assert x is not None


def test_empty_cache_lets_go_of_copies_that_are_done():
    with fake_cuda() as device:
        tinydl.ones(7).pin_memory().to("cuda", non_blocking=True)
        tinydl.cuda.current_stream().synchronize()
        tinydl.cuda.empty_cache()
        assert len(device.xp.pinned_pool.every) == 1 and not device.xp.pinned_pool.free  # back, and given away


# ---------------------------------------------------------------- CuPy itself, without a GPU
def test_every_array_of_cupy_comes_from_the_allocator():
    cupy = pytest.importorskip("cupy")
    before = cupy.cuda.get_allocator()

    class Full:
        """A pool that has nothing."""

        log: list = []

        def malloc(self, size):
            self.log.append(size)
            raise cupy.cuda.memory.OutOfMemoryError(size, 5)

        def used_bytes(self):
            return 0

        total_bytes = get_limit = used_bytes

        def free_all_blocks(self):
            self.log.append("free")

    try:
        cupy.cuda.set_allocator(Full().malloc)
        library = types.SimpleNamespace(cuda=_with(cupy.cuda, runtime=types.SimpleNamespace(memGetInfo=lambda: (7, 9))))
        allocate = guarded(library)
        assert guarded(library) is allocate  # not around itself
        for make in (lambda: cupy.empty(10), lambda: cupy.ndarray((5, 4), "f4"), lambda: cupy.zeros(10, "i8")):
            with pytest.raises(tinydl.OutOfMemoryError, match="80 bytes were asked for; of the GPU's 9 bytes, 7 bytes"):
                make()
            assert Full.log == [80, "free", 80]
            Full.log.clear()
    finally:
        cupy.cuda.set_allocator(before.__self__.malloc)


def _with(space, **others):
    return types.SimpleNamespace(get_allocator=space.get_allocator, set_allocator=space.set_allocator, **others)


def test_arrays_lie_upon_cupys_pinned_memory_and_hold_it():
    cupy = pytest.importorskip("cupy")
    host, freed = np.zeros(1024, np.uint8), []

    class Memory:
        """As PinnedMemory, which only a GPU's driver has."""

        ptr, size = host.ctypes.data, host.nbytes

        def __del__(self):
            freed.append(1)

    space = types.SimpleNamespace(alloc_pinned_memory=lambda size: cupy.cuda.PinnedMemoryPointer(Memory(), 0))
    a = pinned_empty(space, (3, 4), "float32")
    a[...] = 1
    assert host[:48].view("float32").sum() == 12 and not host[48:].any()
    part = a[1:].T
    del a
    gc.collect()
    assert is_pinned(part) and not freed
    del part
    gc.collect()
    assert freed == [1]


def test_the_fake_pool_refuses_as_cupys_does():
    with pytest.raises(CuPysError):
        Pool(512).malloc(513)
