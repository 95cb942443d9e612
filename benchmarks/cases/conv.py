"""Convolutions and transposed convolutions."""

from . import cases, forward_and_gradients


@cases(
    "convolution 3x3", 0.7,
    c64_32=dict(n=32, c=64, out=64, size=32), c128_16=dict(n=32, c=128, out=128, size=16),
    c256_8=dict(n=32, c=256, out=256, size=8), c512_4=dict(n=32, c=512, out=512, size=4),
    c64_56=dict(n=8, c=64, out=64, size=56), c3_32=dict(n=32, c=3, out=64, size=32),
)  # fmt: skip
def conv3x3(lib, n, c, out, size):
    x, w, b = lib.randn(n, c, size, size), lib.randn(out, c, 3, 3) * 0.05, lib.randn(out)
    return forward_and_gradients(lib, lambda x, w, b: lib.nn.functional.conv2d(x, w, b, padding=1), x, w, b)
