"""Reductions, scans and order against PyTorch and NumPy where it is delicate.

Ties, zeros, NaN, infinities, nothing at all, and derivatives up to the third.
"""

import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import oracle

import tinydl
from tinydl.testing.strict import strict_device

torch = oracle()
rng = np.random.default_rng(3)


def derivatives(lib, function, x, order):
    """The value, and vector-Jacobian products one of another with fixed cotangents."""
    x = lib.tensor(x, requires_grad=True)
    y = function(lib, x)
    found = [y]
    for k in range(order):
        if not y.requires_grad:
            break
        cotangent = np.cos(np.arange(y.numel()) + k).reshape(tuple(y.shape))
        (y,) = lib.autograd.grad([y], [x], [lib.tensor(cotangent)], create_graph=True)
        found.append(y)
    return [t.detach().numpy() for t in found]


def agree(function, x, order=3):
    """Compare with PyTorch; a derivative beyond PyTorch's last must be 0."""
    theirs = derivatives(torch, function, x, order)
    ours = derivatives(tinydl, function, x, order)
    for k in range(max(len(theirs), len(ours))):
        a = theirs[k] if k < len(theirs) else np.zeros_like(x)
        b = ours[k] if k < len(ours) else np.zeros_like(x)
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-10, err_msg=f"derivative {k}")


def values(*shape):
    return rng.normal(size=shape)


SMOOTH = {
    "sum": lambda lib, x: lib.sum(lib.exp(x), (0, 2)),
    "mean": lambda lib, x: lib.mean(x * x * x, 1, True),
    "var": lambda lib, x: lib.var(x, 1),
    "var of several": lambda lib, x: lib.var(x * x, (0, 2), correction=0),
    "std": lambda lib, x: lib.std(x, 1),
    "std_mean": lambda lib, x: lib.std_mean(x, (0, 1))[0],
    "logsumexp": lambda lib, x: lib.logsumexp(x, (1, 2)),
    "prod": lambda lib, x: lib.prod(x, 1),
    "prod of all": lambda lib, x: lib.prod(x),
    "cumsum": lambda lib, x: lib.cumsum(x * x * x, 1),
    "cumprod": lambda lib, x: lib.cumprod(x, 1),
    "logcumsumexp": lambda lib, x: (
        lib.logcumsumexp(x, 1)
        if lib is tinydl
        else lib.exp(x).cumsum(1).log()  # the third derivative of PyTorch's own is NaN
    ),
    "cummax": lambda lib, x: lib.cummax(x * x * x, 1)[0],
    "norm 3": lambda lib, x: lib.norm(x, 3, 1),
    "norm 1.5": lambda lib, x: lib.norm(x, 1.5, (0, 1)),
    "topk": lambda lib, x: lib.topk(x * x * x, 2, 1)[0],
    "sort": lambda lib, x: lib.sort(x * x * x, 0, descending=True)[0],
    "max": lambda lib, x: lib.max(x * x * x, 1)[0],
    "median": lambda lib, x: lib.median(x * x * x, 1)[0],
    "kthvalue": lambda lib, x: lib.kthvalue(x * x * x, 2, 0)[0],
    "quantile": lambda lib, x: lib.quantile(x * x * x, 0.3, 1),
    "nanmean": lambda lib, x: lib.nanmean(x * x * x, 1),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_to_the_third(name):
    agree(SMOOTH[name], values(3, 4, 2))


@pytest.mark.parametrize("name", SMOOTH)
def test_non_contiguous_operands(name):
    x = values(4, 2, 3).transpose(2, 0, 1)
    f = SMOOTH[name]
    got = f(tinydl, tinydl.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, f(tinydl, tinydl.tensor(x.copy())).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_nothing_assumes_numpy(name):
    with strict_device():
        x = tinydl.tensor(values(3, 4, 2), device="strict", requires_grad=True)
        (g,) = tinydl.autograd.grad(SMOOTH[name](tinydl, x).sum(), x, create_graph=True)
        (h,) = tinydl.autograd.grad(g.sum(), x, allow_unused=True)
        assert g.device.type == "strict" and (h is None or h.device.type == "strict")


WHOLE = {
    "unique": (), "unique_consecutive": (), "mode": (), "median": (), "argmax": (), "bincount": (),
    "floor_divide": (3,), "remainder": (2,), "pow": (2,), "all": (), "cummin": (0,), "msort": (),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_assumes_numpy_with_integers(name):
    with strict_device():
        x = tinydl.tensor([3, 1, 1, 2], device="strict")
        got = getattr(tinydl, name)(x, *WHOLE[name])
        expected = getattr(tinydl, name)(x.cpu(), *WHOLE[name])
        pairs = zip(got, expected) if isinstance(got, tuple) else [(got, expected)]
        assert all(a.tolist() == b.tolist() for a, b in pairs)


@pytest.mark.parametrize("zeros", [1, 2, 3])
@pytest.mark.parametrize("name", ["prod", "prod of all", "cumprod"])
def test_products_with_zeros(name, zeros):
    x = values(2, 5, 1)
    x[1, :zeros, 0] = 0
    agree(SMOOTH[name], x)


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "median", "aminmax"])
def test_equal_elements_share_the_gradient_over_all(name):
    def function(lib, x):
        out = getattr(lib, name)(x * x)
        return sum(out) if isinstance(out, tuple) else out

    agree(function, np.array([1.0, 2.0, 2.0, 1.0, 2.0]), 2)


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_equal_elements_share_the_gradient_along_a_dimension(name):
    x = np.array([[1.0, 3, 3], [2, 2, 1]])
    agree(lambda lib, x: getattr(lib, name)(x * x, 1), x, 2)


@pytest.mark.parametrize("name", ["max", "min", "cummax", "cummin", "median", "mode", "argmax"])
def test_indices_of_equal_elements_are_pytorchs(name):
    x = np.array([[1.0, 3, 3, 1, 3], [2, 2, 1, 1, 5], [4, 4, 4, 4, 4]])
    if name == "median":  # PyTorch's choice among equal ones is not defined
        x = x[:2, [0, 1, 4]]
    theirs = getattr(torch, name)(torch.tensor(x), 1)
    ours = getattr(tinydl, name)(tinydl.tensor(x), 1)
    for a, b in zip(theirs, ours):
        np.testing.assert_array_equal(b.numpy(), a.numpy())


@pytest.mark.parametrize("name", ["max", "min", "cummax", "cummin", "median", "nanmedian", "sort", "logcumsumexp"])
def test_nan_along_a_dimension(name):
    x = np.array([[1.0, math.nan, 3, 0], [math.nan, math.nan, 1, 2], [2, 5, 1, 7]])
    theirs = getattr(torch, name)(torch.tensor(x), 1)
    ours = getattr(tinydl, name)(tinydl.tensor(x), 1)
    first = slice(None) if name == "logcumsumexp" else 0
    np.testing.assert_array_equal(ours[first].numpy(), theirs[first].numpy())


def test_infinities():
    x = np.array([[-math.inf, -math.inf, 1.0], [-math.inf, 2.0, 700.0], [900.0, -900.0, 0.0]])
    agree(lambda lib, x: lib.logsumexp(x, 1), x, 1)
    theirs = torch.logcumsumexp(torch.tensor(x), 1)
    t = tinydl.tensor(x, requires_grad=True)
    y = tinydl.logcumsumexp(t, 1)
    np.testing.assert_allclose(y.detach().numpy(), theirs.numpy())
    (g,) = tinydl.autograd.grad(y[:, 2].sum(), t)
    np.testing.assert_allclose(g.numpy(), torch.softmax(torch.tensor(x), 1).numpy(), atol=1e-300)
    x[1, 1] = math.inf
    assert tinydl.logsumexp(tinydl.tensor(x), 1).tolist()[1] == math.inf


def test_logsumexp_of_nothing_but_minus_infinity_has_gradient_zero():
    x = tinydl.tensor([-math.inf, -math.inf], requires_grad=True)
    tinydl.logsumexp(x, 0).backward()
    assert x.grad.tolist() == [0, 0]


def test_std_of_equal_elements_has_gradient_zero():
    agree(lambda lib, x: lib.std(x, 0), np.array([[1.0, 2], [1, 3]]), 1)


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "cumsum", "cumprod", "logcumsumexp", "logsumexp", "norm"])
def test_dimensions_of_a_0d_tensor(name, dim):
    at = (2, dim) if name == "norm" else (dim,)
    agree(lambda lib, x: getattr(lib, name)(x * x, *at), np.array(1.5), 2)


@pytest.mark.parametrize("name", ["max", "sort", "topk", "median", "mode", "kthvalue", "cummin"])
def test_indices_of_a_0d_tensor(name):
    at = (1, 0) if name in ("topk", "kthvalue") else (0,)
    value, index = getattr(tinydl, name)(tinydl.tensor(7.0), *at)
    assert value.item() == 7 and index.item() == 0 and value.shape == index.shape == ()


def test_nothing():
    x = np.zeros((0, 3))
    for name in ("sum", "prod", "logsumexp", "cumsum", "cumprod", "sort", "all", "any"):
        theirs = getattr(torch, name)(torch.tensor(x), 0)
        ours = getattr(tinydl, name)(tinydl.tensor(x), 0)
        theirs, ours = (theirs[0], ours[0]) if name == "sort" else (theirs, ours)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), name)
    for name in ("amax", "max", "argmin", "median", "mode"):
        with pytest.raises(IndexError, match=f"{name}: dimension 0 of shape .* has size 0"):
            getattr(tinydl, name)(tinydl.tensor(x), 0)
    assert math.isnan(tinydl.tensor(x).mean().item())
    assert math.isnan(tinydl.var(tinydl.tensor([1.0])).item())


# ---------------------------------------------------------------- random cases
small = st.integers(-3, 3).map(float)


def matrices(columns=6):
    row = st.lists(small, min_size=columns, max_size=columns)
    return st.lists(row, min_size=1, max_size=4).map(np.array)


@given(matrices(), st.integers(0, 6), st.sampled_from([0, 1]), st.booleans())
def test_topk_is_the_head_of_a_sort(x, k, dim, largest):
    k = min(k, x.shape[dim])
    got, places = tinydl.topk(tinydl.tensor(x), k, dim, largest)
    ranked = np.sort(x, dim)
    ranked = np.flip(ranked, dim) if largest else ranked
    np.testing.assert_array_equal(got.numpy(), np.take(ranked, range(k), dim))
    np.testing.assert_array_equal(np.take_along_axis(x, places.numpy(), dim), got.numpy())


@given(matrices(), st.booleans())
def test_sort_is_stable(x, descending):
    got = tinydl.sort(tinydl.tensor(x), 1, descending)
    expected = torch.sort(torch.tensor(x), dim=1, descending=descending, stable=True)
    np.testing.assert_array_equal(got.indices.numpy(), expected.indices.numpy())
    np.testing.assert_array_equal(got.values.numpy(), expected.values.numpy())


@given(matrices(), st.booleans())
def test_searchsorted_in_rows(x, right):
    rows, wanted = np.sort(x, 1), x[:, ::-1][:, :4].copy()
    got = tinydl.searchsorted(tinydl.tensor(rows), tinydl.tensor(wanted), right=right)
    for row, w, found in zip(rows, wanted, got.numpy()):
        assert found.tolist() == np.searchsorted(row, w, "right" if right else "left").tolist()


@given(matrices(3))
def test_mode_is_the_smallest_of_the_most_frequent(x):
    got = tinydl.mode(tinydl.tensor(x), 1)
    for row, value, index in zip(x.tolist(), got.values.tolist(), got.indices.tolist()):
        assert value == min(row, key=lambda v: (-row.count(v), v))
        assert index == max(i for i, v in enumerate(row) if v == value)


@given(matrices(), st.sampled_from([None, 0, 1]))
def test_unique(x, dim):
    theirs = torch.unique(torch.tensor(x), return_inverse=True, return_counts=True, dim=dim)
    ours = tinydl.unique(tinydl.tensor(x), return_inverse=True, return_counts=True, dim=dim)
    for a, b in zip(theirs, ours):
        np.testing.assert_array_equal(b.numpy(), a.numpy())


@given(matrices(), st.sampled_from([None, 0, 1]))
def test_unique_consecutive(x, dim):
    arguments = {"return_inverse": True, "return_counts": True, "dim": dim}
    theirs = torch.unique_consecutive(torch.tensor(x), **arguments)
    for a, b in zip(theirs, tinydl.unique_consecutive(tinydl.tensor(x), **arguments)):
        np.testing.assert_array_equal(b.numpy(), a.numpy())


@given(
    matrices(),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
    st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]),
    st.booleans(),
)
def test_quantiles(x, dim, keepdim, interpolation, with_nan):
    if with_nan:
        x[0, 0] = math.nan
    q = np.array([0.0, 0.2, 0.5, 1.0])
    for name in ("quantile", "nanquantile"):
        for level in (q, 0.4):
            a, b = (level, level) if level is not q else (torch.tensor(q), tinydl.tensor(q))
            options = {"interpolation": interpolation}
            theirs = getattr(torch, name)(torch.tensor(x), a, dim, keepdim, **options)
            ours = getattr(tinydl, name)(tinydl.tensor(x), b, dim, keepdim, **options)
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12, atol=1e-12)


def test_the_linear_recurrence_by_hand_and_its_derivatives():
    from tinydl.autograd.graph import OPS

    recurrence = OPS["recurrence"]
    for reverse in (False, True):
        x, a = values(2, 5), values(2, 5)
        y, h = np.zeros((2, 5)), 0
        for i in range(4, -1, -1) if reverse else range(5):
            y[:, i] = h = x[:, i] + a[:, i] * h
        got = recurrence(tinydl.tensor(x), tinydl.tensor(a), 1, reverse)
        np.testing.assert_allclose(got.numpy(), y)

        def loop(lib, t, reverse=reverse):
            if lib is tinydl:
                return recurrence(t * t, lib.sin(t), 1, reverse)
            out, h = [None] * 5, 0
            for i in range(4, -1, -1) if reverse else range(5):
                out[i] = h = t[:, i] ** 2 + lib.sin(t[:, i]) * h
            return lib.stack(out, 1)

        agree(loop, x)


def test_counting():
    x = np.array([1, 5, 1, 0])
    w = values(4)
    np.testing.assert_array_equal(tinydl.bincount(tinydl.tensor(x), minlength=8).numpy(), np.bincount(x, minlength=8))
    np.testing.assert_allclose(tinydl.bincount(tinydl.tensor(x), tinydl.tensor(w)).numpy(), np.bincount(x, w))
    v = values(50)
    for limits in ((0, 0), (-1, 1)):
        theirs = torch.histc(torch.tensor(v), 7, *limits)
        np.testing.assert_array_equal(tinydl.histc(tinydl.tensor(v), 7, *limits), theirs)


# ---------------------------------------------------------------- special functions
@pytest.mark.parametrize("name", ["entr", "erfcx", "i0", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "ndtri", "psi"])
def test_special_functions(name):
    x = np.array([0.1, 0.4, 0.9])
    agree(lambda lib, x: getattr(special(lib), name)(x), x, 2)


def special(lib):
    return importlib.import_module(f"{lib.__name__}.special")


def test_special_functions_of_two():
    x = np.array([0.0, 0.4, 2.0])
    agree(lambda lib, x: special(lib).xlog1py(x, x * x), x, 2)
    agree(lambda lib, x: special(lib).multigammaln(x + 2, 3), x, 2)


def test_third_derivative_of_i1_at_zero():
    x = tinydl.tensor([0.0], dtype=tinydl.float64, requires_grad=True)
    y = special(tinydl).i1(x)
    for expected in (0.5, 0.0, 3 / 8):
        (y,) = tinydl.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(expected)
