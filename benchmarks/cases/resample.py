"""Upsampling, and what else moves pixels."""

from . import cases, forward_and_gradients

FAMILY, AT_MOST = "upsampling", 0.8
LARGE, SMALL = dict(n=8, c=64, size=56), dict(n=32, c=128, size=14)


@cases(
    FAMILY, AT_MOST, nearest_56=dict(mode="nearest", **LARGE), nearest_14=dict(mode="nearest", **SMALL),
    bilinear_56=dict(mode="bilinear", **LARGE), bilinear_14=dict(mode="bilinear", **SMALL),
    bicubic_14=dict(mode="bicubic", **SMALL),
)  # fmt: skip
def upsample2(lib, n, c, size, mode):
    x = lib.randn(n, c, size, size)
    return forward_and_gradients(lib, lambda x: lib.nn.functional.interpolate(x, scale_factor=2, mode=mode), x)


@cases(FAMILY, AT_MOST, r2=dict(n=8, c=256, size=56))
def pixel_shuffle(lib, n, c, size):
    x = lib.randn(n, c, size, size)
    return forward_and_gradients(lib, lambda x: lib.nn.functional.pixel_shuffle(x, 2), x)


@cases(FAMILY, AT_MOST, to_56=dict(n=8, c=64, size=56))
def grid_sample(lib, n, c, size):
    x, grid = lib.randn(n, c, size, size), lib.rand(n, size, size, 2) * 2 - 1
    return forward_and_gradients(lib, lambda x: lib.nn.functional.grid_sample(x, grid, align_corners=False), x)
