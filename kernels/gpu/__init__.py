"""CUDA kernels: plain CUDA C++ in csrc/, launched through CuPy; one family a file, as on the CPU.

Operations without a kernel here run their bodies on CuPy's arrays.
"""

from collections.abc import Callable
from importlib import import_module

FAMILIES = {
    "attention": ("attention", "attention_grad"),
    "blend": ("blend", "blend_grad"),
    "conv": ("conv", "conv_transpose", "conv_weight"),
    "gemm": ("matmul", "linear", "linear_grad"),
    "pool": (
        *("max_pool", "max_pool_winners", "max_pool_gather", "max_pool_scatter", "max_unpool"),
        *("avg_pool", "avg_pool_spread"),
    ),
    "embedding": ("take_at", "add_at"),
    "indices": ("check_index",),
    "norm": (
        *("batch_norm", "batch_norm_grad", "group_norm", "group_norm_grad", "layer_norm", "layer_norm_grad"),
        *("rms_norm", "rms_norm_grad", "affine", "affine_grad"),
    ),
    "optim": ("adam_update", "sgd_update"),
    "picking": ("gather", "scatter_sum", "scatter_put", "scatter_last", "put_at", "strided_sum"),
    "pointwise": (
        *("add", "sub", "mul", "true_divide", "square", "sqrt", "exp", "log", "erf", "tanh"),
        *("tanh_slope", "sigmoid", "sigmoid_slope", "relu", "relu_slope", "hardtanh", "hardtanh_slope"),
        *("leaky_relu", "leaky_relu_slope", "elu", "elu_slope", "softplus", "softplus_slope", "log_sigmoid"),
        *("log_sigmoid_slope", "silu", "silu_grad", "mish", "mish_grad", "gelu", "gelu_grad", "clamped"),
        *("clamped_slope", "threshold", "threshold_grad", "hardshrink", "hardshrink_grad", "softshrink"),
        *("softshrink_grad", "hardsigmoid", "hardsigmoid_grad", "hardswish", "hardswish_grad"),
        *("plus_product", "plus_quotient", "between", "with_slope", "rsqrt", "huber", "huber_grad"),
    ),
    "recurrent": ("rnn", "rnn_grad", "gru", "gru_grad", "lstm", "lstm_grad"),
    "reduce": ("sum_to",),
    "resample": ("resample", "resample_adjoint"),
    "softmax": (
        *("softmax", "softmax_slope", "log_softmax", "log_softmax_slope", "cross_entropy", "cross_entropy_grad"),
    ),
    "random": ("philox_bits", "philox_uniform", "philox_normal", "dropout"),
}
KERNELS = {name: family for family, names in FAMILIES.items() for name in names}


def load(name: str) -> Callable | None:
    """The kernel of the operation `name`, or None where it has none on the GPU."""
    family = KERNELS.get(name)
    return family and getattr(import_module(f".{family}", __name__), name)
