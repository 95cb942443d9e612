"""tinydl: a deep-learning framework written from scratch on NumPy, with PyTorch's names."""

from . import _locate  # makes tinydl.kernels importable
from .autograd import (
    enable_grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .device import device, get_default_device, set_default_device
from .dtype import (
    bfloat16,
    bool_,
    double,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
)
from .ops.activation import *
from .ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .ops.creation import *
from .ops.ctc import *
from .ops.decompose import *
from .ops.dropout import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout
from .ops.elementwise import *
from .ops.embedding import *
from .ops.index import *
from .ops.linalg import *
from .ops.losses import *
from .ops.norm import *
from .ops.order import *
from .ops.pool import (
    adaptive_avg_pool1d,
    adaptive_max_pool1d,
    avg_pool1d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from .ops.random import *
from .ops.reduce import *
from .ops.resample import *
from .ops.scan import *
from .ops.shape import *
from .ops.similarity import *
from .ops.statistics import *
from .tensor import Size, Tensor
from .threads import get_num_threads, get_winograd, set_num_threads, set_winograd
from .version import __version__

from .ops import methods  # isort: skip
from . import linalg  # isort: skip
from . import interop  # isort: skip
from .ops.aliases import taking_numpys_names  # isort: skip

globals().update({name: taking_numpys_names(f) for name, f in globals().items() if hasattr(f, "__code__")})
del taking_numpys_names

float, int, bool = float32, int32, bool_  # PyTorch's names of types


_LAZY = ("amp", "autograd", "backends", "cuda", "data", "distributions", "func", "io", "kernels", "linalg", "metrics",
         "models", "nn", "optim", "pictures", "profiler", "random", "sparse", "special", "testing", "train",
         "utils")  # fmt: skip
_FROM = {"save": "io", "load": "io", "summary": "summary", "manual_seed": "random", "Generator": "random",
         "empty_cache": "kernels.cpu.arrays", "OutOfMemoryError": "kernels.gpu.memory",
         "get_float32_matmul_precision": "backends", "set_float32_matmul_precision": "backends",
         "autocast": "amp", "is_autocast_enabled": "amp", "get_autocast_dtype": "amp"}  # fmt: skip


def __getattr__(name):
    """Subpackages, and functions that few programs need, come in when first named."""
    from importlib import import_module

    if name in _LAZY:
        return import_module(f".{name}", __name__)
    if name in _FROM:
        found = globals()[name] = getattr(import_module(f".{_FROM[name]}", __name__), name)
        return found
    raise AttributeError(f"module 'tinydl' has no attribute '{name}'")
