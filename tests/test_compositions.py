"""Public functions that are made of other operations, against NumPy's, Python's and PyTorch's."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl
from tinydl.testing import gradcheck

torch = oracle()


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def leaf(*shape, seed=0):
    return tinydl.tensor(normal(*shape, seed=seed), requires_grad=True)


def close(mine, expected, tolerance=1e-12):
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- covariances
@pytest.mark.parametrize("shape", [(4, 9), (1, 9), (9,), (3, 2)])
@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("weighed", ["", "f", "a", "fa"])
def test_cov_is_numpys(shape, correction, weighed):
    x, n = normal(*shape), shape[-1]
    f = np.arange(1, n + 1) if "f" in weighed else None
    a = np.random.default_rng(1).random(n) + 0.5 if "a" in weighed else None
    given = {k: None if w is None else tinydl.tensor(w) for k, w in (("fweights", f), ("aweights", a))}
    mine = tinydl.cov(tinydl.tensor(x), correction=correction, **given)
    close(mine, np.cov(x, ddof=correction, fweights=f, aweights=a))


def test_correlations():
    x = normal(4, 30)
    x[3] = 2 * x[0] + 1
    r = tinydl.tensor(x).corrcoef()
    close(r, np.corrcoef(x))
    assert (r.abs() <= 1).all()
    assert tinydl.corrcoef(tinydl.tensor(x[0])).item() == 1


def test_derivatives_of_covariances_and_of_what_weighs():
    weights = tinydl.tensor([0.5, 2.0, 1.0, 0.7, 1.3], dtype="float64", requires_grad=True)
    assert gradcheck(lambda x, w: tinydl.cov(x, aweights=w), (leaf(3, 5), weights), order=2)
    assert gradcheck(lambda x: tinydl.corrcoef(x)[0, 1:], (leaf(3, 5),), order=2)


def test_covariances_keep_types():
    assert tinydl.cov(tinydl.ones(2, 3)).dtype == "float32"
    assert tinydl.cov(tinydl.arange(6).reshape(2, 3)).dtype == "float32"


def test_cov_of_too_few_is_infinite_and_says_so():
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert not tinydl.cov(tinydl.tensor([[1.0], [2.0]])).isfinite().any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fweights": [1, 2]}, r"fweights of shape \(3,\)"),
        ({"fweights": [1.0, 2.0, 3.0]}, "integers"),
        ({"aweights": [1, 2, 3]}, "floating"),
        ({"aweights": [1.0, -2.0, 3.0]}, "negative"),
    ],
)
def test_weights_that_are_none(options, message):
    with pytest.raises(RuntimeError, match=message):
        tinydl.cov(tinydl.ones(2, 3), **{k: tinydl.tensor(v) for k, v in options.items()})
    with pytest.raises(RuntimeError, match="bool"):
        tinydl.cov(tinydl.ones(2, 3) > 0)
    with pytest.raises(RuntimeError, match="two dimensions"):
        tinydl.cov(tinydl.ones(2, 3, 4))


# ---------------------------------------------------------------- areas under a curve
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("points", ["", "vector", "each"])
def test_areas_are_those_of_plain_loops(dim, points):
    y = normal(4, 3, 5)
    n = y.shape[dim]
    x = {"": None, "vector": normal(n, seed=1).cumsum(), "each": normal(4, 3, 5, seed=1)}[points]
    options = {"dim": dim} if x is not None else {"dim": dim, "dx": 0.5}
    at = x if x is not None else 0.5 * np.arange(n)
    at = np.moveaxis(np.broadcast_to(at, y.shape), dim, -1) if np.ndim(at) > 1 else at
    line, areas = np.moveaxis(y, dim, -1), np.zeros(np.delete(y.shape, dim))
    running = []
    for k in range(n - 1):
        areas = areas + (at[..., k + 1] - at[..., k]) * (line[..., k] + line[..., k + 1]) / 2
        running.append(areas)
    given = None if x is None else tinydl.tensor(x)
    close(tinydl.trapezoid(tinydl.tensor(y), given, **options), areas)
    close(tinydl.cumulative_trapezoid(tinydl.tensor(y), given, **options), np.stack(running, dim))


def test_areas_of_a_point_and_bad_points():
    assert tinydl.trapezoid(tinydl.ones(1)).item() == 0
    assert tinydl.cumulative_trapezoid(tinydl.ones(2, 1)).shape == (2, 0)
    assert tinydl.trapz is tinydl.trapezoid
    for bad, message in ((tinydl.tensor(1.0), "unsqueeze"), (tinydl.ones(3) > 0, "bool")):
        with pytest.raises(RuntimeError, match=message):
            tinydl.trapezoid(bad)
    with pytest.raises(RuntimeError, match="3 points"):
        tinydl.trapezoid(tinydl.ones(3), tinydl.ones(4))
    assert gradcheck(lambda y, x: tinydl.trapezoid(y, x), (leaf(3, 4), leaf(4, seed=1)), order=2)


# ---------------------------------------------------------------- sets, pairs and angles
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), max_size=20), st.lists(st.integers(-9, 9), max_size=6), st.booleans())
def test_isin_is_numpys(elements, tests, invert):
    mine = tinydl.isin(tinydl.tensor(elements, dtype="int64"), tinydl.tensor(tests, dtype="int64"), invert=invert)
    np.testing.assert_array_equal(mine.numpy(), np.isin(elements, tests, invert=invert))


def test_isin_of_numbers_types_and_nan():
    x = tinydl.tensor([[1.0, float("nan")], [2.5, 0.0]])
    for tests in ([1, 0], [2.5], [float("nan"), 1.0, float("inf")]):
        mine = tinydl.isin(x, tinydl.tensor(tests))
        np.testing.assert_array_equal(mine.numpy(), np.isin(x.numpy(), tests))
    assert tinydl.isin(x, 2.5).sum() == 1
    assert tinydl.isin(2, tinydl.arange(3)).item() is True
    assert tinydl.isin(tinydl.tensor([2]), 2.5).item() is False
    with pytest.raises(TypeError, match="two numbers"):
        tinydl.isin(1, 2)


@pytest.mark.parametrize("r", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("again", [False, True])
def test_combinations_are_pythons(r, again):
    x = np.array([3.0, 1.0, 4.0, 1.5])
    choose = itertools.combinations_with_replacement if again else itertools.combinations
    want = torch.combinations(torch.tensor(x), r, again)
    mine = tinydl.tensor(x).combinations(r, again)
    assert mine.shape == tuple(want.shape)
    close(mine.reshape(-1), list(itertools.chain(*choose(x, r))))
    with pytest.raises(RuntimeError, match="vector"):
        tinydl.combinations(tinydl.ones(2, 2))


def test_cartesian_products():
    mine = tinydl.cartesian_prod(tinydl.tensor([1, 2]), tinydl.tensor([3, 4, 5]))
    assert mine.tolist() == [list(pair) for pair in itertools.product([1, 2], [3, 4, 5])]
    assert tinydl.cartesian_prod(tinydl.tensor([1, 2])).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="vectors"):
        tinydl.cartesian_prod(tinydl.tensor([1, 2]), tinydl.tensor(3))


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, float("inf")])
def test_distances_of_all_pairs(p):
    x = tinydl.tensor(normal(5, 3))
    close(tinydl.nn.functional.pdist(x, p), tinydl.cdist(x, x, p).numpy()[np.triu_indices(5, 1)])
    with pytest.raises(RuntimeError, match="pdist"):
        tinydl.pdist(tinydl.ones(2))


def test_distances_of_all_pairs_have_derivatives():
    assert gradcheck(tinydl.pdist, (leaf(4, 3),), order=2)
    same = tinydl.ones(2, 3, requires_grad=True)
    tinydl.pdist(same).sum().backward()
    assert (same.grad == 0).all()


def test_angles_and_signed_infinities():
    degrees = tinydl.tensor([0.0, 90.0, -180.0])
    close(tinydl.deg2rad(degrees), np.deg2rad(degrees.numpy()), 1e-6)
    close(degrees.deg2rad().rad2deg_(), degrees.numpy(), 1e-6)
    assert tinydl.deg2rad(tinydl.tensor([180])).dtype == "float32"
    x = tinydl.tensor([float("inf"), float("-inf"), float("nan"), 1.0])
    assert tinydl.isposinf(x).tolist() == [True, False, False, False]
    assert x.isneginf().tolist() == [False, True, False, False]
    assert tinydl.isposinf(tinydl.tensor([1, 2])).tolist() == [False, False]
