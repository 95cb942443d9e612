"""Recurrent layers: against PyTorch and plain loops, to second order; packed as padded; what is refused."""

import copy
import warnings

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.autograd.graph import OPS
from tinydl.nn.utils import rnn as sequences
from tinydl.ops.recurrent import GATES, recurrent
from tinydl.testing import gradcheck
from tinydl.testing.strict import strict_device

torch = oracle()
rng = np.random.default_rng(0)
KINDS = ["RNN", "LSTM", "GRU"]


def normal(*shape):
    return rng.standard_normal(shape)


def leaf(array):
    return tinydl.tensor(array, requires_grad=True)


def twins(kind, *args, **kwargs):
    """PyTorch's layer and tinydl's with the same parameters, in float64."""
    theirs = getattr(torch.nn, kind)(*args, **kwargs).double()
    mine = getattr(nn, kind)(*args, **kwargs).double()
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, mine


def given(kind, tensors):
    """The first state, of (input, *state), as a layer takes it."""
    return tuple(tensors[1:]) if kind == "LSTM" else tensors[1]


def flat(out):
    if isinstance(out, tuple) and not hasattr(out, "batch_sizes"):
        return [t for part in out for t in flat(part)]
    return [out.data if hasattr(out, "batch_sizes") else out]


def agree(theirs, mine, inputs_theirs, inputs_mine, run_theirs, run_mine):
    """Outputs, and gradients of inputs and parameters for one random cotangent, are PyTorch's."""
    outs = flat(run_theirs()), flat(run_mine())
    loss_theirs = loss_mine = 0
    for a, b in zip(*outs, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-9, atol=1e-12)
        w = normal(*a.shape)
        loss_theirs, loss_mine = loss_theirs + (a * torch.tensor(w)).sum(), loss_mine + (b * tinydl.tensor(w)).sum()
    loss_theirs.backward()
    loss_mine.backward()
    pairs = [*zip(inputs_theirs, inputs_mine), *zip(theirs.parameters(), mine.parameters())]
    for a, b in pairs:
        np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=1e-8, atol=1e-10)


# ---------------------------------------------------------------- whole layers
STACKS = [
    {"num_layers": 3, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
    {"num_layers": 2, "bidirectional": True, "proj_size": 2},
]


@pytest.mark.parametrize("options", STACKS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_stacks_in_both_directions(kind, options):
    if "proj_size" in options and kind != "LSTM":
        with pytest.raises(TypeError, match="proj_size"):
            getattr(nn, kind)(3, 4, **options)
        return
    theirs, mine = twins(kind, 3, 4, **options)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert [[tuple(w.shape) for w in ws] for ws in mine.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]
    x, count = normal(5, 5, 3), 2 * options["num_layers"]
    state = [normal(count, 5, options.get("proj_size", 4)), normal(count, 5, 4)][: 1 + (kind == "LSTM")]
    a = [torch.tensor(v, requires_grad=True) for v in (x, *state)]
    b = [leaf(v) for v in (x, *state)]
    agree(theirs, mine, a, b, lambda: theirs(a[0], given(kind, a)), lambda: mine(b[0], given(kind, b)))


def test_lstm_is_its_equations():
    """Gates in the order i, f, g, o, step by step in NumPy."""
    layer = nn.LSTM(3, 4)
    s = lambda z: 1 / (1 + np.exp(-z))
    W, U, b, d = (p.detach().numpy().astype(float) for p in layer.parameters())
    x, h, c = normal(6, 2, 3), np.zeros((2, 4)), np.zeros((2, 4))
    y, (h_n, c_n) = layer(tinydl.tensor(x.astype("float32")))
    assert y.dtype == h_n.dtype == c_n.dtype == "float32"
    for t in range(6):
        i, f, g, o = np.split(x[t] @ W.T + b + h @ U.T + d, 4, 1)
        c = s(f) * c + s(i) * np.tanh(g)
        h = s(o) * np.tanh(c)
        np.testing.assert_allclose(y[t].detach().numpy(), h, atol=1e-6)
    np.testing.assert_allclose(h_n[0].detach().numpy(), h, atol=1e-6)
    np.testing.assert_allclose(c_n[0].detach().numpy(), c, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_one_step_of_the_layer(kind):
    layer, cell = getattr(nn, kind)(3, 4).double(), getattr(nn, kind + "Cell")(3, 4).double()
    cell.load_state_dict({k: layer.state_dict()[k + "_l0"] for k in cell.state_dict()})
    x = tinydl.tensor(normal(5, 2, 3))
    y, last = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(h.detach().numpy(), y[t].detach().numpy(), rtol=1e-12)
    for a, b in zip(flat(state), flat(last)):
        np.testing.assert_array_equal(a.detach().numpy(), b[0].detach().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch(kind):
    layer = getattr(nn, kind)(3, 4, 2, batch_first=True, bidirectional=True)
    x = tinydl.tensor(normal(5, 3).astype("float32"))
    y, state = layer(x)
    together, states = layer(x.unsqueeze(0))
    assert y.shape == (5, 8)
    np.testing.assert_array_equal(y.detach().numpy(), together[0].detach().numpy())
    for s, whole in zip(flat(state), flat(states)):
        np.testing.assert_array_equal(s.detach().numpy(), whole[:, 0].detach().numpy())


def test_dropout_comes_between_layers_in_training():
    tinydl.manual_seed(0)
    layer = nn.GRU(3, 64, 2, dropout=0.5)
    first = nn.GRU(3, 64)
    first.load_state_dict({k: v for k, v in layer.state_dict().items() if k.endswith("l0")})
    x = tinydl.tensor(normal(4, 8, 3).astype("float32"))
    (a, s), (b, t) = layer(x), layer(x)
    assert (a != b).any()
    np.testing.assert_array_equal(s[0].detach().numpy(), t[0].detach().numpy())  # layer 0 sees no dropout
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    layer.train().dropout = 1.0  # nothing reaches the second layer: it sees zeros
    second = nn.GRU(64, 64)
    second.load_state_dict({k[:-1] + "0": v for k, v in layer.state_dict().items() if k.endswith("l1")})
    alone = second(tinydl.zeros(4, 8, 64))[0]
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), alone.detach().numpy())
    with pytest.warns(UserWarning, match="between layers"):
        nn.GRU(3, 4, dropout=0.5)


# ---------------------------------------------------------------- one layer, one direction: orders, devices
def parts(mode, sizes, width=3, projected=False):
    """State and parameters of one layer for inputs of 2 features."""
    P = 2 if projected else width
    rows, N = GATES[mode] * width, sizes[0]
    state = [normal(N, P), normal(N, width)][: 1 + (mode == "LSTM")]
    weights = [normal(rows, 2), normal(rows, P), normal(rows), normal(rows)]
    return normal(sum(sizes), 2), state, weights + [normal(P, width)] * projected


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mode, projected", [(m, False) for m in GATES if m != "RNN_RELU"] + [("LSTM", True)])
def test_gradients_of_both_orders(mode, projected, backwards):
    sizes = (3, 2, 2, 1)
    x, state, weights = parts(mode, sizes, projected=projected)
    n = 1 + len(state)

    def run(*tensors):
        out = recurrent(mode, tensors[0], tensors[1:n], *tensors[n:], sizes=sizes, backwards=backwards)
        return tuple(t.tanh() for t in out)

    inputs = [leaf(0.7 * v) for v in (x, *state, *weights)]
    assert gradcheck(run, inputs, order=2, fast_mode=True)


@pytest.mark.parametrize("mode", GATES)
def test_bodies_run_on_a_strict_device(mode):
    """Nothing in them assumes NumPy."""
    sizes = (2, 2, 1)
    x, state, weights = parts(mode, sizes)
    wanted = recurrent(mode, leaf(x), [leaf(s) for s in state], *map(leaf, weights), sizes=sizes)
    with strict_device() as device:
        on = lambda v: tinydl.tensor(v, device=device, requires_grad=True)
        tensors = [on(v) for v in (x, *state, *weights)]
        n = 1 + len(state)
        out = recurrent(mode, tensors[0], tensors[1:n], *tensors[n:], sizes=sizes)
        sum(t.sum() for t in out).backward()
        for t, w in zip(out, wanted, strict=True):
            np.testing.assert_allclose(t.detach().cpu().numpy(), w.detach().numpy(), rtol=1e-12)
        assert all(t.grad is not None for t in tensors)


def test_an_input_that_depends_on_the_other():
    """x and the first state made of one tensor: each path counts once, also when differentiated again."""
    W = [leaf(v) for v in parts("GRU", (2,) * 3)[2]]

    def run(z):
        h = (z[:2] @ tinydl.tensor(np.ones((2, 3)))).tanh()
        return recurrent("GRU", z * z, (h,), *W, sizes=(2, 2, 2))[0]

    assert gradcheck(run, [leaf(normal(6, 2))], order=2)


def test_operations_are_declared_for_kernels():
    assert all(OPS[name].op.fused for name in ("rnn", "lstm", "gru"))


# ---------------------------------------------------------------- packed sequences
LENGTHS = [2, 5, 1, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_pytorchs(kind):
    theirs, mine = twins(kind, 3, 4, 2, bidirectional=True)
    arrays = [normal(5, 4, 3), normal(4, 4, 4), normal(4, 4, 4)][: 2 + (kind == "LSTM")]
    a, b = [torch.tensor(v, requires_grad=True) for v in arrays], [leaf(v) for v in arrays]

    def run(lib, layer, tensors):
        packed = lib.pack_padded_sequence(tensors[0], LENGTHS, enforce_sorted=False)
        return layer(packed, given(kind, tensors))

    agree(theirs, mine, a, b, lambda: run(torch.nn.utils.rnn, theirs, a), lambda: run(sequences, mine, b))


@pytest.mark.parametrize("kind", KINDS)
def test_packed_is_each_sequence_alone(kind):
    layer = getattr(nn, kind)(3, 4, bidirectional=True).double()
    x = [tinydl.tensor(normal(n, 3)) for n in LENGTHS]
    packed, state = layer(sequences.pack_sequence(x, enforce_sorted=False))
    padded, lengths = sequences.pad_packed_sequence(packed, batch_first=True, padding_value=-7)
    assert lengths.tolist() == LENGTHS and padded.shape == (4, 5, 8)
    for n, sequence in enumerate(x):
        y, last = layer(sequence)
        np.testing.assert_allclose(padded[n, : LENGTHS[n]].detach().numpy(), y.detach().numpy(), rtol=1e-12)
        assert (padded[n, LENGTHS[n] :] == -7).all()
        for s, alone in zip(flat(state), flat(last)):
            np.testing.assert_allclose(s[:, n].detach().numpy(), alone.detach().numpy(), rtol=1e-12)


def test_packing_and_padding():
    x = [tinydl.tensor(normal(n, 2)) for n in (3, 1, 2)]
    packed = sequences.pack_sequence(x, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1] and packed.sorted_indices.tolist() == [0, 2, 1]
    rows = [x[0][0], x[2][0], x[1][0], x[0][1], x[2][1], x[0][2]]
    np.testing.assert_array_equal(packed.data.numpy(), tinydl.stack(rows).numpy())
    for a, b in zip(x, sequences.unpack_sequence(packed), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert packed.float().data.dtype == "float32" and packed.to("float64") is packed
    padded, _ = sequences.pad_packed_sequence(packed, total_length=5)
    assert padded.shape == (5, 3, 2) and not padded[3:].any()
    left = sequences.pad_sequence(x, batch_first=True, padding_value=9, padding_side="left")
    theirs = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(t.numpy()) for t in x], batch_first=True, padding_value=9, padding_side="left"
    )
    np.testing.assert_array_equal(left.numpy(), theirs.numpy())


def test_gradients_through_packing():
    def there_and_back(x):
        packed = sequences.pack_padded_sequence(x, [1, 3], enforce_sorted=False)
        return sequences.pad_packed_sequence(packed._replace(data=packed.data**2))[0]

    assert gradcheck(there_and_back, [leaf(normal(3, 2, 2))], order=2)


# ---------------------------------------------------------------- refusals, copies
def zeros(*shape, dtype="float32"):
    return tinydl.zeros(*shape, dtype=dtype)


CALLS = [
    (lambda: nn.LSTM(3, 4)(zeros(5, 2, 2)), RuntimeError, r"LSTM: input has 2 features, input_size is 3 .*\(5, 2, 2\)"),
    (lambda: nn.GRU(3, 4)(zeros(3)), ValueError, r"GRU: expected input \(T, N, D\), .* got shape \(3,\)"),
    (lambda: nn.GRU(3, 4)(zeros(5, 2, 3, dtype="float64")), ValueError, "input is float64, weights are float32"),
    (lambda: nn.GRU(3, 4)(zeros(0, 2, 3)), RuntimeError, "at least one step"),
    (lambda: nn.RNN(3, 4)(zeros(5, 2, 3), zeros(1, 3, 4)), RuntimeError, r"expected hx of shape \(1, 2, 4\), got"),
    (lambda: nn.LSTM(3, 4)(zeros(5, 2, 3), zeros(1, 2, 4)), RuntimeError, r"expected hx of shape \(1, 2, 4\) and"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, r"proj_size must lie in \[0, hidden_size = 4\), got 4"),
    (lambda: nn.RNN(3, 4, nonlinearity="cube"), ValueError, "'tanh' or 'relu', got 'cube'"),
    (lambda: nn.RNN(3, 4, dropout=True), ValueError, r"number in \[0, 1\], got True"),
    (lambda: nn.GRU(3, 0), ValueError, "hidden_size must be positive, got 0"),
    (lambda: nn.GRU(3, 4, bias=1), TypeError, "bias must be True or False, got 1"),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 5)), RuntimeError, "GRUCell: input has 5 features, input_size is 3"),
    (lambda: nn.LSTMCell(3, 4)(zeros(2, 3), (zeros(2, 4), zeros(2, 5))), RuntimeError, r"got \(2, 4\) and \(2, 5\)"),
    (lambda: sequences.pack_padded_sequence(zeros(3, 2, 1), [1, 3]), RuntimeError, r"\[1, 3\]; give enforce_sorted"),
    (lambda: sequences.pack_padded_sequence(zeros(3, 2, 1), [4, 1]), RuntimeError, r"2 lengths in \[1, 3\], .* \[4"),
    (lambda: sequences.pad_sequence([zeros(3, 2), zeros(2, 3)]), RuntimeError, r"agree .* \[\(3, 2\), \(2, 3\)\]"),
    (lambda: sequences.pad_sequence([]), RuntimeError, "at least one sequence"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", CALLS, ids=[text[:40] for *_, text in CALLS])
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_copies_and_descriptions():
    layer = nn.LSTM(3, 4, 2, bias=False, proj_size=2)
    assert repr(layer) == repr(torch.nn.LSTM(3, 4, 2, bias=False, proj_size=2))
    assert repr(nn.RNNCell(3, 4, nonlinearity="relu")) == repr(torch.nn.RNNCell(3, 4, nonlinearity="relu"))
    twin = copy.deepcopy(layer)
    x = tinydl.tensor(normal(5, 2, 3).astype("float32"))
    np.testing.assert_array_equal(twin(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.GRU(3, 4, 2, dropout=0.5)
