"""Everything on the strict stand-in for CuPy's arrays: it mixes with no NumPy, and reads nothing back.

And, under the mark `device`, on a GPU, with its kernels.
"""

import importlib.util
import inspect

import numpy as np
import pytest
from samples import EVERY
from samples.run import as_type, forward_and_gradients

import tinydl
import tinydl.nn.functional as F
from tinydl import nn
from tinydl.autograd.graph import OPS
from tinydl.kernels.gpu import precision
from tinydl.models import lenet
from tinydl.ops.generator import default_of
from tinydl.testing import strict
from tinydl.testing.strict import strict_device


def on_host(t):
    return t.detach().to("cpu").numpy()


@pytest.fixture(autouse=True, params=["strict", pytest.param("cuda", marks=pytest.mark.device)])
def device(request, monkeypatch):
    if request.param == "cuda":
        monkeypatch.setattr(precision, "_now", dict.fromkeys(precision._now, "ieee"))
        yield tinydl.device("cuda")
    else:
        with strict_device() as found:
            yield found


# ---------------------------------------------------------------- operations
@pytest.mark.parametrize("name, sample", EVERY)
def test_operations_give_what_the_cpu_gives(name, sample, device):
    """Outputs, gradients and theirs."""
    args = as_type(sample, "float64")
    with np.errstate(all="ignore"):
        strict_results = forward_and_gradients(name, args, sample, sample.order, device)
        cpu_results = forward_and_gradients(name, args, sample, sample.order)
    for a, b in zip(strict_results, cpu_results, strict=True):
        assert a.device is device
        assert a.dtype == b.dtype
        scale = np.abs(b.array[np.isfinite(b.array)]).max(initial=1) if b.dtype.kind == "f" else 1
        np.testing.assert_allclose(on_host(a), b.detach().numpy(), rtol=1e-9, atol=1e-10 * scale)


@pytest.mark.emulated
def test_an_operation_that_reads_back_is_refused(device):
    body, x = OPS["exp"].op.body, tinydl.ones(3).to(device)
    try:
        for read in (bool, float, int, lambda a: a.item(), lambda a: a.tolist(), lambda a: [7, 8, 9][a]):
            OPS["exp"].op.body = lambda xp, x, read=read: x * read(x.sum().astype("int64") - 1)
            with pytest.raises(TypeError, match="strict: exp reads values back to the host"):
                x.exp()
        OPS["exp"].op.body = lambda xp, x: x[x > 0]
        with pytest.raises(TypeError, match="a boolean mask as index"):
            x.exp()
    finally:
        OPS["exp"].op.body = body


@pytest.mark.emulated
def test_numpy_is_refused(device):
    a = device.array(np.ones(3))
    for mix in (
        lambda: a + np.ones(3),
        lambda: np.ones(3) + a,
        lambda: np.asarray(a),
        lambda: device.xp.add(a, np.ones(3)),
    ):
        with pytest.raises(TypeError, match="CuPy refuses that"):
            mix()
    with pytest.raises(AttributeError, match="cupy has no nancumprod_of_nothing"):
        device.xp.nancumprod_of_nothing  # noqa: B018


@pytest.mark.emulated
def test_what_cupy_does_not_do_in_bfloat16_is_refused(device):
    """`where` would give float32, a product of stacks would fail; what has a loop, or moves, is done."""
    xp, a = device.xp, device.array(np.ones((2, 2)), "bfloat16")
    for call in (lambda: xp.where(a > 0, a, a), lambda: a[None] @ a[None], lambda: a.sum(), lambda: xp.special.erf(a)):
        with pytest.raises(TypeError, match="strict: CuPy does not do (where|matmul|sum|erf) in bfloat16"):
            call()
    assert (a @ a).shape == (2, 2) and (a + a).dtype == xp.concatenate([a, a]).dtype == a[0].dtype == a.dtype


def test_what_must_read_back_may(device):
    x = tinydl.tensor([3.0, 0.0, 3.0]).to(device)
    assert x.max().item() == 3
    assert on_host(x.nonzero()).tolist() == [[0], [2]]
    assert on_host(x[x > 1]).tolist() == [3, 3]
    assert on_host(x.unique()).tolist() == [0, 3]
    assert on_host(tinydl.repeat_interleave(x, tinydl.tensor([1, 0, 2]).to(device))).tolist() == [3, 3, 3]


@pytest.mark.emulated
@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_names_are_those_of_the_cupy_that_is_installed():
    for space, module in strict._SPACES.items():
        found = importlib.import_module(module)
        assert strict.names(space) <= set(dir(found))
    cupy = importlib.import_module("cupy")
    assert strict.names("ndarray") <= {n for n, _ in inspect.getmembers(cupy.ndarray)}


# ---------------------------------------------------------------- programs
def both(device, program):
    """What the program gives on the CPU and on the stand-in, from the same seed."""
    results = []
    for where in (tinydl.device("cpu"), device):
        tinydl.manual_seed(5)
        default_of(where).manual_seed(5)
        results.append([on_host(t) for t in program(where)])
    return zip(*results, strict=True)


OPTIMIZERS = {
    "SGD": dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": dict(lr=0.01, amsgrad=True),
    "AdamW": dict(lr=0.01),
    "RMSprop": dict(lr=0.01, centered=True, momentum=0.5),
    "Adagrad": dict(lr=0.1),
    "Adadelta": dict(),
    "Adamax": dict(lr=0.01),
    "NAdam": dict(lr=0.01),
    "RAdam": dict(lr=0.01),
    "Rprop": dict(),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_learns_the_same(optimizer, device):
    images = np.random.default_rng(0).standard_normal((4, 1, 28, 28))

    def program(where):
        model = lenet.LeNet().double().to(where)
        steps = getattr(tinydl.optim, optimizer)(model.parameters(), **OPTIMIZERS[optimizer])
        x, target = tinydl.tensor(images).to(where), tinydl.tensor([0, 3, 9, 1]).to(where)
        losses = []
        for _ in range(2):
            steps.zero_grad()
            losses.append(F.cross_entropy(model(x), target))
            losses[-1].backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            steps.step()
        return [*losses, *model.parameters()]

    for a, b in both(device, program):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


LAYERS = [
    (lambda: nn.BatchNorm2d(4), (2, 4, 3, 3)),
    (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    (lambda: nn.LayerNorm(3), (2, 3)),
    (lambda: nn.InstanceNorm1d(4, affine=True), (2, 4, 3)),
    (lambda: nn.Dropout(0.4), (5, 6)),
    (lambda: nn.Dropout2d(0.4), (3, 4, 2, 2)),
    (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1), (2, 4, 3, 3)),
    (lambda: nn.Conv1d(4, 2, 3, padding="same", padding_mode="reflect"), (2, 4, 5)),
    (lambda: nn.AdaptiveAvgPool2d((2, 3)), (1, 2, 5, 5)),
    (lambda: nn.MaxPool1d(3, 2, 1), (2, 2, 6)),
    (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 3)),
    (lambda: nn.PixelShuffle(2), (1, 4, 2, 2)),
    (lambda: nn.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3)),
    (lambda: nn.GRU(3, 4), (5, 2, 3)),
    (lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1), (3, 2, 4)),
    (lambda: nn.PReLU(), (2, 3)),
    (lambda: nn.Softmax2d(), (1, 3, 2, 2)),
    (lambda: nn.LPPool2d(2, 2), (1, 2, 4, 4)),
    (lambda: nn.ReflectionPad2d(1), (1, 1, 3, 3)),
    (lambda: nn.Bilinear(3, 3, 2), (4, 3)),
]


@pytest.mark.parametrize("make, shape", LAYERS)
def test_layers_give_what_the_cpu_gives(make, shape, device):
    numbers = np.random.default_rng(1).standard_normal(shape).astype("float32")

    def program(where):
        layer, x = make().to(where), tinydl.tensor(numbers).to(where).requires_grad_()
        default_of(where).manual_seed(7)  # on the CPU, parameters were drawn before
        y = layer(x, x) if isinstance(layer, nn.Bilinear) else layer(x)
        y = y[0] if isinstance(y, tuple) else y
        (y * y * y).sum().backward()
        return [y, x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]

    for a, b in both(device, program):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1, np.abs(b).max(initial=0)))


LOSSES = {
    "cross_entropy": dict(target=[0, 2], label_smoothing=0.1),
    "nll_loss": dict(target=[0, 2], ignore_index=2),
    "multi_margin_loss": dict(target=[0, 2]),
    "mse_loss": {},
    "l1_loss": {},
    "smooth_l1_loss": {},
    "huber_loss": {},
    "binary_cross_entropy_with_logits": {},
    "kl_div": {},
    "poisson_nll_loss": {},
    "soft_margin_loss": {},
    "hinge_embedding_loss": {},
    "multilabel_soft_margin_loss": {},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_give_what_the_cpu_gives(loss, device):
    rng, options = np.random.default_rng(2), dict(LOSSES[loss])
    numbers, goal = rng.standard_normal((2, 3)), options.pop("target", rng.random((2, 3)))

    def program(where):
        x = tinydl.tensor(numbers).to(where).requires_grad_()
        y = getattr(F, loss)(x, tinydl.tensor(goal).to(where), **options)
        y.backward()
        return [y, x.grad]

    for a, b in both(device, program):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_random_numbers_are_the_same_on_every_device(device):
    def program(where):
        options = dict(device=where)
        yield tinydl.rand(3, 4, **options)
        yield tinydl.randn(5, dtype=tinydl.float64, **options)
        yield tinydl.randint(-5, 9, (7,), **options)
        yield tinydl.randperm(8, **options)
        yield tinydl.zeros(6, **options).exponential_(0.5)
        yield tinydl.bernoulli(tinydl.full((6,), 0.3, **options))
        yield F.dropout(tinydl.ones(9, **options), 0.5)
        yield F.gumbel_softmax(tinydl.zeros(2, 3, **options))

    for a, b in both(device, program):
        np.testing.assert_allclose(a, b, rtol=1e-6)
