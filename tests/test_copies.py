"""Copies of arrays of any layout against NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
from tinydl.device import CPU
from tinydl.kernels.cpu import arrays, layout, strided
from tinydl.profiler import profile

TYPES = ["float32", "float64", "int64", "int32", "complex64", "bool", "int16", "complex128"]


@st.composite
def laid_out(draw):
    """An array with dimensions permuted, cut, reversed and repeated."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 16, 17, 33, 64, 131]), min_size=1, max_size=5).filter(big_enough))
    x = np.random.default_rng(0).normal(size=shape).astype(draw(st.sampled_from(TYPES)))
    x = x.transpose(draw(st.permutations(range(x.ndim))))
    x = x[tuple(slice(None, None, draw(st.sampled_from([1, 1, 1, 2, -1, -3]))) for _ in shape)]
    return np.broadcast_to(x[..., None], (*x.shape, 3)).copy(order="K") if draw(st.booleans()) else x


def big_enough(shape):
    return 1 << 12 <= np.prod(shape) <= 1 << 18


@settings(max_examples=60, deadline=None)
@given(laid_out())
def test_equal_numpys(x):
    y = np.zeros(x.shape, x.dtype)
    assert strided.gather(x, y) == (x.itemsize in (4, 8))
    if x.itemsize in (4, 8):
        np.testing.assert_array_equal(y, x, strict=True)


@settings(max_examples=40, deadline=None)
@given(laid_out(), st.data())
def test_repeated_numbers_are_as_numpys(x, data):
    x = x[tuple(slice(1) if data.draw(st.booleans()) else slice(None) for _ in x.shape)]
    shape = tuple(data.draw(st.sampled_from([1, 2, 40])) if n == 1 else n for n in x.shape)
    shape = (data.draw(st.sampled_from([1, 3])), *shape)
    if np.prod(shape) > 1 << 21:
        shape = x.shape
    y, served = layout.broadcast(x, shape), np.prod(shape) * x.itemsize >= arrays.SMALLEST and x.itemsize in (4, 8)
    assert (y is not NotImplemented) == served
    if served:
        np.testing.assert_array_equal(y, np.broadcast_to(x, shape), strict=True)
        assert y.flags.carray


@pytest.mark.parametrize("n", [0, 1, 2, strided.LINES[1] - 1, strided.LINES[1], 3 * strided.LINES[1] + 5])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_line_and_a_repeated_number_are_copied_whole(n, dtype):
    line = (np.arange(n) + 7).astype(dtype)
    number = np.lib.stride_tricks.as_strided(np.full(1, 3, dtype), (n, 2), (0, 0))
    for x in (line, number):
        memory = np.full(x.size + 2, -1, dtype)
        assert strided.gather(x, memory[1:-1].reshape(x.shape))
        np.testing.assert_array_equal(memory, [-1, *x.ravel(), -1])


def test_shapes_that_do_not_fit_are_left_to_the_body():
    for shape, message in (((100_000,), "broadcast"), ((5, 20_000), "broadcast")):
        with pytest.raises(ValueError, match=message):
            tinydl.ops.reduce.broadcast(tinydl.ones(3), shape)


def test_gradients_of_sums_are_repeated_by_the_kernel():
    x = tinydl.randn(300, 200, requires_grad=True)
    for dim in (0, 1):
        y = x.sum(dim)
        with profile() as p:
            (gx,) = tinydl.autograd.grad(y, x, tinydl.arange(len(y), dtype="float32"))
        assert {row.name: row for row in p.sorted_rows()}["broadcast"].served == 1
        want = np.broadcast_to(np.expand_dims(np.arange(len(y), dtype="float32"), dim), x.shape)
        np.testing.assert_array_equal(gx.numpy(), want)


def test_every_bit_of_a_nan_is_kept():
    bits = np.arange(0x7F800001, 0x7F800001 + 40_000, dtype=np.uint32)
    x = bits.view(np.float32).reshape(200, 200).T
    np.testing.assert_array_equal(arrays.copied(x).view(np.uint32), x.copy(order="C").view(np.uint32))


def test_read_only_and_unaligned_arrays_are_numpys():
    x = np.frombuffer(bytes(1 << 18), np.float32)
    unaligned = np.zeros(4 * len(x) + 1, np.uint8)[1:].view(np.float32)
    unaligned[:] = np.arange(len(x))
    for a in (x, unaligned):
        np.testing.assert_array_equal(arrays.copied(a), a)
        assert not strided.gather(a, np.empty_like(a))


@pytest.mark.parametrize("shape", [(64, 40, 30), (2, 3, 100, 100)])
def test_it_serves_reshapes_of_turned_tensors(shape):
    x = tinydl.randn(*shape).mT
    with profile() as p:
        y, z = x.reshape(-1), x.contiguous()
    rows = {row.name: row for row in p.sorted_rows()}
    assert rows["reshape"].served == rows["clone"].served == 1
    np.testing.assert_array_equal(y.numpy(), x.numpy().reshape(-1))
    np.testing.assert_array_equal(z.numpy(), x.numpy())
    assert z.array.flags.c_contiguous


def test_a_reshape_that_needs_no_copy_is_a_view():
    x = tinydl.zeros(200, 3, 100).transpose(0, 1)
    x.reshape(3, 20, 10, 100).fill_(1)
    assert x.min().item() == 1
    assert CPU.kernels["reshape"](x.array, (3, 20, 10, 100)).base is not None


def test_bits_do_not_depend_on_threads():
    x = np.random.default_rng(0).normal(size=(300, 70, 50)).transpose(2, 0, 1)
    before = tinydl.get_num_threads()
    try:
        for n in (1, 2):
            tinydl.set_num_threads(n)
            np.testing.assert_array_equal(arrays.copied(x), x)
    finally:
        tinydl.set_num_threads(before)
