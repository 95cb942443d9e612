"""Operations of one's own, checkpoints, and the hunt for NaN."""

import linecache
import re

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd
from tinydl.autograd.function import once_differentiable
from tinydl.testing import gradcheck

torch = oracle()


def leaf(*shape, seed=0, lib=tinydl):
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def close(mine, theirs):
    theirs = theirs.detach().numpy() if hasattr(theirs, "detach") else theirs
    np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=1e-10)


# ---------------------------------------------------------------- Function
class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Exp(autograd.Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Scale(autograd.Function):
    """forward and setup_context apart, an argument that is no tensor, attributes of ctx."""

    @staticmethod
    def forward(x, factor, w):
        return x * factor * w

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.factor, w = inputs
        ctx.save_for_backward(x, w, None)

    @staticmethod
    def backward(ctx, g):
        x, w, nothing = ctx.saved_tensors
        assert nothing is None
        return g * ctx.factor * w, None, (g * ctx.factor * x if ctx.needs_input_grad[2] else None)


@pytest.mark.parametrize("function", [Cube.apply, Exp.apply, lambda x: Scale.apply(x, 3.0, x * x)])
def test_a_function_has_every_derivative(function):
    assert gradcheck(function, (leaf(2, 3),), order=3)


def test_needs_input_grad_says_what_is_wanted():
    x, w = leaf(3), tinydl.ones(3, dtype=tinydl.float64)
    Scale.apply(x, 2.0, w).sum().backward()
    close(x.grad, [2, 2, 2])


class Parts(autograd.Function):
    """Several outputs, one of them of integers, one declared constant."""

    @staticmethod
    def forward(ctx, x):
        order = (x > 1).to(tinydl.int64)
        top = x.amax()
        ctx.mark_non_differentiable(top)
        ctx.save_for_backward(x)
        return x * 2, order, x * x, top

    @staticmethod
    def backward(ctx, a, order, b, top):
        (x,) = ctx.saved_tensors
        Parts.seen = a, order, b
        return a * 2 + b * 2 * x


def test_several_outputs():
    x = leaf(3)
    a, order, b, top = Parts.apply(x)
    assert a.requires_grad and b.requires_grad
    assert not order.requires_grad and not top.requires_grad
    (a + b).sum().backward()
    close(x.grad, 2 + 2 * x.detach().numpy())


def test_unused_outputs_come_as_zeros():
    x = leaf(3)
    Parts.apply(x)[0].sum().backward()
    close(Parts.seen[2], [0, 0, 0])


def test_unused_outputs_come_as_none_if_asked():
    class Two(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert b is None
            return a * 2

    x = leaf(2)
    Two.apply(x)[0].sum().backward()
    close(x.grad, [2, 2])


class Square_(autograd.Function):
    """Writes to its argument."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.clone())
        ctx.mark_dirty(x)
        return x.mul_(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def test_mark_dirty():
    x = leaf(3)
    y = x * 1
    view = y[1:]
    out = Square_.apply(y)
    assert out is y
    (y.sum() + view.sum()).backward()
    close(x.grad, 2 * x.detach().numpy() * [1, 2, 2])
    with pytest.raises(RuntimeError, match="a leaf that requires grad was written"):
        Square_.apply(leaf(3))
    with pytest.raises(RuntimeError, match="a view cannot be marked dirty"):
        Square_.apply((leaf(3) * 1)[1:])


def test_an_undeclared_write_is_refused():
    class Sneaky(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            return x * 2

    with pytest.raises(RuntimeError, match="Sneaky.forward: wrote to an argument; declare it by ctx.mark_dirty"):
        Sneaky.apply(leaf(3) * 1)


class Identity(autograd.Function):
    """Returns its argument as it is, or a view of it."""

    @staticmethod
    def forward(ctx, x, view):
        return x[:] if view else x

    @staticmethod
    def backward(ctx, g):
        return 10 * g, None


@pytest.mark.parametrize("view", [False, True])
def test_an_output_on_the_arguments_memory(view):
    x = leaf(3)
    y = x * 1
    z = Identity.apply(y, view)
    assert z is not y
    (z.sum() + y.sum()).backward()
    close(x.grad, [11, 11, 11])
    with pytest.raises(RuntimeError):  # as PyTorch: nobody could say what the gradient is
        z.add_(1)
    y.add_(1)
    with pytest.raises(RuntimeError, match="view was made within no_grad"):
        z.sum().backward()


def test_an_output_that_is_a_view_of_new_memory_may_be_written():
    class Fresh(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2).reshape(-1)

        @staticmethod
        def backward(ctx, g):
            return (g * 2).reshape(2, 2)

    x = leaf(2, 2)
    y = Fresh.apply(x)
    y.mul_(5)
    y.sum().backward()
    close(x.grad, np.full((2, 2), 10))


def test_a_saved_tensor_that_is_overwritten_is_refused():
    y = leaf(3) * 1
    z = Cube.apply(y)
    y.fill_(0)
    with pytest.raises(RuntimeError, match="Cube: an operand .* overwritten in place by fill_"):
        z.sum().backward()


def test_saved_tensors_are_freed():
    z = Cube.apply(leaf(3)).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="Cube: backward a second time"):
        z.backward()


def test_wrong_numbers_and_kinds_of_gradients_are_refused():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x, result):
            ctx.result = result
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return ctx.result

    def backward(result):
        Wrong.apply(leaf(3), result).sum().backward()

    with pytest.raises(RuntimeError, match="Wrong.backward: expected 2 gradients, .* got 1"):
        backward(tinydl.ones(3))
    with pytest.raises(TypeError, match="Wrong.backward: gradient 0 must be a tensor or None, got float"):
        backward((1.0, None))
    with pytest.raises(RuntimeError, match=r"Wrong: a gradient has shape \(5,\), the argument \(3,\)"):
        backward((tinydl.ones(5), None))
    backward((None, None))


def test_outputs_must_be_tensors():
    class Number(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 3.0

    with pytest.raises(TypeError, match="Number.forward: outputs must be tensors, got float"):
        Number.apply(leaf(3))


def test_nothing_is_recorded_without_need():
    assert not Cube.apply(tinydl.ones(3)).requires_grad
    with tinydl.no_grad():
        assert not Cube.apply(leaf(3)).requires_grad


@pytest.mark.parametrize("cotangent", ["constant", "dependent"])
def test_once_differentiable(cotangent):
    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    x = leaf(3)
    y = Once.apply(x)
    (g,) = autograd.grad(y.sum(), x, retain_graph=True)
    close(g, 3 * x.detach().numpy() ** 2)
    loss = y.sum() if cotangent == "constant" else (y * y).sum()
    (g,) = autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="Once.backward: is marked once_differentiable"):
        autograd.grad((g * g).sum(), x)


# ---------------------------------------------------------------- checkpoint
def block(x, w):
    h = (x * w).sin()
    return (h * h).exp() + x


def grads(run, order=1):
    x, w = leaf(4), leaf(4, seed=1)
    y = run(x, w).sum()
    for _ in range(order - 1):
        y = sum(g.sum() for g in autograd.grad(y, [x, w], create_graph=True))
    y.backward()
    return x.grad, w.grad


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_checkpoint_changes_no_gradient(order):
    plain = grads(block, order)
    for run in (
        lambda x, w: autograd.checkpoint(block, x, w),
        lambda x, w: autograd.checkpoint(lambda x: block(x, w), x),  # w is reached without being an argument
        lambda x, w: autograd.checkpoint(lambda x: autograd.checkpoint(block, x, w), x),
        lambda x, w: autograd.checkpoint(block, x, w=w, use_reentrant=False),
    ):
        for mine, expected in zip(grads(run, order), plain):
            np.testing.assert_array_equal(mine.detach().numpy(), expected.detach().numpy())


def test_a_checkpoint_keeps_nothing_and_runs_once_more():
    import weakref

    inside = []

    def count(x):
        y = x.sin()
        inside.append(weakref.ref(y.array))
        return y.exp().log()

    x = leaf(1000)
    y = autograd.checkpoint(count, x)
    assert [a() for a in inside] == [None]
    y.sum().backward()
    assert len(inside) == 2
    assert [a() for a in inside] == [None, None]


def test_several_outputs_of_a_checkpoint():
    x = leaf(3)
    a, b = autograd.checkpoint(lambda x: (x.exp(), {"b": x.sin()}), x)
    (a.sum() + b["b"].sum()).backward()
    close(x.grad, np.exp(x.detach().numpy()) + np.cos(x.detach().numpy()))


def test_backward_through_half_of_a_checkpoint_twice():
    x = leaf(3)
    a, b = autograd.checkpoint(lambda x: (x.exp(), x.sin()), x)
    a.sum().backward(retain_graph=True)
    b.sum().backward()
    close(x.grad, np.exp(x.detach().numpy()) + np.cos(x.detach().numpy()))


def test_random_numbers_are_drawn_again():
    drawn = []

    def noisy(x):
        drawn.append(tinydl.rand(4, dtype=tinydl.float64))
        return (x * drawn[-1]).exp()

    x = leaf(4)
    tinydl.manual_seed(7)
    y = autograd.checkpoint(noisy, x)
    tinydl.rand(1)  # somebody draws in between
    after = tinydl.random.get_rng_state()
    y.sum().backward()
    assert drawn[0].tolist() == drawn[1].tolist()
    assert tinydl.random.get_rng_state().tolist() == after.tolist()
    noise = drawn[0].numpy()
    close(x.grad, noise * np.exp(noise * x.detach().numpy()))


@pytest.mark.parametrize("changed", ["argument", "parameter", "in a list"])
def test_what_changed_since_is_refused(changed):
    x, w = leaf(3), leaf(3)
    y = x * 1
    run = {
        "argument": lambda: autograd.checkpoint(lambda y: (y + 1).exp(), y),
        "parameter": lambda: autograd.checkpoint(lambda y: (y + w).exp(), x * 1),
        "in a list": lambda: autograd.checkpoint(lambda ys: (ys[0] + 1).exp(), [y]),
    }[changed]
    z = run()
    with tinydl.no_grad():
        (w if changed == "parameter" else y).add_(1)
    with pytest.raises(RuntimeError, match="checkpoint: .* overwritten in place by add_"):
        z.sum().backward()


def test_a_function_that_does_something_else_is_refused():
    calls = []

    def moody(x):
        calls.append(1)
        return x.exp() if len(calls) == 1 else x.sin()

    z = autograd.checkpoint(moody, leaf(3))
    with pytest.raises(RuntimeError, match="checkpoint: the function did something else.*sin"):
        z.sum().backward()


def test_a_checkpoint_that_fails_leaves_no_trace():
    def fails(x):
        x.exp()
        raise KeyError

    with pytest.raises(KeyError):
        autograd.checkpoint(fails, leaf(3))
    x = leaf(3)
    x.exp().sum().backward()
    close(x.grad, np.exp(x.detach().numpy()))


def test_a_checkpoint_within_no_grad_just_runs():
    with tinydl.no_grad():
        assert not autograd.checkpoint(block, leaf(3), leaf(3)).requires_grad


# ---------------------------------------------------------------- NaN
def line_of(text):
    """The line of this file that a message names."""
    return linecache.getline(__file__, int(re.search(r'test_function.py", line (\d+)', text)[1])).strip()


def test_anomaly_mode_names_the_line_of_a_new_nan():
    x = tinydl.tensor([-1.0, 2.0], requires_grad=True)
    with (
        autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match="log: its result has NaN") as error,
    ):
        x.log()
    assert line_of(str(error.value)) == "x.log()"
    assert "x.log()" in str(error.value)


def test_anomaly_mode_names_the_forward_of_a_nan_in_backward():
    """sqrt has slope infinity at 0, and infinity times 0 is no number."""
    x = tinydl.tensor([0.0], requires_grad=True)
    with autograd.detect_anomaly():
        y = x.sqrt()
        z = (y * 0).sum()
        with pytest.raises(RuntimeError, match="sqrt: its gradient has NaN. Its forward ran here") as error:
            z.backward()
    assert line_of(str(error.value)) == "y = x.sqrt()"


def test_nan_that_came_in_is_nobodys_fault():
    x = tinydl.tensor([float("nan")], requires_grad=True)
    with autograd.detect_anomaly():
        (x * 2).exp()


def test_anomaly_mode_ends():
    with autograd.detect_anomaly():
        pass
    tinydl.tensor([-1.0]).log()
    with autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="NaN"):
        tinydl.tensor([-1.0]).log()
    tinydl.tensor([-1.0]).log()


def test_without_anomaly_mode_the_message_says_how_to_learn_more():
    y = leaf(3) * 1
    z = y.log()
    y.add_(1)
    with pytest.raises(RuntimeError, match="Run within autograd.detect_anomaly"):
        z.sum().backward()
    with autograd.detect_anomaly():
        y = leaf(3) * 1
        z = y.log()
        y.add_(1)
        with pytest.raises(RuntimeError, match=r"Its forward ran here:(.|\n)*z = y.log\(\)"):
            z.sum().backward()
