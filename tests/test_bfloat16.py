"""bfloat16: a type like any other, computed in float32 and rounded once; PyTorch is the judge."""

import copy
import io
import os
import pickle
import warnings
import zlib

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn, optim
from tinydl.nn.utils.rnn import pack_sequence
from tinydl.ops.random import coin
from tinydl.train import Masking, SaltAndPepper

torch = oracle()
bf16, f16, f32 = tinydl.bfloat16, tinydl.float16, tinydl.float32
NARROW = pytest.mark.parametrize("dtype", [bf16, f16], ids=str)


def theirs(x):
    """PyTorch's tensor of the same bits."""
    return torch.from_numpy(x.detach().numpy().view("int16").copy()).view(torch.bfloat16)


def near(mine, its, rtol=1.6e-2, atol=1e-5):
    """As assert_close with PyTorch's tolerances for bfloat16, or others."""
    np.testing.assert_allclose(mine.detach().double().numpy(), its.detach().double().numpy(), rtol, atol)


# ---------------------------------------------------------------- the type
def test_it_is_a_dtype():
    x = tinydl.tensor([1.5, 2.25, 1 / 3], dtype=bf16)
    assert x.dtype == bf16 == tinydl.tensor([1], dtype="bfloat16").dtype == np.dtype(bf16) and x.itemsize == 2
    assert x.is_floating_point() and bf16.name == "bfloat16"
    assert x.tolist() == [1.5, 2.25, 0.333984375] == torch.tensor([1.5, 2.25, 1 / 3]).bfloat16().tolist()
    assert type(x[2].item()) is float and type(x.tolist()[0]) is float and float(x[0]) == 1.5 and int(x[1]) == 2
    assert repr(x) == "tensor([1.5000, 2.2500, 0.3340], dtype=bfloat16)"
    assert x.numpy().dtype == bf16 and x.numpy() is x.array
    assert tinydl.from_numpy(x.numpy()).dtype == tinydl.as_tensor(x.numpy()).dtype == bf16
    assert x.to(f32).bfloat16().dtype == x.float().to("bfloat16").dtype == x.double().type_as(x).dtype == bf16


def test_its_limits_are_pytorchs():
    mine, its = tinydl.finfo(bf16), torch.finfo(torch.bfloat16)
    for name in ("eps", "max", "min", "tiny", "smallest_normal", "bits"):
        assert float(getattr(mine, name)) == float(getattr(its, name)), name
    assert tinydl.finfo("float32").eps == np.finfo("float32").eps
    assert isinstance(mine, tinydl.finfo) and not isinstance(tinydl.iinfo("int8"), tinydl.finfo)
    for none in (tinydl.int64, bool, "uint8"):
        with pytest.raises(TypeError, match="expected a floating type, got .*; of integers see iinfo"):
            tinydl.finfo(none)


def test_a_tensor_of_pytorch_goes_by_its_bits():
    its = torch.tensor([1.5, -2.0]).bfloat16()
    for take in (tinydl.tensor, tinydl.as_tensor):
        with pytest.raises(TypeError, match="its bits"):
            take(its)
    assert tinydl.from_numpy(its.view(torch.int16).numpy().view(tinydl.bfloat16)).tolist() == [1.5, -2.0]


def test_rounding_is_to_nearest_even_as_pytorchs():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    x[:4] = np.inf, -np.inf, np.nan, 3.4e38
    mine, its = tinydl.tensor(x).bfloat16().float().numpy(), torch.from_numpy(x).bfloat16().float().numpy()
    np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize(
    "make",
    [
        lambda t, **k: t.zeros(2, 3, **k), lambda t, **k: t.ones(2, **k), lambda t, **k: t.full((2,), 0.1, **k),
        lambda t, **k: t.eye(3, **k), lambda t, **k: t.arange(5, **k), lambda t, **k: t.arange(0, 1, 0.1, **k),
        lambda t, **k: t.linspace(0, 1, 7, **k), lambda t, **k: t.empty(0, **k), lambda t, **k: t.tensor(0.1, **k),
        lambda t, **k: t.zeros_like(t.ones(2), **k), lambda t, **k: t.full_like(t.ones(2), 0.3, **k),
        lambda t, **k: t.ones(2).new_full((2,), 0.7, **k), lambda t, **k: t.logspace(0, 1, 4, **k),
    ],
)  # fmt: skip
def test_creation(make):
    mine, its = make(tinydl, dtype=bf16), make(torch, dtype=torch.bfloat16)
    assert mine.dtype == bf16
    near(mine, its, 2**-7, 0)  # PyTorch rounds the step of linspace, too


def test_it_may_be_the_default():
    before = tinydl.get_default_dtype()
    try:
        tinydl.set_default_dtype(bf16)
        assert tinydl.tensor([0.5]).dtype == tinydl.zeros(2).dtype == tinydl.rand(2).dtype == bf16
        assert (tinydl.tensor([1, 2]) / 2).dtype == (tinydl.tensor([1]) + 0.5).dtype == nn.Linear(2, 3).weight.dtype
        assert tinydl.add(1.5, 2.25).dtype == tinydl.exp(tinydl.tensor([1])).dtype == bf16
        assert repr(tinydl.tensor([0.5])) == "tensor([0.5000])"
    finally:
        tinydl.set_default_dtype(before)


def test_modules_and_packed_sequences():
    layer = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).bfloat16()
    assert {t.dtype for t in layer.parameters()} == {bf16} and layer[1].num_batches_tracked.dtype == "int64"
    packed = pack_sequence([tinydl.rand(3, 2), tinydl.rand(2, 2)]).bfloat16()
    assert packed.data.dtype == bf16 and packed.batch_sizes.dtype == "int64"
    assert nn.GRU(2, 3).bfloat16()(packed)[0].data.dtype == bf16


def test_copies_pickles_and_files(tmp_path):
    x = tinydl.randn(3, 2).bfloat16()
    state = {"x": x, "turned": x.T, "number": x.numpy()[0, 0], "array": x.numpy(), "type": bf16}
    stream = io.BytesIO()
    tinydl.io.save(state, stream)
    stream.seek(0)
    for back in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), tinydl.io.load(stream)["x"]):
        assert back.dtype == bf16 and back.tolist() == x.tolist()
    stream.seek(0)
    loaded = tinydl.io.load(stream)
    assert loaded["turned"].tolist() == x.T.tolist() and loaded["type"] == loaded["number"].dtype == bf16
    st_torch = oracle("safetensors.torch")
    tinydl.io.save({"x": x}, tmp_path / "mine.safetensors")
    assert torch.equal(st_torch.load_file(tmp_path / "mine.safetensors")["x"], theirs(x))
    st_torch.save_file({"x": theirs(x)}, tmp_path / "its.safetensors")
    assert tinydl.io.load(tmp_path / "its.safetensors")["x"].tolist() == x.tolist()


def test_dlpack_is_refused_with_advice_that_helps():
    x = tinydl.rand(3).bfloat16()
    with pytest.raises(BufferError, match="bits. To PyTorch: ") as refused:
        torch.from_dlpack(x)
    its = eval(str(refused.value).partition("To PyTorch: ")[2], {"torch": torch, "x": x})
    assert its.dtype == torch.bfloat16 and its.tolist() == x.tolist()
    with pytest.raises(BufferError, match="bits. Of a tensor x of PyTorch: ") as refused:
        tinydl.from_dlpack(its)
    back = eval(str(refused.value).partition("of PyTorch: ")[2], {"torch": torch, "tinydl": tinydl, "x": its})
    assert back.dtype == bf16 and back.tolist() == x.tolist()


# ---------------------------------------------------------------- random numbers
@NARROW
def test_random_numbers(dtype):
    tinydl.manual_seed(1)
    x = tinydl.rand(50_000, dtype=dtype)
    assert x.dtype == dtype and 0 <= x.min().item() and x.max().item() < 1 and abs(x.float().mean().item() - 0.5) < 0.01
    assert abs(tinydl.randn(50_000, dtype=dtype).float().std().item() - 1) < 0.02
    tinydl.manual_seed(1)
    assert tinydl.equal(tinydl.rand(50_000, dtype=dtype), x)
    assert x.random_().max().item() == {bf16: 255, f16: 2047}[dtype] and x.uniform_(2, 3).min().item() >= 2
    y = nn.functional.dropout(tinydl.ones(10_000, dtype=dtype), 0.5)
    assert y.dtype == dtype and set(y.tolist()) == {0.0, 2.0}
    assert tinydl.bernoulli(tinydl.full((10_000,), 0.25, dtype=dtype)).mean().item() == pytest.approx(0.25, abs=0.03)


@NARROW
def test_small_probabilities_are_not_lost_between_coarse_numbers(dtype):
    p = tinydl.full((200_000,), 0.001, dtype=dtype)
    draws = [
        tinydl.bernoulli(p), tinydl.empty(200_000, dtype=dtype).bernoulli_(0.001), coin(p),
        1 - Masking(0.001)(tinydl.ones(200_000, dtype=dtype)), SaltAndPepper(0.002)(tinydl.zeros(200_000, dtype=dtype)),
    ]  # fmt: skip
    for draw in draws:
        assert draw.dtype == dtype and draw.float().mean().item() == pytest.approx(0.001, rel=0.25)


@NARROW
def test_uniform_numbers_stay_below_their_bound(dtype):
    x = tinydl.empty(200_000, dtype=dtype).uniform_(2, 3)
    y = tinydl.distributions.Uniform(*tinydl.tensor([2.0, 3.0], dtype=dtype)).sample((200_000,))
    for drawn in (x, y):
        assert drawn.dtype == dtype and drawn.min().item() == 2 and drawn.max().item() < 3
        assert drawn.float().mean().item() == pytest.approx(2.5, abs=0.01)
    assert len(set(tinydl.empty(200_000, dtype=dtype).uniform_(-1, 1).tolist())) > 2000


def test_uniform_numbers_are_the_first_bits_of_float32s():
    draws = []
    for dtype in (bf16, f16, f32):
        tinydl.manual_seed(3)
        draws.append(tinydl.rand(1000, dtype=dtype).float().numpy())
    assert (draws[0] == np.floor(draws[2] * 2**8) / 2**8).all() and (
        draws[1] == np.floor(draws[2] * 2**11) / 2**11
    ).all()


# ---------------------------------------------------------------- computed in float32, rounded once
@NARROW
def test_numbers_are_not_rounded_before_they_count(dtype):
    x = tinydl.arange(1, 256).to(dtype)
    expected = (x.double() * 0.998).to(dtype)  # in bfloat16 0.998 is 0.99609375
    for y in (x * 0.998, 0.998 * x, x.clone().mul_(0.998)):
        assert y.dtype == dtype and tinydl.equal(y, expected)
    assert (x.new_full((1,), 0.1) == 0.1).item() and not (x.new_full((1,), 0.1) < 0.1).item()  # but compared they are


@NARROW
def test_sums_are_gathered_in_float32(dtype):
    x = tinydl.ones(5000, dtype=dtype)
    exact = tinydl.tensor(5000.0).to(dtype).item()
    assert x.sum().item() == x.cumsum(0)[-1].item() == exact and x.mean().item() == 1
    assert (x @ x).item() == exact and (x.reshape(1, -1) @ x).item() == exact


@NARROW
def test_gradients_are_computed_in_float32(dtype):
    """1 - x * x would lose most digits in a narrow type."""
    x = tinydl.tensor([0.9, 0.96, 0.98], dtype=dtype, requires_grad=True)
    x.atanh().sum().backward()
    assert x.grad.dtype == dtype
    exact = 1 / (1 - x.detach().double().numpy() ** 2)
    np.testing.assert_allclose(x.grad.double().numpy(), exact, rtol=float(tinydl.finfo(dtype).eps))


@NARROW
def test_norms_and_means_do_not_overflow(dtype):
    gradients = [tinydl.full((100,), 300.0, dtype=dtype, requires_grad=True) for _ in range(10)]
    for p in gradients:
        p.grad = p.detach().clone()
    assert nn.utils.clip_grad_norm_(gradients, 1.0).item() == pytest.approx(9488, rel=0.01)
    assert gradients[0].grad.float().mean().item() == pytest.approx(0.0316, rel=0.01)
    assert tinydl.full((100_000,), 0.1, dtype=dtype).nanmean().item() == pytest.approx(0.1, rel=0.01)


def test_the_default_eps_of_rms_norm_is_pytorchs():
    x = tinydl.randn(4, 64).mul(0.1).bfloat16()
    near(nn.functional.rms_norm(x, (64,)), torch.nn.functional.rms_norm(theirs(x), (64,)))


def test_errors_name_the_type_that_came():
    x = tinydl.ones(2, dtype=bf16)
    for wrong in (lambda: x & x, lambda: ~x, lambda: x << 1):
        with pytest.raises(RuntimeError, match="got bfloat16"):
            wrong()


def test_second_derivatives_exist():
    x = tinydl.tensor([0.5, -1.0], dtype=bf16, requires_grad=True)
    (g,) = tinydl.autograd.grad((x.sin() * x).sum(), x, create_graph=True)
    (second,) = tinydl.autograd.grad(g.sum(), x)
    its = theirs(x).requires_grad_()
    (h,) = torch.autograd.grad((its.sin() * its).sum(), its, create_graph=True)
    assert g.dtype == second.dtype == bf16
    near(g, h)
    near(second, torch.autograd.grad(h.sum(), its)[0])


def test_mixtures():
    x, y, z = (tinydl.rand(3).to(t) for t in (bf16, f16, f32))
    assert (x + y).dtype == (x * z).dtype == tinydl.where(x > 0, x, z).dtype == f32
    assert (x + 1).dtype == (x * tinydl.arange(3)).dtype == (x + tinydl.tensor(1.0)).dtype == bf16
    with pytest.raises(RuntimeError, match="bfloat16"):
        x @ z
    x += z
    assert x.dtype == bf16


# ---------------------------------------------------------------- PyTorch's samples
# Of equal numbers, as there are many, PyTorch takes others; where y is rounded to -1, the slope from y is 0.
TIED, SATURATED = {"sort", "msort", "argsort", "topk", "mode"}, {"nn.functional.elu", "nn.functional.celu"}


@pytest.mark.skipif("TINYDL_CONFORMANCE" not in os.environ, reason="TINYDL_CONFORMANCE names no folder")
def test_pytorchs_own_samples():
    """Values, types and gradients of what PyTorch's database has in bfloat16."""
    import bfloat16_judge as judge

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opinfo, entries = judge.database()
        count, wrong = 0, []
        for entry in entries:
            torch.manual_seed(zlib.crc32(entry.name.encode()))
            samples = entry.sample_inputs("cpu", torch.bfloat16, requires_grad=entry.supports_autograd)
            for _, sample in zip(range(12), samples):
                if sample.kwargs.get("dropout_p"):
                    continue
                try:
                    judge.check(opinfo, entry, sample)
                    count += 1
                except opinfo.OutOfScope:
                    pass
                except AssertionError as fault:
                    wrong += [f"{entry.name}: {fault}"] * (entry.name not in TIED | SATURATED)
    assert not wrong, "\n".join(wrong)
    assert len(entries) > 340 and count > 2200


LAYERS = {
    "linear": (lambda n: n.Linear(4, 3), (5, 4)),
    "conv": (lambda n: n.Conv2d(3, 4, 3, padding=1), (2, 3, 6, 6)),
    "transposed": (lambda n: n.ConvTranspose2d(3, 4, 3, 2), (2, 3, 4, 4)),
    "batch norm": (lambda n: n.BatchNorm2d(3), (4, 3, 5, 5)),
    "layer norm": (lambda n: n.LayerNorm(6), (4, 6)),
    "lstm": (lambda n: n.LSTM(4, 5, 2), (6, 2, 4)),
    "gru": (lambda n: n.GRU(4, 5, bidirectional=True), (6, 2, 4)),
    "transformer": (lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), (2, 5, 8)),
    "pool": (lambda n: n.MaxPool2d(2), (2, 3, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    """In bfloat16 throughout: near PyTorch's, which rounds at other places, and near float32."""
    make, shape = LAYERS[name]
    layer, x = make(nn), tinydl.randn(*shape).bfloat16()
    its = make(torch.nn)
    its.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in layer.state_dict().items()})
    layer, its = layer.bfloat16(), its.bfloat16()
    a, b = x.requires_grad_(), theirs(x).requires_grad_()
    mine, judge = layer(a), its(b)
    mine, judge = (y[0] if isinstance(y, tuple) else y for y in (mine, judge))
    assert mine.dtype == bf16
    near(mine, judge, 2e-2, 2e-2)
    g = tinydl.randn(*mine.shape).bfloat16()
    mine.backward(g)
    judge.backward(theirs(g))
    for p, q in zip([a, *layer.parameters()], [b, *its.parameters()], strict=True):
        assert p.grad.dtype == bf16
        near(p.grad, q.grad, 3e-2, 3e-2 * max(1, q.grad.abs().max().item()))


# ---------------------------------------------------------------- optimizers
OPTIMIZERS = {
    "SGD": dict(lr=0.1, momentum=0.9, nesterov=True), "Adam": dict(lr=0.01), "AdamW": dict(lr=0.01, amsgrad=True),
    "RMSprop": dict(lr=0.01, momentum=0.5), "Adagrad": dict(lr=0.1), "Adadelta": dict(lr=1.0), "Adamax": dict(lr=0.01),
    "NAdam": dict(lr=0.01), "RAdam": dict(lr=0.01), "Rprop": dict(lr=0.01), "ASGD": dict(lr=0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_keep_the_type_and_follow_pytorch(name):
    w = tinydl.randn(20).bfloat16().requires_grad_()
    its = theirs(w).requires_grad_()
    mine = getattr(optim, name)([w], **OPTIMIZERS[name])
    judge = getattr(torch.optim, name)([its], **OPTIMIZERS[name], foreach=False)
    for _ in range(5):
        w.grad = tinydl.randn(20).bfloat16()
        its.grad = theirs(w.grad)
        mine.step()
        judge.step()
    assert w.dtype == bf16 and {v.dtype for n, v in mine.state[w].items() if v.shape == w.shape} <= {bf16}
    near(w, its, 1.6e-2, 1e-2)


def test_training_in_bfloat16_learns():
    tinydl.manual_seed(0)
    x = tinydl.randn(64, 8)
    y = (x[:, :1] * 2 - x[:, 1:2]).bfloat16()
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)).bfloat16()
    optimizer, losses = optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x.bfloat16()), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


# ---------------------------------------------------------------- autocast
def test_autocast_on_the_cpu_takes_bfloat16():
    layer = nn.Linear(4, 3)
    x = tinydl.randn(5, 4)
    with tinydl.autocast("cpu"):
        y = layer(x)
    its = torch.nn.Linear(4, 3)
    its.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in layer.state_dict().items()})
    with torch.autocast("cpu"):
        judge = its(torch.from_numpy(x.numpy()))
    assert y.dtype == bf16 and judge.dtype == torch.bfloat16
    near(y, judge)


def test_the_scaler_takes_gradients_of_bfloat16():
    p = tinydl.ones(3, dtype=bf16).requires_grad_()
    optimizer, scaler = optim.SGD([p], lr=1.0), tinydl.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale((p * 0.5).sum()).backward()
    assert p.grad.tolist() == [512.0] * 3
    scaler.unscale_(optimizer)
    assert p.grad.dtype == bf16 and p.grad.tolist() == [0.5] * 3
    scaler.step(optimizer)
    assert p.tolist() == [0.5] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, i: tinydl.lerp(x, i, 0.5),
        lambda x, i: tinydl.addmm(x, x, i),
        lambda x, i: tinydl.addmm(i, x, x),
        lambda x, i: tinydl.bincount(x[0]),
        lambda x, i: tinydl.nn.functional.grid_sample(x[None, None], tinydl.stack([i, i], -1)[None]),
        lambda x, i: tinydl.matmul(x, i),
    ],
)
def test_refusals_name_the_types_that_came(dtype, call):
    x, i = tinydl.ones(2, 2, dtype=dtype), tinydl.ones(2, 2, dtype="int64")
    with pytest.raises((RuntimeError, ValueError), match=rf"\b{dtype}\b") as refusal:
        call(x, i)
    assert "float32" not in str(refusal.value)


def test_bincount_of_narrow_weights_is_in_float64():
    weights = tinydl.tensor([0.5, 1.5, 2.0], dtype="bfloat16")
    counts = tinydl.bincount(tinydl.tensor([1, 1, 0]), weights)
    assert counts.dtype == "float64" and counts.tolist() == [2.0, 2.0]
