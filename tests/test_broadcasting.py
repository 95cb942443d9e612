"""Broadcasting of operations on two tensors: any two shapes, values and gradients, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from oracle import oracle

import tinydl

torch = oracle()

OPERATIONS = {
    "add": lambda lib, a, b: a + b,
    "sub": lambda lib, a, b: lib.sub(a, b, alpha=2),
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / b,
    "pow": lambda lib, a, b: lib.pow(a, b),
    "maximum": lambda lib, a, b: lib.maximum(a, b),
    "atan2": lambda lib, a, b: lib.atan2(a, b),
    "hypot": lambda lib, a, b: lib.hypot(a, b),
    "remainder": lambda lib, a, b: a % b,
    "where": lambda lib, a, b: lib.where(a > b, a, b),
    "logaddexp": lambda lib, a, b: lib.logaddexp(a, b),
}
PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4)


def run(lib, operation, values, needs):
    """The result, the gradients of those that need one, and the gradient of a function of these."""
    leaves = [lib.tensor(v, requires_grad=n) for v, n in zip(values, needs)]
    y = OPERATIONS[operation](lib, *leaves)
    if not any(needs):
        return [y]
    wanted = [x for x in leaves if x.requires_grad]
    weights = np.cos(np.arange(y.numel())).reshape(tuple(y.shape))
    first = lib.autograd.grad(y, wanted, lib.tensor(weights), create_graph=True)
    again = sum((g * g).sum() for g in first)
    second = lib.autograd.grad(again, wanted, allow_unused=True) if again.requires_grad else ()
    return [y, *first, *(lib.zeros_like(x) if g is None else g for x, g in zip(wanted, second))]


@settings(max_examples=150)
@given(shapes=PAIRS, operation=st.sampled_from(sorted(OPERATIONS)), needs=st.tuples(st.booleans(), st.booleans()))
def test_any_two_shapes(shapes, operation, needs):
    rng = np.random.default_rng(1)
    values = [rng.uniform(0.5, 3, shape) for shape in shapes.input_shapes]
    mine, theirs = (run(lib, operation, values, needs) for lib in (tinydl, torch))
    assert tuple(mine[0].shape) == shapes.result_shape
    for a, b in zip(mine, theirs):
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert len(mine) == len(theirs) or not any(t.abs().sum() for t in theirs[len(mine) :])


shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(max_examples=100)
@given(a=shapes, b=shapes, operation=st.sampled_from(sorted(OPERATIONS)))
def test_shapes_that_do_not_fit_are_refused_as_there(a, b, operation):
    values = [np.ones(shape) for shape in (a, b)]
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        for lib in (tinydl, torch):
            with pytest.raises((ValueError, RuntimeError)) as error:
                OPERATIONS[operation](lib, *map(lib.tensor, values))
            if lib is tinydl:
                assert "do not broadcast" in str(error.value)
                assert str(a) in str(error.value) and str(b) in str(error.value)
    else:
        assert tuple(OPERATIONS[operation](tinydl, *map(tinydl.tensor, values)).shape) == expected
