"""Convolutions, transposed convolutions and linear layers."""

from math import prod

from . import cases, forward_and_gradients


def _convolution(lib, n, c, out, image, size, transposed=False, **how):
    """A convolution of n images of c channels; `image` and `size`: tuples, or numbers for squares."""
    image, size = ((k, k) if isinstance(k, int) else k for k in (image, size))
    function = getattr(lib.nn.functional, f"conv{'_transpose' * transposed}{len(image)}d")
    pair = (c, out) if transposed else (out, c // how.get("groups", 1))
    x, w, b = lib.randn(n, c, *image), lib.randn(*pair, *size) * 0.05, lib.randn(out)
    with lib.no_grad():
        pixels = image if transposed else function(x[:1], w, b, **how).shape[2:]

    def convolve(x, w, b):
        return function(x, w, b, **how)

    return forward_and_gradients(lib, convolve, x, w, b, multiplications=n * prod(pixels) * w.numel())


@cases(
    "convolution 3x3", 0.7,
    c64_32=dict(n=32, c=64, out=64, image=32), c128_16=dict(n=32, c=128, out=128, image=16),
    c256_8=dict(n=32, c=256, out=256, image=8), c512_4=dict(n=32, c=512, out=512, image=4),
    c64_56=dict(n=8, c=64, out=64, image=56), c3_32=dict(n=32, c=3, out=64, image=32),
)  # fmt: skip
def conv3x3(lib, n, c, out, image):
    return _convolution(lib, n, c, out, image, 3, padding=1)


@cases(
    "convolution, others", 0.9,
    lenet_1=dict(n=64, c=1, out=6, image=28, size=5, padding=2), lenet_2=dict(n=64, c=6, out=16, image=14, size=5),
    k1_64_256=dict(n=16, c=64, out=256, image=28, size=1), k1_256_64=dict(n=16, c=256, out=64, image=28, size=1),
    k1_s2=dict(n=16, c=256, out=512, image=28, size=1, stride=2),
    k7_s2=dict(n=8, c=3, out=64, image=112, size=7, stride=2, padding=3),
    k4_s2=dict(n=32, c=64, out=128, image=32, size=4, stride=2, padding=1),
    k3_s2=dict(n=32, c=64, out=128, image=32, size=3, stride=2, padding=1),
    dilated=dict(n=16, c=64, out=64, image=32, size=3, padding=2, dilation=2),
    groups=dict(n=16, c=128, out=128, image=28, size=3, padding=1, groups=4),
    depthwise=dict(n=16, c=128, out=128, image=28, size=3, padding=1, groups=128),
    d1=dict(n=32, c=64, out=128, image=(512,), size=(5,), padding=2),
    d3=dict(n=4, c=16, out=32, image=(16, 32, 32), size=(3, 3, 3), padding=1),
)  # fmt: skip
def conv(lib, **case):
    return _convolution(lib, **case)


@cases(
    "transposed convolution", 0.8,
    dcgan_1=dict(n=64, c=100, out=512, image=1, size=4),
    dcgan_2=dict(n=64, c=512, out=256, image=4, size=4, stride=2, padding=1),
    dcgan_3=dict(n=64, c=256, out=128, image=8, size=4, stride=2, padding=1),
    dcgan_4=dict(n=64, c=128, out=64, image=16, size=4, stride=2, padding=1),
    dcgan_5=dict(n=64, c=64, out=3, image=32, size=4, stride=2, padding=1),
    k2_s2=dict(n=16, c=128, out=64, image=28, size=2, stride=2),
)  # fmt: skip
def conv_transpose(lib, **case):
    return _convolution(lib, transposed=True, **case)


@cases(
    "linear", 1.0,
    n64_784_512=dict(n=64, d=784, out=512), n512_512_512=dict(n=512, d=512, out=512),
    n128_1024_4096=dict(n=128, d=1024, out=4096), n1024_256_1024=dict(n=1024, d=256, out=1024),
    n64_400_120=dict(n=64, d=400, out=120),
)  # fmt: skip
def linear(lib, n, d, out):
    x, w, b = lib.randn(n, d), lib.randn(out, d) * 0.05, lib.randn(out)
    return forward_and_gradients(lib, lib.nn.functional.linear, x, w, b, multiplications=n * d * out)
