"""Matrix products and linear layers as kernels: any shape, layout and bias, against NumPy in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinydl
import tinydl.nn.functional as F
from tinydl.kernels.cpu import jit
from tinydl.kernels.cpu.gemm import LOW, MR, heights, pack, products, row_of, two_products
from tinydl.kernels.cpu.matmul import linear, linear_grad, matmul

SIZES = st.sampled_from([0, 1, 2, 7, 16, 33, 61, 131, 300])
TERMS = st.sampled_from([0, 1, 2, 15, 33, 131, 513, 1100])
DTYPES = st.sampled_from(["float32", "float64"])
LAYOUTS = {
    "plain": lambda a: a,
    "turned": lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2),
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
}


def operand(data, shape, dtype):
    layout = LAYOUTS[data.draw(st.sampled_from(list(LAYOUTS)))]
    return layout(np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape).astype(dtype))


def agree(got, want, terms):
    """Within the error of a sum of so many terms, each of about one."""
    assert got.shape == want.shape
    unit = np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, want, rtol=0, atol=4 * unit * (terms + 1) ** 0.5 * max(8, terms**0.5))


@settings(max_examples=80)
@given(st.data(), SIZES, TERMS, SIZES, DTYPES)
def test_products_of_any_shape(data, M, K, N, dtype):
    G = data.draw(st.sampled_from([0, 1, 2, 3]))
    once = data.draw(st.sampled_from([(G, G), (1, G), (G, 1)])) if G else (0, 0)
    a, b = operand(data, (once[0], M, K), dtype), operand(data, (once[1], K, N), dtype)
    bias = data.draw(st.sampled_from([None, np.arange(N, dtype=dtype) / max(1, N)]))
    y = products(a, b, bias)
    assert y.dtype == dtype and y.flags.c_contiguous
    agree(y, np.matmul(a, b, dtype="float64") + (0 if bias is None else bias), K)


@settings(max_examples=30)
@given(st.data(), st.sampled_from([(), (1,), (3,), (2, 5)]), DTYPES)
def test_kernels_serve_what_is_large(data, batch, dtype):
    n, k, m = 67, 130, data.draw(st.sampled_from([31, 97]))
    x, w = operand(data, (*batch, n, k), dtype), operand(data, (m, k), dtype)
    bias = data.draw(st.sampled_from([None, np.ones((), dtype), np.ones(1, dtype), np.arange(m).astype(dtype) / m]))
    agree(linear(x, w, bias), np.matmul(x, w.T, dtype="float64") + (0 if bias is None else bias), k)
    agree(matmul(x, w.T), np.matmul(x, w.T, dtype="float64"), k)
    other = operand(data, (*batch, k, m), dtype)
    agree(matmul(x, other), np.matmul(x, other, dtype="float64"), k)
    u = operand(data, (*batch, n, m), dtype)
    by_input, by_weight = linear_grad(u, x, w)
    agree(by_input, np.matmul(u, w, dtype="float64"), m)
    agree(by_weight, np.matmul(u.reshape(-1, m).T, x.reshape(-1, k), dtype="float64"), u.size // m)


def test_kernels_decline():
    x, y = np.ones((99, 99), "f"), np.ones((99, 99), "d")
    assert matmul(x, y) is NotImplemented and linear(x, x, y[0]) is NotImplemented
    assert matmul(x.astype("f2"), x) is NotImplemented and matmul(x.astype(int), x.astype(int)) is NotImplemented
    assert matmul(x[:9], x) is NotImplemented and matmul(x, x[0]) is NotImplemented
    assert matmul(x[None].repeat(2, 0), x[None]) is NotImplemented
    assert matmul(np.ones((3, 0), "f"), np.ones((0, 5), "f")) is NotImplemented
    assert linear_grad(x, y, x) is NotImplemented and linear_grad(x[:9], x[:9], x) is NotImplemented


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_give_the_same_bits(dtype):
    rng, before = np.random.default_rng(0), jit.get_num_threads()
    for M, K, N in ((131, 700, 99), (30, 1300, 700), (601, 90, 40)):
        a, b = rng.standard_normal((1, M, K)).astype(dtype), rng.standard_normal((1, N, K)).astype(dtype)
        try:
            found = []
            for n in (1, 2):
                jit.set_num_threads(n)
                u = products(a, b.swapaxes(1, 2))
                found.append((u, *two_products((u, b), (u.swapaxes(1, 2), a))))
        finally:
            jit.set_num_threads(before)
        for one, two in zip(*found):
            np.testing.assert_array_equal(one, two)


def test_what_a_linear_layer_does_not_need_may_be_overwritten():
    """As in PyTorch: the weight is needed for the input's gradient alone, the input for the weight's."""
    for wanted in (0, 1, 2):
        given = [tinydl.ones(*shape) for shape in ((2, 3), (4, 3), (4,))]
        given[wanted].requires_grad_()
        y = F.linear(*given)
        for needed in (i for i in (0, 1) if i != wanted):
            with tinydl.no_grad():
                given[needed].add_(1)
            if wanted == 2:
                y.sum().backward(retain_graph=True)
            else:
                with pytest.raises(RuntimeError, match="linear: an operand .* overwritten in place"):
                    y.sum().backward()
        other = [tinydl.ones(*shape) for shape in ((2, 3), (4, 3))]
        if wanted < 2:
            other[wanted].requires_grad_()
            y = F.linear(*other)
            with tinydl.no_grad():
                other[wanted].add_(1)
            y.sum().backward()
            assert (other[wanted].grad.numpy() == (4, 2)[wanted]).all()


def test_gradients_of_a_linear_layer():
    rng = np.random.default_rng(0)
    x, w, b, g = (rng.standard_normal(s) for s in ((3, 40, 130), (97, 130), (97,), (3, 40, 97)))
    leaves = [tinydl.tensor(a, dtype=tinydl.float32, requires_grad=True) for a in (x, w, b)]
    F.linear(*leaves).backward(tinydl.tensor(g, dtype=tinydl.float32))
    flat = g.reshape(-1, 97)
    for t, want in zip(leaves, (g @ w, flat.T @ x.reshape(-1, 130), flat.sum(0))):
        agree(t.grad.numpy(), want, 130)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_stay_in_their_row_and_column(value):
    a, b = np.ones((1, 40, 600), "f"), np.ones((1, 600, 70), "f")
    a[0, 17, 599] = b[0, 3, 65] = value
    y = products(a, b)[0]
    want = np.full((40, 70), 600.0)
    want[17] = want[:, 65] = value
    np.testing.assert_array_equal(y, want)


@given(st.integers(0, 600))
def test_panels_hold_all_rows(rows):
    panels, tall = heights(rows)
    begins = [row_of(p, tall) for p in range(panels + 1)]
    assert begins[0] == 0 and rows <= begins[-1] < rows + MR
    assert np.diff(begins).tolist() == [MR] * tall + [LOW] * (panels - tall)


@given(st.integers(1, 70), st.integers(1, 40), st.integers(1, 4), st.booleans(), DTYPES)
def test_packed_pieces(n, K, parts, turned, dtype):
    x = np.random.default_rng(0).standard_normal((K, parts * n)).astype(dtype)
    out = pack(np.ascontiguousarray(x.T) if turned else x, 32, turned, parts)
    assert out.shape == (parts, -(-n // 32), K, 32)
    for packed, part in zip(out, np.split(x, parts, 1)):
        whole = packed.swapaxes(0, 1).reshape(K, -1)
        np.testing.assert_array_equal(whole[:, :n], part)
        assert turned or not whole[:, n:].any()
