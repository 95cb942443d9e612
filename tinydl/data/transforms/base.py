"""What all transforms share, and those that are neither geometry nor colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...dtype import is_floating
from ...tensor import Tensor


class Compose:
    """The given transforms, one after another."""

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = list(transforms)

    def __call__(self, x, *masks):
        for transform in self.transforms:
            if masks:
                x, *masks = transform(x, *masks)
            else:
                x = transform(x)
        return (x, *masks) if masks else x

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class Lambda:
    """Any function of one argument as a transform; masks stay as they are."""

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, x, *masks):
        return (self.lambd(x), *masks) if masks else self.lambd(x)


class ToTensor:
    """Image (H, W) or (H, W, C), array or PIL -> tensor (C, H, W); uint8 as float32 in [0, 1].

    Masks (H, W) become tensors of class numbers, int64.
    """

    def __call__(self, image, *masks):
        x = np.asarray(image)
        if x.ndim not in (2, 3):
            raise ValueError(f"ToTensor: expected an image (H, W) or (H, W, C), got shape {x.shape}")
        x = np.array(x[None] if x.ndim == 2 else x.transpose(2, 0, 1), order="C")
        y = Tensor(x / np.float32(255) if x.dtype == np.uint8 else x)
        return (y, *(Tensor(np.asarray(mask).astype(np.int64)) for mask in masks)) if masks else y


class OnArrays:
    """A transform of arrays that also takes tensors: `_draw` decides once, `_apply` does it to image and masks."""

    moves = True  # False: it changes colours only, and masks stay as they are

    def __call__(self, x, *masks):
        arrays = [t.array if isinstance(t, Tensor) else np.asarray(t) for t in (x, *masks)]
        sizes = {array.shape[-2:] for array in arrays}
        if arrays[0].ndim < 2 or len(sizes) > 1:
            shapes = ", ".join(str(array.shape) for array in arrays)
            wanted = "an image (C, H, W)" + (" and masks (H, W) of its size" if masks else "")
            raise ValueError(f"{type(self).__name__}: expected {wanted}, got shape {shapes}")
        drawn = self._draw(arrays[0])
        done = [self._apply(arrays[0], drawn, False)]
        done += [self._apply(a, drawn, True) if self.moves else a for a in arrays[1:]]
        done = [Tensor(y) if isinstance(t, Tensor) else y for y, t in zip(done, (x, *masks))]
        return tuple(done) if masks else done[0]

    def _draw(self, x):
        """All that is random: what `_apply` gets as `drawn`, for the image and for its masks."""

    def _apply(self, x, drawn, mask: bool):
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


def probability(name: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must lie in 0 ... 1, got {p}")
    return p


class Normalize(OnArrays):
    """(x - mean) / std, for each channel.  x: (..., C, H, W), floating."""

    moves = False

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        self.mean, self.std = np.atleast_1d(mean), np.atleast_1d(std)
        if (self.std == 0).any():
            raise ValueError(f"Normalize: std must not be 0, got {std}")

    def _apply(self, x, drawn, mask):
        if not is_floating(x.dtype):
            raise TypeError(f"Normalize: expected floating-point numbers, got {x.dtype}")
        if x.ndim < 3 or {len(self.mean), len(self.std)} - {1, x.shape[-3]}:
            raise ValueError(
                f"Normalize: {len(self.mean)} means and {len(self.std)} stds do not fit "
                f"an image (C, H, W) of shape {x.shape}"
            )
        mean, std = (v.astype(x.dtype)[:, None, None] for v in (self.mean, self.std))
        return (x - mean) / std
