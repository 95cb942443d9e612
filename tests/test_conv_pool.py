"""Convolution, pooling, unpooling and folding: bodies against kernels, gradients, PyTorch, refusals."""

import itertools

import numpy as np
import pytest
from oracle import oracle
from samples_conv_pool import REFUSES, SAMPLES

import tinydl
import tinydl.nn.functional as F
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.kernels import cpu
from tinydl.ops import conv, fold, pool_pairs
from tinydl.testing import gradcheck
from tinydl.testing.strict import strict_device

FAMILIES = (conv, fold, pool_pairs)
EVERY = [
    pytest.param(name, sample, id=f"{name}-{i}")
    for name, samples in SAMPLES.items()
    for i, sample in enumerate(samples)
]


def as_type(arrays, dtype):
    return [a if a is None or a.dtype.kind == "i" else a.astype(dtype) for a in arrays]


def outputs(out):
    return out if isinstance(out, tuple) else (out,)


def test_every_operation_has_samples():
    declared = {f.op.name for family in FAMILIES for f in vars(family).values() if hasattr(f, "op")}
    assert declared - {"broadcast"} == set(SAMPLES)


@pytest.mark.parametrize("name, sample", EVERY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernel_serves_and_equals_the_body(name, sample, dtype):
    op, arrays = OPS[name].op, as_type(sample.arrays, dtype)
    constants = [sample.constants[c] for c in op.constants]
    body = outputs(op.with_body(op.body, CPU.xp, arrays, constants))
    assert body[0].dtype == dtype
    kernel = cpu.load(name)
    assert (kernel is not None) == sample.served
    if kernel is not None:
        served = outputs(op.with_kernel(kernel, arrays, constants))
        for got, want in zip(served, body, strict=True):
            assert got.dtype == want.dtype
            close = dict(rtol=0, atol=1e-4 if dtype == "float32" else 1e-12)
            np.testing.assert_allclose(got, want, **close)


def tensors(arrays, **options):
    return [None if a is None else tinydl.tensor(a, **(options if a.dtype.kind == "f" else {})) for a in arrays]


@pytest.mark.parametrize("name, sample", EVERY)
def test_gradients_of_both_orders(name, sample):
    inputs = tensors(sample.arrays, requires_grad=True)
    if not inputs[0].numel():
        return  # a Jacobian of nothing: test_an_empty_batch
    given = [i for i, x in enumerate(inputs) if x is not None]
    function = OPS[name]

    def f(*xs):
        full = [None] * len(inputs)
        for i, x in zip(given, xs):
            full[i] = x
        return function(*full, **sample.constants)

    assert gradcheck(f, [inputs[i] for i in given], order=2, fast_mode=True)


@pytest.mark.parametrize("name, sample", EVERY)
def test_body_assumes_no_numpy(name, sample):
    """Forward and backward on the stand-in for CuPy, against the CPU's kernels."""

    def run(device):
        inputs = tensors(sample.arrays, requires_grad=True)
        inputs = [x if x is None else x.to(device).detach() for x in inputs]
        for x in inputs:
            if x is not None and x.dtype.kind == "f":
                x.requires_grad_()
        out = outputs(OPS[name](*inputs, **sample.constants))
        assert out[0].device == device
        (out[0] * out[0]).sum().backward()
        grads = [x.grad for x in inputs if x is not None and x.dtype.kind == "f"]
        return [t.to("cpu").numpy(force=True) for t in (*out, *grads)]

    with strict_device():
        strict = run("strict")
    for a, b in zip(strict, run("cpu"), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_an_empty_batch():
    x = tinydl.zeros(0, 3, 8, 8, requires_grad=True)
    w = tinydl.ones(4, 3, 3, 3, requires_grad=True)
    y = F.max_pool2d(F.conv2d(x, w), 2)
    assert y.shape == (0, 4, 3, 3)
    F.avg_pool2d(y, 3).sum().backward()
    assert x.grad.shape == x.shape
    np.testing.assert_array_equal(w.grad.numpy(), np.zeros(w.shape))


def test_other_layouts_and_types():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 6, 5)), rng.standard_normal((3, 5, 2, 2))
    across = tinydl.tensor(x).permute(0, 3, 1, 2)
    flat = tinydl.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    for f in (lambda x: F.conv2d(x, tinydl.tensor(w)), lambda x: F.max_pool2d(x, 2)):
        np.testing.assert_array_equal(f(across).numpy(), f(flat).numpy())
    whole = tinydl.tensor(np.arange(16).reshape(1, 1, 4, 4))
    y, winners = F.max_pool2d(whole, 2, return_indices=True)
    assert y.dtype == tinydl.int64
    np.testing.assert_array_equal(y.numpy(), [[[[5, 7], [13, 15]]]])
    np.testing.assert_array_equal(winners.numpy(), y.numpy())
    half = tinydl.tensor(x[:, :3].astype("float16"))
    assert F.avg_pool2d(half, 2).dtype == tinydl.float16
    assert F.conv2d(half, tinydl.ones(1, 3, 2, 2, dtype=tinydl.float16)).dtype == tinydl.float16


def test_equal_numbers_and_nan_as_the_kernel():
    rng = np.random.default_rng(0)
    window = SAMPLES["max_pool"][2].constants["window"]
    x = rng.choice([0.0, 1.0, np.nan, -np.inf], (3, 4, *window.image))
    body = OPS["max_pool"].op.body(CPU.xp, x, window)
    for got, want in zip(cpu.load("max_pool")(x, window), body, strict=True):
        np.testing.assert_array_equal(got, want)


# ---------------------------------------------------------------- PyTorch
def compare(function, *arrays, **options):
    """Value and gradients of nn.functional's function, here and in PyTorch."""
    torch = oracle()
    results = []
    for lib, functional in ((tinydl, F), (torch, torch.nn.functional)):
        inputs = [lib.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        y = getattr(functional, function)(*inputs, **options)
        y, *rest = y if isinstance(y, tuple) else (y,)
        weights = np.arange(1, y.numel() + 1, dtype="float64").reshape(tuple(y.shape))
        (y * lib.tensor(weights)).sum().backward()
        grads = [x.grad for x in inputs if x.requires_grad]
        results.append([t.detach().numpy() for t in (y, *rest, *grads)])
    for mine, theirs in zip(*results, strict=True):
        assert mine.dtype == theirs.dtype
        scale = 1 + abs(theirs).max(initial=0)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "padding": "same"},
        {"padding": "valid", "groups": 2},
        {"stride": 3, "padding": 2, "dilation": 2, "groups": 2},
    ],
    ids=str,
)
def test_convolutions_as_pytorch(n, options):
    rng = np.random.default_rng(n)
    x, b = rng.standard_normal((2, 4, 9, 8, 7)[: n + 2]), rng.standard_normal(6)
    w = rng.standard_normal((6, 4 // options.get("groups", 1), 3, 2, 3)[: n + 2])
    compare(f"conv{n}d", x, w, b, **options)
    if not isinstance(options.get("padding", 0), str):
        u = rng.standard_normal((2, 6, 4, 3, 4)[: n + 2])
        bias = rng.standard_normal(w.shape[1] * options.get("groups", 1))
        extra = options.get("stride", 1) - 1
        compare(f"conv_transpose{n}d", u, w, bias, output_padding=extra, **options)
        compare(f"conv_transpose{n}d", u[0], w, **options)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pooling_as_pytorch(n):
    x = np.random.default_rng(n).standard_normal((2, 3, 7, 6, 5)[: n + 2])
    for ceil, padding, stride in itertools.product((False, True), (0, 1), (None, 1, 2)):
        regular = {"kernel_size": 3, "stride": stride, "padding": padding, "ceil_mode": ceil}
        compare(f"avg_pool{n}d", x, **regular)
        compare(f"avg_pool{n}d", x, **regular, count_include_pad=False)
        compare(f"max_pool{n}d", x, **regular, return_indices=True)
    if n > 1:
        compare(f"avg_pool{n}d", x, kernel_size=2, divisor_override=3)
    compare(f"max_pool{n}d", x, kernel_size=2, dilation=2, stride=1)
    compare(f"lp_pool{n}d", abs(x), norm_type=2, kernel_size=2)
    for size in (1, 3, 8):
        compare(f"adaptive_avg_pool{n}d", x, output_size=size)
        compare(f"adaptive_max_pool{n}d", x, output_size=size, return_indices=True)


def test_unpooling_and_folding_as_pytorch():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6, 7))
    y, winners = F.max_pool2d(tinydl.tensor(x), 2, return_indices=True)
    sizes = {"kernel_size": 2, "output_size": (6, 7)}
    compare("max_unpool2d", y.numpy(), winners.numpy(), **sizes)
    options = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": (1, 2)}
    compare("unfold", x, **options)
    columns = F.unfold(tinydl.tensor(x), **options)
    compare("fold", columns.numpy(), output_size=(6, 7), **options)


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    "function, given, options, message",
    [(f, *case) for f, cases in REFUSES.items() for case in cases],
)
def test_refusals(function, given, options, message):
    given = [tinydl.tensor(a) if isinstance(a, np.ndarray) else a for a in given]
    with pytest.raises((RuntimeError, ValueError, TypeError)) as caught:
        getattr(F, function)(*given, **options)
    assert str(caught.value).startswith(f"{function}: ") and message in str(caught.value)
