"""Samples of elementwise operations: arithmetic, functions, comparisons, activations."""

import numpy as np
import scipy.special
from ml_dtypes import bfloat16

from .make import Sample, between, booleans, by_torch, distinct, integers, normal, positive

SPECIAL = np.array([1.5, -0.0, np.nan, np.inf, -np.inf])
GAPS = np.array([[-2.6, -1.3, -0.4], [0.2, 1.7, 2.9]])  # away from every jump

# ---------------------------------------------------------------- one argument
DOMAINS = {
    normal: "neg square positive clone alias exp exp2 expm1 sin cos sinh cosh tanh asinh atan erf erfc erfcx "
    "i0 i0e i1 i1e log_ndtr ndtr sigmoid log_sigmoid mish silu",
    distinct: "abs relu sign ceil floor trunc round",
    positive: "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma entr",
    lambda *shape: between(-0.9, 0.9, *shape): "asin acos atanh erfinv tan",
    lambda *shape: between(0.1, 0.9, *shape): "ndtri logit",
    lambda *shape: between(1.2, 3, *shape): "acosh",
}
SAMPLES = {
    name: [Sample(make(3, 4)), Sample(make()), Sample(make(0, 3))]
    for make, names in DOMAINS.items()
    for name in names.split()
}
for name in ("neg", "abs", "sign", "square", "floor", "round"):
    SAMPLES[name].append(Sample(integers(9, 2, 3) - 4))
for name in ("exp", "sqrt", "log", "sigmoid", "tanh"):
    SAMPLES[name].append(Sample(1 + integers(9, 2, 3)))
for name in ("exp", "tanh", "sigmoid", "relu", "log_sigmoid", "erf", "floor"):
    SAMPLES[name].append(Sample(SPECIAL, order=0))

ones_and_alphas = [Sample(normal(3, 1), normal(4)), Sample(normal(2, 3), normal(2, 3), alpha=-2.5)]
pairs = [(normal(3, 4), normal(3, 4)), (normal(3, 1), normal(2, 1, 4)), (normal(2, 3), 1.25), (normal(0, 3), normal(3))]
apart = [(distinct(2, 6), -distinct(2, 6)), (distinct(3, 1), distinct(4) + 0.11), (distinct(5), 0.4)]
compared = [(integers(3, 3, 4), integers(3, 4)), (normal(2, 3), 0.25), (SPECIAL, SPECIAL)]
bits = [(integers(99, 3, 4), integers(99, 4)), (booleans(3), booleans(2, 3))]
several = {
    "mul": pairs,
    "sub": pairs,
    "add": pairs,
    "copysign": pairs,
    "atan2": pairs[:2],
    "hypot": pairs[:2],
    "logaddexp": pairs[:2],
    "maximum": apart[:2],
    "minimum": apart[:2],
    "fmax": apart[:2],
    "fmin": apart[:2],
    "clamp_max": apart,
    "clamp_min": apart,
    "true_divide": [(normal(3, 1), positive(4)), (normal(2), 2.5)],
    "floor_divide": [(GAPS, positive(3) * 10), (integers(9, 5) - 4, 2), (GAPS, -1.1)],
    "trunc_divide": [(GAPS, positive(3) * 10), (integers(9, 5) - 4, 2), (GAPS, -1.1)],
    "fmod": [(GAPS, np.array([1.1, -0.7, 2.3])), (integers(9, 5) - 4, 3), (GAPS, -0.9)],
    "remainder": [(GAPS, np.array([1.1, -0.7, 2.3])), (integers(9, 5) - 4, 3), (GAPS, -0.9)],
    "pow": [(positive(3, 1), normal(4)), (normal(2, 3), 3.0), (integers(5, 4), 3)],
    "xlogy": [(normal(3, 1), positive(4)), (np.zeros(3), np.array([0.0, 1.0, 2.0]))],
    "eq": compared,
    "ne": compared,
    "lt": compared,
    "le": compared,
    "gt": compared,
    "ge": compared,
    "logical_and": [*bits, (SPECIAL, np.zeros(5))],
    "logical_or": bits,
    "logical_xor": bits,
    "bitwise_and": bits,
    "bitwise_or": bits,
    "bitwise_xor": bits,
    "bitwise_left_shift": [(integers(9, 4), integers(5, 4))],
    "bitwise_right_shift": [(integers(999, 4), integers(5, 4))],
}
SAMPLES |= {name: [Sample(*args) for args in calls] for name, calls in several.items()}
SAMPLES["xlogy"][-1].order = 0  # infinite there
SAMPLES["add"] += ones_and_alphas
SAMPLES["clone"].append(Sample(normal(130, 140).T, order=0, kernel=True))
SAMPLES["sub"] += ones_and_alphas

FROM = (np.index_exp[1:, ::2],)
SAMPLES |= {
    "logical_not": [Sample(booleans(3)), Sample(SPECIAL)],
    "bitwise_not": [Sample(integers(9, 3)), Sample(booleans(3))],
    "isfinite": [Sample(SPECIAL), Sample(integers(3, 2))],
    "isinf": [Sample(SPECIAL), Sample(integers(3, 2))],
    "isnan": [Sample(SPECIAL), Sample(integers(3, 2))],
    "where": [
        Sample(booleans(3, 1), normal(3, 4), normal(4)),
        Sample(booleans(4), normal(2, 4), 0.5),
        Sample(True, normal(3), 0.5),
    ],
    "polygamma": [Sample(1, positive(3)), Sample(2, positive(2, 2))],
    "round": [*SAMPLES["round"], Sample(GAPS * 1.234, decimals=1), Sample(integers(999, 4), decimals=-1)],
    "logit": [*SAMPLES["logit"], Sample(np.array([0.01, 0.3, 0.98]), 0.05)],
    "cast": [Sample(normal(3, 4), "float64", typed=False), Sample(GAPS, "int64", order=0)],
    "to_device": [],  # filled by its test: there is one device here
    "scaled_gradient": [Sample(normal(3, 4), positive(3, 1), order=0)],  # not the gradient of what it computes
    "overwritten": [Sample(normal(3, 4), normal(4)), Sample(normal(2), normal())],
    # activations
    "elu": [Sample(distinct(3, 4), 0.7, 1.3, 0.9)],
    "hardtanh": [Sample(distinct(3, 4), -1.0, 1.0), Sample(integers(9, 4), 2, 5)],
    "leaky_relu": [Sample(distinct(3, 4), 0.2)],
    "softplus": [Sample(normal(3, 4), 2.0, 20.0), Sample(distinct(3, 4) * 3, 1.0, 20.0), Sample(normal(0), 1.0, 20.0)],
    "gelu": [Sample(normal(3, 4), "none"), Sample(normal(3, 4), "tanh"), Sample(normal(0, 3), "none")],
    "clamped": [Sample(distinct(3, 4), -0.5, 0.7), Sample(distinct(4), 1.0, -1.0)],
    "threshold": [Sample(distinct(3, 4), 0.1, 5.0)],
    "hardshrink": [Sample(distinct(3, 4), 0.5)],
    "softshrink": [Sample(distinct(3, 4), 0.5), Sample(distinct(3), 0.0)],
    "hardsigmoid": [Sample(distinct(3, 4) * 3)],
    "hardswish": [Sample(distinct(3, 4) * 3)],
    "with_slope": [Sample(distinct(2, 3, 4), normal(3, 1)), Sample(distinct(5), normal())],
    "huber": [Sample(normal(3, 4), normal(3, 4), 0.4), Sample(normal(3, 4), normal(4), 2.0)],
    "between": [Sample(normal(3, 4), normal(4), 0.3)],
    "plus_product": [Sample(normal(3, 4), normal(3, 1), normal(4), -0.3)],
    "plus_quotient": [Sample(normal(3, 4), normal(3, 1), positive(4), 2)],
    "softmax": [Sample(normal(3, 4), 1), Sample(normal(2, 3, 2) * 40, 1), Sample(normal(0, 3), 1)],
    "log_softmax": [Sample(normal(3, 4), 1), Sample(normal(2, 3, 2) * 40, 1), Sample(normal(0, 3), 1)],
}
del SAMPLES["to_device"]

# Gradients at an output or at x; and for all that have a kernel, arrays that are large enough for it.
LARGE = 182, 181
CONSTANTS = {
    "hardtanh": (-1.0, 1.0), "leaky_relu": (0.2,), "elu": (0.7, 1.3, 0.9), "softplus": (2.0, 20.0), "gelu": ("none",),
    "clamped": (-0.5, 0.7), "threshold": (0.1, 5.0), "hardshrink": (0.5,), "softshrink": (0.5,),
}  # fmt: skip
for name in ("tanh", "sigmoid", "relu", "hardtanh", "clamped", "leaky_relu", "softplus", "log_sigmoid"):
    constants = CONSTANTS.get(name, ())
    SAMPLES[f"{name}_slope"] = [
        Sample(normal(3, 4), distinct(3, 4), *constants),
        Sample(normal(*LARGE), normal(*LARGE), *constants, order=0, kernel=True),
    ]
SAMPLES["elu_slope"] = [
    Sample(normal(3, 4), distinct(3, 4), distinct(3, 4), *CONSTANTS["elu"]),
    Sample(*[normal(*LARGE)] * 3, *CONSTANTS["elu"], order=0, kernel=True),
]
ONE = "neg abs sign square exp erf tanh sigmoid relu log_sigmoid silu mish sqrt log rsqrt reciprocal hardsigmoid"
for name in (*ONE.split(), *"hardswish floor ceil trunc".split(), *CONSTANTS):
    large = positive(*LARGE) if name in ("sqrt", "log", "rsqrt") else normal(*LARGE)
    SAMPLES[name].append(Sample(large, *CONSTANTS.get(name, ()), order=0, kernel=True))
for name in ("softmax", "log_softmax"):
    SAMPLES[f"{name}_slope"] = [
        Sample(normal(2, 3, 2), normal(2, 3, 2), 1),
        Sample(normal(*LARGE), normal(*LARGE), 1, order=0, kernel=True),
    ]
    SAMPLES[name].append(Sample(normal(*LARGE), 1, order=0, kernel=True))
    SAMPLES[name].append(Sample(normal(3, 7, 1001), 2, order=0, kernel=True))
SAMPLES["gelu"].append(Sample(normal(*LARGE), "tanh", order=0, kernel=True))
for name in ("add", "sub", "mul", "true_divide", "maximum", "minimum", "clamp_min", "clamp_max", "with_slope"):
    SAMPLES[name].append(Sample(normal(*LARGE), positive(*LARGE), order=0, kernel=True))
    SAMPLES[name].append(Sample(normal(182, 1), normal(181), order=0, kernel=True))
for name in ("add", "sub", "mul", "true_divide", "clamp_min", "clamp_max"):
    SAMPLES[name].append(Sample(normal(*LARGE), 2.5, order=0, kernel=True))
for name in ("add", "sub"):
    SAMPLES[name].append(Sample(normal(*LARGE), normal(181), alpha=-0.5, order=0, kernel=True))
for name in ("fmod", "remainder"):
    SAMPLES[name].append(Sample(normal(*LARGE), 0.37, order=0, kernel=True))
SAMPLES["pow"] += [Sample(normal(*LARGE), n, order=0, kernel=True) for n in (2.0, 3.0)]
SAMPLES["where"].append(Sample(booleans(182, 1), normal(*LARGE), normal(3, 182, 181)[1], order=0, kernel=True))
SAMPLES["where"].append(Sample(booleans(*LARGE), 0.5, normal(182, 1), order=0, kernel=True))
SAMPLES["huber"].append(Sample(normal(*LARGE), normal(*LARGE), 0.4, order=0, kernel=True))
SAMPLES["cast"].append(Sample(normal(*LARGE).astype(bfloat16), "float32", typed=False, order=0, kernel=True))
SAMPLES["between"].append(Sample(normal(*LARGE), normal(181), 0.3, order=0, kernel=True))
for name in ("plus_product", "plus_quotient"):
    SAMPLES[name].append(Sample(normal(*LARGE), normal(*LARGE), positive(181), 0.3, order=0, kernel=True))
SAMPLES["overwritten"].append(Sample(normal(300, 400), normal(400), order=0, kernel=True))

ORACLES = {
    "polygamma": scipy.special.polygamma,
    "gelu": by_torch(lambda torch, x, kind: torch.nn.functional.gelu(x, approximate=kind)),
    "round": np.round,
    "alias": lambda x: x,
    "log_sigmoid": by_torch(lambda torch, x: torch.nn.functional.logsigmoid(x)),
    "trunc_divide": by_torch(lambda torch, x, other: torch.div(x, other, rounding_mode="trunc")),
    "maximum": np.maximum,  # PyTorch takes no numbers here
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "clamp_max": np.minimum,
    "clamp_min": np.maximum,
    "copysign": np.copysign,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "where": np.where,
    "cast": lambda x, dtype: x.astype(dtype),
    "overwritten": lambda x, value: np.broadcast_to(value, x.shape),
    "scaled_gradient": lambda x, scale: x,
    "elu": lambda x, alpha, scale, rate: scale * np.where(x > 0, x, alpha * (np.exp(rate * x) - 1)),
    "softmax_slope": lambda g, y, dim: y * (g - (g * y).sum(dim, keepdims=True)),
    "log_softmax_slope": lambda g, y, dim: g - np.exp(y) * g.sum(dim, keepdims=True),
    "tanh_slope": lambda g, y: g * (1 - y * y),
    "sigmoid_slope": lambda g, y: g * y * (1 - y),
    "relu_slope": lambda g, y: np.where(y > 0, g, 0),
    "hardtanh_slope": lambda g, y, low, high: np.where((low < y) & (y < high), g, 0),
    "clamped_slope": lambda g, x, low, high: np.where((low <= x) & (x <= high), g, 0),
    "leaky_relu_slope": lambda g, x, slope: np.where(x > 0, g, slope * g),
    "elu_slope": lambda g, x, y, alpha, scale, rate: scale * g * np.where(x > 0, 1, (y / scale + alpha) * rate),
    "softplus_slope": lambda g, x, beta, threshold: g / (1 + np.exp(-beta * x)),
    "log_sigmoid_slope": lambda g, x: g / (1 + np.exp(x)),
    "leaky_relu": by_torch(lambda torch, x, slope: torch.nn.functional.leaky_relu(x, slope)),
    "clamped": by_torch(lambda torch, x, low, high: x.clamp(low, high)),
    "with_slope": lambda x, slope: np.where(x > 0, x, slope * x),
    "huber": by_torch(lambda torch, x, y, delta: torch.nn.functional.huber_loss(x, y, reduction="none", delta=delta)),
    "between": by_torch(lambda torch, x, end, weight: torch.lerp(x, end, weight)),
    "plus_product": by_torch(lambda torch, x, a, b, value: torch.addcmul(x, a, b, value=value)),
    "plus_quotient": by_torch(lambda torch, x, a, b, value: torch.addcdiv(x, a, b, value=value)),
}
