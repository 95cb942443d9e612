"""Modules: registration, state, hooks, containers, where errors say they come from; gradient tools."""

import copy
import pickle

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.nn import functional as F


def small():
    """A network with parameters, buffers, and a layer that has neither."""
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2, bias=False))


class Net(nn.Module):
    """One of each kind that can be registered, a module under two names, and a plain tensor."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        self.scale = nn.Parameter(tinydl.ones(3))
        self.register_buffer("seen", tinydl.zeros(()))
        self.register_buffer("cache", tinydl.zeros(2), persistent=False)
        self.register_parameter("shift", None)
        self.tied = self.body[0]
        self.plain = tinydl.ones(2)

    def forward(self, x):
        return self.body(x) * self.scale


# ---------------------------------------------------------------- registration and walking
def test_what_is_registered_is_found():
    net = Net()
    names = [n for n, _ in net.named_parameters()]
    assert names == ["scale", "body.0.weight", "body.0.bias"]
    assert [n for n, _ in net.named_buffers()] == ["seen", "cache"]
    assert list(net.state_dict()) == [
        "scale", "seen", "body.0.weight", "body.0.bias", "tied.weight", "tied.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1"]
    assert [n for n, _ in net.named_children()] == ["body", "tied"]
    every = [n for n, _ in net.named_parameters(remove_duplicate=False)]
    assert every[-2:] == ["tied.weight", "tied.bias"]
    assert net.get_submodule("body.1") is net.body[1] and net.get_submodule("") is net
    assert net.get_parameter("body.0.bias") is net.tied.bias
    with pytest.raises(AttributeError, match="no parameter 'gain'"):
        net.get_parameter("body.0.gain")
    assert "scale" in dir(net) and net.shift is None


def test_assignment_moves_names_between_tables():
    net = Net()
    net.seen = tinydl.ones(())  # a buffer stays a buffer
    assert dict(net.named_buffers())["seen"] is net.seen
    net.plain = nn.Parameter(tinydl.ones(2))
    assert "plain" in dict(net.named_parameters()) and "plain" not in vars(net)
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    del net.body
    with pytest.raises(AttributeError, match="no attribute 'body'"):
        net.body  # noqa: B018


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda n: setattr(n, "scale", tinydl.ones(3)), TypeError, "expected a Parameter or None"),
        (lambda n: setattr(n, "body", 3), TypeError, "'body' is a submodule"),
        (lambda n: setattr(n, "seen", 1.0), TypeError, "'seen' is a buffer"),
        (lambda n: n.register_buffer("a.b", None), KeyError, "must not be empty nor hold"),
        (lambda n: n.register_parameter("body", None), KeyError, "'body' exists already"),
        (lambda n: n.add_module("m", 3), TypeError, "expected a Tree|expected a Module"),
        (lambda n: n.train("yes"), ValueError, "mode must be True or False"),
        (lambda n: n.to("int64"), TypeError, "expected a floating dtype"),
        (lambda n: nn.Parameter([1.0]), TypeError, "expected a tensor, got list"),
        (lambda n: nn.Parameter(tinydl.tensor([1])), RuntimeError, "only floating"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong(Net())


def test_super_init_must_come_first():
    class Bad(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) before"):
        Bad()


def test_conversion_keeps_parameters_what_they_are():
    net = Net()
    weight = net.tied.weight
    net(tinydl.ones(2, 3)).sum().backward()
    net.double()
    assert net.tied.weight is weight is net.body[0].weight
    kinds = {t.dtype for t in (*net.parameters(), *net.buffers(), weight.grad)}
    assert kinds == {np.dtype("float64")}
    bn = nn.BatchNorm1d(2).half()
    assert bn.num_batches_tracked.dtype == np.dtype("int64") and bn.weight.dtype == np.float16
    x = tinydl.ones(2, 3, dtype="float64")
    net.zero_grad()
    net(x).sum().backward()  # the graph's leaf knows the new dtype
    assert weight.grad.dtype == np.float64


def test_modes_and_gradients():
    net = small()
    assert not any(m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())
    net(tinydl.ones(4, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not net.requires_grad_(False)(tinydl.ones(4, 3)).requires_grad
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Sequential" and len(seen) == 5


def test_copies_and_pickles_are_independent():
    net = Net()
    x = tinydl.ones(1, 3)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.tied is twin.body[0]
        assert np.array_equal(twin(x).detach().numpy(), net(x).detach().numpy())
        with tinydl.no_grad():
            twin.scale.mul_(2)
        assert not np.array_equal(twin(x).detach().numpy(), net(x).detach().numpy())
        assert isinstance(twin.scale, nn.Parameter) and twin.scale.requires_grad


# ---------------------------------------------------------------- state
def test_a_state_goes_where_it_came_from():
    a, b = Net(), Net()
    assert not any(b.load_state_dict(a.state_dict()))
    for (n, p), q in zip(a.named_parameters(), b.parameters()):
        assert p is not q and np.array_equal(p.detach().numpy(), q.detach().numpy()), n
    assert not a.state_dict()["scale"].requires_grad
    assert a.state_dict(keep_vars=True)["scale"] is a.scale
    with tinydl.no_grad():
        a.state_dict()["scale"].fill_(5)  # memory is shared
    assert a.scale[0].item() == 5
    assert set(a.state_dict(prefix="net.")) == {f"net.{k}" for k in a.state_dict()}


def test_a_bad_state_is_told_in_full_and_changes_nothing():
    net = small()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    state["3.weight"] = tinydl.zeros(5, 5)
    state["1.bias"] = "text"
    state["tail.weight"] = state.pop("0.bias")
    state["head"] = tinydl.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "missing '0.bias'", "unexpected 'tail.weight', 'head'", "nothing was loaded",
        "3.weight: shape (5, 5), the module's is (2, 4)", "1.bias: expected a tensor, got str",
    ):  # fmt: skip
        assert part in text
    for k, v in net.state_dict().items():
        assert np.array_equal(v.numpy(), before[k].numpy()), k


def test_loose_and_assigned_states():
    net = small()
    found = net.load_state_dict({"0.weight": tinydl.ones(4, 3), "x": tinydl.ones(1)}, strict=False)
    assert found.unexpected_keys == ["x"] and "0.bias" in found.missing_keys
    assert (net[0].weight == 1).all()
    state = {k: v.double() for k, v in net.state_dict().items()}
    net[0].weight.requires_grad_(False)
    net.load_state_dict(state, assign=True)
    assert net[0].weight.dtype == np.float64 and not net[0].weight.requires_grad
    assert net[3].weight.requires_grad and isinstance(net[3].weight, nn.Parameter)
    with pytest.raises(RuntimeError, match="shape"):
        net.load_state_dict({"0.weight": tinydl.ones(1)}, strict=False)


def test_state_hooks():
    net = small()
    calls = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(prefix))
    net[0].register_state_dict_post_hook(lambda m, state, prefix, _: state.pop(prefix + "bias"))
    net.register_load_state_dict_post_hook(lambda m, keys: calls.append(keys.missing_keys))
    state = net.state_dict(prefix="p.")
    assert calls == ["p."] and "p.0.bias" not in state
    net.load_state_dict(net.state_dict(), strict=False)
    assert calls[-1] == ["0.bias"]


# ---------------------------------------------------------------- hooks
def test_forward_hooks_see_and_replace():
    layer, trail = nn.Linear(2, 2), []

    def before(m, args):
        trail.append("before")
        return args[0] * 0

    def after(m, args, out):
        trail.append("after")
        return out - m.bias

    first, second = layer.register_forward_pre_hook(before), layer.register_forward_hook(after)
    layer.register_forward_pre_hook(lambda m, args: trail.append("earlier"), prepend=True)
    assert (layer(tinydl.ones(1, 2)) == 0).all() and trail == ["earlier", "before", "after"]
    first.remove()
    second.remove()
    assert not (layer(tinydl.ones(1, 2)) == 0).all()


def test_hooks_with_keyword_arguments():
    class Scale(nn.Module):
        def forward(self, x, *, by=1):
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, a, k: (a, {"by": k["by"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, out: out + k["by"], with_kwargs=True)
    assert layer(tinydl.ones(1), by=2).item() == 1 * 3 + 3


@pytest.mark.parametrize("inputs_need_grad", [True, False])
def test_full_backward_hooks_as_torch(inputs_need_grad):
    torch = oracle()
    seen = {"torch": [], "tinydl": []}

    def run(lib, name):
        layer = lib.nn.Bilinear(2, 3, 2)
        with lib.no_grad():
            for i, p in enumerate(layer.parameters()):
                p.copy_(lib.ones(p.shape) * (i + 2))

        def hook(module, grad_input, grad_output):
            values = [g if g is None else g.tolist() for g in (*grad_input, *grad_output)]
            seen[name].append(values)
            return None if grad_input[0] is None else tuple(g * 2 for g in grad_input)

        layer.register_full_backward_hook(hook)
        layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 3,))
        a = lib.ones(2, 2, requires_grad=inputs_need_grad)
        b = lib.ones(2, 3, requires_grad=inputs_need_grad)
        layer(a, b).sum().backward()
        grads = [a.grad, b.grad, *(p.grad for p in layer.parameters())]
        return [None if g is None else g.tolist() for g in grads]

    assert run(tinydl, "tinydl") == run(torch, "torch")
    assert seen["tinydl"] == seen["torch"] and len(seen["torch"]) == 1


def test_backward_hooks_refuse_what_they_cannot_watch():
    layer = nn.ReLU(inplace=True)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    x = tinydl.tensor([-1.0, 1.0], requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="relu_"):  # it would spoil x for its other readers
        layer(x)
    assert x.tolist() == [-1.0, 1.0]
    assert layer(x.detach()).tolist() == [0.0, 1.0]  # without a gradient there is none to spoil

    class Pair(nn.Module):
        def forward(self, x):
            return {"x": x}

    layer = Pair()
    layer.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(TypeError, match="need a tensor or a tuple as output, got dict"):
        layer(x)


# ---------------------------------------------------------------- errors say where
def test_errors_name_the_path_once():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = nn.ModuleList([nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 1))])

        def forward(self, x):
            for stage in self.stages:
                x = stage(x)
            return x

    net = nn.Sequential(nn.Identity(), nn.Identity(), Encoder())
    with pytest.raises((RuntimeError, ValueError)) as caught:
        net(tinydl.ones(2, 3))
    (note,) = caught.value.__notes__
    assert note == "in 2.stages.1.1 (Linear(in_features=5, out_features=1, bias=True))"
    with pytest.raises((RuntimeError, ValueError)) as caught:
        nn.Linear(3, 1)(tinydl.ones(2))
    assert caught.value.__notes__ == ["in Linear(in_features=3, out_features=1, bias=True)"]


# ---------------------------------------------------------------- containers
def test_sequential_and_lists():
    net = nn.Sequential({"a": nn.Linear(2, 3), "b": nn.ReLU()})
    assert list(net.state_dict()) == ["a.weight", "a.bias"] and isinstance(net[1], nn.ReLU)
    assert list(net[:1].state_dict()) == ["a.weight", "a.bias"] and net[-1] is net.b
    net[0] = nn.Linear(2, 5)
    assert net.a.out_features == 5
    layers = nn.ModuleList(nn.Linear(i, 1) for i in (1, 2, 3))
    layers.insert(1, nn.ReLU())
    assert [type(m).__name__[0] for m in layers] == ["L", "R", "L", "L"]
    del layers[0]
    assert list(layers._modules) == ["0", "1", "2"] and len(layers[1:]) == 2
    assert layers.pop().in_features == 3 and len(layers) == 2
    layers += [nn.Tanh()]
    assert isinstance((layers + [nn.ELU()])[3], nn.ELU) and layers[0] in layers
    with pytest.raises(IndexError, match="index 7 is out of range for 3 items"):
        layers[7]
    with pytest.raises(TypeError, match="expected an iterable"):
        layers.extend(nn.Tanh())


def test_dicts_and_parameters_in_containers():
    heads = nn.ModuleDict({"x": nn.Linear(1, 1)})
    heads["y"] = nn.Linear(1, 2)
    assert list(heads) == ["x", "y"] and "y" in heads and len(list(heads.parameters())) == 4
    heads.pop("x")
    heads.update([("z", nn.Tanh())])
    assert list(heads.keys()) == ["y", "z"]
    table = nn.ParameterList([tinydl.ones(2), nn.Parameter(tinydl.ones(3))])
    table.append(tinydl.ones(4))
    assert [p.numel() for p in table.parameters()] == [2, 3, 4]
    names = nn.ParameterDict({"a": tinydl.ones(2)})
    names["b"] = tinydl.ones(1)
    assert list(names.state_dict()) == ["a", "b"] and names["a"].requires_grad


# ---------------------------------------------------------------- descriptions
DESCRIBED = """
Linear(3, 4, bias=False)| Conv2d(4, 8, 3, padding=1, groups=2, bias=False)| Conv1d(2, 2, 3, padding='same')
ConvTranspose2d(4, 2, 3, stride=2, output_padding=1)| Conv2d(1, 1, 2, padding=1, padding_mode='reflect')
MaxPool2d(2)| AvgPool1d(2)| AvgPool3d(3, padding=1)| MaxUnpool2d(2, padding=1)
AdaptiveAvgPool2d((1, None))| LPPool2d(2, 3)| MaxUnpool1d(2)
BatchNorm2d(3)| InstanceNorm1d(3)| GroupNorm(2, 4)| LayerNorm((2, 3))| RMSNorm(4)| LocalResponseNorm(2)
ReLU()| ReLU(inplace=True)| LeakyReLU(0.2)| ELU()| GELU('tanh')| Softmax(dim=1)| PReLU(3)| Threshold(1, 2)
Hardshrink(0.3)| Softplus()| RReLU()| GLU()| Dropout(0.3)| Dropout2d()| AlphaDropout()| Sigmoid()| Softmax2d()
Embedding(5, 3, padding_idx=1)| EmbeddingBag(5, 3)| Flatten()| Unflatten(1, (2, 3))| PixelShuffle(2)
Upsample(scale_factor=2)| UpsamplingBilinear2d((3, 4))| ReflectionPad2d(1)| ConstantPad1d((1, 2), 3.5)
ZeroPad2d(2)| Fold((4, 5), 2)| Unfold(3)| CrossEntropyLoss()| HuberLoss()| CosineSimilarity()| Bilinear(1, 2, 3)
Sequential(Linear(1, 2), Sequential(ReLU(), Tanh()))| ModuleList([Linear(1, 2), Linear(1, 2), ReLU()])
""".replace("\n", "|")  # fmt: skip


@pytest.mark.parametrize("text", [t.strip() for t in DESCRIBED.split("|") if t.strip()])
def test_descriptions_are_torchs(text):
    torch = oracle()
    assert repr(eval(text, vars(nn).copy())) == repr(eval(text, vars(torch.nn).copy()))


# ---------------------------------------------------------------- gradients clipped, vectors
@pytest.mark.parametrize("norm", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("most", [0.5, 100.0])
def test_clipping_by_norm_as_torch(norm, most):
    torch = oracle()
    values = [np.random.default_rng(i).standard_normal((3, i + 1)) for i in range(3)]
    mine = [nn.Parameter(tinydl.tensor(v)) for v in values] + [nn.Parameter(tinydl.ones(2))]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    for p, q, v in zip(mine, theirs, values):
        p.grad, q.grad = tinydl.tensor(v * 2), torch.tensor(v * 2)
    a = nn.utils.clip_grad_norm_(mine, most, norm)
    b = torch.nn.utils.clip_grad_norm_(theirs, most, norm)
    assert a.item() == pytest.approx(b.item())
    for p, q in zip(mine, theirs):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
    nn.utils.clip_grad_value_(mine, 0.01)
    assert max(p.grad.abs().max().item() for p in mine[:3]) == 0.01


def test_clipping_refuses_what_is_not_finite_and_scales_nothing():
    p = nn.Parameter(tinydl.ones(2))
    p.grad = tinydl.tensor([float("nan"), 7.0])
    with pytest.raises(RuntimeError, match="is not finite"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad[1].item() == 7.0 and p.grad.dtype == np.float32


def test_vectors():
    net = small()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (12 + 4 + 8 + 8,) and vector.requires_grad
    nn.utils.vector_to_parameters(vector.detach() * 0 + 2, net.parameters())
    assert all((p == 2).all() for p in net.parameters())
    with pytest.raises(ValueError, match="expected a vector of 32 elements"):
        nn.utils.vector_to_parameters(vector[:5], net.parameters())


def test_functional_is_what_layers_call():
    """A layer's options reach its function under their own names."""
    x = tinydl.tensor([-2.0, 3.0])
    assert np.array_equal(nn.LeakyReLU(0.5)(x).numpy(), F.leaky_relu(x, 0.5).numpy())
    layer = nn.LeakyReLU(0.5)
    layer.negative_slope = 0.25
    assert layer(x)[0].item() == -0.5
    with pytest.raises(TypeError):
        nn.LeakyReLU(slope=1)
