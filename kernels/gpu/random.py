"""Random numbers of Philox 4x32-10 on a CUDA device: the bits of the CPU (kernels/philox.py)."""

from .launch import backend_of, elementwise
from .source import NAMES, Source

FLOATS = ("float32", "float64")
RANDOM = Source(
    "random.cu", "philox_bits<i64>",
    *(f"{name}<{NAMES[d]}>" for name in ("philox_uniform", "philox_normal", "dropout") for d in FLOATS),
    options=("--fmad=false",),
)  # fmt: skip


def _drawn(name, x, dtype, seed, offset):
    y = backend_of(x).empty(x.shape, dtype)
    elementwise(RANDOM, f"{name}<{NAMES[str(y.dtype)]}>", y.size, y, y.size, *_stream(seed, offset))
    return y


def _stream(seed, offset):
    """What kernels take: seed, first block, and where on the device a graph keeps both (recording.py)."""
    return (0, offset, seed) if hasattr(seed, "dtype") else (seed, offset, None)


def philox_bits(x, seed, offset):
    """Raw words, 0 to 2**32 - 1, as int64, of x's shape."""
    return _drawn("philox_bits", x, "int64", seed, offset)


def philox_uniform(x, seed, offset):
    """Uniform in [0, 1), of x's shape and type."""
    return _drawn("philox_uniform", x, x.dtype, seed, offset) if x.dtype.name in FLOATS else NotImplemented


def philox_normal(x, seed, offset):
    """Standard normal, of x's shape and type."""
    return _drawn("philox_normal", x, x.dtype, seed, offset) if x.dtype.name in FLOATS else NotImplemented


def dropout(x, p, seed, offset):
    """x / (1 - p) where the uniform number of the element is at least p, else 0."""
    if x.dtype.name not in FLOATS or not x.flags.c_contiguous:
        return NotImplemented
    y = backend_of(x).empty(x.shape, x.dtype)
    threshold, scale = int(-(-p * 2**24 // 1)), 1 / (1 - p) if p < 1 else 0
    instance = f"dropout<{NAMES[x.dtype.name]}>"
    elementwise(RANDOM, instance, y.size, x, y, y.size, *_stream(seed, offset), threshold, scale)
    return y
