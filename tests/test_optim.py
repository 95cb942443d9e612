"""Optimizers and schedules: PyTorch's steps, state that is saved and loaded, refusals that change nothing."""

import copy
import warnings

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn, optim
from tinydl.optim import lr_scheduler
from tinydl.optim.update import UPDATES, Update
from tinydl.testing.strict import strict_device

OPTIONS = {
    "SGD": [{}, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.5, "dampening": 0.3, "maximize": True}],
    "Adam": [{}, {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1}, {"amsgrad": True, "maximize": True}],
    "AdamW": [{}, {"lr": 0.1, "amsgrad": True}],
    "Adamax": [{}, {"lr": 0.1, "weight_decay": 0.1}],
    "NAdam": [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}],
    "RAdam": [{"lr": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.8, 0.9)}],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.2}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.9}],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1)}],
    "ASGD": [{"lr": 0.1, "t0": 3}, {"weight_decay": 0.1}],
}  # fmt: skip
CASES = [(name, options) for name, every in OPTIONS.items() for options in every]
SHAPES = ((2, 3), (4,), ())


def parameters(lib, dtype="float64"):
    rng = np.random.default_rng(0)
    return [lib.tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in SHAPES]


def walk(lib, optimizer, params, steps, first=0, dtype="float64"):
    """Steps on gradients that are the same for every library; one is missing now and then."""
    for i in range(first, first + steps):
        rng = np.random.default_rng(i)
        for j, p in enumerate(params):
            g = rng.standard_normal(p.shape).astype(dtype)
            p.grad = None if i % 5 == 3 and j == 1 else lib.tensor(g)
        optimizer.step()
    return [p.detach().numpy().copy() for p in params]


def assert_same(a, b, **tolerance):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, **({"rtol": 1e-7, "atol": 1e-9} | tolerance))


@pytest.mark.parametrize("name, options", CASES, ids=[f"{n}-{o}" for n, o in CASES])
def test_steps_are_torchs(name, options):
    torch = oracle()
    ends = []
    for lib in (torch, tinydl):
        params = parameters(lib)
        ends.append(walk(lib, getattr(lib.optim, name)(params, **options), params, 12))
    assert_same(*ends, atol=2e-7)  # PyTorch keeps some counters in float32


@pytest.mark.parametrize("name, options", CASES, ids=[f"{n}-{o}" for n, o in CASES])
def test_a_resumed_run_is_bit_equal(name, options, tmp_path):
    params = parameters(tinydl, "float32")
    optimizer = getattr(optim, name)(params, **options)
    walk(tinydl, optimizer, params, 6, dtype="float32")
    tinydl.save({"p": [p.detach() for p in params], "o": optimizer.state_dict()}, tmp_path / "state")
    end = walk(tinydl, optimizer, params, 6, 6, "float32")
    saved = tinydl.load(tmp_path / "state")
    twins = [p.requires_grad_() for p in saved["p"]]
    fresh = getattr(optim, name)(twins)
    fresh.load_state_dict(saved["o"])
    for a, b in zip(end, walk(tinydl, fresh, twins, 6, 6, "float32")):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32


@pytest.mark.parametrize("name, options", CASES, ids=[f"{n}-{o}" for n, o in CASES])
def test_float32_stays_float32_and_arrays_stay_in_place(name, options):
    params = parameters(tinydl, "float32")
    arrays, versions = [p.array for p in params], [p._storage.version for p in params]
    optimizer = getattr(optim, name)(params, **options)
    walk(tinydl, optimizer, params, 3, dtype="float32")
    for p, array, version in zip(params, arrays, versions):
        assert p.array is array and p.dtype == np.float32 and p._storage.version > version
        assert all(v.dtype == np.float32 for v in optimizer.state[p].values())


def test_half_the_network_may_be_float64():
    params = [tinydl.ones(2, requires_grad=True), tinydl.ones(2, dtype="float64", requires_grad=True)]
    optimizer = optim.Adam(params, lr=0.1)
    for p in params:
        p.grad = tinydl.ones_like(p)
    optimizer.step()
    assert [p.dtype for p in params] == [np.float32, np.float64]
    assert_same([params[0].detach().numpy()], [params[1].detach().numpy()], rtol=1e-6)


def test_a_written_parameter_spoils_an_old_graph():
    w = tinydl.ones(2, requires_grad=True)
    loss = (w * w).sum()
    w.grad = tinydl.ones(2)
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="overwritten in place by SGD.step"):
        loss.backward()


# ---------------------------------------------------------------- one mechanism, open to kernels
def test_a_kernel_takes_all_parameters_at_once(monkeypatch):
    calls = []

    def kernel(**columns):
        calls.append(columns)
        for p, g, rate in zip(columns["param"], columns["grad"], columns["step"]):
            p -= columns["lr"] * g * rate
        return None

    monkeypatch.setitem(tinydl.device("cpu").kernels, "adam_update", kernel)
    params = [tinydl.ones(2, requires_grad=True), tinydl.ones(3, requires_grad=True)]
    optimizer = optim.Adam(params, lr=0.5)
    for p in params:
        p.grad = tinydl.ones_like(p)
    optimizer.step()
    (columns,) = calls
    assert columns["step"] == [1.0, 1.0] and columns["betas"] == (0.9, 0.999)
    assert len(columns["exp_avg"]) == 2 and columns["max_exp_avg_sq"] == [None, None]
    assert all((p == 0.5).all() for p in params)

    monkeypatch.setitem(tinydl.device("cpu").kernels, "adam_update", lambda **_: NotImplemented)
    optimizer.step()  # a kernel that declines: the body runs
    assert not any((p == 0.5).any() for p in params)


def test_every_optimizer_has_a_declared_update():
    for name in OPTIONS:
        declared = getattr(optim, name).update
        assert isinstance(declared, Update) and UPDATES[declared.name] is declared
        assert {"maximize"} <= set(declared.constants)


@pytest.mark.parametrize("name", OPTIONS)
def test_nothing_is_read_back_from_a_device(name):
    """On a stand-in for a GPU that refuses it; counters stay on the host, after loading too."""
    with strict_device():
        params = [tinydl.ones(2, 3).to("strict").requires_grad_()]
        optimizer = getattr(optim, name)(params)
        for _ in range(2):
            params[0].grad = tinydl.ones_like(params[0])
            optimizer.step()
            fresh = getattr(optim, name)(params)
            fresh.load_state_dict(optimizer.state_dict())
            fresh.step()
        for state in fresh.state[params[0]].values():
            assert str(state.device) == ("strict" if state.ndim else "cpu")


# ---------------------------------------------------------------- groups, hooks, closures
def test_groups_have_their_own_options():
    a, b, c = (tinydl.ones(2, requires_grad=True) for _ in range(3))
    given = {"params": [a], "lr": 0.5}
    optimizer = optim.SGD([given, {"params": b}], lr=0.1)
    optimizer.add_param_group({"params": iter([c]), "lr": tinydl.tensor(0.25), "weight_decay": 1.0})
    for p in (a, b, c):
        p.grad = tinydl.ones(2)
    optimizer.step()
    assert [round(p[0].item(), 6) for p in (a, b, c)] == [0.5, 0.9, 0.5]
    assert given == {"params": [a], "lr": 0.5} and "lr: 0.1" in repr(optimizer)
    optimizer.zero_grad(set_to_none=False)
    assert (a.grad == 0).all()
    optimizer.zero_grad()
    assert a.grad is None
    named = optim.SGD(nn.Linear(2, 2).named_parameters())
    assert named.param_groups[0]["param_names"] == ["weight", "bias"]


def test_hooks_and_closures():
    w = tinydl.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    trail = []
    handle = optimizer.register_step_pre_hook(lambda o, args, kwargs: trail.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: trail.append(w.item()))

    def closure():
        optimizer.zero_grad()
        loss = (w * 3).sum()
        loss.backward()
        return loss

    with tinydl.no_grad():
        assert optimizer.step(closure).item() == 3.0  # recorded all the same
    handle.remove()
    optimizer.step()
    assert trail == ["before", pytest.approx(0.7), pytest.approx(0.4)]


def test_lbfgs_finds_the_minimum():
    x = tinydl.tensor([-1.5, 2.0], dtype="float64", requires_grad=True)
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=50)

    def rosenbrock():
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(rosenbrock)
    np.testing.assert_allclose(x.detach().numpy(), [1, 1], atol=1e-5)
    with pytest.raises(TypeError, match="needs a closure"):
        optimizer.step()
    with pytest.raises(ValueError, match="cannot be several groups"):
        optimizer.add_param_group({"params": [tinydl.ones(1, requires_grad=True)]})


# ---------------------------------------------------------------- refusals
W = tinydl.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: optim.SGD(W), TypeError, "write \\[params\\]"),
        (lambda: optim.SGD([]), ValueError, "no parameters"),
        (lambda: optim.SGD([{"params": {W}}]), TypeError, "a set has no order"),
        (lambda: optim.SGD([W.array]), TypeError, "can only optimize tensors"),
        (lambda: optim.SGD([W * 2]), ValueError, "can only optimize leaves"),
        (lambda: optim.SGD([{"params": W}, {"params": W}]), ValueError, "more than one parameter group"),
        (lambda: optim.SGD([W, W]), UserWarning, "duplicate"),
        (lambda: optim.SGD([W], lr=-1), ValueError, "SGD: lr must be at least 0, got -1"),
        (lambda: optim.SGD([{"params": W, "momentum": -1}]), ValueError, "momentum must be at least 0"),
        (lambda: optim.SGD([W], nesterov=True), ValueError, "needs momentum > 0"),
        (lambda: optim.SGD([W], learning_rate=1), TypeError, "unexpected argument 'learning_rate'"),
        (lambda: optim.Adam([W], betas=(0.9, 1.0)), ValueError, "betas must be two numbers in"),
        (lambda: optim.Adam([W], lr=tinydl.ones(2)), ValueError, "must have one element"),
        (lambda: optim.Rprop([W], etas=(1.5, 2)), ValueError, "etas must be"),
        (lambda: optim.Adadelta([W], rho=2), ValueError, "rho must be between"),
        (lambda: optim.LBFGS([W], line_search_fn="golden"), ValueError, "'strong_wolfe'"),
        (lambda: optim.SGD([("a", W), tinydl.ones(1)]), ValueError, "come with names or none"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, error, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=text):
            wrong()


@pytest.mark.parametrize("name", [*OPTIONS, "LBFGS"])
def test_options_of_a_wrong_type_or_number_are_named(name):
    """Each option, given at first and for a group; nothing is added then."""
    make = getattr(optim, name)
    known = make([W]).param_groups[0]
    options = [n for n, v in known.items() if n != "params" and type(v) in (int, float, tuple)]
    assert "lr" in options
    for option in options:
        pair = isinstance(known[option], tuple)
        nan = float("nan")
        wrong = {"0.1": TypeError, 1j: TypeError, ("a", "b"): TypeError}
        wrong |= {(nan, nan): ValueError, 0.5: ValueError, (0.1, 0.2, 0.3): ValueError} if pair else {nan: ValueError}
        for value, error in wrong.items():
            with pytest.raises(error, match=f"^{name}: {option} must be .*, got "):
                make([W], **{option: value})
    with pytest.raises(TypeError, match=f"{name}: lr must be at least 0, got None"):
        make([W], lr=None)
    optimizer = make([W])
    if name != "LBFGS":
        with pytest.raises(TypeError, match=f"{name}: lr must be at least 0, got '0.1' .str"):
            optimizer.add_param_group({"params": tinydl.ones(1), "lr": "0.1"})
    assert len(optimizer.param_groups) == 1


def test_implementation_options_make_no_difference():
    for options in ({"foreach": True}, {"fused": True}, {"capturable": False, "differentiable": False}):
        assert set(optim.Adam([W], **options).param_groups[0]).isdisjoint(options)


def test_a_bad_gradient_changes_nothing():
    a, b = tinydl.ones(2, requires_grad=True), tinydl.ones(3, requires_grad=True)
    optimizer = optim.Adam([a, b])
    a.grad, b.grad = tinydl.ones(2), tinydl.ones(3)
    b.data = tinydl.ones(4)
    with pytest.raises(RuntimeError, match="no parameter was updated"):
        optimizer.step()
    assert (a == 1).all() and not optimizer.state


@pytest.mark.parametrize(
    "spoil, text",
    [
        (lambda s: s["param_groups"].append(s["param_groups"][0]), "groups of \\[2, 2\\] parameters"),
        (lambda s: s["param_groups"][0]["params"].pop(), "groups of \\[1\\] parameters"),
        (lambda s: s["state"][0].update(exp_avg=tinydl.ones(5)), "'exp_avg' of parameter 0 has shape \\(5,\\)"),
        (lambda s: s["state"].update({7: {}}), "a parameter 7 that no group has"),
    ],
)
def test_a_bad_state_changes_nothing(spoil, text):
    params = parameters(tinydl)[:2]
    optimizer = optim.Adam(params, lr=0.1)
    walk(tinydl, optimizer, params, 2)
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 9.0
    spoil(state)
    with pytest.raises(ValueError, match=text):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1 and optimizer.state[params[0]]["step"].item() == 2


def test_loaded_state_is_a_copy_in_the_parameters_type():
    params = parameters(tinydl)
    optimizer = optim.Adam(params)
    walk(tinydl, optimizer, params, 2)
    twins = parameters(tinydl, "float32")
    fresh = optim.Adam(twins)
    fresh.load_state_dict(optimizer.state_dict())
    before = optimizer.state[params[0]]["exp_avg"].clone()
    walk(tinydl, fresh, twins, 1, dtype="float32")
    assert fresh.state[twins[0]]["exp_avg"].dtype == np.float32
    assert (optimizer.state[params[0]]["exp_avg"] == before).all()
    assert optimizer.state[params[0]]["step"].item() == 2


# ---------------------------------------------------------------- schedules
SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 4, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 3, 9], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.7, 8),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 12, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 7, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.5, 0.2], 31),
    "OneCycleLR-three": lambda s, o: s.OneCycleLR(o, 0.5, 31, three_phase=True, anneal_strategy="linear"),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, 6, mode="triangular2"),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda n: 1 / (1 + n)),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, [lambda n: 0.9, lambda n: 0.8]),
    "SequentialLR": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1), s.CosineAnnealingLR(o, 9)], [5]),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 5), s.CosineAnnealingLR(o, 9)]),
}


def steered(lib, build):
    a, b = (lib.ones(1, requires_grad=True) for _ in range(2))
    optimizer = lib.optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b], "lr": 0.1}], momentum=0.9)
    return optimizer, build(lib.optim.lr_scheduler, optimizer)


def trail(optimizer, schedule, steps):
    rates = []
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        rates.append([(g["lr"], g["momentum"]) for g in optimizer.param_groups])
        assert schedule.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
    return rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_torchs_and_resume(name, tmp_path):
    torch = oracle()
    theirs = trail(*steered(torch, SCHEDULES[name]), 30)
    mine = steered(tinydl, SCHEDULES[name])
    first = trail(*mine, 13)
    tinydl.save([part.state_dict() for part in mine], tmp_path / "state")
    np.testing.assert_allclose(first + trail(*mine, 17), theirs, rtol=1e-9, atol=1e-12)
    fresh = steered(tinydl, SCHEDULES[name])
    for part, state in zip(fresh, tinydl.load(tmp_path / "state")):
        part.load_state_dict(state)
    np.testing.assert_allclose(trail(*fresh, 17), theirs[13:], rtol=1e-9, atol=1e-12)


def test_plateau():
    optimizer, schedule = steered(tinydl, lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=2))
    rates = []
    for metric in [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, tinydl.tensor(1.0), float("nan"), 1.0]:
        schedule.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [0.5] * 3 + [0.25] * 5 + [0.25, 0.125]
    assert schedule.best == 1.0
    state = schedule.state_dict()
    _, fresh = steered(tinydl, lambda s, o: s.ReduceLROnPlateau(o))
    fresh.load_state_dict(state)
    assert fresh.best == 1.0 and fresh.factor == 0.5


def test_ones_own_schedule_and_the_wrong_order():
    class Halving(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    optimizer, schedule = steered(tinydl, lambda s, o: Halving(o))
    with pytest.warns(UserWarning, match="call optimizer.step\\(\\) first"):
        schedule.step()
    assert schedule.get_last_lr() == [0.25, 0.05]
    schedule.step(4)
    assert schedule.get_last_lr() == [0.1, pytest.approx(0.02)]
    with pytest.raises(KeyError, match="no 'initial_lr'"):
        lr_scheduler.StepLR(optim.SGD([W]), 3, last_epoch=4)
    with pytest.raises(ValueError, match="step_size must be a positive integer"):
        lr_scheduler.StepLR(optimizer, 0)
    with pytest.raises(TypeError, match="expected an Optimizer"):
        lr_scheduler.StepLR(None, 1)
