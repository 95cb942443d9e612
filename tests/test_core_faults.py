"""Corners of the core that were wrong once: numbers, copies, writes under checkpoints, halves of failed work."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd, nn, optim
from tinydl.train import Callback, Progress, Stop, Trainer, evaluate

torch = oracle()


def leaf(*values):
    return tinydl.tensor(values, requires_grad=True)


# ---------------------------------------------------------------- numbers and arrays of NumPy
@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.int64(2), np.bool_(True)], ids=repr)
@pytest.mark.parametrize("value", [3.0, [3.0], 3, [3]], ids=str)
def test_a_number_of_numpy_counts_as_one_of_pythons(number, value):
    x, theirs = tinydl.tensor(value), torch.tensor(value) * number.item()
    for y in (x * number, number * x):
        assert y.dtype.name == str(theirs.dtype).removeprefix("torch.") and y.tolist() == theirs.tolist()


def test_subclasses_of_arrays_become_plain_ones():
    with tempfile.TemporaryDirectory() as folder:
        mapped = np.memmap(Path(folder) / "x", np.float32, "w+", shape=(2, 2))
        x = tinydl.Tensor(mapped)
        mapped[:] = 3
        assert (x + 1).tolist() == [[4, 4], [4, 4]]
        del mapped, x
    assert (tinydl.Tensor(np.ones((1, 2)).view(np.recarray)) * 2).tolist() == [[2, 2]]


def test_a_tensor_of_a_tensor_shares_its_count_of_writes():
    x = leaf(1.0, 2.0)
    y = x * x
    tinydl.Tensor(x).mul_(5)
    with pytest.raises(RuntimeError, match="overwritten in place by mul_"):
        y.sum().backward()


def test_a_read_only_array_is_not_written():
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="add_: this tensor lies on a read-only array; clone"):
        tinydl.Tensor(array).add_(1)


def test_dlpack_shares_memory_both_ways():
    array, theirs = np.arange(3.0), torch.arange(3.0)
    mine, mine_too = tinydl.from_dlpack(array), tinydl.from_dlpack(theirs)
    mine[0], mine_too[0] = 7, 8
    assert array[0] == 7 and theirs[0] == 8
    assert torch.from_dlpack(mine)[0] == 7 and np.from_dlpack(mine_too)[0] == 8
    with pytest.raises(TypeError, match="from_dlpack: expected an object with __dlpack__, got list"):
        tinydl.from_dlpack([1.0])
    with pytest.raises(BufferError, match="requires grad"):
        np.from_dlpack(leaf(1.0))


@pytest.mark.parametrize(
    "call",
    [
        np.flip,
        lambda x: np.flip(x, 0),
        lambda x: np.flip(x, axis=(0, 1)),
        lambda x: np.clip(x, 1.5, 3),
        lambda x: np.clip(x, a_min=None, a_max=3),
        lambda x: np.clip(x, None, None),
        lambda x: np.dot(x, x),
        lambda x: np.dot(x[0], x[1]),
    ],
)
def test_functions_of_numpy_mean_numpys(call):
    x = tinydl.tensor([[3.0, 1.0], [2.0, 4.0]])
    np.testing.assert_array_equal(call(x).numpy(), call(x.numpy()))


def test_a_function_of_numpy_with_other_rules_is_refused():
    with pytest.raises(TypeError, match=r"numpy\.dot"):
        np.dot(tinydl.ones(2, 3, 4), tinydl.ones(2, 4, 5))  # neither matmul's shape nor meaning


# ---------------------------------------------------------------- values
def test_float16_is_gathered_in_float32():
    ones = tinydl.ones(70_000, dtype=tinydl.float16, requires_grad=True)
    assert ones.mean().item() == 1 and ones.mean().dtype == tinydl.float16
    assert ones[:4096].cumsum(0)[-1].item() == 4096
    (g,) = autograd.grad(ones[:4096].cumsum(0)[:2].sum(), ones)
    assert g.dtype == tinydl.float16 and g[:3].tolist() == [2, 1, 0]


def test_the_angle_of_the_origin_has_gradient_zero():
    mine = [leaf(0.0, 3.0), leaf(0.0, 4.0)]
    theirs = [torch.tensor(t.tolist(), requires_grad=True) for t in mine]
    tinydl.atan2(*mine).sum().backward()
    torch.atan2(*theirs).sum().backward()
    for a, b in zip(mine, theirs):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6)


# ---------------------------------------------------------------- whose gradient it is
def test_a_shallow_copy_of_a_leaf_is_a_leaf_of_its_own():
    x = leaf(3.0)
    y = copy.copy(x)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2] and x.grad is None
    assert np.shares_memory(x.array, y.array)


def test_retained_gradients_share_no_memory():
    x = leaf(1.0, 2.0)
    y = x * x
    z = y + 0
    for t in (y, z):
        t.retain_grad()
    z.sum().backward()
    z.grad.mul_(5)  # an expanded gradient could not even be written
    assert y.grad.tolist() == [1, 1] and z.grad.tolist() == [5, 5] and x.grad.tolist() == [2, 4]


# ---------------------------------------------------------------- checkpoints
@pytest.mark.parametrize(
    "region",
    [lambda x: (x * 1).mul_(x), lambda x: (b := x * 1).mul_(b), lambda x: (x * x).exp_().mul_(x).sin()],
    ids=["by the argument", "by itself", "chain"],
)
def test_writing_in_place_within_a_checkpoint(region):
    def derivatives(f):
        x = leaf(0.5, 2.0)
        (g,) = autograd.grad(f(x).sum(), x, create_graph=True)
        return g, *autograd.grad(g.sum(), x)

    for a, b in zip(derivatives(region), derivatives(lambda x: autograd.checkpoint(region, x))):
        np.testing.assert_array_equal(a.numpy(force=True), b.numpy(force=True))


def test_what_is_overwritten_after_a_checkpoint_kept_it_is_refused():
    def region(x):
        y = x * 1
        z = y * y
        y.mul_(2)  # z's gradient needs the old y, and this write is not part of it
        return z + y

    with pytest.raises(RuntimeError, match="mul: an operand .* was overwritten in place by mul_"):
        autograd.checkpoint(region, leaf(3.0)).sum().backward()


def test_a_view_whose_base_was_written_comes_into_a_checkpoint():
    x = leaf(0.5, 2.0)
    y = x * 1
    view = y.view(2, 1)
    y.sin_()
    autograd.checkpoint(lambda a: a * a, view).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.sin(2 * x.numpy(force=True)), rtol=1e-6)


def test_checkpoints_nest():
    def inner(x):
        return (x * x).sin().exp()

    def outer(x):
        return autograd.checkpoint(inner, x.cos()) * x

    x = leaf(0.3, 0.7)
    plain = inner(x.cos()) * x
    nested = autograd.checkpoint(outer, x)
    for order in range(3):
        np.testing.assert_array_equal(nested.numpy(force=True), plain.numpy(force=True), f"order {order}")
        (plain,) = autograd.grad(plain.sum(), x, create_graph=True)
        (nested,) = autograd.grad(nested.sum(), x, create_graph=True)


# ---------------------------------------------------------------- work that fails half way
class Fault(Exception):
    pass


@pytest.mark.parametrize("error", [Fault, KeyboardInterrupt])
def test_a_backward_that_fails_leaves_no_mode_behind(error):
    def fail(g):
        raise error

    x = leaf(2.0)
    y = x * x
    total = y.sum()
    y.register_hook(fail)
    for create_graph in (False, True):
        with pytest.raises(error):
            total.backward(retain_graph=True, create_graph=create_graph)
        assert tinydl.is_grad_enabled() and x.grad is None
    with tinydl.no_grad():
        with pytest.raises(error):
            total.backward()
        assert not tinydl.is_grad_enabled()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3]


class Told(Callback):
    """Notes the events it is told of; raises what it is given at one of them."""

    def __init__(self, log, at=None, error=Fault):
        self.log, self.at, self.error = log, at, error

    def _told(self, event):
        self.log.append(event)
        if event == self.at:
            raise self.error

    def on_fit_begin(self, run):
        self._told("fit_begin")

    def on_epoch_end(self, run):
        self._told("epoch_end")

    def on_fit_end(self, run):
        self._told("fit_end")


def trainer(*callbacks):
    return Trainer(lambda batch: {"loss": 1.0}, [tinydl.zeros(1)], *callbacks)


def test_a_callback_that_stops_leaves_the_event_to_the_others():
    last = []
    run = trainer(Told([], "epoch_end", Stop), Told(last))
    run.fit(5)
    assert run.epoch == 1 and last == ["fit_begin", "epoch_end", "fit_end"]


def test_every_callback_is_told_of_the_end():
    last = []
    run = trainer(Told([], "fit_end"), Progress(), Told(last, "epoch_end", KeyboardInterrupt))
    with pytest.raises(Fault) as caught:
        run.fit(5)
    assert last[-1] == "fit_end" and isinstance(run.error, KeyboardInterrupt)
    assert isinstance(caught.value.__context__, KeyboardInterrupt)


def test_a_callback_that_fails_at_the_beginning_lets_the_others_close():
    first, last = [], Progress()
    with pytest.raises(Fault):
        trainer(Told(first), Told([], "fit_begin"), last).fit(1)
    assert first == ["fit_begin", "fit_end"] and last.bar is None


def test_a_state_that_does_not_fit_leaves_the_trainer_as_it_was():
    from tinydl.train import Classify

    def run(seed, make):
        tinydl.manual_seed(seed)
        model = nn.Linear(2, 2)
        return Trainer(Classify(model, make(model.parameters())), [(tinydl.ones(3, 2), tinydl.zeros(3).long())])

    donor = run(1, lambda p: optim.SGD([{"params": [q]} for q in p], lr=0.1))
    mine = run(2, lambda p: optim.SGD(p, lr=0.1))
    donor.fit(1)
    before = copy.deepcopy(mine.step.model.state_dict())
    with pytest.raises(ValueError):
        mine.load_state_dict(donor.state_dict())  # the model's part fits, the optimizer's does not
    for name, value in mine.step.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy(), name)
    assert mine.epoch == 0


@pytest.mark.parametrize("fails", [False, True])
def test_evaluation_leaves_each_layer_in_its_own_mode(fails):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model.train()
    model[1].eval()  # frozen while the rest learns

    def loss(scores, target):
        assert not any(m.training for m in model.modules())
        if fails:
            raise Fault
        return scores.sum()

    batch = (tinydl.ones(2, 2), tinydl.zeros(2).long())
    if fails:
        with pytest.raises(Fault):
            evaluate(model, [batch], loss)
    else:
        evaluate(model, [batch], loss)
    assert [m.training for m in model.modules()] == [True, True, False, True]
