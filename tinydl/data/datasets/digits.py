"""Small grey images with labels: the handwritten digits of scikit-learn, MNIST, Fashion-MNIST."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from .. import sources
from ..idx import read_idx
from .labelled import LabelledImages, stratified


class Digits(LabelledImages):
    """1,797 handwritten digits, 8 x 8 (Alpaydin and Kaynak 1998), as scikit-learn embeds them.

    360 of them, the same ones for the same `seed`, are the test set. `root` and `download` are
    taken as the other sets do, but nothing needs to be downloaded.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        *,
        seed: int = 0,
    ):
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError("Digits: needs scikit-learn: pip install 'tinydl[data]'") from error
        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        chosen = stratified(digits.target, 360, seed)[0 if train else 1]
        super().__init__(images[chosen], digits.target[chosen], transform, target_transform)


class MNIST(LabelledImages):
    """70,000 handwritten digits, 28 x 28 (LeCun, Cortes, Burges): 60,000 to train, 10,000 to test.

    root      folder of the files, see `sources.folders`; None: the cache, or TINYDL_DATA
    download  fetch missing files, checked against their hashes
    FileNotFoundError or ConnectionError that say where a missing file belongs, ValueError for a
    damaged one.
    """

    _source = "MNIST"

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        images, labels = self._read(root, "train" if train else "t10k", download)
        super().__init__(images, labels, transform, target_transform)

    @classmethod
    def _read(cls, root, part: str, download: bool) -> list[np.ndarray]:
        arrays = []
        for kind, shape in (("images-idx3", (28, 28)), ("labels-idx1", ())):
            path = cls._fetch(f"{part}-{kind}-ubyte.gz", root, download)
            array = read_idx(path)
            if array.dtype != np.uint8 or array.shape[1:] != shape or array.ndim != 1 + len(shape):
                expected = ", ".join(map(str, ("N", *shape)))
                raise ValueError(f"{path}: expected uint8 ({expected}), got {array.dtype} {array.shape}")
            if kind.startswith("labels") and len(array) and array.max() >= len(cls.classes):
                raise ValueError(f"{path}: a label is {array.max()}, of {len(cls.classes)} classes")
            arrays.append(array)
        if len(arrays[0]) != len(arrays[1]):
            raise ValueError(f"{path}: {len(arrays[1])} labels for {len(arrays[0])} images")
        return arrays

    @classmethod
    def _fetch(cls, file: str, root, download: bool):
        try:
            return sources.fetch(cls._source, file, root, download)
        except FileNotFoundError as error:
            test = file.replace("train", "t10k")
            if test == file or sources.find(cls._source, test, root) is None:
                raise
            raise FileNotFoundError(
                f"{error}\nOnly the 10,000 test images are there: {cls.__name__}.held_out() "
                "divides these into 8,500 to train and 1,500 to test."
            ) from None

    @classmethod
    def held_out(
        cls,
        root: str | os.PathLike | None = None,
        test: int = 1500,
        seed: int = 0,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> tuple[LabelledImages, LabelledImages]:
        """(train, test): the 10,000 test images divided, each class in its proportion."""
        whole = cls(root, False, transform, target_transform, download)
        train, testing = stratified(whole.targets.array, test, seed)
        return whole._part(train), whole._part(testing)


class FashionMNIST(MNIST):
    """70,000 pictures of clothes, 28 x 28 (Xiao, Rasul and Vollgraf 2017), used as MNIST is."""

    _source = "FashionMNIST"
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
