"""The memory of large arrays is used again, and never while anybody can still see it."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl
from tinydl.kernels.cpu import arrays

MB = 1 << 20


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    monkeypatch.setattr(arrays, "_pool", arrays.Pool())


def address(a):
    return a.ctypes.data


def test_memory_is_used_again_and_aligned():
    a = arrays.empty((300, 1000), np.float32)
    assert address(a) % 64 == 0 and a.flags.carray and a.dtype == np.float32 and a.shape == (300, 1000)
    first = address(a)
    del a
    b = arrays.empty(150_000, np.float64)
    assert address(b) == first and b.shape == (150_000,)
    assert address(arrays.empty((300, 1000), np.float32)) != first


HOLDERS = {
    "a slice": lambda a: a[100:],
    "another type": lambda a: a.view(np.uint8),
    "a transpose of a reshape": lambda a: a.reshape(100, -1).T,
    "a buffer": memoryview,
    "an iterator": iter,
    "a tensor": tinydl.from_numpy,
    "a view of a tensor": lambda a: tinydl.from_numpy(a)[3:],
    "a graph": lambda a: tinydl.from_numpy(a) * tinydl.ones(1, requires_grad=True),
    "DLPack": lambda a: np.from_dlpack(a),
    "PyTorch": lambda a: oracle().from_dlpack(a),
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=list(HOLDERS))
def test_whoever_sees_the_memory_keeps_it(hold):
    a = arrays.empty(100_000, np.float32)
    a.fill(7)
    first, holder = address(a), hold(a)
    del a
    others = [arrays.empty(100_000, np.float32) for _ in range(3)]
    assert first not in map(address, others)
    del holder, others
    gc.collect()
    assert first in [
        address(b) for b in [arrays.empty(100_000, np.float32) for _ in range(5)]
    ]  # a result lay there too


@settings(max_examples=60)
@given(st.data())
def test_random_programs_disturb_nobody(data):
    """Arrays of several sizes live and die; whatever lives holds what was written to it."""
    pool, held = arrays.Pool(), []
    pool.LITTLE = 0
    before, arrays._pool = arrays._pool, pool
    try:
        for number in range(data.draw(st.integers(1, 60))):
            action = data.draw(st.sampled_from(["new", "new", "view", "drop", "write", "empty_cache"]))
            if action == "new":
                a = arrays.empty(data.draw(st.sampled_from([20_000, 20_001, 40_000, 41_000])), np.float32)
                a.fill(number)
                held.append([a, a.copy()])
            elif action == "empty_cache":
                tinydl.empty_cache()
            elif held:
                i = data.draw(st.integers(0, len(held) - 1))
                if action == "drop":
                    held.pop(i)
                elif action == "view":
                    half = held[i][0][len(held[i][0]) // 2 :]
                    held.append([half, half.copy()])
                else:
                    base = held[i][0]
                    base.fill(number)
                    for entry in held:
                        if np.shares_memory(entry[0], base):
                            entry[1] = entry[0].copy()
            a = base = entry = half = None
            for array, value in held:
                np.testing.assert_array_equal(array, value)
            array = None
            live = {id(m) for m in _memories(held)}
            idle = sum(n for _, n in pool._idle())
            assert pool.total - idle >= 4 * 20_000 * len(live)
            assert pool.total <= 1.25 * max(pool.peak, pool.total - idle) + 4 * 50_000
    finally:
        arrays._pool = before


def _memories(held):
    for a, _ in held:
        while a.base is not None:
            a = a.base
        if isinstance(a, arrays.Memory):
            yield a


def test_the_arrays_of_a_small_network_are_all_kept():
    """Of many sizes, one in use at a time: less than the bound of what was in use would let go of them."""
    sizes = [k * MB for k in range(1, 10)]
    for k in sizes:
        arrays.empty(k, np.uint8)
    kept = arrays._pool.total
    assert sum(sizes) <= kept <= arrays.Pool.LITTLE
    for k in sizes:
        arrays.empty(k, np.uint8)
    assert arrays._pool.total == kept


def test_what_is_kept_is_bounded():
    """A program whose sizes change never keeps much more than it ever needed at a time."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        held = None
        held = [arrays.empty(int(n), np.uint8) for n in rng.integers(8 * MB, 32 * MB, 3)]
        assert len(held) == 3 and arrays._pool.total <= 1.25 * 112 * MB
    assert arrays._pool.total >= 2 * MB
    del held
    tinydl.empty_cache()
    assert arrays._pool.total == 0 and not any(arrays._pool.classes.values())


def test_empty_cache_leaves_what_is_in_use():
    a, b = arrays.empty(MB, np.uint8), arrays.empty(MB, np.uint8)
    a.fill(3)
    del b
    tinydl.empty_cache()
    assert arrays._pool.total == MB and (a == 3).all()


def test_threads_never_share():
    wrong = []

    def work(number):
        for _ in range(300):
            a = arrays.empty(20_000, np.int64)
            a.fill(number)
            b = arrays.empty(20_000, np.int64)
            b.fill(-number)
            if (a != number).any() or np.shares_memory(a, b):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_gradients_of_leaves_are_taken_without_a_copy_and_belong_to_them_alone():
    x = tinydl.ones(3, 40_000, requires_grad=True)
    y = tinydl.relu(x)
    y.backward(tinydl.ones(3, 40_000))
    kept = x.grad.numpy().copy()
    z = tinydl.relu(x.detach())
    z.fill_(5)
    np.testing.assert_array_equal(x.grad.numpy(), kept)


def test_sole_owner():
    a = arrays.empty(100_000, np.float32)
    assert arrays.sole_owner(a) and arrays.sole_owner(np.ones(3))
    b = np.ndarray(10, np.float32, a.base)
    assert not arrays.sole_owner(a) and not arrays.sole_owner(a[3:]) and len(b)


def test_sole_owner_of_what_is_seen_in_another_shape():
    a = arrays.empty((1, 400, 300), np.float32)
    b = a[0].reshape(300, 400)
    assert not arrays.sole_owner(b)  # a shows the same memory
    del a
    assert arrays.sole_owner(b)
    c = b.reshape(-1)
    assert not arrays.sole_owner(b) and len(c)
    part = np.ones((2, 3))[0]
    assert not arrays.sole_owner(part)  # it would keep the whole alive
