"""The judges themselves: gradcheck finds each kind of fault, assert_close tells what differs;
Jacobians and Hessians.
"""

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd
from tinydl.autograd import functional
from tinydl.testing import GradcheckError, assert_close, gradcheck, gradgradcheck

torch = oracle()


def leaf(*shape, seed=0, lib=tinydl):
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def with_backward(backward, forward=lambda x: x * x):
    """A function of one tensor whose derivative is what `backward(x, g)` says."""

    class Claimed(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, *gs):
            return backward(*ctx.saved_tensors, *gs)

    return Claimed.apply


# ---------------------------------------------------------------- gradcheck
@pytest.mark.parametrize("fast_mode", [False, True, None])
def test_a_right_gradient_passes(fast_mode):
    assert gradcheck(lambda x, y: (x * y).tanh(), (leaf(2, 3), leaf(3)), fast_mode=fast_mode, order=2)
    assert gradcheck(with_backward(lambda x, g: 2 * x * g), leaf(3), fast_mode=fast_mode, order=3)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_wrong_gradient_is_found(fast_mode):
    wrong = with_backward(lambda x, g: 2.01 * x * g)
    with pytest.raises(GradcheckError, match="input 0"):
        gradcheck(wrong, leaf(3), fast_mode=fast_mode)
    assert gradcheck(wrong, leaf(3), fast_mode=fast_mode, raise_exception=False) is False


def test_the_message_says_where():
    def wrong_in_one_place(x, g):
        mask = np.ones((2, 3))
        mask[1, 2] = 3
        return 2 * x * g * tinydl.tensor(mask)

    with pytest.raises(GradcheckError) as error:
        gradcheck(with_backward(wrong_in_one_place), leaf(2, 3))
    text = str(error.value)
    assert "1 of 36 entries differ" in text
    assert "d output[1, 2] / d input[1, 2]" in text and "by backward" in text and "by differences" in text


def test_a_missing_dependence_is_found():
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(lambda x, y: x * y.detach(), (leaf(3), leaf(3)))


def test_a_wrong_second_derivative_is_found():
    half = with_backward(lambda x, g: 2 * x.detach() * g)
    assert gradcheck(half, leaf(3))
    with pytest.raises(GradcheckError):
        gradcheck(half, leaf(3), order=2)
    with pytest.raises(GradcheckError):
        gradgradcheck(half, leaf(3))
    assert not gradgradcheck(half, leaf(3), raise_exception=False)


def test_a_gradient_that_assumes_a_contiguous_cotangent_is_found():
    def by_memory(x, g):
        flat = np.lib.stride_tricks.as_strided(g.array, (3,), (8,))  # reads on as if it were
        return 2 * x * tinydl.tensor(np.array(flat))

    with pytest.raises(GradcheckError, match="cotangent is not contiguous"):
        gradcheck(with_backward(by_memory), leaf(3))


def test_chance_is_found():
    rng = np.random.default_rng(0)
    noisy = with_backward(lambda x, g: 2 * x * g * (1 + 1e-9 * float(rng.standard_normal())))
    with pytest.raises(GradcheckError, match="two backward passes differ for input 0"):
        gradcheck(noisy, leaf(3))
    assert gradcheck(noisy, leaf(3), nondet_tol=1e-6)
    with pytest.raises(GradcheckError, match="differs when the function is called again"):
        gradcheck(lambda x: x * float(rng.standard_normal()), leaf(3))


def test_a_function_that_writes_to_its_input_is_found():
    def sneaky(x, y):
        out = x * y
        y.array[0] += 1
        return out

    with pytest.raises(GradcheckError, match="wrote to input 1|called again"):
        gradcheck(sneaky, (leaf(3), tinydl.ones(3, dtype=tinydl.float64)))


def test_a_gradient_that_forgets_unused_outputs_is_found():
    class Two(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return None if a is None or b is None else 2 * a + 3 * b

    with pytest.raises(GradcheckError):
        gradcheck(Two.apply, leaf(3))


def test_several_outputs_some_without_gradient():
    assert gradcheck(lambda x: (x * 2, (x > 1), x.sum(), x.detach()), leaf(3), order=2)


def test_inputs_that_cannot_be_checked_are_refused():
    with pytest.raises(ValueError, match="at least one input that requires grad"):
        gradcheck(lambda x: x, tinydl.ones(3))
    with pytest.raises(GradcheckError, match="no output requires grad"):
        gradcheck(lambda x: x.detach(), leaf(3))
    with pytest.raises(RuntimeError, match="repeats its memory"):
        gradcheck(lambda x: x, leaf(1).expand(3))
    with pytest.warns(UserWarning, match="float32; differences need float64"):
        gradcheck(lambda x: x * 2, tinydl.ones(2, requires_grad=True), eps=1e-2)
    with pytest.raises(NotImplementedError, match="check_forward_ad"):
        gradcheck(lambda x: x, leaf(3), check_forward_ad=True)


def test_sizes_of_zero_and_no_dimensions():
    assert gradcheck(lambda x: x.exp(), leaf(0, 3), order=2)
    assert gradcheck(lambda x: x.exp(), leaf(), order=2)


def test_gradgradcheck_takes_cotangents():
    g = tinydl.tensor([1.0, 2.0, 3.0], dtype=tinydl.float64)
    assert gradgradcheck(lambda x: x.sin(), leaf(3), g, gen_non_contig_grad_outputs=True)


# ---------------------------------------------------------------- assert_close
def test_close_things_pass():
    x = tinydl.ones(3)
    assert_close(x, x + 1e-6)
    assert_close({"a": [x, 1.0]}, {"a": [x, 1.0]})
    assert_close(x, np.ones(3, "float32"))
    assert_close(x, x.to(tinydl.float64), check_dtype=False)
    nan = tinydl.tensor([float("nan")])
    assert_close(nan, nan, equal_nan=True)
    assert_close(None, None)
    assert_close(tinydl.ones(0), tinydl.ones(0))


@pytest.mark.parametrize(
    "a, b, text",
    [
        (tinydl.ones(3), tinydl.ones(4), r"shapes differ: \(3,\) and \(4,\)"),
        (tinydl.ones(3), tinydl.ones(3, dtype=tinydl.float64), "dtypes differ: float32 and float64"),
        (
            tinydl.tensor([1.0, 2.0]),
            tinydl.tensor([1.0, 3.0]),
            r"1 of 2 elements(.|\n)*1 \(.*at \(1,\): got 2, expected 3",
        ),
        ([1, [2]], [1, [3]], r"values differ at \[1\]\[0\]"),
        ({"a": 1}, {"b": 1}, "keys differ"),
        ([1], [1, 2], "lengths differ: 1 and 2"),
        (tinydl.tensor([float("nan")]), tinydl.tensor([float("nan")]), "values differ"),
        (tinydl.tensor([1]), tinydl.tensor([2]), "allowed: atol 0"),
        ("text", 1.0, "cannot compare: str and float"),
    ],
)
def test_what_differs_is_said(a, b, text):
    with pytest.raises(AssertionError, match=text):
        assert_close(a, b)


def test_tolerances_and_messages_are_ones_own():
    assert_close(1.0, 1.1, rtol=0.2, atol=0)
    with pytest.raises(ValueError, match="give rtol and atol, or neither"):
        assert_close(1.0, 1.1, rtol=0.2)
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match="^mine: values differ"):
        assert_close(1, 2, msg=lambda text: "mine: " + text)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_default_tolerances_are_pytorchs(dtype):
    for k in (1, 3):
        for size in 10.0 ** np.arange(-9, -1):
            a, b = np.array([1.0, 100.0]), np.array([1.0, 100.0 * (1 + k * size)])
            verdicts = []
            for lib, close in ((tinydl, assert_close), (torch, torch.testing.assert_close)):
                try:
                    close(lib.tensor(a, dtype=getattr(lib, dtype)), lib.tensor(b, dtype=getattr(lib, dtype)))
                    verdicts.append(True)
                except AssertionError:
                    verdicts.append(False)
            assert verdicts[0] == verdicts[1], (size, k)


# ---------------------------------------------------------------- Jacobians and Hessians
def mixed(x, y):
    return (x.exp() * y.sum(), (x * x).sum() * y)


def scalar(x, y):
    return ((x * y[:2]).sin()).sum() + (y**3).sum()


FUNCTIONAL = {
    "jacobian": lambda f, x, y, u, v: (f.jacobian(mixed, (x, y)), f.jacobian(lambda x: x.sin(), x)),
    "hessian": lambda f, x, y, u, v: (f.hessian(scalar, (x, y)), f.hessian(lambda x: (x**3).sum(), x)),
    "vjp": lambda f, x, y, u, v: (f.vjp(mixed, (x, y), (u, v)), f.vjp(lambda x: x.sin().sum(), x)),
    "jvp": lambda f, x, y, u, v: (f.jvp(mixed, (x, y), (u, v)), f.jvp(lambda x: x * x, x, u)),
    "hvp": lambda f, x, y, u, v: (f.hvp(scalar, (x, y), (u, v)), f.hvp(lambda x: (x**3).sum(), x, u)),
    "vhp": lambda f, x, y, u, v: (f.vhp(scalar, (x, y), (u, v)), f.vhp(lambda x: (x**3).sum(), x, u)),
    "linear": lambda f, x, y, u, v: (f.hessian(lambda x: x.sum(), x), f.hvp(lambda x: x.sum(), x, u)),
}


def flat(found):
    return [x for part in found for x in flat(part)] if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_products_and_matrices_of_derivatives(name):
    found = {}
    for lib, module in ((tinydl, functional), (torch, torch.autograd.functional)):
        args = leaf(2, lib=lib), leaf(3, seed=1, lib=lib), leaf(2, seed=2, lib=lib), leaf(3, seed=3, lib=lib)
        found[lib] = flat(FUNCTIONAL[name](module, *[a.detach() for a in args]))
    assert len(found[tinydl]) == len(found[torch])
    for mine, theirs in zip(found[tinydl], found[torch]):
        assert mine.shape == tuple(theirs.shape) and not mine.requires_grad
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-12)


def test_derivatives_of_derivatives():
    x = leaf(2)
    h = functional.hessian(lambda x: (x**4).sum(), x, create_graph=True)
    (g,) = autograd.grad(h.sum(), x)
    np.testing.assert_allclose(g.numpy(), 24 * x.detach().numpy())
    assert gradcheck(lambda x: functional.jacobian(lambda x: x.sin() * x.sum(), x, create_graph=True), x)


def test_inputs_are_not_touched():
    x = leaf(2)
    functional.jacobian(lambda x: x * x, x)
    assert x.grad is None
    with tinydl.no_grad():
        j = functional.jacobian(lambda x: x * x, x)
    np.testing.assert_allclose(j.numpy(), np.diag(2 * x.detach().numpy()))


def test_bad_arguments_of_functional():
    x = leaf(2)
    with pytest.raises(RuntimeError, match="hessian: the function must return a scalar"):
        functional.hessian(lambda x: x, x)
    with pytest.raises(RuntimeError, match=r"vjp: v has shapes \[\(3,\)\], the outputs \[\(2,\)\]"):
        functional.vjp(lambda x: x * 2, x, tinydl.ones(3))
    with pytest.raises(RuntimeError, match="v may be left out only where"):
        functional.vjp(lambda x: x * 2, x)
    with pytest.raises(RuntimeError, match="strict=True"):
        functional.jacobian(lambda x: tinydl.ones(2), x, strict=True)
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        functional.jacobian(lambda x, y: x * 2, (x, x), strict=True)
    with pytest.raises(TypeError, match="jacobian: input 0 must be a tensor, got float"):
        functional.jacobian(lambda x: x, (1.0,))
    with pytest.raises(TypeError, match="the function must return tensors"):
        functional.jacobian(lambda x: 3.0, x)
