"""Where data sets come from: one table, and how their files are found or fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """Files of a data set. `mirrors` are tried in order; `hashes` are sha256 or "md5:..."."""

    folder: str
    mirrors: tuple[str, ...]
    hashes: dict[str, str]


# MNIST: LeCun, Cortes and Burges. Fashion-MNIST: Xiao, Rasul and Vollgraf 2017.
SOURCES = {
    "MNIST": Source(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            "train-labels-idx1-ubyte.gz": (
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
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
    candidates = [
        folder / f for folder in folders(name, root) for f in (file, file.removesuffix(".gz"))
    ]
    return next((path for path in candidates if path.is_file()), None)


def fetch(name: str, file: str, root=None, download: bool = False) -> Path:
    """The file, found or, with `download`, fetched and checked against its hash.

    FileNotFoundError where it is not there and was not to be downloaded; ConnectionError where no
    mirror gave it. Both say what was tried and where the file can be put by hand.
    """
    if (path := find(name, file, root)) is not None:
        return path
    places = "\n  ".join(map(str, folders(name, root)))
    by_hand = (
        f"To put it there by hand, download it from {SOURCES[name].mirrors[0]}{file} into one of\n"
        f"  {places}\nor set TINYDL_DATA to a folder that holds {SOURCES[name].folder}/{file}."
    )
    if not download:
        raise FileNotFoundError(
            f"{name}: {file} was not found; download=True fetches it.\n{by_hand}"
        )
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{name}: downloading needs pooch: pip install 'tinydl[data]'\n{by_hand}"
        ) from error
    source, failures = SOURCES[name], []
    for mirror in source.mirrors:
        try:
            known = source.hashes[file]
            return Path(pooch.retrieve(mirror + file, known, file, folders(name, root)[0]))
        except (OSError, ValueError) as error:  # no network, no space, or not the file it should be
            failures.append(f"{mirror}{file}: {error}")
    raise ConnectionError(
        f"{name}: {file} could not be downloaded. Tried\n  "
        + "\n  ".join(failures)
        + f"\n{by_hand}"
    )
