"""Mixed precision: contexts, casts that are kept, gradients through casts, products of float16, training."""

import gc
import threading
import weakref

import numpy as np
import pytest
from oracle import oracle

import tinydl
import tinydl.nn.functional as F
from tinydl import amp, nn, optim
from tinydl.autograd import grad
from tinydl.autograd.dispatch import observers
from tinydl.data import DataLoader, TensorDataset, datasets
from tinydl.ops.conv import conv_bias
from tinydl.testing.strict import strict_device
from tinydl.train import Adversarial, Classify, MixedPrecision, Trainer, gan_loss
from tinydl.train.steps import scaling
from tinydl.utils.checkpoint import checkpoint

f16, bf16, f32, f64 = tinydl.float16, tinydl.bfloat16, tinydl.float32, tinydl.float64


class Ran:
    """Within it: the names of the operations that ran."""

    def __enter__(self):
        self.names = []
        observers.append(self)
        return self

    def __exit__(self, *exc):
        observers.remove(self)

    def ran(self, name, *args, **kwargs):
        self.names.append(name)


def weights(*shape):
    return tinydl.randn(*shape).mul_(0.3).requires_grad_()


# ---------------------------------------------------------------- contexts
def product():
    return (tinydl.ones(2, 2) @ tinydl.ones(2, 2)).dtype


def test_contexts_nest_and_end():
    assert product() == f32 and not tinydl.is_autocast_enabled("cpu")
    with tinydl.autocast("cpu", dtype=f16):
        assert product() == f16 and tinydl.is_autocast_enabled("cpu")
        with tinydl.autocast("cpu", enabled=False):
            assert product() == f32 and not tinydl.is_autocast_enabled("cpu")
            with tinydl.autocast("cpu", f16):
                assert product() == f16
            assert product() == f32
        assert product() == f16
    assert product() == f32


def test_contexts_of_two_devices_are_apart():
    with tinydl.autocast("cuda"):
        assert product() == f32 and tinydl.is_autocast_enabled("cuda") and tinydl.is_autocast_enabled()
        with tinydl.autocast("cpu", f16):
            assert product() == f16 and tinydl.is_autocast_enabled("cuda")
        assert not tinydl.is_autocast_enabled("cpu")
    with strict_device() as device:
        x = tinydl.ones(2, 2, device=device)
        with tinydl.autocast("strict"):
            assert (x @ x).dtype == f16 and product() == f32
        with tinydl.autocast("cpu", f16):
            assert (x @ x).dtype == f32


def test_a_context_ends_with_an_error_and_serves_again():
    context = tinydl.autocast("cpu", f16)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), context, context:
            1 / 0  # noqa: B018
        assert product() == f32


def test_decorated_functions_run_within():
    @tinydl.autocast("cpu", f16)
    def decorated():
        """What it says."""
        return product()

    assert decorated() == f16 and product() == f32 and decorated.__doc__ == "What it says."


def test_other_threads_are_not_concerned():
    found = []
    with tinydl.autocast("cpu", f16):
        thread = threading.Thread(target=lambda: found.append(product()))
        thread.start()
        thread.join()
    assert found == [f32]


def test_threads_may_share_a_decorated_function():
    inside, go_on, found = threading.Event(), threading.Event(), []

    @tinydl.autocast("cpu", f16)
    def decorated(meanwhile):
        meanwhile()
        return product()

    def other():
        with tinydl.autocast("cpu", enabled=False):
            found.append(decorated(lambda: (inside.set(), go_on.wait(60))))
            found.append(product())

    def end_the_other():
        go_on.set()
        thread.join()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(60)
    assert decorated(end_the_other) == f16 and found == [f16, f32]
    assert product() == f32 and tinydl.autograd.mode.state.autocast is None


def test_what_cannot_be_is_refused():
    with pytest.raises(RuntimeError, match="device_type must be 'cpu' or 'cuda' .* got 'cuda:0'"):
        tinydl.autocast("cuda:0")
    with pytest.raises(TypeError, match="a narrow type, bfloat16 or float16, got float32; enabled=False"):
        tinydl.autocast("cpu", dtype=f32)
    assert not amp.is_autocast_available("tpu") and amp.is_autocast_available("cuda")
    assert amp.get_autocast_dtype("cpu") == bf16 and amp.get_autocast_dtype("cuda") == f16
    with strict_device() as device, tinydl.autocast("strict"):
        x = tinydl.full((2,), 0.5, device=device)
        with pytest.raises(RuntimeError, match="give the logits to binary_cross_entropy_with_logits"):
            F.binary_cross_entropy(x, x)
        with tinydl.autocast("strict", enabled=False):
            assert F.binary_cross_entropy(x, x).dtype == f32


def test_a_mixture_outside_is_refused_as_ever():
    x = tinydl.ones(2, 2)
    for call in (tinydl.mm, tinydl.dot, F.linear):
        with pytest.raises(RuntimeError, match="dtype"):
            call(x[0] if call is tinydl.dot else x, (x[0] if call is tinydl.dot else x).half())


# ---------------------------------------------------------------- casts that are kept
def casts(use, **options):
    """How often a weight is cast by `use`."""
    w = weights(3, 3)
    x = tinydl.ones(3, 3, dtype=f16)
    with Ran() as ran, tinydl.autocast("cpu", f16, **options):
        use(x, w)
    return ran.names.count("cast")


def test_a_weight_is_cast_once():
    assert casts(lambda x, w: (x @ w) @ w) == 1
    assert casts(lambda x, w: (x @ w) @ w, cache_enabled=False) == 2

    def within(x, w):
        with tinydl.autocast("cpu", f16):
            x = x @ w
        return x @ w

    assert casts(within) == 1

    def within_first(x, w):
        with tinydl.autocast("cpu", f16, cache_enabled=True):
            x = x @ w
        return x @ w

    assert casts(within_first) == 1
    assert casts(within_first, cache_enabled=False) == 2


def test_a_weight_that_was_written_is_cast_anew():
    w, x = tinydl.rand(3, 3, requires_grad=True), tinydl.ones(3, 3)
    with tinydl.autocast("cpu", f16):
        before = x @ w
        w.data = w.data * 2  # another array
        assert (x @ w - 2 * before).abs().max().item() < 1e-2
        with tinydl.no_grad():
            w.mul_(2)
        assert (x @ w - 4 * before).abs().max().item() < 1e-2


def test_a_cast_without_a_graph_does_not_serve_where_gradients_are_recorded():
    w, x = weights(3, 3), tinydl.ones(3, 3)
    with tinydl.autocast("cpu", f16):
        with tinydl.no_grad():
            x @ w
        (x @ w).sum().backward()
    assert (w.grad.numpy() == 3).all()


def test_a_leaf_that_was_made_anew_gets_its_gradient():
    w, x = weights(3, 3), tinydl.ones(3, 3)
    with tinydl.autocast("cpu", f16):
        x @ w
        w.requires_grad_(False)
        w.requires_grad_(True)
        (g,) = grad((x @ w).sum(), w)
    assert (g.numpy() == 3).all()


def test_casts_end_with_the_outermost_context():
    w, x = weights(3, 3), tinydl.ones(3, 3)
    with tinydl.autocast("cpu", f16) as context:
        with tinydl.autocast("cpu", f16):
            x @ w
        kept = [weakref.ref(entry[-1]) for entry in tinydl.autograd.mode.state.autocast.kept.values()]
        assert len(kept) == 1
    gc.collect()
    assert kept[0]() is None and context.before == []


def test_two_losses_of_one_context_share_a_cast():
    w, x = weights(3, 3), tinydl.ones(3, 3)
    with tinydl.autocast("cpu", f16):
        a, b = (x @ w).sum(), (x @ w).sum()
    a.backward()
    b.backward()
    assert (w.grad.numpy() == 6).all()


# ---------------------------------------------------------------- gradients
def network(x, u, w):
    return F.softmax(tinydl.tanh(x @ u) @ w, 1).square().sum()


def by_hand(x, u, w):
    """The same with the casts written out."""
    hidden = tinydl.tanh(x.half() @ u.half())
    return F.softmax((hidden @ w.half()).float(), 1).square().sum()


def test_gradients_of_both_orders_are_those_of_casts_written_out():
    x, u, w = tinydl.randn(5, 4), weights(4, 6), weights(6, 3)
    results = []
    for function, enabled in ((network, True), (by_hand, False)):
        with tinydl.autocast("cpu", f16, enabled=enabled):
            loss = function(x, u, w)
        first = grad(loss, (u, w), create_graph=True)
        second = grad(sum((g * g).sum() for g in first), (u, w))
        results.append([loss, *first, *second])
    for a, b in zip(*results):
        assert a.dtype == b.dtype == f32 and a.numpy(force=True).tobytes() == b.numpy(force=True).tobytes()
        assert np.abs(a.numpy(force=True)).max() > 1e-6


def test_gradients_are_the_same_within_the_context_and_after():
    x, u, w = tinydl.randn(5, 4), weights(4, 6), weights(6, 3)
    with tinydl.autocast("cpu", f16):
        inside = grad(network(x, u, w), (u, w), create_graph=True)
        loss = network(x, u, w)
    for a, b in zip(inside, grad(loss, (u, w))):
        assert a.numpy(force=True).tobytes() == b.numpy().tobytes()


def test_a_backward_within_the_context_casts_nothing():
    x, w = tinydl.full((2, 2), 1 + 2.0**-12), weights(2, 2)
    with tinydl.autocast("cpu", f16):
        with tinydl.autocast("cpu", enabled=False):
            y = x @ w
        (g,) = grad(y.sum(), w)
    assert (g.numpy() == 2 + 2.0**-11).all()  # as float16 it would be 2


@pytest.mark.parametrize("narrow, rtol", [("float16", 1e-2), ("bfloat16", 3e-2)])
def test_gradients_are_near_pytorchs(narrow, rtol):
    torch = oracle()
    x, u, w = tinydl.randn(50, 4), weights(4, 60), weights(60, 3)
    tx, tu, tw = (torch.tensor(t.numpy(force=True), requires_grad=t.requires_grad) for t in (x, u, w))
    with tinydl.autocast("cpu", getattr(tinydl, narrow)):
        loss = F.mse_loss(F.relu(x @ u) @ w, x[:, :3])
    with torch.autocast("cpu", dtype=getattr(torch, narrow)):
        judge = torch.nn.functional.mse_loss(torch.relu(tx @ tu) @ tw, tx[:, :3])
    loss.backward()
    judge.backward()
    assert loss.item() == pytest.approx(judge.item(), rel=rtol / 10)
    for mine, its in ((u, tu), (w, tw)):
        assert mine.grad.dtype == f32 and its.grad.dtype == torch.float32
        np.testing.assert_allclose(mine.grad.numpy(), its.grad.numpy(), rtol, rtol / 10 * np.abs(its.grad).max())


# a layer, the shape of its input, whether what comes out is narrow
LAYERS = {
    "lstm": (lambda: nn.LSTM(4, 5, 2, bidirectional=True), (3, 2, 4), True),
    "projected lstm": (lambda: nn.LSTM(4, 6, proj_size=3), (3, 2, 4), True),
    "gru": (lambda: nn.GRU(4, 5), (3, 2, 4), True),
    "rnn": (lambda: nn.RNN(4, 5), (3, 2, 4), True),
    "lstm cell": (lambda: nn.LSTMCell(4, 5), (2, 4), True),
    "gru cell": (lambda: nn.GRUCell(4, 5), (2, 4), True),
    "heads": (lambda: Twice(nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)), (3, 2, 8), True),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (3, 2, 8), False),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), (2, 3, 6, 6), True),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, 2), (2, 3, 3, 3), True),
}


class Twice(nn.Module):
    """Attention of a sequence to itself, without the weights."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        return self.heads(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("given, narrow", [(f32, f16), (f16, f16), (f32, bf16), (bf16, bf16)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_near_float32_to_the_first_gradient(name, given, narrow):
    make, shape, comes_out = LAYERS[name]
    layer, x = make(), (tinydl.randn(*shape) * 0.5).to(given)
    error = 3e-3 if narrow == f16 else 2e-2
    results = []
    for enabled in (True, False):
        with tinydl.autocast("cpu", narrow, enabled=enabled):
            y = layer(x if enabled else x.float())
        y = y[0] if isinstance(y, tuple) else y
        assert y.dtype == (narrow if enabled and comes_out else f32)
        gs = grad(y.float().square().mean(), list(layer.parameters()))
        assert {g.dtype for g in gs} == {f32}
        results.append([y.float(), *gs])
    for a, b in zip(*results):
        a, b = a.numpy(force=True), b.numpy(force=True)
        np.testing.assert_allclose(a, b, 10 * error, error * max(1.0, np.abs(b).max()))


def test_running_statistics_stay_float32():
    layer = nn.BatchNorm1d(3)
    with tinydl.autocast("cpu", f16):
        layer(tinydl.full((4, 3), 300.0, dtype=f16) + tinydl.arange(4).reshape(4, 1).half())
    assert layer.running_mean.dtype == f32
    np.testing.assert_allclose(layer.running_mean.numpy(), 30.15, rtol=1e-6)  # 300 * 300 is no number of float16


def test_a_checkpointed_region_runs_again_as_it_did():
    x, u, w = tinydl.randn(5, 4), weights(4, 6), weights(6, 3)
    results = []
    for region in (checkpoint, lambda f, *args: f(*args)):
        with tinydl.autocast("cpu", f16):
            before = (x @ u).sum()  # u has been cast when the region begins
            loss = region(network, x, u, w) + before + (tinydl.ones(1, 6) @ w).sum()
        results.append((loss.item(), *grad(loss, (u, w))))
    (loss, *gradients), (judge, *judges) = results
    assert loss == judge
    for a, b in zip(gradients, judges):
        # a weight that is cast twice has gradients added in float32, of one cast they are added in float16
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-3)
        assert np.abs(a.numpy()).max() > 0.1


def test_methods_that_write_keep_the_type_and_the_precision():
    x, a = tinydl.zeros(1, 1), tinydl.full((1, 1), 1 + 2.0**-12)
    with tinydl.autocast("cpu", f16):
        x.addmm_(a, tinydl.ones(1, 1))
    assert x.item() == 1 + 2.0**-12


class Log(tinydl.autograd.Function):
    """Notes the types that it meets."""

    met: list = []

    @staticmethod
    def forward(ctx, x):
        Log.met.append((x.dtype, product()))
        return x * 2

    @staticmethod
    def backward(ctx, g):
        Log.met.append((g.dtype, product()))
        return g * 2


@pytest.mark.parametrize("cast, met", [(f32, [(f32, f32), (f32, f32)]), (None, [(f16, f16), (f16, f16)])], ids=str)
def test_custom_functions(cast, met):
    class Custom(Log):
        forward = staticmethod(amp.custom_fwd(Log.forward, device_type="cpu", cast_inputs=cast))
        backward = staticmethod(amp.custom_bwd(Log.backward, device_type="cpu"))

    Log.met = []
    x = tinydl.ones(2, dtype=f16).requires_grad_()
    with tinydl.autocast("cpu", f16):
        y = Custom.apply(x)
    y.sum().backward()
    assert Log.met == met and (x.grad.numpy() == 2).all() and x.grad.dtype == f16


# ---------------------------------------------------------------- products of narrow types on the CPU
@pytest.mark.parametrize(
    "call, shapes",
    [
        (lambda a, b: a @ b, [(3, 4096), (4096, 5)]),
        (lambda a, b: a @ b, [(2, 300, 400), (2, 400, 70)]),
        (lambda a, b: a @ b, [(4096,), (4096,)]),
        (F.linear, [(3, 4096), (5, 4096), (5,)]),
        (F.linear, [(200, 400), (300, 400)]),
        (F.conv2d, [(2, 64, 9, 9), (5, 64, 3, 3), (5,)]),
        (F.conv_transpose2d, [(2, 64, 5, 5), (64, 3, 3, 3), (3,)]),
        (lambda x, w: F.conv1d(x, w, groups=2, padding=1), [(2, 64, 9), (4, 32, 3)]),
        (conv_bias, [(16, 2, 64, 64), (1,)]),
    ],
)
@pytest.mark.parametrize("dtype", [f16, bf16], ids=str)
def test_products_add_up_in_float32(call, shapes, dtype):
    operands = [tinydl.rand(*shape).to(dtype) for shape in shapes]  # all positive: nothing cancels
    exact = call(*(t.double() for t in operands)).numpy()
    got = call(*operands)
    assert got.dtype == dtype
    once = float(tinydl.finfo(dtype).eps) / 2
    assert (np.abs(got.double().numpy() - exact) / exact).max() < once + 1e-4


def test_shapes_that_do_not_fit_are_refused_in_float16_too():
    with pytest.raises(RuntimeError, match="matmul: the last size of x, 3, differs"):
        tinydl.ones(2, 3, dtype=f16) @ tinydl.ones(4, 2, dtype=f16)


# ---------------------------------------------------------------- training
def digits(model, mixed, epochs=3, **options):
    """A classifier after some epochs, and its losses."""
    step = Classify(model, optim.Adam(model.parameters(), lr=2e-3))
    if mixed:
        step = MixedPrecision(step, "cpu", **options)
    trainer = Trainer(step, DataLoader(datasets.Digits(train=True), batch_size=64, shuffle=True))
    return trainer, [row["loss"] for row in trainer.fit(epochs)]


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 10))


def conv_net():
    return nn.Sequential(
        nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


class Square(nn.Module):
    """(N, 1, 8, 8) -> (N, 8, 8)."""

    def forward(self, x):
        return x.reshape(-1, 8, 8)


@pytest.mark.parametrize("make", [mlp, conv_net])
def test_training_comes_to_nearly_the_loss_of_float32(make):
    losses = []
    for mixed in (False, True):
        tinydl.manual_seed(1)
        trainer, history = digits(nn.Sequential(Square(), make()), mixed)
        losses.append(history)
    assert losses[0][0] > 1.5 * losses[0][-1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2)
    assert losses[1] != losses[0]


def test_a_run_in_mixed_precision_resumes_bit_equal():
    states = []
    for parts in ((2,), (1, 2)):
        tinydl.manual_seed(2)
        scaler = amp.GradScaler(growth_interval=7)
        trainer, _ = digits(nn.Sequential(Square(), mlp()), True, epochs=parts[0], scaler=scaler)
        for epochs in parts[1:]:
            kept = trainer.state_dict()
            tinydl.manual_seed(9)
            trainer, _ = digits(nn.Sequential(Square(), mlp()), True, epochs=0, scaler=amp.GradScaler())
            trainer.load_state_dict(kept)
            trainer.fit(epochs)
        states.append(trainer.state_dict()["step"])
    (a, b) = states
    assert a["scaler"] == b["scaler"] and a["scaler"]["scale"] != 65536
    for name, value in a["step"]["model"].items():
        assert value.numpy(force=True).tobytes() == b["step"]["model"][name].numpy(force=True).tobytes()


def test_two_players_of_a_game_are_scaled():
    tinydl.manual_seed(0)
    g, d = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    players = g, d, optim.Adam(g.parameters()), optim.Adam(d.parameters())
    game = Adversarial(*players, gan_loss("least-squares"), latent=2)
    before = [p.numpy(force=True).copy() for p in (*g.parameters(), *d.parameters())]
    step = MixedPrecision(game, "cpu")
    figures = Trainer(step, DataLoader(TensorDataset(tinydl.randn(32, 3)), batch_size=8)).fit(1)[0]
    assert all(np.isfinite(v) for v in figures.values()) and scaling.scaler is None
    for p, old in zip((*g.parameters(), *d.parameters()), before):
        assert (p.numpy(force=True) != old).any()
