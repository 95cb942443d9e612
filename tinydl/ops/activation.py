"""Activation functions, with the slope at a kink that PyTorch gives.

Of piecewise functions the condition of `where` decides that slope; it is no accident of a formula.
"""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..autograd.engine import Array, by_category, floating, op
from ..autograd.fused import fused
from ..autograd.views import write
from ..dtype import is_floating
from ..tensor import Tensor
from .choice import as_element
from .elementwise import abs, erf, exp, sigmoid, sign, tanh, where
from .reduce import normalize_dim


def chosen(function, input, inplace, *constants):
    """`function(input, *constants)`, or the input overwritten by it."""
    if not inplace:
        return function(input, *constants)
    name = f"{function.__name__.strip('_')}_"
    return write(input, name, lambda x: function(x, *constants))


# ---------------------------------------------------------------- rectifiers
@op(promote=by_category)
def relu(xp, x: Array):
    """max(x, 0); its slope at 0 is 0.  x: any shape -> same shape."""
    return xp.maximum(x, x.dtype.type(0))


@fused
def relu_slope(u: Array, y: Array):
    """The cotangent u through relu at its output y."""
    return where(y <= 0, 0, u)


relu.grads(lambda g, y: relu_slope(g, y))


@op(promote=by_category)
def hardtanh_(xp, x: Array, low, high):
    """x held between two numbers; its slope at either is 0."""
    return xp.clip(x, x.dtype.type(low), x.dtype.type(high))


@fused
def hardtanh_slope(u: Array, y: Array, low, high):
    """The cotangent u through hardtanh at its output y."""
    return where((y <= low) | (y >= high), 0, u)


hardtanh_.grads(lambda g, y, low, high: hardtanh_slope(g, y, low, high))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input held between two numbers; its slope at either is 0.  Any shape -> same shape."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is greater than max_val {max_val}")
    return chosen(hardtanh_, input, inplace, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6).  Any shape -> same shape."""
    return chosen(hardtanh_, input, inplace, 0, 6)


@op(promote=floating)
def leaky_relu_(xp, x: Array, slope):
    """x where positive, else slope * x."""
    return xp.where(x > 0, x, x * slope)


@fused
def leaky_relu_slope(u: Array, x: Array, slope):
    """The cotangent u through leaky_relu at x."""
    return where(x > 0, u, u * slope)


leaky_relu_.grads(lambda g, x, slope: leaky_relu_slope(g, x, slope))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where positive, else negative_slope * input.  Any shape -> same shape."""
    return chosen(leaky_relu_, input, inplace, negative_slope)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky ReLU whose slope is drawn from [lower, upper]; outside training it is the mean."""
    if lower > upper:
        raise RuntimeError(f"rrelu: lower {lower} is greater than upper {upper}")
    if not training:
        return chosen(leaky_relu_, input, inplace, (lower + upper) / 2)
    from .random import rand

    slope = rand(*input.shape, dtype=input.dtype, device=input.device) * (upper - lower) + lower
    return chosen(with_slope, input, inplace, slope)


@fused
def with_slope(x: Array, slope: Array):
    """x where positive, else slope * x."""
    return where(x > 0, x, x * slope)


@listed
def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x.  x: (N, C, ...); weight: (1,) or (C,) -> shape of x."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: weight must be 0-d or 1-d, got shape {tuple(weight.shape)}")
    C = x.shape[1] if x.ndim > 1 else 1
    if weight.numel() not in (1, C):
        raise RuntimeError(
            f"prelu: weight has {weight.numel()} elements, expected 1 or {C}, one for each "
            f"channel of the input "
            f"(shape {tuple(x.shape)})"
        )
    if weight.numel() > 1:
        weight = weight.reshape(C, *[1] * (x.ndim - 2))
    elif weight.ndim > x.ndim:
        weight = weight.reshape(())
    return with_slope(x, weight)


@op(promote=floating)
def elu_(xp, x: Array, alpha, scale, rate):
    """scale * x where x is positive, else scale * alpha * (exp(rate * x) - 1)."""
    below = xp.expm1(xp.minimum(x, 0) * rate) * alpha
    return xp.where(x > 0, x, below) * scale


@fused
def elu_slope(u: Array, x: Array, y: Array, alpha, scale, rate):
    """The cotangent u through elu at x, where it is y."""
    return where(x > 0, u * scale, u * (y + scale * alpha) * rate)


elu_.grads(lambda g, x, y, alpha, scale, rate: elu_slope(g, x, y, alpha, scale, rate))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, else alpha * (exp(input) - 1) (Clevert 2015)."""
    return chosen(elu_, input, inplace, alpha, 1.0, 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The self-normalising ELU (Klambauer 2017): mean 0 and variance 1 are its fixed point."""
    return chosen(elu_, input, inplace, 1.6732632423543772, 1.0507009873554805, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, else alpha * (exp(input / alpha) - 1) (Barron 2017)."""
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0")
    return chosen(elu_, input, inplace, alpha, 1.0, 1 / alpha)


# ---------------------------------------------------------------- thresholds and shrinkage
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it exceeds the threshold, else `value`.  Any shape -> same shape."""
    return chosen(threshold_, input, inplace, threshold, value)


@fused
def threshold_(x: Array, limit, value):
    """x where it exceeds the limit, else `value`."""
    return where(x <= limit, value, x)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.  x: any shape -> same shape."""
    return hardshrink_(x, as_element(lambd, x))


@fused
def hardshrink_(x: Array, lambd):
    """x where |x| > lambd, else 0."""
    return where(abs(x) <= lambd, 0, x)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input drawn towards 0 by lambd, and 0 within it.  Any shape -> same shape."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambd must not be negative, got {lambd}")
    return softshrink_(input, lambd)


@fused
def softshrink_(x: Array, lambd):
    """x drawn towards 0 by lambd, and 0 within it."""
    return where(abs(x) <= lambd, 0, x - lambd * sign(x))


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input).  Any shape -> same shape."""
    return input - tanh(input)


# ---------------------------------------------------------------- smooth, and piecewise alike
@op(promote=floating)
def softplus_(xp, x: Array, beta, threshold):
    """log(1 + exp(beta x)) / beta, and x where beta x exceeds the threshold."""
    z = x * beta
    return xp.where(z > threshold, x, xp.log1p(xp.exp(xp.minimum(z, threshold))) / beta)


@fused
def softplus_slope(u: Array, x: Array, beta, threshold):
    """The cotangent u through softplus at x."""
    return where(x * beta > threshold, u, u * sigmoid(x * beta))


softplus_.grads(lambda g, x, beta, threshold: softplus_slope(g, x, beta, threshold))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta input)) / beta; input itself where beta input exceeds the threshold."""
    return softplus_(input, beta, threshold)


@op(promote=floating)
def log_sigmoid(xp, x: Array):
    """log of the logistic function, without overflow.  x: any shape -> same shape."""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.absolute(x)))


@fused
def log_sigmoid_slope(u: Array, x: Array):
    """The cotangent u through log_sigmoid at x."""
    return u * sigmoid(-x)


log_sigmoid.grads(lambda g, x: log_sigmoid_slope(g, x))


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-input))), without overflow.  Any shape -> same shape."""
    return log_sigmoid(input)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|).  Any shape -> same shape."""
    return input / (abs(input) + 1)


@fused
def gelu_(x: Array, approximate):
    """x times the probability that a normal number is less than x."""
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input * P(Z < input), Z normal (Hendrycks 2016); approximate: 'none' (erf) or 'tanh'."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return gelu_(input, approximate)


@fused
def silu_(x: Array):
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input), also called swish.  Any shape -> same shape."""
    return chosen(silu_, input, inplace)


@fused
def mish_(x: Array):
    """x * tanh(softplus(x))."""
    return x * tanh(softplus(x))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)) (Misra 2019).  Any shape -> same shape."""
    return chosen(mish_, input, inplace)


@fused
def hardsigmoid_(x: Array):
    """min(max(x + 3, 0), 6) / 6."""
    return hardtanh_(x + 3, 0, 6) / 6


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input + 3, 0), 6) / 6.  Any shape -> same shape."""
    return chosen(hardsigmoid_, input, inplace)


@fused
def hardswish_(x: Array):
    """x * hardsigmoid(x)."""
    return x * hardsigmoid_(x)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input) (Howard 2019).  Any shape -> same shape."""
    return chosen(hardswish_, input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half of `dim` times the sigmoid of its second half (Dauphin 2016)."""
    dim = normalize_dim("glu", dim, input.ndim)
    if not input.ndim or input.shape[dim] % 2:
        raise RuntimeError(f"glu: dim {dim} of shape {tuple(input.shape)} cannot be halved")
    half = input.shape[dim] // 2
    return input.narrow(dim, 0, half) * sigmoid(input.narrow(dim, half, half))


# ---------------------------------------------------------------- softmax
@op
def softmax_(xp, x: Array, dim):
    """exp(x) divided by its sum over `dim`."""
    if not x.size:
        return x.copy()
    e = xp.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


@op
def log_softmax_(xp, x: Array, dim):
    """x minus the logarithm of the sum of exp(x) over `dim`."""
    if not x.size:
        return x.copy()
    x = x - x.max(axis=dim, keepdims=True)
    return x - xp.log(xp.exp(x).sum(axis=dim, keepdims=True))


@fused
def softmax_slope(u: Array, y: Array, dim):
    """The cotangent u through softmax at its output y."""
    return y * (u - (u * y).sum(dim, keepdim=True))


@fused
def log_softmax_slope(u: Array, y: Array, dim):
    """The cotangent u through log_softmax at its output y."""
    return u - exp(y) * u.sum(dim, keepdim=True)


softmax_.grads(lambda g, y, dim: softmax_slope(g, y, dim))
log_softmax_.grads(lambda g, y, dim: log_softmax_slope(g, y, dim))


def _over(function, x, dim, dtype):
    name = function.__name__.strip("_")
    if dtype is not None:
        return _over(function, x.to(dtype), dim, None).to(dtype)
    if not is_floating(x.dtype):
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}; give dtype")
    dim = normalize_dim(name, dim, x.ndim)
    return function(x, dim if x.ndim else None)


def softmax(x: Tensor, dim: int, dtype=None) -> Tensor:
    """exp(x) / sum of exp(x) over `dim`: positive, with sum 1.  x: any shape -> same shape."""
    return _over(softmax_, x, dim, dtype)


def log_softmax(x: Tensor, dim: int, dtype=None) -> Tensor:
    """log(softmax(x, dim)), without overflow.  x: any shape -> same shape."""
    return _over(log_softmax_, x, dim, dtype)


__all__ = [
    "celu", "hardshrink", "log_softmax", "prelu", "relu", "rrelu", "selu", "softmax", "threshold",
]  # fmt: skip
