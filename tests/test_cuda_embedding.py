"""CUDA kernels that pick and add up rows, against the operations' bodies."""

import numpy as np
import pytest
from emulation import bodies, check, kernel_device
from samples.make import Sample, integers, normal

import tinydl
import tinydl.nn.functional as F

pytestmark = pytest.mark.usefixtures("place")
TYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, dim", [((5, 16), 0), ((3, 5, 7), 1), ((4, 5), 1), ((9,), 0), ((2, 3, 8), 1)], ids=str)
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_rows(shape, dim, kind, dtype):
    for index in (integers(2 * shape[dim], 7), integers(2 * shape[dim], 2, 3), integers(2, 40), integers(9, 0)):
        index = (index - shape[dim] if len(index) else index).astype(kind) % shape[dim] - shape[dim] * (index.size % 2)
        index = index.astype(kind)
        check("take_at", Sample(normal(*shape), [index], (dim,)), dtype, served=["add_at"])
        picked = (*shape[:dim], *index.shape, *shape[dim + 1 :])
        for start in (None, normal(*shape)):
            check("add_at", Sample(normal(*picked), start, [index], shape, (dim,)), dtype, served=["take_at"])


def test_several_indices():
    """Those that lie together are one."""
    index = [integers(3, 4), integers(10, 2, 1) - 5]
    check("take_at", Sample(normal(3, 5, 2), index, (0, 1)), "float32", declined=["take_at"], served=["add_at"])
    check("take_at", Sample(normal(3, 2, 5), index, (0, 2)), "float32", declined=["take_at", "add_at"])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, dim", [((5, 4), 0), ((3, 5, 2), 1), ((7,), 0)], ids=str)
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_one_index_for_each(shape, dim, kind, dtype):
    for n in (1, 3, 40):
        index = integers(shape[dim], *shape[:dim], n, *shape[dim + 1 :]).astype(kind)
        check("gather", Sample(normal(*shape), index, dim), dtype, served=["scatter_sum"])
        check("scatter_sum", Sample(normal(*index.shape), index, shape, dim), dtype, served=["gather"])
    some = index[: max(1, len(index) // 2)]
    check("scatter_sum", Sample(normal(*some.shape), some, shape, dim), dtype, served=["gather"])


@pytest.mark.parametrize("dtype", [*TYPES, "int64", "uint8", "bool"])
def test_of_what_meets_the_last_stays(dtype):
    x, src, index = normal(3, 5, 2), normal(3, 9, 2), integers(5, 3, 9, 2)
    picked, rows = normal(3, 7, 2), integers(5, 7) - 5 * (integers(9, 7) % 2)
    if dtype not in TYPES:
        x, src, picked = ((a * 3).astype(dtype) for a in (x, src, picked))
    served = ["scatter_last", "gather"] if dtype in TYPES else []
    check("scatter_put", Sample(x, src, index, 1), dtype, served=served)
    check("scatter_put", Sample(x, np.asarray(src[0, 0, 0]).item(), index, 1), dtype)
    check("put_at", Sample(x, picked, [rows], (1,)), dtype, declined=["last_at"])
    check("scatter_last", Sample(index, x.shape, 1), "float32")


OUTSIDE = "an index lies outside"
BAD = {
    "embedding": (f"indexing: {OUTSIDE}", lambda x, index: F.embedding(index, x)),
    "embedding below 0": (f"indexing: {OUTSIDE}", lambda x, index: F.embedding(index % 4 - 4, x)),
    "gather": (f"gather: {OUTSIDE}", lambda x, index: x.gather(0, index.reshape(3, 1))),
    "scatter": (f"scatter: {OUTSIDE}", lambda x, index: x.scatter(0, index.reshape(3, 1), 1.0)),
    "scatter into another row": (f"scatter: {OUTSIDE}", lambda x, index: x.scatter(1, index.reshape(3, 1), 1.0)),
    "scatter_add": (f"scatter: {OUTSIDE}", lambda x, index: x.scatter_add(0, index.reshape(3, 1), x)),
    "scatter_add, many": (
        f"scatter: {OUTSIDE}",
        lambda x, index: x[0].scatter_add(0, index.repeat(20), x.repeat(1, 15)[0]),
    ),
    "index_add": (f"indexing: {OUTSIDE}", lambda x, index: x.index_add(0, index, x[:3])),
    "index_copy": (f"indexing: {OUTSIDE}", lambda x, index: x.index_copy(0, index, x[:3])),
    "index_fill": (f"indexing: {OUTSIDE}", lambda x, index: x.index_fill(1, index, 2.0)),
    "index_put": (f"indexing: {OUTSIDE}", lambda x, index: x.index_put((index,), x[:3])),
    "index_put, added": (f"indexing: {OUTSIDE}", lambda x, index: x.index_put((index,), x[:3], accumulate=True)),
    "take_along_dim": (f"indexing: {OUTSIDE}", lambda x, index: tinydl.take_along_dim(x, index.reshape(1, 3), 1)),
    "one_hot": (f"indexing: {OUTSIDE}", lambda x, index: F.one_hot(index, 4)),
    "cross_entropy": ("cross_entropy: a target is none", lambda x, index: F.cross_entropy(x[:3], index)),
    "max_unpool": ("max_unpool: an index", lambda x, index: F.max_unpool1d(x[:1, :3], index.reshape(1, 3), 1)),
}


@pytest.mark.parametrize("message, call", BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("at_once", [False, True])
def test_indices_that_lie_outside_are_raised_by_the_next_synchronisation(message, call, at_once, monkeypatch):
    monkeypatch.setenv("TINYDL_SYNC", str(int(at_once)))
    with kernel_device() as device:
        x, index = tinydl.ones(4, 4, device=device), tinydl.tensor([3, 9, -5], device=device)
        if at_once:
            with pytest.raises(IndexError, match=f"{message}.* TINYDL_SYNC=1 raises at once"):
                call(x, index)
        else:
            y = call(x, index)
            with pytest.raises(IndexError, match=message):
                y.sum().item()
        assert x.sum().item() == 16


def test_indices_up_to_the_edges_are_no_faults(monkeypatch):
    monkeypatch.setenv("TINYDL_SYNC", "1")
    with kernel_device() as device:
        x, kinds = tinydl.ones(4, 4, device=device), ("int32", "int64")
        for index in (tinydl.tensor([-4, 3], dtype=kind, device=device) for kind in kinds):
            x.index_fill(0, index, 2.0), x[index], x.index_put((index,), x[:2])
            x.index_add(0, index % 4, x[:2]), x.scatter_add(1, (index % 4).reshape(2, 1), x)


def test_a_row_that_is_none_shows():
    with kernel_device() as device:
        weight = tinydl.ones(4, 3, device=device)
        y = F.embedding(tinydl.tensor([3, 4, -5], device=device), weight).array.get()
        np.testing.assert_array_equal(y, [[1] * 3, [np.nan] * 3, [np.nan] * 3])
        with pytest.raises(IndexError):
            weight.tolist()


def test_steps_of_memory():
    check("strided_sum", Sample(normal(3, 4), (2, 5), (1, 2), 0), "float32")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dim", [1, 2])
def test_weighted_sums(dim, dtype):
    index = np.array([[0, 4, 2, 2, 1, 0, 4], [1, 3, 2, 0, 0, 3, 4]])
    check("resample", Sample(normal(3, 5, 5), index, normal(2, 7), dim, fixed=(2,)), dtype, served=["resample_adjoint"])
    check("resample", Sample(normal(3, 5, 5), index[:1], None, dim), dtype, served=["resample_adjoint"])
    g = Sample(normal(3, 7, 7), index, normal(2, 7), dim, 6, fixed=(2,))
    check("resample_adjoint", g, dtype, served=["resample"])


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_images_at_another_resolution(mode):
    with kernel_device() as device, bodies():
        x, results = tinydl.randn(2, 3, 4, 5), []
        for place in ("cpu", device):
            here = x.detach().to(place).requires_grad_()
            y = F.interpolate(here, size=(7, 3), mode=mode)
            (y * y).sum().backward()
            results.append([t.detach().to("cpu").numpy() for t in (y, here.grad)])
        for a, b in zip(*results):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)
