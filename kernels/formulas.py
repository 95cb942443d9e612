"""Elementwise functions and their gradients as formulas of one element, of which each device makes its loops.

TABLE[name]: the arrays, the constants, and the formula, in Python's words: numbers, comparisons, and the functions
abs, sqrt, exp, expm1, log, log1p, erf, tanh, sigmoid, softplus, normal_cdf, normal_pdf, and where(condition, a, b).
"""

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
    "gelu": ("x", "", "x * normal_cdf(x)"),
    "gelu_grad": ("g x", "", "g * (normal_cdf(x) + x * normal_pdf(x))"),
    "gelu_tanh": ("x", "", f"0.5 * x * (1 + tanh{INNER})"),
    "gelu_tanh_grad": (
        "g x",
        "",
        f"g * (0.5 * (1 + tanh{INNER}) + 0.5 * x * (1 - tanh{INNER} * tanh{INNER})"
        " * (0.7978845608028654 + 0.10703222440890037 * x * x))",
    ),
}


def kernels_of(serve, names=tuple(TABLE), declines=None) -> dict:
    """Kernels by name: of the operations `names` and of the composites among the formulas.

    serve(name, arrays, constants) runs a formula on a device, or declines; it need not be asked where `declines` of the
    first array says so, which is sooner told.
    """

    def of(name):
        arrays, constants, _ = TABLE[name]
        count = len(arrays.split())

        def kernel(*args):
            if declines and declines(args[0]):
                return NotImplemented
            return serve(name, args[:count], args[count:])

        kernel.__name__ = name
        kernel.__doc__ = f"As the operation {name}; of ({', '.join((arrays + ' ' + constants).split())})."
        return kernel

    def gradient(name, g, x):
        y = serve(name, (g, x), ())
        return y if y is NotImplemented else (y,)

    def gelu(x, approximate):
        return serve("gelu_tanh" if approximate == "tanh" else "gelu", (x,), ())

    def gelu_grad(g, x, approximate, needed):
        return gradient("gelu_tanh_grad" if approximate == "tanh" else "gelu_grad", g, x)

    def silu_grad(g, x, needed):
        return gradient("silu_grad", g, x)

    def mish_grad(g, x, needed):
        return gradient("mish_grad", g, x)

    composites = gelu, gelu_grad, silu_grad, mish_grad
    return {name: of(name) for name in names} | {kernel.__name__: kernel for kernel in composites}
