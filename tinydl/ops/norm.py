"""Normalisation: to mean 0 and variance 1 over a batch, layer, group or instance; to length 1.

x: (N, C, *), * any number of further dimensions; weight and bias act for each channel, or for each
element of a layer.
"""

from __future__ import annotations

import functools
import math

from ..autograd.autocast import listed
from ..autograd.engine import Array, by_category, op
from ..autograd.fused import fused
from ..autograd.mode import no_grad
from ..autograd.narrow import rounded_once
from ..autograd.views import write
from ..dtype import finfo, float32, is_narrow
from ..tensor import Tensor
from .elementwise import rsqrt
from .reduce import sum_to


def _standardised(x, dims, eps):
    """x with mean 0 and variance 1 over `dims`; the mean, and the variance that divides by n."""
    mean = x.mean(dims, keepdim=True)
    centred = x - mean
    var = (centred * centred).mean(dims, keepdim=True)
    return centred * rsqrt(var + eps), mean, var


# ---------------------------------------------------------------- scale and shift
@op(promote=by_category)
def affine(xp, x: Array, weight: Array, bias: Array):
    """x * weight + bias, these of one shape that broadcasts to x's."""
    y = x * weight
    y += bias
    return y


@op(promote=by_category)
def affine_grad(xp, u: Array, x: Array, weight: Array):
    """The gradients of affine's x, weight and bias, u that of its output."""
    return u * weight, sum_to.op.body(xp, u * x, weight.shape), sum_to.op.body(xp, u, weight.shape)


def _gradient_of_affine_grad(g, u, x, weight):
    a, b, c = (0.0 if one is None else one for one in g)
    return x * b + weight * a + c, u * b, u * a


affine.grads_together(lambda g, x, weight: affine_grad(g, x, weight))
affine_grad.grads_together(_gradient_of_affine_grad)


def _affine(x, weight, bias, shape):
    """x * weight + bias, each of which may be None, in a shape that broadcasts."""
    if weight is None:
        return x if bias is None else x + bias.reshape(shape)
    weight = weight.reshape(shape)
    return x * weight if bias is None else affine(x, weight, bias.reshape(shape))


def _channels(x):
    """The shape in which a vector of C acts on x: (N, C, *)."""
    return (x.shape[1], *[1] * (x.ndim - 2))


@fused(hidden=("mean", "scale"))
def batch_norm_(x: Array, weight: Array | None, bias: Array | None, eps):
    """x normalised over all but its channels; mean and (biased) variance of each channel."""
    y, mean, var = _standardised(x, (0, *range(2, x.ndim)), eps)
    return _affine(y, weight, bias, _channels(x)), mean.reshape(-1), var.reshape(-1)


@fused(hidden=("mean", "scale"))
def group_norm_(x: Array, weight: Array | None, bias: Array | None, num_groups, eps):
    """x normalised over each of `num_groups` groups of channels of each sample."""
    groups = x.reshape(x.shape[0], num_groups, -1)
    y = _standardised(groups, (2,), eps)[0].reshape(x.shape)
    return _affine(y, weight, bias, _channels(x))


@fused(hidden=("mean", "scale"))
def layer_norm_(x: Array, weight: Array | None, bias: Array | None, count, eps):
    """x normalised over its last `count` dimensions."""
    shape = tuple(x.shape[-count:])
    return _affine(_standardised(x, tuple(range(-count, 0)), eps)[0], weight, bias, shape)


@fused(hidden=("scale",))
def rms_norm_(x: Array, weight: Array | None, count, eps):
    """x divided by the root of the mean square of its last `count` dimensions."""
    power = (x * x).mean(tuple(range(-count, 0)), keepdim=True)
    return _affine(x * rsqrt(power + eps), weight, None, tuple(x.shape[-count:]))


@op
def moving_average(xp, running: Array, value: Array, momentum, factor):
    """running, moved by `momentum` towards `factor` times value, of its shape."""
    return running * (1 - momentum) + value * (momentum * factor)


moving_average.grads(  # the layers ask for none
    lambda g, momentum: g * (1 - momentum),
    lambda g, momentum, factor: g * (momentum * factor),
)


# ---------------------------------------------------------------- checks
def _check_channels(name, x, **vectors):
    shape = x.array.shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: expected at least 2 dimensions (N, C, ...), got shape {shape}")
    for what, v in vectors.items():
        if v is not None and v.array.shape != shape[1:2]:
            raise RuntimeError(
                f"{name}: expected {what} of shape ({shape[1]},), one for each channel of the input {shape}, got "
                f"{tuple(v.shape)}"
            )


def _check_layer(name, x, normalized_shape, **arrays):
    """The number of dimensions that make up the layer."""
    shape = normalized_shape
    shape = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    if not shape:
        raise RuntimeError(f"{name}: normalized_shape must have at least one dimension")
    if tuple(x.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"{name}: normalized_shape is {shape}, but the input, shape {tuple(x.shape)}, does not end in it"
        )
    for what, a in arrays.items():
        if a is not None and tuple(a.shape) != shape:
            raise RuntimeError(f"{name}: expected {what} of normalized_shape {shape}, got {tuple(a.shape)}")
    return len(shape)


def _check_count(name, x, count, per):
    if count == 1:
        raise ValueError(f"{name}: expected more than 1 value per {per} when training, got shape {tuple(x.shape)}")


def _follow(name, running, value, momentum, factor=1.0):
    """Move a running statistic of the layer `name` towards `factor` times value."""
    if running is not None:
        with no_grad():
            write(running, name, lambda now: moving_average(now, value, momentum, factor))


def _through_float32(normalise):
    """An input narrower than weights or statistics is taken in float32; the result is narrow again, as PyTorch's."""

    @functools.wraps(normalise)
    def widened(input: Tensor, *args, **kwargs):
        if not is_narrow(input.dtype):
            return normalise(input, *args, **kwargs)
        others = {t.dtype for t in (*args, *kwargs.values()) if isinstance(t, Tensor)}
        x = input if others <= {input.dtype} else input.to(float32)
        return normalise(x, *args, **kwargs).to(input.dtype)

    return widened


# ---------------------------------------------------------------- the functions
@_through_float32
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel over the batch (Ioffe 2015); outside training by running statistics.

    input: (N, C, *) -> same shape.  Training moves running_mean and running_var (unbiased) by
    `momentum`.
    """
    if not input.numel():
        return input.clone()
    given = dict(running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_channels("batch_norm", input, **given)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps must be positive, got {eps}")
    if not training:
        return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps)
    n = math.prod(input.shape) // max(input.shape[1], 1)
    _check_count("batch_norm", input, n, "channel")
    y, mean, var = batch_norm_(input, weight, bias, eps)
    _follow("batch_norm", running_mean, mean, momentum)
    _follow("batch_norm", running_var, var, momentum, n / max(n - 1, 1))
    return y


@rounded_once
def _by_running(name, x, mean, var, weight, bias, eps):
    if mean is None or var is None:
        raise RuntimeError(f"{name}: outside training running_mean and running_var must be given")
    scale = rsqrt(var + eps) if weight is None else weight * rsqrt(var + eps)
    shift = -mean * scale if bias is None else bias - mean * scale
    return _affine(x, scale, shift, _channels(x))


@_through_float32
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample (Ulyanov 2016), or by the running statistics.

    input: (N, C, *) -> same shape.
    """
    given = dict(running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_channels("instance_norm", input, **given)
    if not use_input_stats:
        return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)
    n = math.prod(input.shape[2:])
    _check_count("instance_norm", input, n, "instance")
    y = group_norm_(input, weight, bias, input.shape[1], eps)
    if running_mean is not None or running_var is not None:
        with no_grad():
            _, mean, var = _standardised(input.reshape(*input.shape[:2], -1), (2,), eps)
            _follow("instance_norm", running_mean, mean.mean((0, 2)), momentum)
            _follow("instance_norm", running_var, var.mean((0, 2)), momentum, n / (n - 1))
    return y


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each group of channels of each sample (Wu 2018).  (N, C, *) -> same shape."""
    _check_channels("group_norm", input, weight=weight, bias=bias)
    C = input.shape[1]
    if num_groups <= 0 or C % num_groups:
        raise RuntimeError(
            f"group_norm: {C} channels (input {tuple(input.shape)}) cannot be divided among {num_groups} groups"
        )
    if input.numel() == 0:
        return _affine(input, weight, bias, _channels(input))
    _check_count("group_norm", input, input.numel() // num_groups, "group")
    return group_norm_(input, weight, bias, num_groups, eps)


def layer_norm(
    input: Tensor,
    normalized_shape,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions, of `normalized_shape` (Ba 2016).  -> shape of input."""
    count = _check_layer("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return layer_norm_(input, weight, bias, count, eps)


@listed
def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last dimensions (Zhang 2019).  -> shape of input."""
    count = _check_layer("rms_norm", input, normalized_shape, weight=weight)
    eps = float(finfo(float32 if is_narrow(input.dtype) else input.dtype).eps) if eps is None else eps
    return rms_norm_(input, weight, count, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide by (k + alpha * mean square of `size` near channels) ** beta (Krizhevsky 2012).

    input: (N, C, *) with at least 3 dimensions -> same shape.
    """
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: expected at least 3 dimensions, got {tuple(input.shape)}")
    if input.numel() == 0:
        return input
    from .pad import pad

    around = (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2)
    squares = pad(input * input, around)
    C = input.shape[1]
    total = sum((squares.narrow(1, i, C) for i in range(1, size)), start=squares.narrow(1, 0, C))
    return input / (total * (alpha / size) + k) ** beta


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input divided by its p-norm over `dim`, or by eps where that is less.  -> shape of input."""
    y = input / input.norm(p, dim, keepdim=True).clamp_min(eps)
    return y if out is None else out.copy_(y)


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
