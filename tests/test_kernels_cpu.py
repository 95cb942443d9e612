"""CPU kernels against plain loops in float64 (and PyTorch where it is installed), on arrays."""

import itertools
import os
import subprocess
import sys
import textwrap
from typing import NamedTuple

import numpy as np
import pytest
from oracle import oracle

from tinydl.kernels import cpu


class Window(NamedTuple):
    size: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    image: tuple

    @property
    def out(self):
        return tuple(len(self.spans(d)) for d in range(len(self.image)))

    def spans(self, d):
        k, s, p, r = self.size[d], self.stride[d], self.padding[d], self.dilation[d]
        first, last = -p, self.image[d] + p - r * (k - 1) - 1
        return [range(i, i + r * k, r) for i in range(first, last + 1, s)]

    def counts(self, d):
        """Numbers inside of the image."""
        return [sum(0 <= i < self.image[d] for i in span) for span in self.spans(d)]


class Bins(NamedTuple):
    """The windows of adaptive pooling."""

    image: tuple
    out: tuple

    def spans(self, d):
        L, n = self.image[d], self.out[d]
        return [range(i * L // n, -(-(i + 1) * L // n)) for i in range(n)]

    def counts(self, d):
        return [len(span) for span in self.spans(d)]


def taps(window):
    """Every (output position, tap, input position) that lies inside of the image."""
    dims = range(len(window.image))
    spans = [window.spans(d) for d in dims]
    for p in itertools.product(*(range(n) for n in window.out)):
        for t in itertools.product(*(range(len(spans[d][p[d]])) for d in dims)):
            i = tuple(spans[d][p[d]][t[d]] for d in dims)
            if all(0 <= i[d] < window.image[d] for d in dims):
                yield p, t, i


# image, size, stride, padding, dilation; groups, N, C, O
CASES = {
    "1d": (((7,), (3,), (1,), (1,), (1,)), 1, 2, 3, 4),
    "1d stride": (((23,), (4,), (3,), (2,), (2,)), 2, 3, 4, 6),
    "one pixel": (((1, 1), (1, 1), (1, 1), (0, 0), (1, 1)), 1, 17, 3, 5),
    "2d": (((5, 6), (3, 3), (1, 1), (1, 1), (1, 1)), 1, 3, 2, 5),
    "2d uneven": (((9, 7), (2, 3), (2, 1), (1, 2), (1, 2)), 3, 2, 3, 6),
    "depthwise": (((5, 5), (3, 3), (1, 1), (1, 1), (1, 1)), 4, 2, 4, 4),
    "wide": (((2, 37), (1, 5), (1, 1), (0, 2), (1, 1)), 1, 1, 1, 17),
    "pixels": (((5, 12), (1, 1), (1, 1), (0, 0), (1, 1)), 1, 3, 5, 17),
    "some pixels": (((9, 13), (1, 1), (2, 1), (1, 0), (1, 1)), 1, 2, 5, 3),
    "whole image": (((2, 3), (2, 3), (1, 1), (0, 0), (1, 1)), 1, 5, 3, 19),
    "many channels": (((3, 3), (2, 2), (1, 1), (1, 1), (1, 1)), 1, 2, 37, 31),
    "3d": (((3, 4, 5), (2, 1, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2)), 1, 2, 2, 3),
    "no batch": (((4, 4), (3, 3), (1, 1), (1, 1), (1, 1)), 1, 0, 2, 3),
    "no channels": (((4, 4), (3, 3), (1, 1), (1, 1), (1, 1)), 1, 2, 0, 3),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request):
    (image, size, stride, padding, dilation), groups, N, C, O = CASES[request.param]
    window = Window(size, stride, padding, dilation, groups, image)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, C, *image))
    w = rng.standard_normal((O, C // groups, *size))
    u = rng.standard_normal((N, O, *window.out))
    return x, w, u, window


def loops(x, w, u, window):
    """conv, conv_transpose and conv_weight from the definition."""
    y, gx, gw = np.zeros_like(u), np.zeros_like(x), np.zeros_like(w)
    G = window.groups
    channels = [np.arange(n).reshape(G, -1) for n in (x.shape[1], w.shape[0])]
    for g, (p, t, i) in itertools.product(range(G), taps(window)):
        c, o = channels[0][g], channels[1][g]
        at_x, at_y = (slice(None), c, *i), (slice(None), o, *p)
        tap = w[(o, slice(None), *t)]
        y[at_y] += x[at_x] @ tap.T
        gx[at_x] += u[at_y] @ tap
        gw[(o, slice(None), *t)] += u[at_y].T @ x[at_x]
    return y, gx, gw


def run(x, w, u, window):
    return tuple(
        cpu.load(name)(*operands, window)
        for name, operands in (
            ("conv", (x, w, None)),
            ("conv_transpose", (u, w, None)),
            ("conv_weight", (x, u)),
        )
    )


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-14)])
def test_convolutions_equal_loops(case, dtype, tolerance):
    *operands, window = case
    operands = [a.astype(dtype) for a in operands]
    expected = loops(*(a.astype("float64") for a in operands), window)
    for got, want in zip(run(*operands, window), expected):
        assert got.dtype == dtype and got.shape == want.shape
        scale = max(1, abs(want).max(initial=0))
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale * 4)


def test_bias_is_added(case):
    x, w, u, window = case
    b, c = np.arange(1.0, 1 + len(w)), np.arange(1.0, 1 + x.shape[1])
    for name, operands, bias in (("conv", (x, w), b), ("conv_transpose", (u, w), c)):
        kernel = cpu.load(name)
        per_channel = bias.reshape(-1, *[1] * len(window.image))
        expected = kernel(*operands, None, window) + per_channel
        np.testing.assert_allclose(kernel(*operands, bias, window), expected, rtol=0, atol=1e-12)


def test_convolutions_are_adjoint(case):
    x, w, u, window = case
    y, gx, gw = run(x, w, u, window)
    inner = [np.vdot(y, u), np.vdot(x, gx), np.vdot(w, gw)]
    np.testing.assert_allclose(inner, inner[0], rtol=1e-12, atol=1e-12)


def test_larger_convolution_equals_torch():
    """Several strips, blocks of channels and pieces of pixels, which the small cases do not reach."""
    torch = oracle()
    window = Window((5, 5), (1, 1), (2, 2), (1, 1), 1, (28, 28))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((19, 33, 28, 28)).astype("float32")
    w = rng.standard_normal((20, 33, 5, 5)).astype("float32")
    u = rng.standard_normal((19, 20, 28, 28)).astype("float32")
    tx, tw, tu = (torch.tensor(a, dtype=torch.float64) for a in (x, w, u))
    y = torch.nn.functional.conv2d(tx.requires_grad_(), tw.requires_grad_(), padding=2)
    y.backward(tu)
    for got, want in zip(run(x, w, u, window), (y.detach(), tx.grad, tw.grad)):
        want = want.numpy()
        np.testing.assert_allclose(got, want, rtol=0, atol=3e-6 * abs(want).max())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_meet_no_zeros_outside_of_the_image(value):
    """Either only what truly reads such a weight is not finite, or the kernel leaves it to the body."""
    declined = []
    for stride, channels in ((1, 3), (2, 3), (2, 80), (3, 80)):
        window = Window((3, 3), (stride, stride), (1, 1), (1, 1), 1, (4 * stride + 1, 4 * stride + 1))
        u, w = np.ones((9, 2, *window.out)), np.ones((2, channels, 3, 3))
        w[1, -1, 0, 0] = value
        x = cpu.load("conv_transpose")(u, w, None, window)
        declined.append(x is NotImplemented)
        if x is not NotImplemented:
            bad = np.zeros(window.image, bool)
            for _, t, i in taps(window):
                bad[i] |= t == (0, 0)
            assert (np.isfinite(x[:, -1]) == ~bad).all() and np.isfinite(x[:, :-1]).all()
    assert declined[2:] == [True, False]


def test_convolution_of_other_layouts():
    window = Window((3,), (1,), (1,), (1,), 1, (6,))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 6)), rng.standard_normal((4, 3, 3))
    expected = cpu.load("conv")(x, w, None, window)
    frozen = x.copy()
    frozen.flags.writeable = False
    for other in (np.asfortranarray(x), x[::-1].copy()[::-1], frozen):
        np.testing.assert_array_equal(cpu.load("conv")(other, w, None, window), expected)


def test_kernels_decline():
    window = Window((3,), (1,), (1,), (1,), 1, (6,))
    x, w = np.ones((2, 3, 6), "float16"), np.ones((4, 3, 3), "float16")
    assert cpu.load("conv")(x, w.astype("f"), None, window) is NotImplemented
    assert cpu.load("conv")(x.astype("f"), w.astype("d"), None, window) is NotImplemented
    assert cpu.load("max_pool")(x, window) is NotImplemented
    assert cpu.load("avg_pool")(x.astype("int64"), window, ()) is NotImplemented
    assert draw("uniform", (3,), 0, 0, "float16") is NotImplemented
    assert cpu.load("no such operation") is None


# --- pooling

POOLS = {
    "1d": Window((3,), (2,), (1,), (1,), 1, (8,)),
    "2d": Window((2, 3), (2, 1), (0, 1), (1, 1), 1, (6, 5)),
    "dilated": Window((2, 2), (1, 2), (1, 0), (3, 2), 1, (7, 6)),
    "3d": Window((2, 1, 2), (1, 1, 2), (1, 0, 0), (1, 1, 1), 1, (3, 2, 4)),
    "adaptive": Bins((7, 5), (3, 5)),
    "adaptive up": Bins((3,), (5,)),
}


@pytest.mark.parametrize("window", POOLS.values(), ids=list(POOLS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_equals_loops(window, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 3, (2, 3, *window.image)).astype(dtype)  # ties
    g = rng.standard_normal((2, 3, *window.out)).astype(dtype)
    best = np.full(g.shape, -np.inf)
    winners = np.full(g.shape, -1)
    total, spread = np.zeros(g.shape), np.zeros(x.shape)
    divisors = tuple(tuple(window.counts(d)) for d in range(len(window.image)))
    counts = np.ones(window.out)
    for d in range(len(window.image)):
        counts = counts * np.reshape(window.counts(d), [-1 if k == d else 1 for k in range(counts.ndim)])
    for p, _, i in taps(window):
        at_x, at_y = (..., *i), (..., *p)
        flat = np.ravel_multi_index(i, window.image)
        winners[at_y] = np.where(x[at_x] > best[at_y], flat, winners[at_y])
        best[at_y] = np.maximum(best[at_y], x[at_x])
        total[at_y] += x[at_x]
        spread[at_x] += g[at_y] / counts[p]
    y, found = cpu.load("max_pool")(x, window)
    assert y.dtype == dtype and found.dtype == np.int32
    np.testing.assert_array_equal(y, best)
    np.testing.assert_array_equal(found, winners)
    np.testing.assert_array_equal(cpu.load("max_pool_gather")(x, found), best)
    scattered = np.zeros((2, 3, x[0, 0].size))
    for n, c in itertools.product(range(2), range(3)):
        np.add.at(scattered[n, c], winners[n, c], g[n, c])
    close = dict(rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)
    got = cpu.load("max_pool_scatter")(g, found, window.image)
    np.testing.assert_allclose(got, scattered.reshape(x.shape), **close)
    np.testing.assert_allclose(cpu.load("avg_pool")(x, window, divisors), total / counts, **close)
    got = cpu.load("avg_pool_spread")(g, window, divisors)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, spread, **close)


def test_max_pool_of_nan_and_infinity():
    window = Window((2,), (2,), (0,), (1,), 1, (8,))
    nan, inf = np.nan, np.inf
    x = np.array([[[1, nan, nan, 5, -inf, -inf, nan, nan]]])
    y, winners = cpu.load("max_pool")(x, window)
    np.testing.assert_array_equal(y, [[[nan, nan, -inf, nan]]])
    np.testing.assert_array_equal(winners, [[[1, 2, 4, 7]]])


# --- random numbers


TURN = 8 * np.arctan(np.longdouble(1))


def draw(kind, shape, seed, offset, dtype="float32"):
    return cpu.load(f"philox_{kind}")(np.empty(shape, dtype), seed, offset)


def philox_by_hand(seed, block):
    """Philox 4x32-10 in Python's integers; the block number may have 128 bits."""
    k = [seed & 0xFFFFFFFF, seed >> 32]
    c = [block >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_philox_known_answers():
    """Random123's kat_vectors for philox4x32-10."""
    zeros = ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]
    assert [f"{w:08x}" for w in philox_by_hand(0, 0)] == zeros
    assert [f"{w:08x}" for w in philox_by_hand(2**64 - 1, 2**128 - 1)] == ones
    assert [f"{w:08x}" for w in draw("bits", (4,), 0, 0)] == zeros


@pytest.mark.parametrize("seed, offset", [(0, 0), (2**63 + 12345, 2**33 - 1), (2**64 - 1, 7)])
def test_philox_bits_equal_plain_integers(seed, offset):
    expected = sum((philox_by_hand(seed, offset + b) for b in range(4)), [])
    np.testing.assert_array_equal(draw("bits", (3, 5), seed, offset).ravel(), expected[:15])


def test_uniform_numbers_are_the_top_bits_of_the_words():
    words = draw("bits", (40,), 5, 9).astype("uint64")
    single = draw("uniform", (4, 10), 5, 9, "float32")
    np.testing.assert_array_equal(single.ravel(), (words >> np.uint64(8)) / 2**24)
    assert single.dtype == np.float32
    double = draw("uniform", (20,), 5, 9, "float64")
    whole = (words[::2] >> np.uint64(5)) * np.uint64(2**26) + (words[1::2] >> np.uint64(6))
    np.testing.assert_array_equal(double, whole / 2**53)


def test_normal_numbers_are_box_mullers():
    u = draw("uniform", (20002,), 3, 0, "float64").reshape(-1, 2)
    u = u.astype(np.longdouble)
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, 0])), TURN * u[:, 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()
    z = draw("normal", (20002,), 3, 0, "float64")
    np.testing.assert_allclose(z, expected, rtol=1e-14, atol=1e-15)
    single = draw("normal", (20001,), 3, 0, "float32")
    np.testing.assert_array_equal(single, z[:20001].astype("float32"))
    assert abs(z.mean()) < 0.03 and abs(z.std() - 1) < 0.02


def test_logarithm_and_cosine_over_their_ranges():
    from tinydl.kernels.philox import cos_sin, minus_log

    near = [2**50 * k + d for k in range(9) for d in (-1, 0, 1)]
    m = np.array([0, 1, 2, 2**33, *near[1:-2], 2**53 - 2, 2**53 - 1], np.uint64)
    exact = m.astype(np.longdouble) / 2**53
    np.testing.assert_allclose(minus_log(m), -np.log1p(-exact), rtol=2.3e-16)
    for got, judge in zip(cos_sin(m), (np.cos, np.sin)):
        np.testing.assert_allclose(got, judge(TURN * exact), rtol=0, atol=2.3e-16)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_keeps_by_the_uniform_numbers(p, dtype):
    x = np.arange(1, 5002, dtype=dtype)
    keep = draw("uniform", (5001,), 11, 2, "float32") >= p
    got = cpu.load("dropout")(x, p, 11, 2)
    assert got.dtype == dtype
    scale = np.dtype(dtype).type(1 / (1 - p) if p < 1 else 0)
    np.testing.assert_array_equal(got, np.where(keep, x * scale, 0))


# --- threads, fork, cache: each in a process of its own


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_threads_do_not_change_random_numbers_or_convolutions():
    from tinydl.kernels.cpu import jit

    window = Window((3, 3), (1, 1), (1, 1), (1, 1), 1, (9, 9))
    rng = np.random.default_rng(0)
    shapes = (33, 5, 9, 9), (7, 5, 3, 3), (33, 7, 9, 9)
    operands = [rng.standard_normal(s).astype("float32") for s in shapes]
    before, results = jit.get_num_threads(), []
    try:
        for n in (1, 2):
            jit.set_num_threads(n)
            assert jit.get_num_threads() == min(n, os.cpu_count())
            draws = [draw("normal", (50001,), 1, 2, "float32")]
            results.append([*draws, *run(*operands, window)])
    finally:
        jit.set_num_threads(before)
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)


def test_set_num_threads_refuses():
    from tinydl.kernels.cpu.jit import set_num_threads

    with pytest.raises(ValueError, match="set_num_threads: expected a positive number, got 0"):
        set_num_threads(0)
    with pytest.raises(TypeError, match="set_num_threads: expected an int, got float"):
        set_num_threads(2.0)


def test_looking_up_a_name_without_kernel_imports_no_numba():
    done = python("""
        import sys
        import numpy as np
        from tinydl.kernels import cpu
        assert cpu.load("view") is None and "numba" not in sys.modules
        assert cpu.load("add")(*np.ones((2, 9))) is NotImplemented and "numba" not in sys.modules
        from tinydl.kernels.cpu import jit
        jit.set_num_threads(1)
        assert "numba" not in sys.modules
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forked_child_gets_a_clear_error():
    done = python("""
        import os
        import numpy as np
        from tinydl.kernels import cpu
        draw = cpu.load("philox_bits")
        if os.fork() == 0:  # no threads yet: the child may start its own
            draw(np.empty(10**5), 0, 0)
            os._exit(0)
        assert os.wait()[1] == 0
        draw(np.empty(10**5), 0, 0)
        if os.fork() == 0:
            try:
                draw(np.empty(10**5), 0, 0)
            except RuntimeError as e:
                os._exit(7 if "spawn" in str(e) else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """)
    assert done.stdout.strip() == "7", done.stdout + done.stderr


def test_cache_folder_message_and_hooks(tmp_path):
    code = """
        import numpy as np
        from tinydl.kernels.cpu import jit, load
        jit.PATIENCE = 0.0
        heard = []
        jit.compile_hooks.append(lambda kernel, seconds: heard.append((kernel, seconds is None)))
        load("philox_bits")(np.empty(4), 0, 0)
        print(heard)
    """
    folder = tmp_path / "cache"
    first = python(code, TINYDL_CACHE=str(folder), TINYDL_QUIET="0")
    assert first.stderr.count("tinydl: compiling CPU kernels (first use, half a minute; kept in ") == 1
    assert first.stdout.strip() == "[('random', True), ('random', False), ('jobs', True), ('jobs', False)]"
    assert list(folder.glob("numba-*/*/*/*.nbc"))
    second = python(code, TINYDL_CACHE=str(folder), TINYDL_QUIET="0")
    assert (second.stdout.strip(), second.stderr) == ("[]", "")
    quiet = python(code, TINYDL_CACHE=str(tmp_path / "other"), TINYDL_QUIET="1")
    assert quiet.stderr == ""


def test_unwritable_cache_only_means_no_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = python(
        """
        import numpy as np
        from tinydl.kernels.cpu import jit, load
        print(load("philox_bits")(np.empty(2), 0, 0).tolist(), jit.cache_folder())
        """,
        TINYDL_CACHE=str(blocked),
    )
    assert done.stdout.strip() == "[1713891541, 3781805453] None", done.stderr


@pytest.mark.parametrize("size", [8, 80, 300])
def test_a_product_may_be_the_first_thing_a_process_runs_of_kept_kernels(tmp_path, size):
    """Numba ends a process that asks which thread it is before any was started."""
    code = f"""
        import numpy as np
        from tinydl.kernels.cpu import gemm
        print(gemm.product(np.ones(({size}, {size})), np.ones(({size}, {size})))[0, 0])
    """
    for _ in range(2):
        done = python(code, TINYDL_CACHE=str(tmp_path))
        assert done.stdout.strip() == f"{size}.0", done.stderr
