"""The graph: how deep it may be, what it keeps and for how long, and values overwritten in place."""

import gc
import linecache
import re
import sys
import weakref

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd

torch = oracle()
DEEP = 100_000


def leaf(*shape, seed=0, lib=tinydl):
    values = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def close(mine, theirs):
    theirs = theirs.detach().numpy() if hasattr(theirs, "detach") else theirs
    np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=1e-10)


@pytest.fixture
def no_collector():
    """Within it nothing is freed but by reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ---------------------------------------------------------------- depth
class Half(autograd.Function):
    """An operation of a user's, that saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x * 0.5
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * 0.5 + y * 0


def chain(step, n):
    def build(x):
        y = x * 1
        for _ in range(n):
            made = step(y)
            y = y if made is None else made
        return (y * y).sum()

    return build


def in_place(y):
    y.mul_(1.0)


def write_a_view(y):
    y.reshape(-1).narrow(0, 0, 1).mul_(1.0)


def diamond(y):
    return y * 0.5 + y * 0.5


CHAINS = {
    "add": chain(lambda y: y + 0.0, 1000),
    "tanh": chain(lambda y: y.tanh(), 1000),
    "diamond": chain(diamond, 1000),
    "views": chain(lambda y: y.reshape(2, 1).reshape(2), 1000),
    "in place": chain(in_place, 1000),
    "write a view": chain(write_a_view, 300),
    "function": chain(Half.apply, 1000),
}


def test_a_hundred_thousand_operations():
    x = leaf(2)
    y = chain(lambda y: y.neg(), DEEP)(x)
    y.backward()
    close(x.grad, 2 * x.detach().numpy())
    del y  # the destructor walks the same depth


def test_a_deep_second_derivative():
    x = tinydl.tensor([1.0], dtype=tinydl.float64, requires_grad=True)
    y = chain(lambda y: y * x, 2000)(x)
    (g,) = autograd.grad(y, x, create_graph=True)
    (h,) = autograd.grad(g.sum(), x)
    close(h, [4002 * 4001])


@pytest.mark.parametrize("kind", CHAINS)
@pytest.mark.parametrize("then", ["nothing", "backward", "create_graph"])
def test_graphs_are_freed_by_reference_counts(no_collector, kind, then):
    x = leaf(2)

    def run():
        y = CHAINS[kind](x)
        if then == "backward":
            y.backward()
        elif then == "create_graph":
            (g,) = autograd.grad(y, x, create_graph=True)
            g.sum().backward()
        x.grad = None
        return weakref.ref(y), weakref.ref(y.grad_fn)

    run()  # caches fill
    before = sys.getallocatedblocks()
    refs = run()
    assert [r() for r in refs] == [None, None]
    assert sys.getallocatedblocks() - before < 200


@pytest.mark.parametrize("op", ["exp", "sigmoid", "sqrt"])
def test_an_operation_that_keeps_its_output_makes_no_cycle(no_collector, op):
    x = leaf(3)
    y = getattr(x, op)()
    dead = weakref.ref(y), weakref.ref(y.grad_fn), weakref.ref(y.array)
    del y
    assert [r() for r in dead] == [None, None, None]


def test_retained_and_hooked_tensors_are_freed(no_collector):
    x = leaf(3)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    dead = weakref.ref(y)
    del y
    assert dead() is None


def test_leaves_are_freed_though_a_graph_refers_to_them(no_collector):
    x = leaf(3)
    y = (x + 1).sum()
    dead = weakref.ref(x)
    del x
    assert dead() is None
    y.backward()  # nobody is left to take the gradient


# ---------------------------------------------------------------- what is kept
def kept(operation):
    """Whether the array of an intermediate value lives on, as an operand of what used it."""
    x = leaf(4, 4)
    y = x * 1
    array = weakref.ref(y.array)
    out = operation(y)
    del y
    alive = array() is not None
    assert out.requires_grad
    return alive


@pytest.mark.parametrize(
    "name, operation, expected",
    [
        ("add", lambda y: y + y, False),
        ("sub", lambda y: y - 1, False),
        ("mul by a number", lambda y: y * 3, False),
        ("mul by a constant", lambda y: y * tinydl.ones(4, dtype=tinydl.float64), False),
        ("mul", lambda y: y * y.detach(), True),
        ("mul by a leaf", lambda y: y * leaf(4), True),
        ("neg", lambda y: -y, False),
        ("exp", lambda y: y.exp(), False),
        ("tanh", lambda y: y.tanh(), False),
        ("log", lambda y: y.log(), True),
        ("sum", lambda y: y.sum(), False),
        ("clone", lambda y: y.clone(), False),
        ("matmul by a constant", lambda y: y @ tinydl.ones(4, 4, dtype=tinydl.float64), False),
        ("matmul by a leaf", lambda y: y @ leaf(4, 4), True),
        ("division by a number", lambda y: y / 2, False),
        ("divided number", lambda y: 2 / y, True),
        ("cast", lambda y: y.to(tinydl.float32), False),
    ],
)
def test_only_what_rules_name_is_kept(name, operation, expected):
    assert kept(operation) is expected


def test_outputs_are_kept_where_rules_name_them():
    x = leaf(4)
    y = x.exp()
    array = weakref.ref(y.array)
    z = y + 1
    del y
    assert array() is not None
    z.sum().backward()
    assert array() is None


def test_nothing_is_kept_of_what_does_not_require_grad():
    x = tinydl.ones(3)
    y = x.exp()
    assert y.grad_fn is None
    with tinydl.no_grad():
        assert leaf(3).exp().grad_fn is None


def test_memory_is_freed_as_the_walk_passes():
    """When the gradient reaches the first of ten steps, the operands of the other nine are gone."""
    x = leaf(1000)
    y, arrays = x * 1, []
    alive = []
    y.register_hook(lambda g: alive.append(sum(a() is not None for a in arrays)))
    for _ in range(10):
        y = y.sin()
        arrays.append(weakref.ref(y.array))
    y = y.sum()
    y.backward()
    assert alive == [0]


def test_gradients_are_freed_as_the_walk_passes():
    x, alive, seen = leaf(1000), [], []
    y = x * 1

    def watch(g):
        alive.append(sum(a() is not None for a in seen))
        seen.append(weakref.ref(g.array))

    for _ in range(10):
        y = y.sin()
        y.register_hook(watch)
    y.sum().backward()
    assert max(alive) <= 1


# ---------------------------------------------------------------- written in place
def test_an_overwritten_operand_is_refused_with_the_line():
    x = leaf(3)
    y = x * 1
    z = y.log()
    y.add_(1)  # the guilty line
    with pytest.raises(RuntimeError) as error:
        z.sum().backward()
    text = str(error.value)
    assert "log: an operand of shape (3,)" in text and "by add_" in text
    line = re.search(r"test_graph.py:(\d+)", text)[1]
    assert "the guilty line" in linecache.getline(__file__, int(line))
    assert "version 1, expected 0" in text and "clone()" in text


def test_an_overwritten_output_is_refused():
    y = leaf(3).exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="exp: an operand .* by add_"):
        y.sum().backward()


def test_what_no_rule_needs_may_be_overwritten():
    x = leaf(3)
    y = x * 1
    z = y + 1
    y.mul_(7)
    z.sum().backward()
    close(x.grad, [1, 1, 1])


def test_a_leaf_written_outside_the_graph_is_noticed():
    x = leaf(3)
    y = x * x
    with tinydl.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="mul: an operand .* overwritten in place by mul_"):
        y.sum().backward()


def test_writes_through_detach_and_views_are_noticed():
    for other in (
        lambda t: t.detach(),
        lambda t: t.data,
        lambda t: t.detach().reshape(3, 1).narrow(0, 0, 1),
    ):
        y = leaf(3) * 1
        z = y.log()
        other(y).fill_(5)
        with pytest.raises(RuntimeError, match="overwritten in place by fill_"):
            z.sum().backward()


def test_the_history_of_a_written_tensor_stays_right():
    """The case in which a graph whose nodes are tensors gives 10 for 5."""
    a = leaf(2)
    y = (b := a * 1) * 5
    b.mul_(2)
    y.sum().backward()
    close(a.grad, [5, 5])
    a.grad = None
    b.sum().backward()
    close(a.grad, [2, 2])


IN_PLACE = {
    "mul_": lambda y, w: y.mul_(w),
    "add_": lambda y, w: y.add_(w),
    "sub_": lambda y, w: y.sub_(w, alpha=2),
    "div_": lambda y, w: y.div_(w),
    "pow_": lambda y, w: y.pow_(3),
    "exp_": lambda y, w: y.exp_(),
    "tanh_": lambda y, w: y.tanh_(),
    "clamp_": lambda y, w: y.clamp_(0.8, 1.2),
    "zero_": lambda y, w: y.zero_(),
    "fill_": lambda y, w: y.fill_(w[0, 0]),
    "copy_": lambda y, w: y.copy_(w[0]),
    "part": lambda y, w: y[0].mul_(w[0]),
    "column": lambda y, w: y[:, 1].copy_(w[:, 1]),
    "setitem": lambda y, w: y.__setitem__((slice(None), 0), w[:, 0] * 2),
    "+=": lambda y, w: y.__iadd__(w),
    "*=": lambda y, w: y.__imul__(w),
    "transposed": lambda y, w: y.t().mul_(w.t()),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_writing_is_differentiated(name):
    """Before, by itself, and after: the same gradients as PyTorch."""
    results = {}
    for lib in (tinydl, torch):
        x, w = leaf(3, 3, lib=lib), leaf(3, 3, seed=1, lib=lib)
        y = x * 3
        view = y[1]
        IN_PLACE[name](y, w)
        loss = (y * w).sin().sum() + (view**2).sum()
        g = lib.autograd.grad(loss, [x, w], create_graph=True)
        h = lib.autograd.grad(sum((a * a).sum() for a in g if a is not None), [x, w], allow_unused=True)
        results[lib] = y, *g, *h
    for mine, theirs in zip(results[tinydl], results[torch]):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            close(mine, theirs)


def test_writing_by_itself_is_differentiated():
    """PyTorch refuses this one."""
    x = leaf(3)
    y = x * 3
    y.mul_(y)
    y.sum().backward()
    close(x.grad, 18 * x.detach().numpy())


def test_a_view_made_before_its_base_was_written_is_recorded_anew():
    x = leaf(4)
    y = x * 1
    first, last = y[:2], y[2:]
    first.mul_(10)
    last.mul_(100)
    (first.sum() + last.sum()).backward()
    close(x.grad, [10, 10, 100, 100])


def test_a_tensor_without_history_gets_one_by_a_write():
    x = leaf(2)
    y = tinydl.zeros(3, dtype=tinydl.float64)
    view = y[1:]
    y[:2] = x * 2
    assert y.requires_grad and view.requires_grad
    (y * 3).sum().backward()
    close(x.grad, [6, 6])
    x.grad = None
    view.sum().backward()
    close(x.grad, [0, 2])


def test_writing_to_a_leaf_is_refused_while_recording():
    x = leaf(3)
    for write in (lambda: x.add_(1), lambda: x[0].mul_(2), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match="leaf that requires grad"):
            write()
    before = x.detach().numpy().copy()
    with tinydl.no_grad():
        x.add_(1)
    close(x, before + 1)


def test_writing_to_repeated_memory_is_refused():
    x = tinydl.ones(1).expand(3)
    with pytest.raises(RuntimeError, match="expand.*clone"):
        x.add_(1)


def test_a_write_that_does_not_fit_changes_nothing():
    x = tinydl.ones(3)
    with pytest.raises(RuntimeError, match=r"add_: .*\(2, 3\).*\(3,\)"):
        x.add_(tinydl.ones(2, 3))
    i = tinydl.tensor([1, 2])
    with pytest.raises(RuntimeError, match="float32.*int64 cannot hold"):
        i.mul_(tinydl.tensor([1.5, 2.5]))
    assert i.tolist() == [1, 2] and x.tolist() == [1, 1, 1]
    assert x._storage.version == 0


def test_a_view_made_within_no_grad_is_not_written_while_recording():
    x = leaf(3) * 1
    with tinydl.no_grad():
        view = x[:2]
    with pytest.raises(RuntimeError, match="view was made within no_grad"):
        view.mul_(2)


def test_retain_grad_follows_a_write():
    results = []
    for lib in (tinydl, torch):
        x = leaf(3, lib=lib)
        y = x * 2
        y.retain_grad()
        y.mul_(5)
        (y * y).sum().backward()
        results += [y.grad, x.grad]
    close(results[0], results[2])
    close(results[1], results[3])
