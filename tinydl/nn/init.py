"""Values for new parameters.  Each function fills `tensor` in place, unrecorded, and returns it."""

from __future__ import annotations

import functools
import math
import warnings

from ..autograd import no_grad
from ..tensor import Tensor


def _filler(function):
    """Check that a tensor is given, and fill it without recording."""

    @functools.wraps(function)
    def fill(tensor, *args, **kwargs):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{function.__name__}: expected a tensor, got {type(tensor).__name__}")
        with no_grad():
            return function(tensor, *args, **kwargs)

    return fill


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps variance through a nonlinearity; param: the slope of leaky_relu."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: the slope of leaky_relu must be a number, got {slope!r}")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known are {', '.join(_GAINS)}, leaky_relu"
        )
    return _GAINS[nonlinearity]


_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
_GAINS |= {f"conv{t}{n}d": 1.0 for t in ("", "_transpose") for n in (1, 2, 3)}


@_filler
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@_filler
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Normal with mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@_filler
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator=None,
) -> Tensor:
    """Normal, kept within [a, b], by the inverse of its distribution function."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is over 2 std from [{a}, {b}]; it may be inexact",
            stacklevel=3,
        )
    low, high = (math.erf((end - mean) / (std * math.sqrt(2))) for end in (a, b))
    tensor.uniform_(low, high, generator=generator)
    return tensor.erfinv_().mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)


@_filler
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return tensor.fill_(val)


@_filler
def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return tensor.fill_(1.0)


@_filler
def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return tensor.zero_()


@_filler
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.  tensor: (n, m)."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tuple(tensor.shape)}")
    return tensor.zero_().fill_diagonal_(1)


@_filler
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Convolution weights that keep their input as it is.  tensor: (O, C/groups, *size)."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected 3, 4 or 5 dimensions, got shape {tuple(tensor.shape)}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} channels do not divide into {groups} groups")
    each = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    tensor.zero_()
    for o in range(tensor.shape[0]):
        if o % each < tensor.shape[1]:
            tensor[(o, o % each, *centre)] = 1.0
    return tensor


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of a weight (O, C, *size) sees, and how many outputs an input."""
    if tensor.ndim < 2:
        raise ValueError(f"init: fan in and fan out need at least 2 dimensions, got shape {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = fans  # the name that scripts import from PyTorch


def _kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


@_filler
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Uniform with std = gain * sqrt(2 / (fan in + fan out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return tensor.uniform_(-bound, bound, generator=generator)


@_filler
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Normal with std = gain * sqrt(2 / (fan in + fan out)) (Glorot and Bengio 2010)."""
    return tensor.normal_(0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator=generator)


@_filler
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator=None,
) -> Tensor:
    """Uniform with std = gain / sqrt(fan) (He et al. 2015); a: the slope of leaky_relu."""
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor.uniform_(-bound, bound, generator=generator)


@_filler
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator=None,
) -> Tensor:
    """Normal with std = gain / sqrt(fan) (He et al. 2015); a: the slope of leaky_relu."""
    if 0 in tensor.shape:
        return tensor
    return tensor.normal_(0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator=generator)


@_filler
def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """Orthonormal rows or columns, the fewer, times gain (Saxe et al. 2013).  tensor: (n, *)."""
    from .. import linalg

    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    flat = tensor.new_empty(max(rows, columns), min(rows, columns)).normal_(generator=generator)
    q, r = linalg.qr(flat)
    q = q * r.diagonal().sign()  # makes the distribution uniform over the orthogonal matrices
    return tensor.copy_((q if rows >= columns else q.T).reshape(tensor.shape).mul_(gain))


@_filler
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator=None) -> Tensor:
    """Normal, a fraction `sparsity` of each column zero (Martens 2010).  tensor: (n, m)."""
    from ..ops.random import randperm

    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    tensor.normal_(0.0, std, generator=generator)
    for j in range(columns):
        order = randperm(rows, generator=generator, device=tensor.device)
        tensor[order[: math.ceil(sparsity * rows)], j] = 0.0
    return tensor
