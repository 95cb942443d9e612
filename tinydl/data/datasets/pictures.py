"""Photographs: CIFAR-10, the faces of AT&T, street scenes with a class for each pixel, folders of pictures."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...tensor import Tensor
from .. import sources
from ..dataset import Dataset
from ..picture import read_pgm, read_picture
from ..transforms import ToTensor
from .labelled import LabelledImages

_TO_TENSOR = ToTensor()


class CIFAR10(LabelledImages):
    """60,000 photographs of ten kinds of things, 32 x 32 (Krizhevsky 2009): 50,000 to train, 10,000 to test.

    root      folder of the files or of the archive, see `sources.folders`; None: the cache, or TINYDL_DATA
    download  fetch the archive (the binary version, 170 MB), checked against its hash
    FileNotFoundError or ConnectionError that say where a missing file belongs, ValueError for a damaged one.
    """

    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    _archive = "cifar-10-binary.tar.gz"
    _record = 1 + 3 * 32 * 32  # label, then the red, green and blue plane
    _largest = 10_000 * _record

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        files = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        records = np.concatenate([self._parse(*found) for found in self._contents(files, root, download)])
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        super().__init__(np.ascontiguousarray(images), records[:, 0], transform, target_transform)

    @classmethod
    def _contents(cls, files: list[str], root, download: bool) -> list[tuple[str, bytes]]:
        """(where it was, content) of each file, unpacked ones or those in the archive."""
        paths = [sources.find("CIFAR10", file, root) for file in files]
        if all(paths):
            return [(str(path), path.read_bytes()) for path in paths]
        path = sources.fetch_intact("CIFAR10", cls._archive, root, download)
        found = {}
        with tarfile.open(path, "r|gz") as archive:  # in one pass
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in files:
                    found[name] = archive.extractfile(member).read()
        return [(f"{path}: {file}", found[file]) for file in files]

    @classmethod
    def _parse(cls, place: str, content: bytes) -> np.ndarray:
        """(N, 1 + 3072) uint8: label and image of each record."""
        if not 0 < len(content) <= cls._largest or len(content) % cls._record:
            raise ValueError(f"{place}: expected 1 ... 10000 records of {cls._record} bytes, got {len(content)} bytes")
        records = np.frombuffer(content, np.uint8).reshape(-1, cls._record)
        if records[:, 0].max() > 9:
            raise ValueError(f"{place}: a label is {records[:, 0].max()}, of 10 classes")
        return records


class ATTFaces(LabelledImages):
    """400 grey portraits, ten of each of 40 people, 112 x 92 (Samaria and Harter 1994; AT&T Laboratories Cambridge).

    root    the folder that holds s1 ... s40, see `sources.folders`; None: the cache, or TINYDL_DATA
    FileNotFoundError that says where the files come from, ValueError for damaged ones.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        folder = sources.fetch("ATTFaces", "s1/1.pgm", root).parents[1]
        paths = [p for p in folder.glob("s*/*.pgm") if p.parent.name[1:].isdecimal() and p.stem.isdecimal()]
        paths.sort(key=lambda p: (int(p.parent.name[1:]), int(p.stem)))
        people = sorted({int(p.parent.name[1:]) for p in paths})
        faces = [read_pgm(path) for path in paths]
        for path, face in zip(paths, faces):
            if face.shape != faces[0].shape:
                raise ValueError(f"{path}: the picture is {face.shape}, the first one is {faces[0].shape}")
        labels = np.array([people.index(int(p.parent.name[1:])) for p in paths])
        super().__init__(np.stack(faces), labels, transform, target_transform, [f"s{i}" for i in people])


class CamVid(Dataset):
    """Street scenes from a driving car with the class of each pixel (Brostow, Fauqueur and Cipolla 2009).

    split             "train", "val" or "test": 367, 101 and 233 pairs as prepared for SegNet
    transforms        gets image (H, W, 3) and mask (H, W), both uint8, together
    transform, target_transform  get one of them each; without any, the image is float32 (3, H, W) in [0, 1]
                      and the mask int64 (H, W), numbers of `classes`; the last, 11, is unlabelled: ignore it in a loss
    FileNotFoundError that says where the files come from, ValueError for damaged ones.
    """

    classes = (
        "sky", "building", "pole", "road", "pavement", "tree",
        "sign", "fence", "car", "pedestrian", "bicyclist", "unlabelled",
    )  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ):
        if split not in ("train", "val", "test"):
            raise ValueError(f"CamVid: split must be train, val or test, got {split!r}")
        if transforms and (transform or target_transform):
            raise ValueError("CamVid: give transforms, or transform and target_transform, not both")
        self.images, self.masks = (self._list(part, root) for part in (split, f"{split}annot"))
        names, others = ({path.name for path in paths} for paths in (self.images, self.masks))
        if names != others:
            odd = sorted(names ^ others)
            raise ValueError(
                f"{self.images[0].parent}: {len(odd)} images without a mask or the reverse, first {odd[0]}"
            )
        self.transform, self.target_transform, self.transforms = transform, target_transform, transforms

    @staticmethod
    def _list(part: str, root) -> list[Path]:
        for folder in sources.folders("CamVid", root):
            if found := sorted((folder / part).glob("*.png")):
                return found
        return [sources.fetch("CamVid", f"{part}/*.png", root)]  # which says what is missing

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image, mask = read_picture(self.images[index]), read_picture(self.masks[index], "L")
        if image.shape[:2] != mask.shape or mask.max() >= len(self.classes):
            raise ValueError(
                f"{self.masks[index]}: expected classes 0 ... {len(self.classes) - 1} for {image.shape[:2]} pixels, "
                f"got a mask {mask.shape} with {mask.max()}"
            )
        if self.transforms:
            return self.transforms(image, mask)
        image = (self.transform or _TO_TENSOR)(image)
        return image, self.target_transform(mask) if self.target_transform else Tensor(mask.astype(np.int64))


class ImageFolder(Dataset):
    """Pictures in one folder for each class: root/cat/1.jpg, root/dog/a/7.png; item i is (image, label).

    transform  gets what `loader` gives, (H, W, 3) uint8; without one, `ToTensor`: float32 (3, H, W) in [0, 1]
    loader     path -> image
    is_valid_file  path -> whether to take it; without one, the files with an ending of `extensions`
    Attributes `classes`, `class_to_idx`, `samples` (path, label) and `targets` are torchvision's.
    """

    extensions = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable = read_picture,
        is_valid_file: Callable | None = None,
    ):
        root = Path(root).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(f"ImageFolder: {root} is no folder")
        self.root, self.loader, self.transform, self.target_transform = root, loader, transform, target_transform
        self.classes: Sequence[str] = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        takes = is_valid_file or (lambda path: Path(path).suffix.lower() in self.extensions)
        self.samples = []
        for name, label in self.class_to_idx.items():
            paths = sorted(str(p) for p in (root / name).rglob("*") if p.is_file() and takes(str(p)))
            if not paths:
                raise FileNotFoundError(f"ImageFolder: {root / name} holds no picture ({', '.join(self.extensions)})")
            self.samples += [(path, label) for path in paths]
        if not self.samples:
            raise FileNotFoundError(f"ImageFolder: {root} holds no folders; expected one for each class")
        self.targets = [label for _, label in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        path, label = self.samples[index]
        image = (self.transform or _TO_TENSOR)(self.loader(path))
        return image, self.target_transform(label) if self.target_transform else label
