"""Images with labels, held in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...tensor import Tensor
from ..dataset import Dataset
from ..seeding import order_rng
from ..transforms import ToTensor

_TO_TENSOR = ToTensor()


class LabelledImages(Dataset):
    """Images of one size with class numbers; item i is (image, label).

    images     (N, H, W), or in colour (N, H, W, 3), uint8           labels   (N,) numbers of `classes`
    transform  gets the image (H, W) or (H, W, 3); without one, `ToTensor`: float32 (1 or 3, H, W) in [0, 1]
    target_transform  gets the label, an int
    `data` and `targets` are tensors on the same memory.
    """

    classes: Sequence[str] = tuple("0123456789")

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        classes: Sequence[str] | None = None,
    ):
        self.classes = self.classes if classes is None else classes
        fits = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
        if not fits or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{type(self).__name__}: expected uint8 images (N, H, W) or (N, H, W, 3) and labels (N,), got "
                f"{images.dtype} {images.shape} and {labels.shape}"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise ValueError(
                f"{type(self).__name__}: labels must be 0 ... {len(self.classes) - 1}, "
                f"got {labels.min()} ... {labels.max()}"
            )
        self.data, self.targets = Tensor(images), Tensor(labels.astype(np.int64))
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.data.array)

    def __getitem__(self, index: int):
        image, label = self.data.array[index], int(self.targets.array[index])
        image = (self.transform or _TO_TENSOR)(image)
        return image, self.target_transform(label) if self.target_transform else label

    def collated(self, indices: Sequence[int]) -> list[Tensor] | None:
        if self.transform or self.target_transform:
            return None
        images, labels = (t.array[list(indices)] for t in (self.data, self.targets))
        images = images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return [Tensor(images / np.float32(255)), Tensor(labels)]

    def _part(self, indices: np.ndarray) -> LabelledImages:
        """A set of its own with the items at `indices`."""
        images, labels = self.data.array[indices], self.targets.array[indices]
        return LabelledImages(images, labels, self.transform, self.target_transform, self.classes)


def stratified(labels: np.ndarray, test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test): `test` random ones, each class in its proportion, and the others.

    Shuffled and sorted by class, every (N / test)-th is taken.
    """
    if not 0 < test < len(labels):
        raise ValueError(f"held_out: expected 0 < test < {len(labels)} items, got {test}")
    order = order_rng(seed, 0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    taken = np.arange(test) * len(labels) // test
    return np.sort(np.delete(order, taken)), np.sort(order[taken])
