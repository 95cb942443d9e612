"""Functions of one element each, softmax and its losses, dropout, random numbers."""

from . import cases, forward_and_gradients

FAMILY, AT_MOST = "pointwise", 0.8
IMAGE = (64, 64, 32, 32)
ACTIVATIONS = "gelu", "tanh", "leaky_relu", "relu", "sigmoid", "silu", "softplus", "elu", "mish"
ROWS = {"n128_c10": (128, 10), "n4096_c1000": (4096, 1000), "n512_c50000": (512, 50000), "n2048_c65": (2048, 65)}
CLASSES = {label: dict(n=n, c=c) for label, (n, c) in ROWS.items()}


@cases(FAMILY, AT_MOST, **{name: dict(name=name) for name in ACTIVATIONS})
def activation(lib, name):
    return forward_and_gradients(lib, getattr(lib.nn.functional, name), lib.randn(*IMAGE))


@cases(FAMILY, AT_MOST, add=dict(name="add"), mul=dict(name="mul"))
def binary(lib, name):
    return forward_and_gradients(lib, getattr(lib, name), lib.randn(*IMAGE), lib.randn(*IMAGE))


@cases(FAMILY, AT_MOST, add=dict(name="add"), mul=dict(name="mul"))
def channel(lib, name):
    """A number for each channel."""
    return forward_and_gradients(lib, getattr(lib, name), lib.randn(*IMAGE), lib.randn(IMAGE[1], 1, 1))


@cases(FAMILY, AT_MOST)
def exponential(lib):
    return forward_and_gradients(lib, lib.exp, lib.randn(*IMAGE))


@cases("dropout", AT_MOST, image=dict(shape=IMAGE), hidden=dict(shape=(2048, 256)))
def dropout(lib, shape):
    return forward_and_gradients(lib, lambda x: lib.nn.functional.dropout(x, 0.5), lib.randn(*shape))


@cases("random numbers", 1.0, rand=dict(name="rand"), randn=dict(name="randn"))
def draw(lib, name):
    return lambda: getattr(lib, name)(*IMAGE)


@cases("softmax", AT_MOST, **CLASSES)
def softmax(lib, n, c):
    return forward_and_gradients(lib, lambda x: lib.nn.functional.softmax(x, -1), lib.randn(n, c))


@cases("softmax", AT_MOST, **CLASSES)
def log_softmax(lib, n, c):
    return forward_and_gradients(lib, lambda x: lib.nn.functional.log_softmax(x, -1), lib.randn(n, c))


@cases("softmax", AT_MOST, **CLASSES)
def cross_entropy(lib, n, c):
    target = lib.randint(0, c, (n,))
    return forward_and_gradients(lib, lambda x: lib.nn.functional.cross_entropy(x, target), lib.randn(n, c))
