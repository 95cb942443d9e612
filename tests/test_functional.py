"""The functions of nn.functional against PyTorch, plain loops and hand calculation.

What each table entry checks: values, first gradients, and that float32 stays float32.
"""

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl.nn import functional as F
from tinydl.testing.strict import strict_device

torch = oracle()
TF = torch.nn.functional
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def uniform(*shape):
    return rng.uniform(0.1, 0.9, shape)


def classes(C, *shape):
    return rng.integers(0, C, shape)


class Fixed(np.ndarray):
    """An array whose tensor requires no gradient."""


def fixed(array):
    return array.view(Fixed)


def both(name, *args, **kwargs):
    """The function `name` of tinydl and of PyTorch, on arguments of which arrays become tensors."""

    def to(lib, v, leaves, dtype):
        if not isinstance(v, np.ndarray):
            return v
        v = v.astype(dtype) if v.dtype.kind == "f" else v
        t = lib.tensor(v)
        if v.dtype.kind == "f" and not isinstance(v, Fixed):
            leaves.append(t.requires_grad_())
        return t

    def run(lib, functions, dtype):
        leaves = []
        given = [to(lib, v, leaves, dtype) for v in args]
        named = {k: to(lib, v, leaves, dtype) for k, v in kwargs.items()}
        return getattr(functions, name)(*given, **named), leaves

    return lambda dtype: (run(tinydl, F, dtype), run(torch, TF, dtype))


def check(name, *args, dtype="float64", **kwargs):
    (mine, my_leaves), (theirs, their_leaves) = both(name, *args, **kwargs)(dtype)
    tolerance = dict(rtol=1e-7, atol=1e-9) if dtype == "float64" else dict(rtol=2e-4, atol=2e-5)
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), **tolerance)
    if not theirs.requires_grad:
        return
    g = np.random.default_rng(1).standard_normal(tuple(theirs.shape)).astype(dtype)
    mine.backward(tinydl.tensor(g))
    theirs.backward(torch.tensor(g))
    for a, b in zip(my_leaves, their_leaves):
        expected = np.zeros(b.shape) if b.grad is None else b.grad.numpy()
        got = np.zeros(a.shape) if a.grad is None else a.grad.numpy()
        assert a.grad is None or a.grad.dtype == a.dtype
        np.testing.assert_allclose(got, expected, **tolerance)


IMAGE = normal(2, 4, 6, 5)
SIGNS = np.where(normal(5) > 0, 1.0, -1.0)
CALLS = [
    # activations, at their kinks too
    *[
        (name, np.array([-6.0, -3, -1, -0.5, 0, 0.5, 1, 3, 6, 25]), {})
        for name in (
            "relu", "relu6", "elu", "selu", "celu", "leaky_relu", "hardtanh", "hardshrink",
            "softshrink", "tanhshrink", "softsign", "softplus", "logsigmoid", "silu", "mish",
            "hardsigmoid", "gelu", "sigmoid", "tanh",
        )
    ],
    ("elu", normal(9), dict(alpha=2.5)),
    ("rrelu", normal(9), dict(lower=0.1, upper=0.3)),
    ("gelu", normal(9), dict(approximate="tanh")),
    ("softplus", normal(9) * 5, dict(beta=2.0, threshold=3.0)),
    ("threshold", normal(9), dict(threshold=0.1, value=7.0)),
    ("glu", normal(3, 8), {}),
    ("softmax", normal(3, 8) * 50, dict(dim=1)),
    ("log_softmax", normal(3, 8) * 50, dict(dim=0)),
    ("softmin", normal(3, 8), dict(dim=-1)),
    # padding
    *[("pad", IMAGE, dict(pad=(2, 1, 3, 2), mode=m)) for m in ("reflect", "replicate", "circular")],
    ("pad", IMAGE, dict(pad=(-1, 2, 0, -2, 1, 0), value=3.5)),
    # resampling
    *[
        ("interpolate", IMAGE, dict(size=size, mode=mode, align_corners=corners))
        for size in ((9, 3), (3, 11))
        for mode in ("bilinear", "bicubic")
        for corners in (True, False)
    ],
    *[
        ("interpolate", IMAGE, dict(scale_factor=s, mode=m))
        for s in (2, 1.7, 0.6)
        for m in ("nearest", "nearest-exact", "bilinear")
    ],
    *[
        ("interpolate", IMAGE, dict(size=size, mode=mode, antialias=True))
        for size in ((3, 2), (9, 12))
        for mode in ("bilinear", "bicubic", "lanczos")
    ],
    ("interpolate", normal(1, 2, 3, 4, 5), dict(size=(5, 2, 7), mode="trilinear")),
    ("interpolate", normal(2, 3, 7), dict(scale_factor=2.3, recompute_scale_factor=True)),
    ("pixel_shuffle", normal(2, 8, 3, 2), dict(upscale_factor=2)),
    ("pixel_unshuffle", normal(2, 8, 4, 6), dict(downscale_factor=2)),
    # normalisation
    ("local_response_norm", IMAGE, dict(size=3, alpha=0.5)),
    ("normalize", IMAGE, dict(p=3.0, dim=2)),
]  # fmt: skip
MORE_CALLS = [
    ("affine_grid", (normal(2, 2, 3), (2, 1, 4, 5)), dict(align_corners=False)),
    ("affine_grid", (normal(2, 3, 4), (2, 1, 4, 5, 3)), dict(align_corners=True)),
    *[
        ("grid_sample", (IMAGE, normal(2, 3, 7, 2)), dict(mode=m, padding_mode=p, align_corners=c))
        for m in ("bilinear", "nearest", "bicubic")
        for p in ("zeros", "border", "reflection")
        for c in (True, False)
    ],
    ("grid_sample", (normal(1, 2, 3, 4, 5), normal(1, 2, 2, 3, 3)), dict(align_corners=False)),
    ("linear", (normal(2, 3, 4), normal(5, 4), normal(5)), {}),
    ("bilinear", (normal(2, 3), normal(2, 4), normal(5, 3, 4), normal(5)), {}),
    ("embedding", (classes(6, 3, 4), normal(6, 2)), dict(padding_idx=2, scale_grad_by_freq=True)),
    ("embedding_bag", (classes(6, 9), normal(6, 2)),
     dict(offsets=np.array([0, 3, 3, 7]), mode="mean", padding_idx=1)),
    ("embedding_bag", (classes(6, 9), normal(6, 2)), dict(offsets=np.array([0, 3, 7]), mode="max")),
    ("embedding_bag", (classes(6, 3, 4), normal(6, 2)),
     dict(mode="sum", per_sample_weights=normal(3, 4))),
    ("cross_entropy", (normal(5, 4), classes(4, 5)), dict(weight=None, label_smoothing=0.3)),
    ("cross_entropy", (normal(5, 4, 2, 3), classes(4, 5, 2, 3)), dict(ignore_index=2)),
    ("cross_entropy", (normal(5, 4), uniform(5, 4)), dict(label_smoothing=0.1)),
    ("cross_entropy", (normal(4), np.array(2)), {}),
    ("nll_loss", (normal(5, 4, 2), classes(4, 5, 2)), dict(reduction="sum")),
    ("binary_cross_entropy", (uniform(5), uniform(5)), {}),
    ("binary_cross_entropy_with_logits", (normal(5) * 30, uniform(5)),
     dict(pos_weight=fixed(uniform(5)))),
    ("binary_cross_entropy_with_logits", (normal(5) * 30, uniform(5)), {}),
    ("kl_div", (normal(5, 3), uniform(5, 3)), dict(reduction="batchmean")),
    ("mse_loss", (normal(5), normal(5)), dict(weight=uniform(5))),
    ("l1_loss", (normal(5), normal(5)), dict(weight=uniform(5))),
    ("smooth_l1_loss", (normal(5), normal(5)), dict(beta=0.5)),
    ("huber_loss", (normal(5), normal(5)), dict(delta=0.5, weight=uniform(5))),
    ("gaussian_nll_loss", (normal(5, 3), normal(5, 3), uniform(5)), dict(full=True, eps=0.4)),
    ("poisson_nll_loss", (normal(5), uniform(5) * 5), dict(full=True)),
    ("soft_margin_loss", (normal(5) * 20, fixed(SIGNS)), {}),
    ("cosine_embedding_loss", (normal(5, 3), normal(5, 3), SIGNS.astype(int)), dict(margin=0.1)),
    ("triplet_margin_loss", (normal(5, 3), normal(5, 3), normal(5, 3)), dict(swap=True)),
    ("multi_margin_loss", (normal(5, 4), classes(4, 5)), dict(p=2)),
    ("multilabel_margin_loss", (normal(4), np.array([3, 0, -1, 1])), {}),
]  # fmt: skip
CALLS = [(n, a if isinstance(a, tuple) else (a,), k) for n, a, k in CALLS + MORE_CALLS]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name, args, kwargs", CALLS, ids=[c[0] for c in CALLS])
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_pytorch(name, args, kwargs, dtype):
    check(name, *args, dtype=dtype, **kwargs)


@pytest.mark.parametrize("name, args, kwargs", CALLS, ids=[c[0] for c in CALLS])
@pytest.mark.filterwarnings("ignore")
def test_nothing_assumes_numpy(name, args, kwargs):
    with strict_device():
        leaves = []

        def to(v):
            if not isinstance(v, np.ndarray):
                return v
            t = tinydl.tensor(np.asarray(v), device="strict")
            return leaves.append(t.requires_grad_()) or t if v.dtype.kind == "f" else t

        y = getattr(F, name)(*map(to, args), **{k: to(v) for k, v in kwargs.items()})
        grads = tinydl.autograd.grad(y.sum(), leaves, create_graph=True, allow_unused=True)
        grads = [g for g in grads if g is not None and g.requires_grad]
        if grads:
            sum(g.sum() for g in grads).backward()
        assert all(t.device.type == "strict" for t in (y, *grads))


def test_the_check_sees_a_wrong_gradient(monkeypatch):
    monkeypatch.setattr(F, "relu", lambda x: x * (x.detach() > 0) * 1.0 + (x - x.detach()) * 0.1)
    with pytest.raises(AssertionError):
        check("relu", normal(5))


def test_binary_cross_entropy_of_certainties():
    """Probabilities 0 and 1: a logarithm counts as -100 at least, and the gradient stays finite."""
    target = [0.0, 1.0, 0.0, 1.0]
    mine = tinydl.tensor([0.0, 1.0, 1.0, 0.0], requires_grad=True)
    theirs = torch.tensor([0.0, 1.0, 1.0, 0.0], requires_grad=True)
    loss = F.binary_cross_entropy(mine, tinydl.tensor(target), reduction="none")
    assert loss.detach().numpy().tolist() == [0, 0, 100, 100]
    loss.sum().backward()
    TF.binary_cross_entropy(theirs, torch.tensor(target), reduction="sum").backward()
    np.testing.assert_array_equal(mine.grad.numpy(), theirs.grad.numpy())


# ---------------------------------------------------------------- any order
SMOOTH = [
    ("gelu", (normal(4),), {}),
    ("mish", (normal(4),), {}),
    ("softplus", (normal(4),), {}),
    ("log_softmax", (normal(2, 3),), dict(dim=1)),
    ("layer_norm", (normal(2, 3), (3,), normal(3), normal(3)), {}),
    ("cross_entropy", (normal(3, 4), classes(4, 3)), {}),
    ("grid_sample", (normal(1, 1, 3, 4), normal(1, 2, 2, 2) / 2), {}),
    ("interpolate", (normal(1, 1, 3, 4),), dict(size=(5, 2), mode="bicubic")),
    ("embedding", (classes(3, 4), normal(3, 2)), dict(padding_idx=1)),
]


@pytest.mark.parametrize("name, args, kwargs", SMOOTH, ids=[s[0] for s in SMOOTH])
def test_second_derivative_is_that_of_the_first(name, args, kwargs):
    """<H v, u> by differentiating twice, and by a difference of first gradients."""
    floats = [a for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    directions = [normal(*a.shape) for a in floats]
    others = [normal(*a.shape) for a in floats]

    def gradients(step, create_graph=False):
        moved = iter([a + step * d for a, d in zip(floats, directions)])
        leaves, given = [], []
        for a in args:
            if isinstance(a, np.ndarray):
                t = tinydl.tensor(next(moved) if a.dtype.kind == "f" else a)
                leaves += [t.requires_grad_()] if a.dtype.kind == "f" else []
                a = t
            given.append(a)
        y = getattr(F, name)(*given, **kwargs)
        loss = (y * y * y).sum()
        return leaves, tinydl.autograd.grad(loss, leaves, create_graph=create_graph)

    leaves, grads = gradients(0.0, create_graph=True)
    dot = sum((g * tinydl.tensor(u)).sum() for g, u in zip(grads, others))
    second = tinydl.autograd.grad(dot, leaves)
    exact = sum((h.numpy() * d).sum() for h, d in zip(second, directions))
    step = 1e-5
    ahead, back = gradients(step)[1], gradients(-step)[1]
    numeric = sum(((a.numpy() - b.numpy()) * u).sum() for a, b, u in zip(ahead, back, others))
    assert exact == pytest.approx(numeric / (2 * step), rel=1e-6, abs=1e-7)


# ---------------------------------------------------------------- in place
IN_PLACE = ["relu", "relu6", "elu", "selu", "celu", "leaky_relu", "hardtanh", "silu", "mish"]
IN_PLACE += ["hardswish", "hardsigmoid"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_writes_and_gives_the_same_gradient(name):
    x = normal(12) * 3
    grads = []
    for inplace in (False, True):
        leaf = tinydl.tensor(x, requires_grad=True)
        t = leaf * 2
        y = getattr(F, name)(t, inplace=inplace)
        assert (y is t) == inplace
        (y * y).sum().backward()
        grads.append((y.detach().numpy().copy(), leaf.grad.numpy()))
    np.testing.assert_array_equal(grads[0][0], grads[1][0])
    np.testing.assert_allclose(grads[0][1], grads[1][1], rtol=1e-12)


# ---------------------------------------------------------------- normalisation
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_follow_pytorch(name):
    x = normal(4, 3, 5).astype("float32") * 2 + 1
    mine = [tinydl.zeros(3), tinydl.ones(3)]
    theirs = [torch.zeros(3), torch.ones(3)]
    kind = "training" if name == "batch_norm" else "use_input_stats"
    for momentum in (0.1, 0.6):
        for functions, stats, t in ((F, mine, tinydl.tensor(x)), (TF, theirs, torch.tensor(x))):
            getattr(functions, name)(t, *stats, momentum=momentum, **{kind: True})
    for a, b in zip(mine, theirs):
        assert a.dtype == tinydl.float32 and not a.requires_grad
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)
    y = getattr(F, name)(tinydl.tensor(x), *mine, **{kind: False})
    z = getattr(TF, name)(torch.tensor(x), *theirs, **{kind: False})
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-6)


def test_a_refused_batch_leaves_the_running_statistics_alone():
    mean, var = tinydl.zeros(3), tinydl.ones(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F.batch_norm(tinydl.ones(1, 3), mean, var, training=True)
    with pytest.raises(RuntimeError, match="expected weight of shape \\(3,\\)"):
        F.batch_norm(tinydl.ones(2, 3), mean, var, weight=tinydl.ones(4), training=True)
    assert mean.numpy().tolist() == [0, 0, 0] and var.numpy().tolist() == [1, 1, 1]


# ---------------------------------------------------------------- embedding
def test_max_norm_shortens_the_rows_that_are_looked_up():
    weight = normal(5, 3) * 4
    mine, theirs = tinydl.tensor(weight), torch.tensor(weight)
    index = [[0, 3, 3]]
    y = F.embedding(tinydl.tensor(index), mine, max_norm=1.0)
    z = TF.embedding(torch.tensor(index), theirs, max_norm=1.0)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-6)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(mine.numpy()[[1, 2, 4]], weight[[1, 2, 4]])


def test_one_hot():
    np.testing.assert_array_equal(F.one_hot(tinydl.tensor([[0, 2]])).numpy(), [[[1, 0, 0], [0, 0, 1]]])
    assert F.one_hot(tinydl.tensor([1]), 4).dtype == tinydl.int64
    with pytest.raises(RuntimeError, match=r"must lie in \[0, 1\], got 2"):
        F.one_hot(tinydl.tensor([0, 2]), 2)


# ---------------------------------------------------------------- randomness
def test_rrelu_draws_slopes_within_its_limits():
    x = tinydl.full((1000,), -1.0, requires_grad=True)
    y = F.rrelu(x, 0.2, 0.4, training=True)
    slopes = -y.detach().numpy()
    assert 0.2 <= slopes.min() < 0.25 and 0.35 < slopes.max() <= 0.4
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-6)


def test_gumbel_softmax_chooses_by_probability():
    p = np.array([0.1, 0.2, 0.7])
    logits = tinydl.tensor(np.tile(np.log(p), (20000, 1)), requires_grad=True)
    hard = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(np.sort(hard.detach().numpy())[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(hard.detach().numpy().mean(0), p, atol=0.02)
    (hard * tinydl.tensor([1.0, 2.0, 3.0]).double()).sum().backward()
    assert np.abs(logits.grad.numpy()).sum() > 0


# ---------------------------------------------------------------- refusals
REFUSALS = [
    ("cross_entropy", (normal(2, 3), np.array([0, 3])), {}, IndexError, "target 3 is none of"),
    ("cross_entropy", (normal(2, 3), np.array([0.0, 1.0])), {}, RuntimeError, "expected int64"),
    ("cross_entropy", (normal(2, 3), np.array([0, 1, 2])), {}, ValueError, "target of shape"),
    ("nll_loss", (normal(2, 3), np.array([0, 1])), dict(weight=normal(2)), RuntimeError, "weight"),
    ("binary_cross_entropy", (np.array([1.5]), np.array([1.0])), {}, RuntimeError, "from 0 to 1"),
    ("mse_loss", (normal(2), normal(2)), dict(reduction="avg"), ValueError, "reduction"),
    ("linear", (normal(2, 3), normal(4, 5)), {}, RuntimeError, "ends in \\(3,\\)"),
    ("embedding", (np.array([7]), normal(3, 2)), {}, IndexError, "7"),
    ("embedding", (normal(2), normal(3, 2)), {}, RuntimeError, "int64 or int32"),
    ("layer_norm", (normal(2, 3), (4,)), {}, RuntimeError, "does not end in it"),
    ("group_norm", (normal(2, 3, 4), 2), {}, RuntimeError, "2 groups"),
    ("interpolate", (IMAGE,), {}, ValueError, "exactly one of size and scale_factor"),
    ("interpolate", (IMAGE, 3), dict(mode="linear"), NotImplementedError, "needs 3 dimensions"),
    ("pad", (IMAGE, (5, 0, 0, 0)), dict(mode="reflect"), RuntimeError, "at most 4"),
    ("pad", (IMAGE, (1,)), {}, RuntimeError, "two widths"),
    ("grid_sample", (IMAGE, normal(2, 3, 3)), {}, RuntimeError, "expected input"),
    ("pixel_shuffle", (IMAGE, 3), {}, RuntimeError, "9"),
    ("softmax", (np.array([1, 2]),), dict(dim=0), RuntimeError, "floating"),
    ("softmax", (normal(2),), dict(dim=1), IndexError, "dim"),
    ("hardtanh", (normal(2),), dict(min_val=1.0, max_val=0.0), ValueError, "greater"),
    ("gelu", (normal(2),), dict(approximate="erf"), RuntimeError, "'none' or 'tanh'"),
    ("glu", (normal(3),), {}, RuntimeError, "halved"),
]  # fmt: skip


@pytest.mark.parametrize("name, args, kwargs, error, text", REFUSALS, ids=[r[0] for r in REFUSALS])
def test_bad_input_is_refused(name, args, kwargs, error, text):
    given = [tinydl.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    named = {k: tinydl.tensor(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    with pytest.raises(error, match=text) as raised:
        getattr(F, name)(*given, **named)
    assert str(raised.value).startswith(name)
