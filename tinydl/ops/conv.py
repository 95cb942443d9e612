"""Convolution and transposed convolution in 1, 2 and 3 dimensions.

One trilinear form, <conv(x, w), u>, has three partial derivatives: `conv`, `conv_transpose` and
`conv_weight`.  Each is linear in both of its arguments and has the other two as gradients, so
these three are all that any order of differentiation needs.
Convolution here is cross-correlation, as everywhere in this field: the kernel is not mirrored.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from ..autograd.autocast import listed
from ..autograd.engine import Array, op
from ..tensor import Tensor
from .reduce import broadcast
from .window import Window, batched, hashable, ints


# ---------------------------------------------------------------- the three derivatives
def _padded(xp, x, window):
    return xp.pad(x, [(0, 0), (0, 0), *window.padded()])


def _grouped(x, groups):
    """(N, C, *) -> (N, groups, C / groups, pixels)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _tap(w, tap, groups):
    """The weights (groups, O / groups, C / groups) of one tap."""
    return w[(..., *tap)].reshape(groups, w.shape[0] // groups, w.shape[1])


@op
def conv(xp, x: Array, w: Array, b: Array | None, window):
    """Each window's inputs, weighted and summed: one matrix product for each tap.

    x: (N, C, *image), w: (O, C / groups, *size), b: (O,) -> (N, O, *out).
    """
    image, G = _padded(xp, x, window), window.groups
    y = xp.zeros((x.shape[0], w.shape[0], *window.out), x.dtype)
    for tap, at in window.reads():
        y += (_tap(w, tap, G) @ _grouped(image[(..., *at)], G)).reshape(y.shape)
    return y if b is None else y + b.reshape(-1, *(1,) * len(window.out))


@op
def conv_transpose(xp, u: Array, w: Array, b: Array | None, window):
    """The adjoint of `conv` in x: each output's share is added to the inputs under its window.

    u: (N, O, *out), w: (O, C / groups, *size), b: (C,) -> (N, C, *image).
    """
    G, widths = window.groups, window.padded()
    channels = w.shape[1] * G
    plane = [a + n + b for n, (a, b) in zip(window.image, widths)]
    x = xp.zeros((u.shape[0], channels, *plane), u.dtype)
    u = _grouped(u, G)
    for tap, at in window.reads():
        share = xp.swapaxes(_tap(w, tap, G), 1, 2) @ u
        x[(..., *at)] += share.reshape(x.shape[0], channels, *window.out)
    inner = [slice(a, a + n) for n, (a, _) in zip(window.image, widths)]
    x = xp.ascontiguousarray(x[(..., *inner)])
    return x if b is None else x + b.reshape(-1, *(1,) * len(window.out))


@op
def conv_weight(xp, x: Array, u: Array, window):
    """The adjoint of `conv` in w: each tap's inputs times the outputs' shares, over all windows.

    x: (N, C, *image), u: (N, O, *out) -> (O, C / groups, *size).
    """
    image, G = _padded(xp, x, window), window.groups
    w = xp.empty((u.shape[1], x.shape[1] // G, *window.size), x.dtype)
    u = _grouped(u, G)
    for tap, at in window.reads():
        inputs = xp.swapaxes(_grouped(image[(..., *at)], G), 2, 3)
        w[(..., *tap)] = (u @ inputs).sum(0).reshape(w.shape[:2])
    return w


@op
def conv_bias(xp, u: Array, w: Array):
    """The gradient of a bias.  u: (N, C, *) -> (C,).

    It does not depend on w: that is, its gradient there is zero, as in PyTorch, and exists.
    """
    return u.reshape(*u.shape[:2], prod(u.shape[2:])).sum(2).sum(0)


conv.grads(
    lambda g, w, window: conv_transpose(g, w, None, window),
    lambda g, x, window: conv_weight(x, g, window),
    lambda g, w: conv_bias(g, w),
)
conv_transpose.grads(
    lambda g, w, window: conv(g, w, None, window),
    lambda g, u, window: conv_weight(g, u, window),
    lambda g, w: conv_bias(g, w),
)
conv_weight.grads(
    lambda g, u, window: conv_transpose(u, g, None, window),
    lambda g, x, window: conv(x, g, None, window),
)
conv_bias.grads(
    lambda g, u_like: broadcast(g.reshape(-1, *(1,) * (u_like.ndim - 2)), u_like.shape),
    lambda w_like: w_like.zeros(),
)


# ---------------------------------------------------------------- what was given, checked
@lru_cache(maxsize=256)
def _window(name, n, size, stride, padding, dilation, groups, image):
    """The window of a convolution; `padding` may be 'same' or 'valid'."""
    stride = ints(name, "stride", stride, n, 1)
    dilation = ints(name, "dilation", dilation, n, 1)
    reach = [r * (k - 1) + 1 for k, r in zip(size, dilation)]
    if padding == "same":
        if max(stride) > 1:
            raise RuntimeError(f"{name}: padding='same' needs stride 1, got stride {stride}")
        # where the padding is odd, the extra zero comes after the image
        before = tuple((r - 1) // 2 for r in reach)
        return Window(size, stride, before, dilation, groups, image, image)
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f"{name}: padding must be ints, 'valid' or 'same', got {padding!r}")
    padding = ints(name, "padding", 0 if padding == "valid" else padding, n, 0)
    if any(i + 2 * p < r for i, p, r in zip(image, padding, reach)):
        raise RuntimeError(
            f"{name}: the kernel {size} with dilation {dilation} is larger than the image {image} "
            f"with padding {padding}"
        )
    out = tuple((i + 2 * p - r) // s + 1 for i, p, r, s in zip(image, padding, reach, stride))
    return Window(size, stride, padding, dilation, groups, image, out).countable(name)


@lru_cache(maxsize=256)
def _window_transpose(name, n, size, stride, padding, output_padding, dilation, groups, out):
    """The window of the convolution whose adjoint takes `out` to the image."""
    stride = ints(name, "stride", stride, n, 1)
    padding = ints(name, "padding", padding, n, 0)
    dilation = ints(name, "dilation", dilation, n, 1)
    extra = ints(name, "output_padding", output_padding, n, 0)
    if any(e >= max(s, r) for e, s, r in zip(extra, stride, dilation)):
        raise RuntimeError(
            f"{name}: output_padding must be smaller than stride or dilation, got output_padding "
            f"{extra}, stride {stride}, dilation {dilation}"
        )
    image = tuple(
        (o - 1) * s - 2 * p + r * (k - 1) + 1 + e
        for o, s, p, r, k, e in zip(out, stride, padding, dilation, size, extra)
    )
    if min(image) < 1:
        raise RuntimeError(f"{name}: input {out} gives an output of size {image}; use less padding ({padding})")
    return Window(size, stride, padding, dilation, groups, image, out).countable(name)


def _check(name, n, input, weight, bias, groups, transposed):
    """Dimensions, channels and types of what is convolved."""
    for what, t in (("input", input), ("weight", weight), ("bias", bias)):
        if not (isinstance(t, Tensor) or (t is None and what == "bias")):
            raise TypeError(f"{name}: {what} must be a tensor, got {type(t).__name__}")
    if weight.ndim != n + 2 or input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: expected an input of {n + 1} or {n + 2} dimensions and a weight of {n + 2}, got "
            f"input {tuple(input.shape)}, weight {tuple(weight.shape)}"
        )
    if not hasattr(groups, "__index__") or groups < 1:
        raise RuntimeError(f"{name}: groups must be a positive int, got {groups!r}")
    shapes = f"(input {tuple(input.shape)}, weight {tuple(weight.shape)}, groups={groups})"
    if 0 in weight.shape[2:]:
        raise RuntimeError(f"{name}: the kernel must not be empty {shapes}")
    if weight.shape[0] % groups or not weight.shape[0]:
        raise RuntimeError(
            f"{name}: weight's first size, {weight.shape[0]}, must be a positive multiple of groups {shapes}"
        )
    channels = input.shape[-n - 1]
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != expected:
        raise RuntimeError(f"{name}: input has {channels} channels, weight expects {expected} {shapes}")
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise RuntimeError(f"{name}: bias must have shape ({outputs},), got {tuple(bias.shape)} {shapes}")
    tensors = {"input": input, "weight": weight, "bias": bias}
    types = {k: str(t.dtype) for k, t in tensors.items() if t is not None}
    if len(set(types.values())) > 1:
        got = ", ".join(f"{k} {t}" for k, t in types.items())
        raise RuntimeError(f"{name}: expected tensors of one dtype, got {got}; convert with .to(dtype)")


def _convolve(name, n, input, weight, bias, stride, padding, dilation, groups):
    _check(name, n, input, weight, bias, groups, transposed=False)
    window = _window(
        name, n, tuple(weight.shape[2:]), hashable(stride), hashable(padding), hashable(dilation), groups,
        tuple(input.shape[-n:]),
    )  # fmt: skip
    x, restored = batched(input, n)
    return restored(conv(x, weight, bias, window))


def _convolve_transpose(name, n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    _check(name, n, input, weight, bias, groups, transposed=True)
    window = _window_transpose(
        name, n, tuple(weight.shape[2:]), hashable(stride), hashable(padding), hashable(output_padding),
        hashable(dilation), groups, tuple(input.shape[-n:]),
    )  # fmt: skip
    u, restored = batched(input, n)
    return restored(conv_transpose(u, weight, bias, window))


# ---------------------------------------------------------------- the functions that users call
@listed
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution over sequences.  input: (N, C, L) or (C, L), weight: (O, C / groups, k), bias:
    (O,) -> (N, O, L').

    L' = (L + 2 padding - dilation (k - 1) - 1) // stride + 1.  padding: also 'valid' (none) or
    'same' (L' = L, stride 1).  RuntimeError where the shapes do not fit.
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@listed
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution over images, as `conv1d`.  input: (N, C, H, W) or (C, H, W), weight:
    (O, C / groups, kH, kW) -> (N, O, H', W').
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@listed
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution over volumes, as `conv1d`.  input: (N, C, D, H, W) or (C, D, H, W), weight:
    (O, C / groups, kD, kH, kW) -> (N, O, D', H', W').
    """
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@listed
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0,
    output_padding=0, groups: int = 1, dilation=1,
) -> Tensor:  # fmt: skip
    """The adjoint of a convolution: what its gradient does.  input: (N, C, L) or (C, L), weight:
    (C, O / groups, k), bias: (O,) -> (N, O, L').

    L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1.
    RuntimeError where the shapes do not fit.
    """
    return _convolve_transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@listed
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0,
    output_padding=0, groups: int = 1, dilation=1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv2d`, as `conv_transpose1d`.  input: (N, C, H, W) or (C, H, W), weight:
    (C, O / groups, kH, kW) -> (N, O, H', W').
    """
    return _convolve_transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@listed
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0,
    output_padding=0, groups: int = 1, dilation=1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv3d`, as `conv_transpose1d`.  input: (N, C, D, H, W) or (C, D, H, W),
    weight: (C, O / groups, kD, kH, kW) -> (N, O, D', H', W').
    """
    return _convolve_transpose(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
