"""Data sets: what they hold, and that files which are absent, damaged or lying are refused."""

import functools
import gzip
import http.server
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import oracle

from tinydl import data
from tinydl.data import datasets, sources
from tinydl.data.idx import read_idx
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)
AT_HAND = os.environ.get("TINYDL_DATA", "")


def idx(array, kind=0x08):
    """An array in IDX format, written independently of the reader."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYDL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def mnist(tmp_path):
    """A folder with 40 images in the place of the 10,000 test images."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    images = rng.integers(0, 256, (40, 28, 28), np.uint8)
    labels = (np.arange(40) % 10).astype(np.uint8)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder, images, labels


# ---- IDX
@pytest.mark.parametrize("kind, dtype", [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (14, ">f8")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_of_each_type(tmp_path, kind, dtype, pack):
    array = rng.integers(-100, 100, (3, 2, 4)).astype(dtype)
    (tmp_path / "a").write_bytes(pack(idx(array, kind)))
    got = read_idx(tmp_path / "a")
    np.testing.assert_array_equal(got, array)
    assert got.dtype.isnative and got.flags.writeable


GOOD = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "begins with nothing"),
        (b"<html>", "not an IDX file, it begins with 3c 68 74 6d"),
        (b"\0\0\x07\x01" + GOOD[4:], "not an IDX file"),
        (GOOD[:6], "the header ends after 6 bytes"),
        (GOOD[:-1], "is 12 bytes, but only 11 are there"),
        (GOOD + b"x", "but more follow"),
        (gzip.compress(GOOD, mtime=0)[:-9], "gzip stream is damaged"),
        (gzip.compress(GOOD, mtime=0)[:-5] + b"abcde", "gzip stream is damaged"),
        (b"\x1f\x8bnonsense", "gzip stream is damaged"),
        (
            struct.pack(">HBB4I", 0, 8, 4, *[2**32 - 1] * 4),
            "more than the 1073741824 bytes",
        ),
        (struct.pack(">HBB2I", 0, 8, 2, 2**15, 2**15) + b"x", "but only 1 are there"),
    ],
)
def test_idx_files_that_lie(tmp_path, content, text):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=f"bad: .*{text}"):
        read_idx(tmp_path / "bad")


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(GOOD + bytes(100 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more follow"):
            read_idx(tmp_path / "bomb")
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_idx_of_any_bytes_is_read_or_refused(tmp_path_factory, content, headed, packed):
    content = (b"\0\0\x08" if headed else b"") + content
    path = tmp_path_factory.mktemp("idx") / "any"
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    try:
        array = read_idx(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert idx(array.astype(array.dtype.newbyteorder(">")), content[2]) == content


# ---- MNIST
def test_mnist_from_a_folder(mnist, tmp_path, monkeypatch):
    folder, images, labels = mnist
    for root in (tmp_path, folder):
        dataset = data.datasets.MNIST(root, train=False)
        np.testing.assert_array_equal(dataset.data.array, images)
        np.testing.assert_array_equal(dataset.targets.array, labels)
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    dataset = data.datasets.MNIST(train=False)
    image, label = dataset[3]
    assert image.shape == (1, 28, 28) and image.dtype == np.float32 and label == 3
    np.testing.assert_allclose(image.array[0], images[3] / 255, rtol=1e-6)
    raw, one_hot = data.datasets.MNIST(train=False, transform=lambda x: x, target_transform=lambda y: np.eye(10)[y])[3]
    np.testing.assert_array_equal(raw, images[3])
    assert one_hot.argmax() == 3


def test_torchvisions_folders_are_found(mnist, tmp_path):
    raw = tmp_path / "elsewhere" / "MNIST" / "raw"
    raw.parent.mkdir(parents=True)
    mnist[0].rename(raw)
    assert len(datasets.MNIST(tmp_path / "elsewhere", False)) == 40


def test_missing_files_say_where_they_belong(mnist, tmp_path):
    folder = mnist[0]
    with pytest.raises(FileNotFoundError) as missing:
        datasets.MNIST(tmp_path, train=True)
    for text in (
        "MNIST: train-images-idx3-ubyte.gz was not found; download=True fetches it",
        str(folder),
        "TINYDL_DATA",
        "https://",
        "Only the 10,000 test images are there: MNIST.held_out()",
    ):
        assert text in str(missing.value)
    with pytest.raises(FileNotFoundError) as missing:
        datasets.FashionMNIST(tmp_path)
    assert "held_out" not in str(missing.value)


@pytest.mark.parametrize(
    "file, array, text",
    [
        ("t10k-labels-idx1-ubyte", np.full(40, 10, np.uint8), "a label is 10, of 10 classes"),
        ("t10k-labels-idx1-ubyte", np.zeros(39, np.uint8), "39 labels for 40 images"),
        ("t10k-labels-idx1-ubyte", np.zeros((40, 1), np.uint8), r"expected uint8 \(N\), got"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((40, 8, 8), np.uint8), r"\(N, 28, 28\), got uint8"),
    ],
)
def test_files_that_do_not_fit(mnist, file, array, text):
    (mnist[0] / file).write_bytes(idx(array))
    with pytest.raises(ValueError, match=f"(?s){'t10k'}.*{text}"):
        datasets.MNIST(mnist[0], train=False)


def test_held_out_is_disjoint_complete_stratified_and_seeded(mnist):
    train, test = datasets.MNIST.held_out(mnist[0], test=10)
    assert len(train) == 30 and np.bincount(test.targets.array).tolist() == [1] * 10
    both = np.concatenate([train.data.array, test.data.array]).reshape(40, -1)
    assert {x.tobytes() for x in both} == {x.tobytes() for x in mnist[1]}
    again, other = (datasets.MNIST.held_out(mnist[0], 10, seed)[1] for seed in (0, 1))
    np.testing.assert_array_equal(again.data.array, test.data.array)
    assert not np.array_equal(other.data.array, test.data.array)
    with pytest.raises(ValueError, match="0 < test < 40"):
        datasets.MNIST.held_out(mnist[0], 40)


@pytest.mark.skipif(not AT_HAND, reason="TINYDL_DATA names no folder")
def test_the_real_test_images(monkeypatch):
    monkeypatch.setenv("TINYDL_DATA", AT_HAND)
    train, test = datasets.MNIST.held_out()
    assert (len(train), len(test)) == (8500, 1500)
    whole = datasets.MNIST(train=False)
    assert np.bincount(whole.targets.array).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert whole.data.array.mean() / 255 == pytest.approx(0.1325, abs=1e-4)


# ---- downloading, from a server of this test
@pytest.fixture
def server(tmp_path, monkeypatch):
    oracle("pooch")
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/"
        old = sources.SOURCES["MNIST"]
        mirrors = (address + "gone/", address)
        monkeypatch.setitem(sources.SOURCES, "MNIST", old._replace(mirrors=mirrors))
        yield folder
        running.shutdown()


def test_download_from_the_second_mirror_checked_and_kept(server, mnist, tmp_path, monkeypatch):
    import hashlib

    hashes = {}
    for kind, array in (("images-idx3", mnist[1]), ("labels-idx1", mnist[2])):
        name, content = f"t10k-{kind}-ubyte.gz", gzip.compress(idx(array))
        (server / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    source = sources.SOURCES["MNIST"]
    root = tmp_path / "new"
    with pytest.raises(ConnectionError) as refused:  # not the file that the table knows
        datasets.MNIST(root, False, download=True)
    for text in ("gone/t10k-images", "404", "hash", "TINYDL_DATA", str(root / "MNIST" / "raw")):
        assert text in str(refused.value)
    monkeypatch.setitem(sources.SOURCES, "MNIST", source._replace(hashes=hashes))
    dataset = datasets.MNIST(root, False, download=True)
    np.testing.assert_array_equal(dataset.data.array, mnist[1])
    assert sorted(os.listdir(root / "MNIST" / "raw")) == sorted(hashes)
    assert len(datasets.MNIST(root, False)) == 40


# ---- digits, and loading in one piece
def test_digits():
    oracle("sklearn")
    train, test = data.datasets.Digits(), data.datasets.Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    shares = np.bincount(test.targets.array) / np.bincount(train.targets.array)
    assert np.allclose(shares, 360 / 1437, atol=0.01)
    image, label = train[0]
    assert image.shape == (1, 8, 8) and image.dtype == np.float32 and type(label) is int
    original = oracle("sklearn.datasets").load_digits()
    both = np.concatenate([train.data.array, test.data.array]).reshape(-1, 64)
    both = both[np.lexsort(both.T)] / 255 * 16
    np.testing.assert_allclose(both, original.data[np.lexsort(original.data.T)], atol=0.04)


@pytest.mark.parametrize("indices", [[3, 0, 3, -1], [7]])
def test_batches_made_in_one_piece_are_those_of_the_items(mnist, indices):
    dataset = datasets.MNIST(mnist[0], train=False)
    subset = data.Subset(dataset, range(20, 40))
    x, y = Tensor(rng.random((9, 2))), Tensor(np.arange(9))
    for source in (dataset, subset, data.TensorDataset(x, y)):
        whole = source.collated(indices)
        expected = data.default_collate([source[i] for i in indices])
        for a, b in zip(whole, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a.array, b.array)


def test_a_subclass_or_transform_is_not_bypassed(mnist):
    class Inverted(datasets.MNIST):
        def __getitem__(self, i):
            image, label = super().__getitem__(i)
            return 1 - image.array, label

    twice = datasets.MNIST(mnist[0], False, transform=lambda x: 2.0 * x)
    images, _ = next(iter(data.DataLoader(data.Subset(twice, [5, 6]), 2, seed=0)))
    np.testing.assert_array_equal(images.array, 2.0 * mnist[1][5:7])
    images, _ = next(iter(data.DataLoader(Inverted(mnist[0], False), 2, seed=0)))
    np.testing.assert_allclose(images.array[:, 0], 1 - mnist[1][:2] / 255, atol=1e-6)


def test_datasets_of_datasets(mnist):
    a, b = data.TensorDataset(Tensor(np.arange(3))), data.TensorDataset(Tensor(np.arange(5)))
    both = a + b
    assert [int(both[i][0].array) for i in (0, 2, 3, -1)] == [0, 2, 0, 4] and len(both) == 8
    with pytest.raises(IndexError, match="index 8 is out of range for 8 items"):
        both[8]
    with pytest.raises(ValueError, match=r"same first dimension, got \(3,\), \(4,\)"):
        data.TensorDataset(Tensor(np.zeros(3)), Tensor(np.zeros(4)))
    with pytest.raises(ValueError, match="at least one dataset"):
        data.ConcatDataset([])


def test_random_split():
    import tinydl

    items = data.TensorDataset(Tensor(np.arange(10)))
    split = lambda lengths, seed=1: [
        list(part.indices) for part in data.random_split(items, lengths, tinydl.Generator().manual_seed(seed))
    ]
    parts = split([7, 3])
    assert [len(p) for p in parts] == [7, 3] and sorted(sum(parts, [])) == list(range(10))
    assert split([7, 3]) == parts != split([7, 3], seed=2)
    assert [len(p) for p in split([0.5, 0.3, 0.2])] == [5, 3, 2]
    assert [len(p) for p in split([0.35, 0.35, 0.3])] == [4, 3, 3]
    with pytest.raises(ValueError, match=r"\[7, 4\] must be counts that sum to .* 10"):
        split([7, 4])


def test_nothing_heavy_is_imported():
    code = "import sys, tinydl.data, tinydl.io, tinydl.metrics; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"pooch", "sklearn", "PIL", "scipy", "numba", "matplotlib", "safetensors"}


def test_utils_data_is_the_same_module():
    from tinydl.utils.data import DataLoader
    from tinydl.utils.data.transforms import Compose

    assert DataLoader is data.DataLoader and Compose is data.transforms.Compose
