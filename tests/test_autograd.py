"""Backward, grad, what is recorded, leaves, and hooks."""

import threading

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd

torch = oracle()


def leaf(*shape, seed=0, lib=tinydl, dtype="float64"):
    """Random numbers that require grad: the same in both libraries."""
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True)


def close(mine, theirs, **tolerance):
    theirs = theirs.detach().numpy() if hasattr(theirs, "detach") else theirs
    np.testing.assert_allclose(mine.detach().numpy(), theirs, **({"rtol": 1e-10} | tolerance))


# ---------------------------------------------------------------- backward
def test_backward_adds_up_in_the_leaves():
    grads = {}
    for lib in (tinydl, torch):
        x, w = leaf(3, 4, lib=lib), leaf(4, seed=1, lib=lib)
        loss = ((x * w).tanh() / (w + x[:, :1].detach())).sum() if lib is torch else None
        if lib is tinydl:
            loss = ((x * w).tanh() / (w + x.detach().narrow(1, 0, 1))).sum()
        loss.backward()
        (x * w).sum().backward()  # a second graph adds to the same grad
        grads[lib] = x.grad, w.grad
    for mine, theirs in zip(grads[tinydl], grads[torch]):
        close(mine, theirs)


def test_broadcasting_is_undone_in_every_place():
    for a, b in [
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((), (2, 3)),
        ((2, 1, 3), (4, 1)),
        ((1,), (0, 3)),
    ]:
        x, y = leaf(*a), leaf(*b, seed=1)
        (x * y).sum().backward()
        s, t = leaf(*a, lib=torch), leaf(*b, seed=1, lib=torch)
        (s * t).sum().backward()
        assert x.grad.shape == a and y.grad.shape == b
        close(x.grad, s.grad)
        close(y.grad, t.grad)


def test_gradients_have_the_type_of_their_argument():
    x, y = leaf(3, dtype="float32"), leaf(3)
    (x * y).sum().backward()
    assert x.grad.dtype == tinydl.float32 and y.grad.dtype == tinydl.float64


def test_a_cotangent_is_needed_but_for_scalars():
    x = leaf(3)
    with pytest.raises(RuntimeError, match=r"shape \(3,\); only a scalar needs no cotangent"):
        (x * 2).backward()
    (x * 2).backward(tinydl.tensor([1.0, 10.0, 100.0], dtype=tinydl.float64))
    close(x.grad, [2, 20, 200])
    (x * 2).sum().reshape(1, 1).backward()  # one element is scalar enough
    with pytest.raises(RuntimeError, match=r"cotangent 0 has shape \(2,\)"):
        (x * 2).backward(tinydl.ones(2))
    with pytest.raises(TypeError, match="must be a tensor, got float"):
        (x * 2).sum().backward(1.0)


def test_a_cotangent_comes_in_the_outputs_type():
    x = leaf(2)
    (g,) = autograd.grad(x * 2, x, tinydl.ones(2, dtype=tinydl.float32))
    assert g.dtype == tinydl.float64


def test_what_does_not_require_grad_cannot_be_differentiated():
    with pytest.raises(RuntimeError, match="does not require grad"):
        tinydl.ones(()).backward()
    with pytest.raises(RuntimeError, match="input 0 .* does not require grad"):
        autograd.grad(leaf(), tinydl.ones(()))


def test_a_second_backward_is_refused_unless_retained():
    x = leaf(3)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    close(x.grad, 2 * np.exp(x.detach().numpy()))
    with pytest.raises(RuntimeError, match=r"exp: backward a second time.*retain_graph=True"):
        y.backward()
    z = (x + x).sum()  # keeps nothing, so nothing is missing
    z.backward()
    z.backward()


def test_backward_with_inputs_leaves_the_others_alone():
    x, y = leaf(3), leaf(3, seed=1)
    z = x * y
    z.sum().backward(inputs=[x])
    assert y.grad is None
    close(x.grad, y)


def test_backward_with_a_computed_input_fills_its_grad():
    x = leaf(3)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    close(y.grad, 2 * y.detach().numpy())
    assert x.grad is None


def test_several_outputs_and_cotangents():
    x = leaf(3)
    a, b = x * 2, x * x
    g = tinydl.tensor([1.0, 2.0, 3.0], dtype=tinydl.float64)
    autograd.backward([a, b.sum()], [g, None])
    close(x.grad, 2 * g.numpy() + 2 * x.detach().numpy())


def test_a_leaf_is_its_own_gradient():
    x = leaf(2)
    x.sum().backward()
    (g,) = autograd.grad(x, x, tinydl.ones(2, dtype=tinydl.float64))
    close(g, [1, 1])
    leaf().backward()


def test_grad_is_its_own_memory():
    """What accumulates must not be a view of anything that somebody else may write."""
    x, y = leaf(3), leaf(3)
    g = tinydl.ones(3, dtype=tinydl.float64)
    (x + y).backward(g)
    x.grad.add_(5)
    close(y.grad, [1, 1, 1])
    close(g, [1, 1, 1])
    x.grad = y.grad = None
    (x + y).backward(g, create_graph=True)
    with tinydl.no_grad():
        x.grad.add_(5)
    close(y.grad, [1, 1, 1])
    z = leaf(4)
    z.sum().backward()  # an expanded cotangent
    z.grad.add_(1)
    close(z.grad, [2, 2, 2, 2])


def test_a_hook_may_keep_the_gradient_that_accumulates():
    x, kept = leaf(3), []
    x.register_hook(kept.append)
    (x * 2).sum().backward()
    x.grad.add_(1)
    close(kept[0], [2, 2, 2])


# ---------------------------------------------------------------- grad
def test_grad_accumulates_nothing():
    x, y = leaf(3), leaf(3, seed=1)
    gx, gy = autograd.grad((x * y).sum(), [x, y])
    close(gx, y)
    close(gy, x)
    assert x.grad is None and y.grad is None


def test_grad_of_computed_tensors():
    x = leaf(3)
    y = x * 3
    z = (y * y).sum()
    gy, gx = autograd.grad(z, [y, x])
    close(gy, 2 * y.detach().numpy())
    close(gx, 6 * y.detach().numpy())


def test_unused_inputs():
    x, y = leaf(3), leaf(2)
    z = (x * 2).sum()
    with pytest.raises(RuntimeError, match=r"no output depends on input 1 \(shape \(2,\)\).*allow_unused"):
        autograd.grad(z, [x, y], retain_graph=True)
    gx, gy = autograd.grad(z, [x, y], retain_graph=True, allow_unused=True)
    assert gy is None
    _, gy = autograd.grad(z, [x, y], materialize_grads=True)
    close(gy, [0, 0])


def test_grad_of_several_outputs_adds():
    x = leaf(3)
    a, b = (x * 2).sum(), (x * x).sum()
    (g,) = autograd.grad([a, b], x)
    close(g, 2 + 2 * x.detach().numpy())


def test_the_same_output_twice():
    x = leaf(3)
    y = (x * x).sum()
    (g,) = autograd.grad([y, y], [x])
    close(g, 4 * x.detach().numpy())


def test_derivatives_of_any_order():
    """f = x^5: each derivative by differentiating the one before."""
    x = leaf(3)
    y, expected = x**5, x.detach().numpy() ** 5
    for k in range(5):
        (y,) = autograd.grad(y.sum(), x, create_graph=True)
        expected = (5 - k) * expected / x.detach().numpy()
        close(y, expected)


def test_create_graph_keeps_the_operands():
    x = leaf(3)
    y = x.exp().sum()
    autograd.grad(y, x, create_graph=True)
    autograd.grad(y, x)


def test_without_create_graph_gradients_do_not_require_grad():
    x = leaf(3)
    (g,) = autograd.grad((x * x).sum(), x)
    assert not g.requires_grad
    (x * x).sum().backward()
    assert not x.grad.requires_grad


def test_backward_with_create_graph():
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = autograd.grad(x.grad.sum(), x)
    close(g, 6 * x.detach().numpy())


def test_grad_visits_only_paths_to_its_inputs():
    x, w = leaf(3), leaf(3)
    seen = []
    a, b = x * 2, w * 2
    b.register_hook(seen.append)
    autograd.grad((a * b).sum(), x)
    assert not seen


def test_inputs_may_repeat():
    x = leaf(3)
    g1, g2 = autograd.grad((x * x).sum(), [x, x])
    close(g1, 2 * x.detach().numpy())
    close(g2, 2 * x.detach().numpy())


# ---------------------------------------------------------------- what is recorded
def test_modes_nest():
    assert autograd.is_grad_enabled()
    with tinydl.no_grad():
        assert not autograd.is_grad_enabled()
        with tinydl.enable_grad():
            assert autograd.is_grad_enabled()
            with tinydl.set_grad_enabled(False):
                assert not autograd.is_grad_enabled()
            assert autograd.is_grad_enabled()
        assert not autograd.is_grad_enabled()
    assert autograd.is_grad_enabled()


def test_a_mode_ends_with_an_exception():
    with pytest.raises(KeyError), tinydl.no_grad():
        raise KeyError
    assert autograd.is_grad_enabled()


def test_one_switch_may_be_entered_twice():
    switch = tinydl.no_grad()
    with switch, tinydl.enable_grad(), switch:
        assert not autograd.is_grad_enabled()
    assert autograd.is_grad_enabled()


def test_set_grad_enabled_takes_effect_at_once():
    try:
        tinydl.set_grad_enabled(False)
        assert not autograd.is_grad_enabled()
    finally:
        tinydl.set_grad_enabled(True)


def test_results_within_no_grad_do_not_require_grad():
    x = leaf(3)
    with tinydl.no_grad():
        assert not (x * 2).requires_grad
        assert tinydl.tensor([1.0], requires_grad=True).requires_grad


@pytest.mark.parametrize("form", ["no_grad()", "no_grad", "set_grad_enabled(False)"])
def test_modes_decorate(form):
    decorate = eval(f"tinydl.{form}")
    if "set" in form:  # takes effect at once, until it is seen to be a decorator
        assert not autograd.is_grad_enabled()
        tinydl.set_grad_enabled(True)
        decorate = tinydl.set_grad_enabled(False)

    @decorate
    def double(x):
        """Twice x."""
        return x * 2

    assert autograd.is_grad_enabled()
    assert not double(leaf(2)).requires_grad
    assert double.__name__ == "double" and double.__doc__ == "Twice x."
    assert autograd.is_grad_enabled()


def test_a_decorated_generator_does_not_change_its_callers_mode():
    @tinydl.no_grad()
    def steps():
        got = []
        try:
            while True:
                assert not autograd.is_grad_enabled()
                got.append((yield len(got)))
        except KeyError:
            yield "caught"
        return got

    g = steps()
    assert next(g) == 0 and autograd.is_grad_enabled()
    assert g.send("a") == 1 and autograd.is_grad_enabled()
    assert g.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as end:
        next(g)
    assert end.value.value == ["a"]


def test_threads_do_not_share_modes():
    inside, done = threading.Event(), threading.Event()
    found = []

    def other():
        inside.wait(10)
        found.append((leaf(2) * 2).requires_grad)
        with autograd.set_detect_anomaly(True):
            pass
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with tinydl.no_grad():
        inside.set()
        assert done.wait(10)
        assert not autograd.is_grad_enabled()
    thread.join()
    assert found == [True]


def test_backward_runs_in_many_threads():
    x = leaf(50)
    results = [None] * 4

    def work(k):
        results[k] = autograd.grad((x * float(k)).exp().sum(), x)[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, g in enumerate(results):
        close(g, k * np.exp(k * x.detach().numpy()))


# ---------------------------------------------------------------- leaves
def test_detach_shares_memory_but_no_history():
    x = leaf(3)
    d = (x * 2).detach()
    assert not d.requires_grad and d.is_leaf
    y = x.detach()
    with tinydl.no_grad():
        x.mul_(2)
    close(y, x)


def test_detach_stops_the_gradient():
    x = leaf(3)
    (x * x.detach()).sum().backward()
    close(x.grad, x)


def test_requires_grad_():
    x = tinydl.ones(2)
    assert x.requires_grad_() is x and x.requires_grad and x.is_leaf and x.grad_fn is None
    y = x * 2
    assert not y.is_leaf and y.grad_fn is not None
    with pytest.raises(RuntimeError, match="only a leaf can stop requiring grad"):
        y.requires_grad_(False)
    x.requires_grad = False
    assert not x.requires_grad
    with pytest.raises(RuntimeError, match="only floating tensors have gradients, this one is int64"):
        tinydl.tensor([1]).requires_grad_()


def test_integers_take_part_but_have_no_gradient():
    x, i = leaf(3), tinydl.tensor([1, 2, 3])
    y = x * i
    y.sum().backward()
    close(x.grad, [1, 2, 3])
    assert not (x > 1).requires_grad


def test_retain_grad():
    x = leaf(3)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()  # asking twice is not counting twice
    assert y.retains_grad
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    close(y.grad, 4 * y.detach().numpy())
    with pytest.raises(RuntimeError, match="retain_grad: .* does not require grad"):
        tinydl.ones(2).retain_grad()


def test_grad_can_be_set_but_only_to_what_fits():
    x = leaf(3)
    x.grad = tinydl.ones(3, dtype=tinydl.float64)
    x.sum().backward()
    close(x.grad, [2, 2, 2])
    with pytest.raises(RuntimeError, match=r"expected \(3,\) float64 on cpu, got \(2,\)"):
        x.grad = tinydl.ones(2, dtype=tinydl.float64)
    with pytest.raises(TypeError, match="expected a Tensor or None"):
        x.grad = 1.0
    x.grad = None


def test_data_of_a_leaf_may_be_replaced():
    x = leaf(3)
    x.data = tinydl.ones(2, dtype=tinydl.float64)
    (x * 3).sum().backward()
    close(x.grad, [3, 3])


# ---------------------------------------------------------------- hooks
def test_hooks_run_in_order_and_may_replace():
    x, seen = leaf(2), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert seen == [[1, 1], [10, 10]]
    close(x.grad, [20, 20])


def test_a_hook_sees_the_complete_gradient_once():
    x, seen = leaf(2), []
    x.register_hook(seen.append)
    (x * 2 + x * 3).sum().backward()
    assert len(seen) == 1
    close(seen[0], [5, 5])


def test_hooks_can_be_removed():
    x = leaf(2)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    handle.remove()
    handle.remove()
    with y.register_hook(lambda g: g * 10):
        pass
    y.sum().backward()
    close(x.grad, [2, 2])


def test_a_hook_may_remove_itself():
    x, seen = leaf(2), []
    y = x * 2
    handles = []

    def once(g):
        seen.append(1)
        handles[0].remove()

    handles.append(y.register_hook(once))
    y.register_hook(lambda g: seen.append(2))
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert seen == [1, 2, 2]


def test_removing_one_of_two_equal_hooks_keeps_the_other():
    x = leaf(2)

    def double(g):
        return g * 2

    first = x.register_hook(double)
    x.register_hook(lambda g: g + 1)
    last = x.register_hook(double)
    last.remove()
    last.remove()
    x.sum().backward()
    close(x.grad, [3, 3])
    first.remove()
    x.sum().backward()
    close(x.grad, [5, 5])


def test_hooks_under_create_graph_are_differentiated():
    found = []
    for lib in (tinydl, torch):
        x = leaf(3, lib=lib)
        y = x * 1
        y.register_hook(lambda g, y=y: g * y * y)
        (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        found.append(lib.autograd.grad(g.sum(), x)[0])
    close(*found)


def test_a_hook_of_the_wrong_shape_is_refused():
    x = leaf(3)
    y = x * 2
    y.register_hook(lambda g: tinydl.ones(7))
    with pytest.raises(RuntimeError, match="hook"):
        y.sum().backward()


def test_a_hook_must_return_a_tensor():
    x = leaf(3)
    x.register_hook(lambda g: 3.0)
    with pytest.raises(TypeError, match="hook"):
        x.sum().backward()


def test_hooks_run_for_grad_of_the_tensor_itself():
    x = leaf(2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    (g,) = autograd.grad(y.sum(), y)
    close(g, [10, 10])


def test_post_accumulate_hooks():
    x, seen = leaf(2), []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2 + x).sum().backward()
    assert seen == [[3, 3]]
    handle.remove()
    x.sum().backward()
    assert len(seen) == 1
    with pytest.raises(RuntimeError, match="only leaves accumulate"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_a_post_accumulate_hook_may_step_and_free():
    """The optimizer step within backward: the gradient is complete, may be used and dropped."""
    x = leaf(2)
    before = x.detach().numpy().copy()

    def step(t):
        with tinydl.no_grad():
            t.sub_(t.grad)
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    close(x, before - 2)
    assert x.grad is None


def test_a_hook_stays_with_the_value_that_it_was_put_on():
    x, seen = leaf(2), []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.mul_(3)
    y.sum().backward()
    assert seen == [[3, 3]]
    close(x.grad, [3, 3])
