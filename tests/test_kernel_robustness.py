"""CPU kernels under stress: any shape against the bodies, one thread and two, NaN and infinity, huge sizes and none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import call, every_case, operands
from oracle import oracle
from samples_conv_pool import window

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels.cpu import gemm, jit
from tinydl.ops.window import Bins


# ---------------------------------------------------------------- the same bits
@pytest.fixture
def threads():
    before = jit.get_num_threads()
    yield jit.set_num_threads
    jit.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_and_repetitions_give_the_same_bits(threads, dtype):
    for name, sample in every_case():
        args, runs = operands(sample, dtype), []
        for n in (1, 2, 2):
            threads(n)
            runs.append(call(name, sample, args))
        for other in runs[1:]:
            for a, b in zip(runs[0], other, strict=True):
                np.testing.assert_array_equal(a, b, strict=True, err_msg=name)


@pytest.mark.parametrize("columns", [32, 96, 128, 256])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_few_strips_give_the_same_bits(threads, columns, turned):
    """Of as many columns a job may have few strips with two threads and many with one."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((600, 64) if turned else (64, 600)).astype("float32")
    b, bias = rng.standard_normal((600, columns)).astype("float32"), rng.standard_normal(columns).astype("float32")
    runs = []
    for n in (1, 2):
        threads(n)
        runs.append(gemm.products((a.T if turned else a)[None], b[None], bias)[0])
    np.testing.assert_array_equal(*runs)
    np.testing.assert_allclose(runs[0], (a.T if turned else a).astype(float) @ b + bias, rtol=1e-4, atol=1e-4)


class Networks(tinydl.nn.Module):
    """Convolutions, a recurrent layer and attention, with dropout between them."""

    def __init__(self):
        super().__init__()
        self.images = tinydl.nn.Sequential(
            tinydl.nn.Conv2d(3, 17, 3, padding=1), tinydl.nn.BatchNorm2d(17), tinydl.nn.ReLU(), tinydl.nn.MaxPool2d(2),
            tinydl.nn.Dropout(0.5), tinydl.nn.Conv2d(17, 18, 3, padding=1),
        )  # fmt: skip
        self.steps = tinydl.nn.LSTM(18, 21, num_layers=2, dropout=0.3, batch_first=True)
        self.mix = tinydl.nn.MultiheadAttention(21, 3, dropout=0.2, batch_first=True)
        self.out = tinydl.nn.Linear(21, 301)

    def forward(self, x):
        h, _ = self.steps(self.images(x).flatten(2).mT)
        return self.out(self.mix(h, h, h)[0].mean(1))


def test_a_training_repeats_bit_by_bit(threads):
    """Several steps with random weights, data, order and dropout, at one thread and at two."""

    def train(n):
        threads(n)
        tinydl.manual_seed(3)
        net = Networks()
        optimizer = tinydl.optim.Adam(net.parameters(), lr=1e-2)
        items = tinydl.data.TensorDataset(tinydl.randn(27, 3, 12, 12), tinydl.randint(301, (27,)))
        losses = []
        for _ in range(2):
            for x, target in tinydl.data.DataLoader(items, 9, True, seed=4, num_workers=n):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), target)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        return losses, [v.numpy() for v in net.state_dict().values()]

    losses, state = train(1)
    assert losses[-1] < losses[0] and len(losses) == 6
    for n in (2, 1):
        again, other = train(n)
        assert again == losses
        for a, b in zip(state, other, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


# ---------------------------------------------------------------- any shape: the kernel is the body
SIZES = st.sampled_from([1, 2, 3, 5, 7, 11])
LAYOUTS = {
    "plain": lambda a: a,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "last first": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
}


@st.composite
def windows(draw, groups=1, dilated=True):
    n = draw(st.integers(1, 3))
    size = tuple(draw(st.sampled_from([1, 2, 3])) for _ in range(n))
    dilation = draw(st.integers(1, 2)) if dilated else 1
    padding = draw(st.integers(0, min(size) // 2))
    least = [dilation * (k - 1) + 1 for k in size]
    image = tuple(max(draw(SIZES), k) for k in least)
    return window(image, size, draw(st.integers(1, 3)), padding, dilation, groups)


@st.composite
def arrays(draw, *shapes):
    """Arrays of one dtype, in several layouts."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return [LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](rng.standard_normal(s).astype(dtype)) for s in shapes]


def agree(name, *args, exact=False, **constants):
    """Kernel and body give the same; returns the kernel's outputs."""
    kept = [a.copy() for a in args if isinstance(a, np.ndarray)]
    got = CPU.kernels[name](*args, **constants)
    want = OPS[name].op.body(CPU.xp, *args, **constants)
    assert got is not NotImplemented
    got, want = (list(v) if isinstance(v, tuple) else [v] for v in (got, want))
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype
        tolerance = 0 if exact else 2e-5 if g.dtype == "float32" else 1e-12
        scale = np.abs(w).max(initial=1)
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * scale)
    for a, before in zip([a for a in args if isinstance(a, np.ndarray)], kept):
        np.testing.assert_array_equal(a, before)
    return got


@settings(max_examples=60)
@given(st.data())
def test_convolutions_of_any_shape(data):
    G = data.draw(st.sampled_from([1, 1, 2, 3]))
    w = data.draw(windows(G))
    N, C, O = data.draw(st.sampled_from([0, 1, 2, 5, 17])), data.draw(SIZES) * G, data.draw(SIZES) * G
    x, k, u, b, c = data.draw(arrays((N, C, *w.image), (O, C // G, *w.size), (N, O, *w.out), (O,), (C,)))
    agree("conv", x, k, data.draw(st.sampled_from([None, b])), window=w)
    agree("conv_transpose", u, k, data.draw(st.sampled_from([None, c])), window=w)
    agree("conv_weight", x, u, window=w)


@settings(max_examples=60)
@given(st.data())
def test_pooling_of_any_shape(data):
    dilated = data.draw(st.booleans())
    w = data.draw(windows(dilated=dilated))
    if not dilated and data.draw(st.booleans()):
        w = Bins(w.image, tuple(data.draw(SIZES) for _ in w.image))
    N, C = data.draw(st.sampled_from([0, 1, 2, 5])), data.draw(SIZES)
    x, g = data.draw(arrays((N, C, *w.image), (N, C, *w.out)))
    counts = tuple(tuple(map(len, w.spans(d))) for d in range(len(w.image)))
    _, winners = agree("max_pool", x, exact=True, window=w)
    agree("max_pool_gather", x, winners, exact=True)
    agree("max_pool_scatter", g, winners, image=w.image)
    agree("max_unpool", g, winners, exact=True, plane=w.image)
    if not dilated:
        agree("avg_pool", x, window=w, counts=counts)
        agree("avg_pool_spread", g, window=w, counts=counts)


@settings(max_examples=25)
@given(st.data())
def test_products_of_any_shape(data):
    wide = st.sampled_from([1, 2, 67, 131, 601])
    n, k, m = data.draw(wide), data.draw(wide), data.draw(wide)
    batch = data.draw(st.sampled_from([(), (1,), (3,)]))
    x, y = data.draw(arrays((*batch, n, k), (*batch, k, m)))
    got = (tinydl.Tensor(x) @ tinydl.Tensor(y)).numpy()
    want = x.astype("float64") @ y.astype("float64")
    assert got.shape == want.shape and got.dtype == x.dtype
    tolerance = 1e-5 if x.dtype == "float32" else 1e-13
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.sqrt(k) * np.abs(want).max(initial=1))


@settings(max_examples=25)
@given(st.sampled_from([0, 1, 2, 3, 5, 4095, 4097]), st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_random_numbers_of_any_seed(n, seed, offset):
    for dtype in ("float32", "float64"):
        x = np.ones((n,), dtype)
        for name in ("philox_bits", "philox_uniform", "philox_normal"):
            agree(name, x, exact=True, seed=seed, offset=offset)
        agree("dropout", x, exact=True, p=0.3, seed=seed, offset=offset)


# ---------------------------------------------------------------- NaN and infinity
ODD = [np.nan, np.inf, -np.inf]
THROUGH = {
    "conv": lambda lib, f, x: f.conv2d(x, lib.ones(5, 3, 3, 3), padding=1),
    "strided conv": lambda lib, f, x: f.conv2d(x, lib.ones(5, 3, 2, 2), stride=2),
    "transposed conv": lambda lib, f, x: f.conv_transpose2d(x, lib.ones(3, 4, 3, 3), stride=2),
    "max pool": lambda lib, f, x: f.max_pool2d(x, 3, 2, 1),
    "average pool": lambda lib, f, x: f.avg_pool2d(x, 3, 2, 1),
    "adaptive pool": lambda lib, f, x: f.adaptive_avg_pool2d(x, 4),
    "matmul": lambda lib, f, x: x.reshape(18, 121)[:, :120] @ lib.ones(120, 200),
}


@pytest.mark.parametrize("function", THROUGH.values(), ids=list(THROUGH))
@pytest.mark.parametrize("value", ODD)
def test_nan_and_infinity_pass_through(function, value):
    torch = oracle()
    a = np.random.default_rng(0).standard_normal((6, 3, 11, 11)).astype("float32")
    a[1, 2, 5, 6] = a[4, 0, 0, 0] = a[5, 2, 6:, 6:] = value
    got = function(tinydl, F, tinydl.tensor(a)).numpy()
    want = function(torch, torch.nn.functional, torch.tensor(a)).numpy()
    assert not np.isfinite(want).all()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", ODD)
def test_nan_and_infinity_pass_backward(value):
    torch = oracle()
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 3, 9, 9)), rng.standard_normal((5, 3, 3, 3))
    g = rng.standard_normal((4, 5, 7, 7))
    g[2, 3, 4, 5] = value
    results = []
    for lib, f in ((tinydl, F), (torch, torch.nn.functional)):
        leaves = [lib.tensor(a, dtype=lib.float32, requires_grad=True) for a in (x, w)]
        f.conv2d(*leaves).backward(lib.tensor(g, dtype=lib.float32))
        results.append([t.grad.numpy() for t in leaves])
    for got, want in zip(*results):
        assert not np.isfinite(want).all()
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- sizes that are too large, or nothing
X, W, B = tinydl.ones(1, 1, 4, 4), tinydl.ones(1, 1, 2, 2), 2**40
HUGE = {
    "zeros": lambda: tinydl.zeros(B, B),
    "zeros that no address reaches": lambda: tinydl.empty(2**63),
    "arange": lambda: tinydl.arange(2**60),
    "eye": lambda: tinydl.eye(2**35),
    "randn": lambda: tinydl.randn(B, B),
    "expand": lambda: X[0, 0, :1, :1].expand(B, B),
    "repeat": lambda: X.repeat(B, B, 1, 1),
    "reshape": lambda: X.reshape(B, B, -1),
    "pad": lambda: F.pad(X, (B, B, B, B)),
    "one_hot": lambda: F.one_hot(tinydl.tensor([0]), 2**60),
    "conv2d padding": lambda: F.conv2d(X, W, padding=B),
    "conv2d dilation": lambda: F.conv2d(X, W, dilation=B),
    "conv2d of no images, padding": lambda: F.conv2d(X[:0], W, padding=2**62),
    "conv_transpose2d stride": lambda: F.conv_transpose2d(X, W, stride=2**62),
    "conv_transpose1d stride": lambda: F.conv_transpose1d(X[0], W[0, :, :1].expand(4, 1, 2), stride=2**45),
    "max_pool2d kernel": lambda: F.max_pool2d(X, B),
    "avg_pool2d kernel": lambda: F.avg_pool2d(X, 2**62),
    "adaptive_avg_pool1d": lambda: F.adaptive_avg_pool1d(X[0], B),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(X, 2**62),
    "adaptive_max_pool2d": lambda: F.adaptive_max_pool2d(X, B),
    "max_unpool2d": lambda: F.max_unpool2d(X, tinydl.zeros(1, 1, 4, 4, dtype=tinydl.int64), 2, stride=B),
    "interpolate": lambda: F.interpolate(X, size=(B, B)),
    "interpolate bilinear": lambda: F.interpolate(X, scale_factor=1e18, mode="bilinear"),
    "unfold": lambda: F.unfold(X, 2, padding=B),
    "fold": lambda: F.fold(tinydl.ones(1, 4, 9), (B, B), 2, padding=B),
    "max_pool2d padding": lambda: F.max_pool2d(X, 2**62, padding=2**61),
    "linspace": lambda: tinydl.linspace(0, 1, 2**60),
    "tril_indices": lambda: tinydl.tril_indices(B, B),
    "bincount": lambda: tinydl.bincount(tinydl.tensor([2**60])),
    "add": lambda: tinydl.ones(1, 1).expand(2**31, 1) + tinydl.ones(1).expand(2**31),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", HUGE)
def test_huge_sizes_are_refused_with_advice(name):
    """By a word of ours, which names the operation: not by NumPy's overflow, nor after a table was made."""
    op = name.split()[0]
    with pytest.raises(
        (RuntimeError, ValueError),
        match=rf"^({op}|empty|ones|zeros)\w*: .*(memory|counted|larger than|less than|fit|padding)",
    ):
        HUGE[name]()


@pytest.mark.parametrize(
    "function, shape",
    [
        (lambda: F.conv2d(X, W, stride=2**70), (1, 1, 1, 1)),
        (lambda: F.max_pool2d(X, 2, stride=2**40), (1, 1, 1, 1)),
        (lambda: F.conv2d(X[:0], W), (0, 1, 3, 3)),
        (lambda: F.conv_transpose2d(X[:0], W), (0, 1, 5, 5)),
        (lambda: F.max_pool2d(X[:0], 2), (0, 1, 2, 2)),
        (lambda: F.adaptive_avg_pool2d(X, 0), (1, 1, 0, 0)),
        (lambda: tinydl.zeros(0, 3) @ tinydl.zeros(3, 2**20), (0, 2**20)),
        (lambda: F.dropout(tinydl.zeros(0, 3)), (0, 3)),
        (lambda: tinydl.randn(0, 2**40), (0, 2**40)),
    ],
)
def test_sizes_that_fit_work(function, shape):
    assert function().shape == shape


def test_a_product_over_nothing_is_zero():
    assert (tinydl.ones(2, 0) @ tinydl.ones(0, 3)).tolist() == [[0.0] * 3] * 2
    y = F.conv2d(tinydl.ones(2, 0, 4, 4), tinydl.ones(3, 0, 2, 2), tinydl.ones(3))
    assert y.shape == (2, 3, 3, 3) and y.eq(1).all()
