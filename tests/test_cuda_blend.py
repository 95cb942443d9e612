"""CUDA kernels of what lies under a grid, against the operation's body."""

import numpy as np
import pytest
from emulation import bodies, check, in_every_order, kernel_device
from samples.make import Sample, integers, normal

import tinydl
import tinydl.nn.functional as F
from tinydl.kernels.gpu import blend, faults

pytestmark = pytest.mark.usefixtures("place")
TYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("C, M, K, P", [(1, 7, 4, 5), (6, 31, 8, 37), (4, 300, 1, 290), (9, 2, 16, 3)])
def test_sums_and_gradients(C, M, K, P, dtype):
    index, weight = integers(M, 2, K, P), normal(2, K, P)
    weight[integers(3, 2, K, P) == 0] = 0  # as of places outside
    check("blend", Sample(normal(2, C, M), index, weight), dtype, served=["blend_grad"])


def test_more_rows_than_a_grid_has(monkeypatch):
    monkeypatch.setattr(blend, "MOST_ROWS", 2)
    check("blend", Sample(normal(3, 9, 5), integers(5, 3, 2, 6), normal(3, 2, 6)), "float32", served=["blend_grad"])


def test_a_gradient_that_is_not_finite_stays_out_of_what_has_no_weight():
    with kernel_device() as device:
        g, x, w = np.array([[[1.0, np.inf, 2.0]]]), np.ones((1, 1, 4)), np.array([[[0.5, 0.0, 1.0]]])
        given = [tinydl.tensor(a, device=device).array for a in (g, x, np.array([[[1, 0, 1]]]), w)]
        gx = device.kernels["blend_grad"](*given, (True, False, False))[0]
        np.testing.assert_array_equal(gx.get(), [[[0, 2.5, 0, 0]]])


def test_nothing_to_do():
    check("blend", Sample(normal(1, 0, 3), integers(3, 1, 2, 4), normal(1, 2, 4)), "float32", served=["blend_grad"])
    check("blend", Sample(normal(0, 2, 3), integers(3, 0, 2, 4), normal(0, 2, 4)), "float32", served=["blend_grad"])
    check("blend", Sample(normal(2, 2, 3), integers(3, 2, 1, 0), normal(2, 1, 0)), "float32", served=["blend_grad"])


def test_other_layouts_and_types_left_to_the_body():
    with kernel_device() as device:
        kernel = device.kernels["blend"]
        x, weight = normal(2, 7, 3).swapaxes(1, 2), normal(2, 4, 5)
        index = integers(7, 2, 4, 5)
        given = [tinydl.tensor(a, device=device).array for a in (x, index, weight)]
        want = np.stack([(w * a[:, i]).sum(1) for a, i, w in zip(x, index, weight)])
        np.testing.assert_allclose(kernel(*given).get(), want, rtol=1e-12)
        assert kernel(given[0], given[1].astype("int32"), given[2]) is NotImplemented
        assert kernel(given[0], given[1], given[2].astype("float32")) is NotImplemented


def test_an_index_that_is_none_shows_and_is_raised_by_the_next_synchronisation():
    with kernel_device() as device:
        index = integers(3, 1, 1, 4)
        index[0, 0, 2] = 1 << 40
        x, index, w = (tinydl.tensor(a, device=device).array for a in (normal(1, 2, 3), index, normal(1, 1, 4)))
        y = device.kernels["blend"](x, index, w)
        gw = device.kernels["blend_grad"](y, x, index, w, (False, False, True))[2]
        assert np.isnan(y.get()).nonzero()[2].tolist() == [2, 2] and not np.isnan(y.get()[..., :2]).any()
        assert gw.get()[0, 0, 2] == 0
        with pytest.raises(IndexError, match="gather: an index lies outside"):
            faults.raise_faults()


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("count", [2, 3])
def test_images_under_a_grid(mode, padding_mode, count):
    if mode == "bicubic" and count == 3:
        return
    x, grid = normal(2, 5, *(3, 4, 5)[:count]), normal(2, *(4, 3, 2)[:count], count)
    settings = dict(mode=mode, padding_mode=padding_mode, align_corners=False)

    def compute(on):
        image, places = (tinydl.tensor(v, device=on, requires_grad=True) for v in (x, grid))
        y = F.grid_sample(image, places, **settings)
        (y * y).sum().backward()
        # the nearest of an image knows nothing of places
        found = y, image.grad, *([] if mode == "nearest" else [places.grad])
        return [t.detach().to("cpu").numpy() for t in found]

    with kernel_device() as device:
        got = in_every_order(lambda: compute(device))
    with bodies():
        want = compute("cpu")
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
