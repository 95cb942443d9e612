"""CPU kernels, compiled by Numba at first use.

Looking a name up imports nothing for names that have no kernel, and the family's module (thus Numba) for
those that have: a program of small elementwise operations never pays for Numba.
"""

import sys
from collections.abc import Callable
from importlib import import_module

FAMILIES = {
    "attention": ("attention", "attention_grad"),
    "blend": ("blend", "blend_grad"),
    "conv": ("conv", "conv_transpose", "conv_weight"),
    "likelihood": ("nll_loss", "nll_loss_grad"),
    "layout": ("broadcast", "clone", "overwritten", "reshape"),
    "matmul": ("matmul", "linear", "linear_grad"),
    "optim": ("adam_update", "sgd_update"),
    "embedding": ("take_at", "add_at"),
    "norm": (
        *("batch_norm", "batch_norm_grad", "group_norm", "group_norm_grad", "layer_norm", "layer_norm_grad"),
        *("rms_norm", "rms_norm_grad", "affine", "affine_grad"),
    ),
    "pointwise": (
        *("cast", "add", "sub", "mul", "true_divide", "plus_product", "plus_quotient", "between", "maximum", "minimum"),
        *("clamp_min", "clamp_max", "clamped", "clamped_slope", "where", "pow", "reciprocal", "rsqrt", "sign"),
        *("floor", "ceil", "trunc", "fmod", "remainder"),
        *("neg", "abs", "square", "sqrt", "exp", "log", "erf", "tanh", "tanh_slope", "with_slope", "threshold"),
        *("threshold_grad", "hardshrink", "hardshrink_grad", "softshrink", "softshrink_grad"),
        *("hardsigmoid", "hardsigmoid_grad", "hardswish", "hardswish_grad", "huber", "huber_grad"),
        *("sigmoid", "sigmoid_slope", "relu", "relu_slope", "hardtanh", "hardtanh_slope", "leaky_relu"),
        *("leaky_relu_slope", "elu", "elu_slope", "softplus", "softplus_slope", "log_sigmoid", "log_sigmoid_slope"),
        *("silu", "silu_grad", "mish", "mish_grad", "gelu", "gelu_grad"),
    ),
    "pool": (
        "max_pool",
        "max_pool_winners",
        "max_pool_gather",
        "max_pool_scatter",
        "max_unpool",
        "avg_pool",
        "avg_pool_spread",
    ),
    "recurrent": ("rnn", "rnn_grad", "gru", "gru_grad", "lstm", "lstm_grad"),
    "reduce": ("sum_to", "vector_norm"),
    "resample": ("resample", "resample_adjoint"),
    "order": ("argsort", "kth_place", "median_place", "topk_places"),
    "picking": ("gather", "scatter_put", "scatter_sum"),
    "scan": ("cumsum", "cumprod", "logcumsumexp", "prod", "recurrence", "running_winner"),
    "softmax": (
        *("softmax", "softmax_slope", "log_softmax", "log_softmax_slope", "cross_entropy", "cross_entropy_grad"),
    ),
    "random": ("philox_bits", "philox_uniform", "philox_normal", "dropout"),
}
KERNELS = {name: family for family, names in FAMILIES.items() for name in names}

# Families that serve only arrays of so many elements, and import Numba: not before they are asked of one.
LARGE, OF_LARGE = 1 << 15, {"order", "picking", "reduce", "scan"}


def load(name: str) -> Callable | None:
    """The kernel of the operation `name`, or None where it has none on the CPU."""
    family = KERNELS.get(name)
    if family in OF_LARGE and f"{__name__}.{family}" not in sys.modules:
        return _when_large(name, family)
    return family and getattr(import_module(f".{family}", __name__), name)


def _when_large(name, family):
    module = f"{__name__}.{family}"

    def kernel(*args, **kwargs):
        if module not in sys.modules and all(getattr(a, "size", 0) < LARGE for a in args):
            return NotImplemented
        return getattr(import_module(module), name)(*args, **kwargs)

    return kernel
