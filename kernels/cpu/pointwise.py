"""Elementwise functions and their gradients, each one pass over large arrays on all threads.

A kernel is a line of the table: its arrays, its constants, and the formula of one element, in the functions of
vmath.py.  The loop around it is made at the first use (loops.py), and only then is Numba imported; of small arrays
NumPy's own functions are as quick.
"""

import numpy as np

from .arrays import FLOATS, empty, plain

SMALLEST = 1 << 15  # elements; below, NumPy's one thread is done before others have woken up
GAUSS = "exp(-0.5 * x * x) * 0.3989422804014327"
INNER = "(0.7978845608028654 * (x + 0.044715 * x * x * x))"  # of gelu's approximation by tanh

TABLE = {
    "add": ("x other", "", "x + other"),
    "sub": ("x other", "", "x - other"),
    "mul": ("x other", "", "x * other"),
    "true_divide": ("x other", "", "x / other"),
    "neg": ("x", "", "-x"),
    "abs": ("x", "", "abs(x)"),
    "square": ("x", "", "x * x"),
    "sqrt": ("x", "", "sqrt(x)"),
    "exp": ("x", "", "exp(x)"),
    "log": ("x", "", "log(x)"),
    "erf": ("x", "", "erf(x)"),
    "tanh": ("x", "", "tanh(x)"),
    "tanh_slope": ("g y", "", "g * (1 - y * y)"),
    "sigmoid": ("x", "", "sigmoid(x)"),
    "sigmoid_slope": ("g y", "", "g * y * (1 - y)"),
    "relu": ("x", "", "where(x <= 0, 0, x)"),
    "relu_slope": ("g y", "", "where(y <= 0, 0, g)"),
    "hardtanh": ("x", "low high", "where(x < low, low, where(x > high, high, x))"),
    "hardtanh_slope": ("g y", "low high", "where((y <= low) | (y >= high), 0, g)"),
    "leaky_relu": ("x", "slope", "where(x > 0, x, x * slope)"),
    "leaky_relu_slope": ("g x", "slope", "where(x > 0, g, g * slope)"),
    "elu": ("x", "alpha scale rate", "where(x > 0, x, expm1(where(x > 0, 0, x) * rate) * alpha) * scale"),
    "elu_slope": ("g x y", "alpha scale rate", "where(x > 0, g * scale, g * (y + scale * alpha) * rate)"),
    "softplus": (
        "x",
        "beta threshold",
        "where(x * beta > threshold, x, log1p(exp(where(x * beta > threshold, threshold, x * beta))) / beta)",
    ),
    "softplus_slope": ("g x", "beta threshold", "where(x * beta > threshold, g, g * sigmoid(x * beta))"),
    "log_sigmoid": ("x", "", "where(x < 0, x, 0) - log1p(exp(-abs(x)))"),
    "log_sigmoid_slope": ("g x", "", "g * sigmoid(-x)"),
    "silu": ("x", "", "x * sigmoid(x)"),
    "silu_grad": ("g x", "", "g * sigmoid(x) * (1 + x * (1 - sigmoid(x)))"),
    "mish": ("x", "", "x * tanh(softplus(x))"),
    "mish_grad": (
        "g x",
        "",
        "g * (tanh(softplus(x)) + x * (1 - tanh(softplus(x)) * tanh(softplus(x))) * sigmoid(x))",
    ),
    "gelu": ("x", "", "0.5 * x * (1 + erf(x * 0.7071067811865476))"),
    "gelu_grad": ("g x", "", f"g * (0.5 * (1 + erf(x * 0.7071067811865476)) + x * {GAUSS})"),
    "gelu_tanh": ("x", "", f"0.5 * x * (1 + tanh{INNER})"),
    "gelu_tanh_grad": (
        "g x",
        "",
        f"g * (0.5 * (1 + tanh{INNER}) + 0.5 * x * (1 - tanh{INNER} * tanh{INNER})"
        " * (0.7978845608028654 + 0.10703222440890037 * x * x))",
    ),
}


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays, some of which may be numbers; declines all but large ones of one kind."""
    x = next((a for a in arrays if isinstance(a, np.ndarray) and a.ndim), None)
    if x is None:
        return NotImplemented
    shape, dtype = x.shape, x.dtype
    if x.size < SMALLEST or dtype not in FLOATS:
        return NotImplemented
    numbers = 0
    for i, a in enumerate(arrays):
        if getattr(a, "dtype", dtype) != dtype:
            return NotImplemented
        if not isinstance(a, np.ndarray) or not a.ndim:
            numbers |= 1 << i
        elif a.shape != shape:
            return NotImplemented
    from .loops import run

    y = empty(shape, dtype)
    if numbers:
        constants = (*constants, *[float(a) for i, a in enumerate(arrays) if numbers >> i & 1])
        arrays = [a for i, a in enumerate(arrays) if not numbers >> i & 1]
    run(name, numbers, [y, *map(plain, arrays)], constants)
    return y


def _kernel(name):
    arrays, constants, _ = TABLE[name]
    count = len(arrays.split())

    def kernel(*args):
        return _serve(name, args[:count], args[count:])

    kernel.__name__ = name
    kernel.__doc__ = f"As the operation {name}; of ({', '.join((arrays + ' ' + constants).split())})."
    return kernel


globals().update({name: _kernel(name) for name in TABLE})


def add(x, other, alpha=1):
    return _serve("add", (x, other)) if alpha == 1 else NotImplemented


def sub(x, other, alpha=1):
    return _serve("sub", (x, other)) if alpha == 1 else NotImplemented


def gelu(x, approximate):
    return _serve("gelu_tanh" if approximate == "tanh" else "gelu", (x,))


def gelu_grad(g, x, approximate, needed):
    y = _serve("gelu_tanh_grad" if approximate == "tanh" else "gelu_grad", (g, x))
    return y if y is NotImplemented else (y,)


def _only_gradient(name):
    def kernel(g, x, needed):
        y = _serve(name, (g, x))
        return y if y is NotImplemented else (y,)

    return kernel


silu_grad, mish_grad = _only_gradient("silu_grad"), _only_gradient("mish_grad")
