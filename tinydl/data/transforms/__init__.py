"""Transforms of images: (C, H, W), or any leading dimensions, as tensor or NumPy array.

What comes in goes out: a tensor for a tensor, an array for an array, the dtype kept. Random ones draw from
`item_rng()`: inside a DataLoader an item's randomness is fixed by (seed, epoch, index). Names, arguments and defaults
are torchvision's.

Called with an image and masks, `transform(image, mask)`, each returns them all, moved by one and the same draw: masks
(..., H, W) get the nearest pixel, so that no new class appears, and `mask_fill` where nothing was; what changes
colours alone leaves them as they are.
"""

from .base import Compose, Lambda, Normalize, ToTensor
from .colour import ColorJitter, Grayscale, RandomErasing
from .geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from .warp import RandomAffine, RandomRotation, affine, rotate
