"""Pooling and unpooling."""

from . import cases, forward_and_gradients

FAMILY, AT_MOST = "pooling", 0.4
# label -> n, c, size
LARGE, MEDIUM, SMALL = dict(n=8, c=64, size=112), dict(n=32, c=128, size=28), dict(n=64, c=64, size=14)


@cases(
    FAMILY, AT_MOST, k2_112=dict(k=2, **LARGE), k2_28=dict(k=2, **MEDIUM), k2_14=dict(k=2, **SMALL),
    k3_s2_112=dict(k=3, s=2, p=1, n=32, c=64, size=112), k3_s2_28=dict(k=3, s=2, p=1, **MEDIUM),
    k3_s1_28=dict(k=3, s=1, p=1, **MEDIUM),
)  # fmt: skip
def max_pool(lib, k, n, c, size, s=None, p=0):
    return forward_and_gradients(lib, lambda x: lib.nn.functional.max_pool2d(x, k, s, p), lib.randn(n, c, size, size))


@cases(
    FAMILY, AT_MOST, k2_112=dict(k=2, **LARGE), k2_28=dict(k=2, **MEDIUM), k3_s2_112=dict(k=3, s=2, p=1, **LARGE),
    k3_s2_28=dict(k=3, s=2, p=1, **MEDIUM),
)  # fmt: skip
def avg_pool(lib, k, n, c, size, s=None, p=0):
    return forward_and_gradients(lib, lambda x: lib.nn.functional.avg_pool2d(x, k, s, p), lib.randn(n, c, size, size))


@cases(
    FAMILY, AT_MOST, to_1=dict(n=32, c=512, size=7, out=1), to_1_of_56=dict(n=32, c=64, size=56, out=1),
    to_7=dict(n=32, c=512, size=14, out=7), to_7_of_16=dict(n=32, c=128, size=16, out=7),
)  # fmt: skip
def adaptive_avg_pool(lib, n, c, size, out):
    x = lib.randn(n, c, size, size)
    return forward_and_gradients(lib, lambda x: lib.nn.functional.adaptive_avg_pool2d(x, out), x)


@cases(
    FAMILY, AT_MOST, to_1=dict(n=32, c=512, size=7, out=1), to_7=dict(n=32, c=512, size=14, out=7),
    to_7_of_16=dict(n=32, c=128, size=16, out=7),
)  # fmt: skip
def adaptive_max_pool(lib, n, c, size, out):
    x = lib.randn(n, c, size, size)
    return forward_and_gradients(lib, lambda x: lib.nn.functional.adaptive_max_pool2d(x, out), x)


@cases(FAMILY, AT_MOST, k2_112=LARGE, k2_28=MEDIUM)
def max_unpool(lib, n, c, size):
    F = lib.nn.functional
    x, places = F.max_pool2d(lib.randn(n, c, size, size), 2, return_indices=True)
    return forward_and_gradients(lib, lambda x: F.max_unpool2d(x, places, 2), x)


@cases(FAMILY, AT_MOST, k2_112=LARGE, k2_28=MEDIUM)
def max_pool_and_unpool(lib, n, c, size):
    """As in SegNet: the places travel from one to the other."""
    F = lib.nn.functional
    x = lib.randn(n, c, size, size)
    return forward_and_gradients(lib, lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), x)
