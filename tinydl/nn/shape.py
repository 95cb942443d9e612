"""Layers that move elements: flattening, pixels and channels exchanged, resizing."""

from __future__ import annotations

from ..tensor import Tensor
from .layer import Layer, Size
from .module import Module


class Flatten(Layer, function="flatten"):
    """Dimensions start_dim to end_dim as one.  (N, *) -> (N, all) by default."""

    start_dim: int = 1
    end_dim: int = -1

    def forward(self, input: Tensor) -> Tensor:
        """The flattened tensor, a view where memory allows."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Module):
    """Dimension `dim` as several, of unflattened_size.  TypeError unless integers."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an integer, got {type(dim).__name__}")
        sizes = tuple(unflattened_size)
        if not all(isinstance(n, int) for n in sizes):
            raise TypeError(f"Unflatten: unflattened_size must hold integers, got {sizes}")
        self.dim, self.unflattened_size = dim, sizes

    def forward(self, input: Tensor) -> Tensor:
        """The tensor in its new shape."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self):
        """The options."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class PixelShuffle(Layer, function="pixel_shuffle"):
    """Channels into pixels: (*, C * r * r, H, W) -> (*, C, H * r, W * r).  (Shi et al. 2016)"""

    upscale_factor: int


class PixelUnshuffle(Layer, function="pixel_unshuffle"):
    """Pixels into channels: (*, C, H * r, W * r) -> (*, C * r * r, H, W)."""

    downscale_factor: int


class ChannelShuffle(Layer, function="channel_shuffle"):
    """Channels dealt out anew among groups.  (N, C, *) -> same shape.  (Zhang et al. 2018)"""

    groups: int


class Upsample(Layer, function="interpolate"):
    """An image at another size, or scale_factor times as large.  (N, C, *image) -> (N, C, *size).

    mode: 'nearest', 'linear' (sequences), 'bilinear', 'bicubic' (images) or 'trilinear' (volumes).
    """

    size: Size | None = None
    scale_factor: float | tuple[float, ...] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    def __post_init__(self):
        if isinstance(self.scale_factor, tuple):
            self.scale_factor = tuple(map(float, self.scale_factor))
        elif self.scale_factor is not None:
            self.scale_factor = float(self.scale_factor)

    def extra_repr(self):
        """The size or the factor, and the mode."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample to the nearest pixel.  (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, size: Size | None = None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample bilinearly, corners on corners.  (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, size: Size | None = None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
