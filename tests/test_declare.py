"""How operations are declared: rules, what they name, kernels, fused composites."""

import gc
import weakref

import numpy as np
import pytest

import tinydl
from tinydl import autograd
from tinydl.autograd import graph
from tinydl.autograd.engine import Array, by_category, op
from tinydl.autograd.fused import fused
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.testing import gradcheck


@pytest.fixture(autouse=True)
def declared():
    """Operations and kernels of a test are forgotten after it."""
    ops, kernels = dict(OPS), dict(CPU.kernels)
    yield
    for table, before in ((OPS, ops), (CPU.kernels, kernels)):
        table.clear()
        table.update(before)


def leaf(*shape, seed=0):
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return tinydl.tensor(values, dtype=tinydl.float64, requires_grad=True)


CONSTANT = leaf(3, seed=5).detach()


def close(mine, expected):
    expected = expected.detach().numpy() if hasattr(expected, "detach") else expected
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=1e-10)


# ---------------------------------------------------------------- declaration
def test_a_declared_operation_has_every_order():
    @op(promote=by_category)
    def my_product(xp, x: Array, other: Array, *, scale=1.0):
        """scale * x * other."""
        return xp.multiply(x, other) * scale

    my_product.grads(lambda g, other, scale: g * other * scale, lambda g, x, scale: g * x * scale)
    assert my_product.__doc__ == "scale * x * other." and my_product.__name__ == "my_product"
    x, w = leaf(2, 3), leaf(3, seed=1)
    assert gradcheck(lambda x, w: my_product(x, other=w, scale=3.0), (x, w), order=3)
    close(my_product(x, 2.0), 2 * x.detach().numpy())
    with pytest.raises(TypeError):
        my_product(x, w, 3.0)


def test_an_argument_for_anothers_gradient_alone_is_kept_only_then():
    @op
    def my_product(xp, x: Array, other: Array):
        """x * other."""
        return x * other

    seen = []

    def rule(g, x, other, needed):
        seen.append((x is None, other is None))
        return [g * other if needed[0] else None, g * x if needed[1] else None]

    my_product.grads_together(rule, only_for={"x": "other", "other": "x"})
    x, other = leaf(3), leaf(3, seed=1)
    assert gradcheck(my_product, (x, other), order=3)
    for given, missing, slope in (
        ((x, CONSTANT), (True, False), CONSTANT), ((CONSTANT, x), (False, True), CONSTANT),
        ((x, x), (False, False), 2 * x),
    ):  # fmt: skip
        y = my_product(*given)
        seen.clear()
        close(autograd.grad(y.sum(), x)[0], slope)
        assert seen == [missing]
    with pytest.raises(TypeError, match="only_for names .'wrong'."):
        my_product.grads_together(rule, only_for={"x": "wrong"})


def test_an_op_cannot_be_declared_twice():
    def body(xp, x: Array):
        return x

    body.__name__ = "declared_here"
    op(body)
    with pytest.raises(TypeError, match="op declared_here: declared twice"):
        op(body)
    with pytest.raises(TypeError, match="op exp: declared twice"):
        body.__name__ = "exp"
        op(body)


def test_rules_are_checked_when_they_are_declared():
    @op
    def pair(xp, x: Array, other: Array, k=1):
        return x

    with pytest.raises(TypeError, match="pair.grads: expected one rule for each of x, other, got 1"):
        pair.grads(lambda g: g)
    with pytest.raises(TypeError, match=r"pair: a rule names \['z'\]"):
        pair.grads(lambda g, z: g, None)


def test_a_rule_that_gives_the_wrong_shape_is_refused():
    @op
    def crooked(xp, x: Array):
        return x * 1

    crooked.grads(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"crooked: a gradient has shape \(\), the argument \(3,\)"):
        crooked(leaf(3)).sum().backward()


def test_a_rule_may_give_no_gradient():
    @op
    def flat(xp, x: Array, other: Array):
        return x * other

    flat.grads(lambda g: None, None)
    x, w = leaf(3), leaf(3)
    y = flat(x, w)
    assert y.requires_grad
    assert autograd.grad(y.sum(), x, allow_unused=True) == (None,)
    y.sum().backward()
    assert x.grad is None and w.grad is None
    assert not flat(x.detach(), w).requires_grad


def test_arguments_that_may_be_missing():
    @op
    def scaled_and_moved(xp, x: Array, w: Array | None, b: Array | None = None):
        y = x if w is None else x * w
        return y.copy() if b is None else y + b

    scaled_and_moved.grads(
        lambda g, w: g if w is None else g * w,
        lambda g, x: g * x,
        lambda g: g,
    )
    x, w, b = leaf(3), leaf(3, seed=1), leaf(3, seed=2)
    for args in [(x, w, b), (x, None, b), (x, w), (x, None), (x.detach(), w, None)]:
        assert gradcheck(scaled_and_moved, args, order=2)


def test_joint_rules_are_told_what_is_needed():
    asked = []

    @op
    def ratio(xp, x: Array, other: Array):
        return x / other

    def rule(g, y, other, needed):
        asked.append(tuple(needed))
        by_x = g / other
        return by_x, -by_x * y if needed[1] else None

    ratio.grads_together(rule)
    x, w = leaf(3), leaf(3, seed=1)
    assert gradcheck(ratio, (x, w), order=2)
    asked.clear()
    autograd.grad(ratio(x, w).sum(), x)
    ratio(x, w.detach()).sum().backward()
    assert asked == [(True, False), (True, False)]


def test_a_joint_rule_must_give_one_gradient_for_each_argument():
    @op
    def short(xp, x: Array, other: Array):
        return x * other

    short.grads_together(lambda g: (g,))
    with pytest.raises(RuntimeError, match="short: its rule gave 1 gradients for the arguments x, other"):
        short(leaf(3), leaf(3)).sum().backward()


@pytest.mark.parametrize("form", ["list", "star"])
def test_variadic_arguments(form):
    if form == "list":

        @op
        def weighted(xp, w: Array, xs: list[Array], k):
            return sum(x * w for x in xs) * k

        def call(w, *xs):
            return weighted(w, list(xs), 3.0)
    else:

        @op
        def weighted(xp, w: Array, *xs: Array, k=3.0):
            return sum(x * w for x in xs) * k

        call = weighted
    weighted.grads(
        lambda g, xs, k: sum(x * g for x in xs) * k,
        lambda g, w, xs_like, k: [g * w * k for _ in xs_like],
    )
    w, a, b = leaf(3), leaf(3, seed=1), leaf(3, seed=2)
    assert gradcheck(call, (w, a, b), order=2)
    assert gradcheck(call, (w.detach(), a, b.detach(), a), order=2)


def test_several_outputs_and_unused_ones():
    @op
    def both(xp, x: Array):
        return xp.sin(x), xp.cos(x)

    def rule(g, y):
        (a, b), (s, c) = g, y
        return (0 if a is None else a * c) - (0 if b is None else b * s)

    both.grads(rule)
    x = leaf(3)
    assert gradcheck(both, (x,), order=3)
    for k in (0, 1):
        assert gradcheck(lambda x, k=k: both(x)[k], (x,), order=3)


def test_integer_outputs_and_inputs_have_no_gradient():
    @op
    def top(xp, x: Array, index: Array):
        return x[index], index + 1

    top.grads(lambda g, index, x_like: OPS["scatter_top"](g[0], index, x_like.shape), None)

    @op
    def scatter_top(xp, g: Array, index: Array, shape):
        out = xp.zeros(shape, g.dtype)
        out[index] = g
        return out

    scatter_top.grads(lambda g, index: top(g, index)[0], None)
    x = leaf(5)
    value, index = top(x, tinydl.tensor([3, 1]))
    assert value.requires_grad and not index.requires_grad
    assert gradcheck(lambda x: top(x, tinydl.tensor([3, 1]))[0], (x,), order=2)


# ---------------------------------------------------------------- hidden outputs
def normalize(with_gradient):
    """x / |x|, whose length is a hidden output."""

    @op(hidden=("length",))
    def unit(xp, x: Array):
        length = xp.sqrt((x * x).sum())
        return x / length, xp.asarray(length)

    if with_gradient:
        unit.grads(lambda g, y, length, g_length: 0 if g is None and g_length is None else (
            (0 if g is None else (g - y * (g * y).sum()) / length) + (0 if g_length is None else g_length * y)
        ))  # fmt: skip
    else:
        unit.grads(lambda g, y, length: (g - y * (g * y).sum()) / length)
    return unit


def test_hidden_outputs_are_not_seen_and_are_differentiable():
    unit = normalize(True)
    x = leaf(3)
    assert isinstance(unit(x), tinydl.Tensor)
    assert gradcheck(unit, (x,), order=3)


def test_a_second_derivative_through_a_hidden_output_that_no_rule_takes_is_refused():
    unit = normalize(False)
    x = leaf(3)
    (g,) = autograd.grad(unit(x)[0], x, create_graph=True)
    with pytest.raises(RuntimeError, match="unit: its rules are not differentiable through 'length'"):
        autograd.grad(g.sum(), x)


def test_integer_hidden_outputs():
    @op(hidden=("order",))
    def ordered(xp, x: Array):
        order = xp.argsort(x)
        return x[order], order

    @op
    def unordered(xp, g: Array, order: Array):
        out = xp.empty_like(g)
        out[order] = g
        return out

    @op
    def taken(xp, x: Array, order: Array):
        return x[order]

    ordered.grads(lambda g, order: unordered(g, order))
    unordered.grads(lambda g, order: taken(g, order), None)
    taken.grads(lambda g, order: unordered(g, order), None)
    x = tinydl.tensor([3.0, 1.0, 2.0], dtype=tinydl.float64, requires_grad=True)
    assert gradcheck(lambda x: ordered(x) ** 2, (x,), order=2)


# ---------------------------------------------------------------- kernels
def test_a_kernel_runs_in_the_bodys_place():
    @op
    def doubled(xp, x: Array, k=2):
        return x * k

    doubled.grads(lambda g, k: doubled(g, k))
    calls = []

    def kernel(x, k):
        calls.append(x.dtype.char)
        return x * k if x.dtype.char == "d" else NotImplemented

    CPU.kernels["doubled"] = kernel
    x = leaf(3)
    doubled(x).sum().backward()
    assert calls == ["d", "d"]
    close(x.grad, [2, 2, 2])
    close(doubled(tinydl.ones(2)), [2, 2])  # declined: the body runs
    assert calls == ["d", "d", "f"]


# ---------------------------------------------------------------- fused composites
@pytest.fixture
def composite():
    """a * sin(b) with a kernel and a gradient kernel that count their calls."""

    @fused(hidden=("s",))
    def wave(a: Array, b: Array, k):
        return a * b.sin() * k

    counts = {"body": 0, "kernel": 0, "grad": 0}
    body = wave.op.body

    def counted(*args):
        counts["body"] += 1
        return body(*args)

    def kernel(a, b, k):
        if a.dtype != b.dtype or a.dtype.char != "d" or k < 0:
            return NotImplemented
        counts["kernel"] += 1
        s = np.sin(b)
        return a * s * k, s

    def gradient(g, a, b, k, s, needed):
        counts["grad"] += 1
        if k == 7:
            return NotImplemented
        assert g.shape == s.shape
        return [g * s * k if needed[0] else None, g * a * np.cos(b) * k if needed[1] else None]

    wave.op.body = counted
    CPU.kernels["wave"], CPU.kernels["wave_grad"] = kernel, gradient
    wave.counts = counts
    return wave


def test_first_order_takes_the_gradient_kernel(composite):
    a, b = leaf(3), leaf(3, seed=1)
    composite(a, b, 2).sum().backward()
    assert composite.counts == {"body": 0, "kernel": 1, "grad": 1}
    close(a.grad, 2 * np.sin(b.detach().numpy()))
    close(b.grad, 2 * (a.detach().numpy() * np.cos(b.detach().numpy())))


def test_higher_orders_take_the_body(composite):
    a, b = leaf(3), leaf(3, seed=1)
    assert gradcheck(lambda a, b: composite(a, b, 2), (a, b), order=3)
    composite.counts.update(body=0, grad=0)
    autograd.grad(composite(a, b, 2).sum(), [a, b], create_graph=True)
    assert composite.counts["body"] == 1 and composite.counts["grad"] == 0  # once for all arguments


@pytest.mark.parametrize(
    "function",
    [
        lambda f, x: f(x, x.exp()),
        lambda f, x: f(x, x),
        lambda f, x: f(x * x, x),
        lambda f, x: f(f(x, x, 1), x, 1),
        lambda f, x: f(x, CONSTANT) + f(CONSTANT, x),
    ],
    ids=["f(x, h(x))", "f(x, x)", "f(h(x), x)", "f(f(x, x), x)", "constants"],
)
def test_inputs_that_depend_on_each_other(composite, function):
    def with_kernel(x):
        return function(lambda a, b, k=2: composite(a, b, k), x)

    def plain(x):
        return function(lambda a, b, k=2: a * b.sin() * k, x)

    x = leaf(3)
    assert gradcheck(with_kernel, (x,), order=3)
    mine, expected = with_kernel(x), plain(x)
    for _ in range(4):
        close(mine, expected)
        (mine,) = autograd.grad(mine.sum(), x, create_graph=True)
        (expected,) = autograd.grad(expected.sum(), x, create_graph=True)


def test_declined_kernels_run_the_body(composite):
    a, b = leaf(3), leaf(3, seed=1)
    composite(a, b, -1).sum().backward()  # the kernel declines
    assert composite.counts == {"body": 1, "kernel": 0, "grad": 0}
    close(a.grad, -np.sin(b.detach().numpy()))
    a.grad = b.grad = None
    composite(a, b, 7).sum().backward()  # its gradient does
    assert composite.counts == {"body": 2, "kernel": 1, "grad": 1}
    close(a.grad, 7 * np.sin(b.detach().numpy()))
    composite(leaf(3).to(tinydl.float32), b, 2)  # a mixture of types
    assert composite.counts["kernel"] == 1


def test_a_chain_of_fused_operations_takes_linear_time(composite, monkeypatch):
    """Each step's inner gradient stops at its own inputs: it neither runs other bodies nor looks below."""
    visited = []
    reachable = graph._reachable

    def counted(*args):
        visited.append(len(found := reachable(*args)))
        return found

    monkeypatch.setattr(graph, "_reachable", counted)

    def first_derivative(n):
        x = leaf(3)
        y = x
        for _ in range(n):
            y = composite(y, x, 1)
        visited.clear()
        composite.counts["body"] = 0
        (g,) = autograd.grad(y.sum(), x, create_graph=True)
        assert composite.counts["body"] == n
        return x, g, sum(visited)

    x, g, steps = first_derivative(50)
    assert first_derivative(200)[2] < 5 * steps
    (h,) = autograd.grad(g.sum(), x)
    x = x.detach().numpy()
    s, c, n = np.sin(x), np.cos(x), 50  # y = x sin(x)^n
    close(g, s**n + n * x * s ** (n - 1) * c)
    close(h, 2 * n * s ** (n - 1) * c + n * (n - 1) * x * s ** (n - 2) * c**2 - n * x * s**n)


def test_a_fused_operation_makes_no_cycle(composite):
    x = leaf(3)
    gc.collect()
    gc.disable()
    try:
        y = composite(x, x.exp(), 2)
        dead = weakref.ref(y.grad_fn)
        (g,) = autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
        del y, g
        x.grad = None
        assert dead() is None
    finally:
        gc.enable()


def test_an_overwritten_operand_of_a_fused_operation_is_refused(composite):
    a = leaf(3) * 1
    y = composite(a, leaf(3), 2)
    a.add_(1)
    with pytest.raises(RuntimeError, match="wave: an operand .* overwritten in place by add_"):
        y.sum().backward()


def test_without_a_kernel_a_composite_is_its_body():
    @fused
    def halved(x: Array, k=0.5):
        """k * x."""
        return x * k

    assert halved.__doc__ == "k * x."
    x = leaf(3)
    halved(x).sum().backward()
    close(x.grad, [0.5] * 3)
