"""CUDA kernels of convolution, against the operations' bodies in float64."""

import contextlib

import numpy as np
import pytest
from emulation import check, in_every_order, kernel_device
from samples.make import Sample, normal
from samples_conv_pool import window

import tinydl
from tinydl.kernels.gpu import conv as gpu
from tinydl.kernels.gpu import precision
from tinydl.kernels.gpu.source import Source
from tinydl.ops.window import Window
from tinydl.testing import cudaemu

pytestmark = pytest.mark.usefixtures("place")

# (window, N, C, O): all that a window can have, sizes that leave remainders of tiles, words and chunks
CASES = {
    "1d": (window((23,), (4,), stride=3, padding=2, dilation=2, groups=2), 3, 4, 6),
    "2d": (window((7, 9), (3, 3), padding=1), 2, 5, 18),
    "stride": (window((9, 8), (4, 3), stride=2, padding=1), 3, 20, 19),
    "3d": (window((3, 4, 5), (2, 1, 3), padding=1), 2, 2, 3),
    "gaps": (window((9,), (2,), stride=4, padding=1, dilation=2), 2, 3, 4),  # pixels that no tap reaches
    "same": (Window((4,), (1,), (1,), (1,), 1, (6,), (6,)), 2, 1, 2),
    "1x1": (window((4, 4), (1, 1)), 3, 9, 17),
    "1x1 ragged": (window((3, 3), (1, 1)), 3, 9, 17),
    "groups": (window((6, 6), (3, 3), padding=1, groups=3), 2, 6, 9),
    "wide": (window((13, 12), (7, 5), stride=2, padding=3), 1, 3, 2),
    "depthwise": (window((7, 9), (3, 3), padding=1, groups=9), 2, 9, 18),
    "depthwise stride": (window((2, 7, 8), (1, 4, 3), stride=2, padding=1, dilation=2, groups=8), 1, 16, 8),
    "no images": (window((3, 3), (2, 2)), 0, 2, 2),
}
ARITHMETIC = {"ieee": ("float32", 1), "tf32": ("float32", 50), "float64": ("float64", 1), "float16": ("float16", 1),
              "bfloat16": ("bfloat16", 1)}  # fmt: skip


@contextlib.contextmanager
def multiplying(mode):
    before = precision.get_precision("conv")
    precision.set_precision("conv", mode if mode in precision.MODES else before)
    try:
        yield
    finally:
        precision.set_precision("conv", before)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_convolution_and_its_adjoints(case, arithmetic):
    w, N, C, O = case
    dtype, more = ARITHMETIC[arithmetic]
    weight, all_three = normal(O, C // w.groups, *w.size), ["conv", "conv_transpose", "conv_weight"]
    with multiplying(arithmetic):
        sample = Sample(normal(N, C, *w.image), weight, normal(O), window=w)
        check("conv", sample, dtype, served=all_three, more=more)
        check("conv_transpose", Sample(normal(N, O, *w.out), weight, None, window=w), dtype, served=["conv"], more=more)


@pytest.mark.parametrize("name", gpu.ARITHMETIC)
@pytest.mark.parametrize("tile", gpu.TILES, ids=str)
def test_every_tile_in_every_arithmetic(tile, name, monkeypatch):
    """With more rows and columns than one tile has; and in as many splits as there can be."""
    w = window((6, 7), (3, 2), stride=(2 if tile[0] == 64 else 1), padding=1)
    rows = tile[0] + 3 if tile[0] < 128 else 130
    monkeypatch.setattr(gpu, "_tile", lambda *sizes: tile)
    dtype, more = {"Ieee": ARITHMETIC["ieee"], "Tf32": ARITHMETIC["tf32"], "Half": ARITHMETIC["float16"],
                   "Brain": ARITHMETIC["bfloat16"], "Double": ARITHMETIC["float64"]}[name]  # fmt: skip
    with multiplying(name.lower()):
        sample = Sample(normal(9, 3, *w.image), normal(rows, 3, *w.size), None, window=w)
        check("conv", sample, dtype, served=["conv_weight"], more=more)


def test_float32_is_as_accurate_as_the_mode_says():
    w = window((8, 8), (3, 3), padding=1)
    x, weight = normal(1, 24, 8, 8).astype("f"), normal(16, 24, 3, 3).astype("f")
    with kernel_device() as device:

        def error(mode):
            with multiplying(mode):
                got = in_every_order(lambda: [gpu.conv(device.array(x), device.array(weight), None, w).get()])[0]
            exact = tinydl.ops.conv.conv(*map(tinydl.tensor, (x.astype("d"), weight.astype("d"))), None, w).numpy()
            return np.linalg.norm(got - exact) / np.linalg.norm(exact)

        assert error("ieee") < 4e-7
        assert 1e-4 < error("tf32") < 5e-4


def test_nan_shows_and_unknown_modes_are_refused():
    w, x = window((4, 4), (3, 3)), np.zeros((1, 2, 4, 4), "f")
    x[0, 1, 3, 3] = np.nan
    for mode in precision.MODES:
        with kernel_device() as device, multiplying(mode):
            y = gpu.conv(device.array(x), device.array(np.ones((1, 2, 3, 3), "f")), None, w).get()
        assert np.isnan(y[0, 0]).tolist() == [[False, False], [False, True]]
    with pytest.raises(ValueError, match="expected one of matmul, conv, rnn and one of ieee, tf32, got 'conv', 'fast'"):
        precision.set_precision("conv", "fast")


def test_what_is_declined():
    with kernel_device() as device:
        x = device.array(np.zeros((1, 1, 90), "f"))
        wide = window((90,), (70,))
        assert gpu.conv(x, device.array(np.zeros((1, 1, 70), "f")), None, wide) is NotImplemented
        w = window((90,), (3,))
        assert gpu.conv(x, device.array(np.zeros((1, 1, 3))), None, w) is NotImplemented
        whole = device.array(np.zeros((1, 1, 90), "i4"))
        assert gpu.conv_weight(whole, whole[:, :, :88], w) is NotImplemented


FAULTS = {
    "no barrier": ("__syncthreads();  // this stage is in, and the one before it was used by all", ""),
    "short wait": ("cp_async_wait<T::STAGES - 2>();", "cp_async_wait<T::STAGES - 1>();"),
    "taps outside": ("t.inside(mask) && ", ""),
    "weights outside": ("valid = row < rows && at < length;", "valid = at < length;"),
    "pixels outside": ("places[i] = n + i < total ? ", "places[i] = true ? "),
}


@pytest.mark.emulated
@pytest.mark.parametrize("old, new", FAULTS.values(), ids=list(FAULTS))
def test_planted_faults_are_caught(old, new, monkeypatch):
    w = window((5, 7), (3, 3), padding=1)
    x, weight = normal(2, 20, 5, 7).astype("f"), normal(17, 20, 3, 3).astype("f")
    exact = tinydl.ops.conv.conv(*map(tinydl.tensor, (x.astype("d"), weight.astype("d"))), None, w).numpy()
    text = gpu.CONV.text
    assert old in text

    def judge(source):
        broken = Source("conv.cu", *gpu.CONV.instances, structs={"Geometry": gpu.GEOMETRY}, apart=True)
        Source.all.remove(broken)
        broken.text = source
        monkeypatch.setattr(gpu, "CONV", broken)
        with kernel_device() as device:
            got = in_every_order(lambda: [gpu.conv(device.array(x), device.array(weight), None, w).get()])[0]
        np.testing.assert_allclose(got, exact, atol=0.05)

    judge(text)
    with pytest.raises((cudaemu.EmulationError, AssertionError)):
        judge(text.replace(old, new, 1))
