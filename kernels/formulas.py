"""Elementwise functions and their gradients as formulas of one element, of which each device makes its loops.

TABLE[name]: the arrays, the constants, and the formula, in Python's words: numbers, comparisons, and the functions
abs, floor, ceil, trunc, fma, copysign, sqrt, exp, expm1, log, log1p, erf, tanh, sigmoid, softplus, normal_cdf,
normal_pdf, and where(condition, a, b).
An array named `condition` holds bools.
"""

HELD = "where(where(x < low, low, x) > high, high, where(x < low, low, x))"  # also where low > high: then it is high
RAMP = "where(x + 3 < 0, 0, where(x + 3 > 6, 6, x + 3))"
SHRUNK = ("g x", "lambd", "where(abs(x) <= lambd, 0, g)")
# x - n * other for a whole n: exact, and with the sign of x unless x / other was rounded up to n
REST = "fma(-trunc(x / other), other, x)"
FMOD = f"copysign(where((x < 0) == ({REST} < 0), {REST}, where({REST} == 0, 0, {REST} + copysign(other, x))), x)"
OFF = "(x - target)"
WITHIN = f"where({OFF} > delta, delta, where({OFF} < -delta, -delta, {OFF}))"
INNER = "(0.7978845608028654 * (x + 0.044715 * x * x * x))"  # of gelu's approximation by tanh

TABLE = {
    "itself": ("x", "", "x"),
    "add": ("x other", "", "x + other"),
    "sub": ("x other", "", "x - other"),
    "mul": ("x other", "", "x * other"),
    "true_divide": ("x other", "", "x / other"),
    "add_scaled": ("x other", "alpha", "x + alpha * other"),
    "fmod": ("x other", "", FMOD),
    "remainder": (
        "x other",
        "",
        f"where({FMOD} == 0, copysign({FMOD}, other), where(({FMOD} < 0) == (other < 0), {FMOD}, {FMOD} + other))",
    ),
    "floor": ("x", "", "floor(x)"),
    "ceil": ("x", "", "ceil(x)"),
    "trunc": ("x", "", "trunc(x)"),
    "plus_product": ("x a b", "value", "x + value * (a * b)"),
    "plus_quotient": ("x a b", "value", "x + value * (a / b)"),
    "between": ("x end", "weight", "x + weight * (end - x)"),
    "maximum": ("x other", "", "where((x > other) | (x != x), x, other)"),
    "minimum": ("x other", "", "where((x < other) | (x != x), x, other)"),
    "clamped": ("x", "low high", HELD),
    "clamped_slope": ("g x", "low high", "where((x >= low) & (x <= high), g, 0)"),
    "where": ("condition x other", "", "where(condition, x, other)"),
    "reciprocal": ("x", "", "1 / x"),
    "rsqrt": ("x", "", "1 / sqrt(x)"),
    "cube": ("x", "", "x * x * x"),
    "sign": ("x", "", "where(x > 0, 1, where(x < 0, -1, where(x == 0, 0, x)))"),
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
    "with_slope": ("x slope", "", "where(x > 0, x, x * slope)"),
    "threshold": ("x", "limit value", "where(x <= limit, value, x)"),
    "threshold_grad": ("g x", "limit value", "where(x <= limit, 0, g)"),
    "hardshrink": ("x", "lambd", "where(abs(x) <= lambd, 0, x)"),
    "softshrink": ("x", "lambd", "where(abs(x) <= lambd, 0, where(x > 0, x - lambd, x + lambd))"),
    "hardshrink_grad": SHRUNK,
    "softshrink_grad": SHRUNK,
    "hardsigmoid": ("x", "", f"{RAMP} / 6"),
    "hardsigmoid_grad": ("g x", "", "where((x + 3 <= 0) | (x + 3 >= 6), 0, g / 6)"),
    "hardswish": ("x", "", f"x * ({RAMP} / 6)"),
    "hardswish_grad": ("g x", "", f"g * ({RAMP} / 6) + where((x + 3 <= 0) | (x + 3 >= 6), 0, g * x / 6)"),
    "huber": ("x target", "delta", f"{WITHIN} * ({OFF} - 0.5 * {WITHIN})"),
    "huber_slope": ("g x target", "delta", f"g * {WITHIN}"),
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
    """Kernels by name: of the operations `names`, of the gradients among the formulas, of gelu, which has two, and of
    huber's gradient, which goes to two.

    serve(name, arrays, constants) runs a formula on a device, or declines; it need not be asked where `declines` of the
    arguments says so, which is sooner told.
    """

    def of(name):
        arrays, constants, _ = TABLE[name]
        count = len(arrays.split())

        def kernel(*args):
            if declines and declines(args):
                return NotImplemented
            return serve(name, args[:count], args[count:])

        def gradient(g, x, *given, needed=()):
            y = serve(name, (g, x), given[: len(constants.split())])
            return y if y is NotImplemented else (y,)

        made = gradient if name.endswith("_grad") else kernel
        made.__name__ = name
        made.__doc__ = f"As the operation {name}; of ({', '.join((arrays + ' ' + constants).split())})."
        return made

    def gelu(x, approximate):
        return serve("gelu_tanh" if approximate == "tanh" else "gelu", (x,), ())

    def gelu_grad(g, x, approximate, needed):
        y = serve("gelu_tanh_grad" if approximate == "tanh" else "gelu_grad", (g, x), ())
        return y if y is NotImplemented else (y,)

    def huber_grad(g, x, target, delta, needed):
        y = NotImplemented if x.shape != target.shape else serve("huber_slope", (g, x, target), (delta,))
        if y is NotImplemented:
            return y
        return y if needed[0] else None, -y if needed[1] else None

    return {name: of(name) for name in names} | {"gelu": gelu, "gelu_grad": gelu_grad, "huber_grad": huber_grad}
