"""Kernels of recurrent layers and of attention, and the matrix product behind them: any shape, against the bodies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.autograd import grad
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu.gemm import product

SIZES = st.sampled_from([1, 2, 3, 13, 33, 64])
DTYPES = st.sampled_from(["float32", "float64"])
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def agree(name, arrays, *constants):
    """Kernel and body, in float64: the same outputs, and the same gradients of a weighted sum."""

    def run():
        leaves = [None if a is None else tinydl.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        ys = OPS[name](*leaves, *constants)
        ys = ys if isinstance(ys, tuple) else (ys,)
        wanted = [t for t in leaves if t is not None and t.requires_grad]
        cotangents = [tinydl.tensor(np.cos(np.arange(y.numel(), dtype=y.dtype)).reshape(y.shape)) for y in ys]
        return [t.detach().numpy() for t in (*ys, *grad(ys, wanted, cotangents))]

    found, kernels = run(), [CPU.kernels[name], CPU.kernels[f"{name}_grad"]]
    try:
        CPU.kernels[name] = None
        exact = [None if a is None else a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
        single, arrays = arrays[0].dtype == "float32", exact
        expected = run()
    finally:
        CPU.kernels[name], CPU.kernels[f"{name}_grad"] = kernels
    for got, want in zip(found, expected, strict=True):
        assert got.dtype == ("float32" if single else "float64")
        tolerance = 5e-5 if single else 1e-11
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max(initial=1))


@settings(max_examples=30)
@given(st.data())
def test_recurrent_layers_of_any_shape(data):
    name, dtype = data.draw(st.sampled_from(list(GATES))), data.draw(DTYPES)
    D, H, N = (data.draw(SIZES) for _ in range(3))
    T = data.draw(st.integers(1, 5))
    sizes = tuple(sorted((data.draw(st.integers(1, N)) for _ in range(T - 1)), reverse=True))
    rng, rows, G = np.random.default_rng(0), N + sum(sizes), GATES[name] * H
    arrays = [rng.standard_normal(s).astype(dtype) for s in ((rows, D), *[(N, H)] * (1 + (name == "lstm")))]
    # as in layers: with weights of variance one a step multiplies every rounding by several
    arrays += [(rng.standard_normal((G, n)) / np.sqrt(n)).astype(dtype) for n in (D, H)]
    arrays += [rng.standard_normal(G).astype(dtype) if data.draw(st.booleans()) else None for _ in range(2)]
    options = {"rnn": [data.draw(st.sampled_from(["tanh", "relu"]))], "gru": [], "lstm": []}[name]
    agree(name, [*arrays, *[None] * (name == "lstm")], *options, (N, *sizes), data.draw(st.booleans()))


@settings(max_examples=30)
@given(st.data())
def test_attention_of_any_shape(data):
    L, S, E, D = (data.draw(SIZES) for _ in range(4))
    batch = data.draw(st.sampled_from([(), (1,), (2, 3)]))
    rng, dtype = np.random.default_rng(0), data.draw(DTYPES)
    arrays = [rng.standard_normal((*batch, *s)).astype(dtype) for s in ((L, E), (S, E), (S, D))]
    look = rng.standard_normal((L, S)) > -0.5
    mask = data.draw(st.sampled_from([None, look, rng.standard_normal((*batch, 1, S)).astype(dtype)]))
    agree("attention", [*arrays, mask], data.draw(st.booleans()), 0.3)


@settings(max_examples=30)
@given(SIZES, st.sampled_from([0, 1, 2, 65, 1100]), SIZES, st.booleans(), st.booleans(), DTYPES)
def test_products_of_any_shape(M, K, N, a_turned, b_turned, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((M, K)).astype(dtype), rng.standard_normal((K, N)).astype(dtype)
    given = (np.ascontiguousarray(a.T) if a_turned else a), (np.ascontiguousarray(b.T) if b_turned else b)
    y = product(*given, a_turned, b_turned)
    assert y.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(y, a.astype("float64") @ b, rtol=0, atol=tolerance * (K + 1) ** 0.5 * 4)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_nan_and_infinity_stay_in_their_sequence(kind):
    layer, x = getattr(nn, kind)(3, 40), tinydl.randn(4, 5, 3)
    clean = layer(x)[0].detach().numpy()
    x[1, 2, 0], x[2, 3, 1] = float("nan"), float("inf")
    y = layer(x)[0].detach().numpy()
    assert np.isnan(y[1:, 2]).all()
    np.testing.assert_array_equal(y[:, [0, 1, 4]], clean[:, [0, 1, 4]])
    np.testing.assert_array_equal(y[:2, 3], clean[:2, 3])


def test_nan_and_infinity_in_attention():
    torch = oracle()
    arrays = [np.random.default_rng(i).standard_normal((2, 5, 4)).astype("float32") for i in range(3)]
    arrays[1][0, 2, 1], arrays[2][1, 3, 0] = np.nan, np.inf
    attend = [lib.nn.functional.scaled_dot_product_attention for lib in (tinydl, torch)]
    got = attend[0](*map(tinydl.tensor, arrays)).numpy()
    np.testing.assert_allclose(got, attend[1](*map(torch.tensor, arrays)).numpy(), rtol=1e-4, atol=1e-5)
    assert not np.isfinite(got[0]).any()
    causal = attend[0](*map(tinydl.tensor, arrays), is_causal=True).numpy()
    assert np.isfinite(causal[0, :2]).all() and np.isnan(causal[0, 2:]).all()


def test_positions_that_see_nothing_give_zero():
    q, k, v = (tinydl.randn(2, 3, 4).requires_grad_() for _ in range(3))
    look = tinydl.tensor([[True, False, True], [False, False, False], [True, True, True]])
    y = nn.functional.scaled_dot_product_attention(q, k, v, look)
    y.sum().backward()
    assert not y[:, 1].any() and not q.grad[:, 1].any() and q.grad.isfinite().all() and k.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_second_backward_gives_the_same(kind):
    """The gradient kernel leaves what it was given."""
    layer, x = getattr(nn, kind)(3, 5), tinydl.randn(4, 2, 3).requires_grad_()
    y = layer(x)[0].sum()
    y.backward(retain_graph=True)
    first, x.grad = x.grad, None
    y.backward()
    np.testing.assert_array_equal(first.numpy(), x.grad.numpy())
