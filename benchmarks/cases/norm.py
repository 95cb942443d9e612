"""Normalisation, and the sums that gradients of biases are."""

from . import cases, forward_and_gradients

FAMILY, AT_MOST = "normalisation", 0.8
EARLY, MIDDLE, LATE = (dict(n=32, c=64, size=56), dict(n=32, c=128, size=28), dict(n=32, c=512, size=4))


@cases(FAMILY, AT_MOST, c64_56=EARLY, c128_28=MIDDLE, c512_4=LATE)
def batch_norm(lib, n, c, size, training=True):
    running = lib.zeros(c), lib.ones(c)

    def normalised(x, w, b):
        return lib.nn.functional.batch_norm(x, *running, w, b, training)

    return forward_and_gradients(lib, normalised, lib.randn(n, c, size, size), lib.randn(c), lib.randn(c))


@cases(FAMILY, AT_MOST, c64_56=EARLY, c128_28=MIDDLE)
def batch_norm_eval(lib, n, c, size):
    return batch_norm(lib, n, c, size, training=False)


@cases(FAMILY, AT_MOST, n128_c512=dict(n=128, c=512))
def batch_norm_1d(lib, n, c):
    def normalised(x, w, b):
        return lib.nn.functional.batch_norm(x, None, None, w, b, True)

    return forward_and_gradients(lib, normalised, lib.randn(n, c), lib.randn(c), lib.randn(c))


@cases(FAMILY, AT_MOST, d512=dict(n=64, t=128, d=512), d256=dict(n=16, t=64, d=256), d768=dict(n=8, t=512, d=768))
def layer_norm(lib, n, t, d):
    def normalised(x, w, b):
        return lib.nn.functional.layer_norm(x, (d,), w, b)

    return forward_and_gradients(lib, normalised, lib.randn(n, t, d), lib.randn(d), lib.randn(d))


@cases(FAMILY, AT_MOST, d512=dict(n=64, t=128, d=512))
def rms_norm(lib, n, t, d):
    x, w = lib.randn(n, t, d), lib.randn(d)
    return forward_and_gradients(lib, lambda x, w: lib.nn.functional.rms_norm(x, (d,), w), x, w)


@cases(FAMILY, AT_MOST, c64_56=dict(groups=32, **EARLY), c128_28=dict(groups=8, **MIDDLE))
def group_norm(lib, groups, n, c, size):
    def normalised(x, w, b):
        return lib.nn.functional.group_norm(x, groups, w, b)

    return forward_and_gradients(lib, normalised, lib.randn(n, c, size, size), lib.randn(c), lib.randn(c))


@cases(FAMILY, AT_MOST, c64_56=EARLY, c128_28=MIDDLE)
def instance_norm(lib, n, c, size):
    def normalised(x, w, b):
        return lib.nn.functional.instance_norm(x, None, None, w, b)

    return forward_and_gradients(lib, normalised, lib.randn(n, c, size, size), lib.randn(c), lib.randn(c))


@cases(
    FAMILY, AT_MOST, all=dict(shape=(32, 64, 56, 56), dim=(0, 1, 2, 3)),
    but_channels=dict(shape=(32, 64, 56, 56), dim=(0, 2, 3)),
    last=dict(shape=(8192, 512), dim=(1,)), first=dict(shape=(8192, 512), dim=(0,)),
)  # fmt: skip
def total(lib, shape, dim):
    return forward_and_gradients(lib, lambda x: x.sum(dim, keepdim=True), lib.randn(*shape))
