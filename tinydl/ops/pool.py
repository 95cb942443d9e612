"""The pooling functions that users call: what was given is checked, and made a window."""

from __future__ import annotations

from functools import lru_cache
from math import prod

from ..dtype import is_floating
from ..tensor import Tensor
from . import pool_pairs as pairs
from .activation import relu
from .creation import check_count
from .window import Bins, Window, batched, check_input, hashable, ints


def _meets(span, n):
    """Whether any of a range of positions lies in [0, n)."""
    first = span.start if span.start >= 0 else span.start % span.step
    return first < min(n, span.stop)


@lru_cache(maxsize=256)
def _window(name, n, image, size, stride, padding, dilation, ceil_mode):
    size = ints(name, "kernel_size", size, n, 1)
    stride = size if stride is None or stride == () else ints(name, "stride", stride, n, 1)
    padding = ints(name, "padding", padding, n, 0)
    dilation = ints(name, "dilation", dilation, n, 1)
    reach = [r * (k - 1) + 1 for k, r in zip(size, dilation)]
    if any(p > r // 2 for p, r in zip(padding, reach)):
        raise RuntimeError(
            f"{name}: padding must be at most half of the kernel, got padding {padding} for "
            f"kernel_size {size}, dilation {dilation}"
        )
    out = []
    for i, s, p, r in zip(image, stride, padding, reach):
        o = (i + 2 * p - r + (s - 1 if ceil_mode else 0)) // s + 1
        # the last window must begin inside of the image or in the padding before it
        out.append(o - 1 if ceil_mode and (o - 1) * s >= i + p else o)
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: the kernel {size} with dilation {dilation} is larger than the image {image} "
            f"with padding {padding}"
        )
    window = Window(size, stride, padding, dilation, 1, image, tuple(out)).countable(name)
    for d, i in enumerate(image):
        if not all(_meets(span, i) for span in window.spans(d)):
            raise RuntimeError(
                f"{name}: kernel_size {size} with dilation {dilation} and padding {padding} leaves "
                f"a window without any of the image {image}"
            )
    return window


# ---------------------------------------------------------------- max pooling
def _pick_max(input, n, window, return_indices):
    x, restored = batched(input, n)
    if not return_indices:
        return restored(pairs.max_pool(x, window))
    return tuple(map(restored, pairs.max_pool_winners(x, window)))


def _max_pool(name, n, input, size, stride, padding, dilation, ceil_mode, return_indices):
    check_input(name, input, n)
    options = map(hashable, (size, stride, padding, dilation))
    window = _window(name, n, tuple(input.shape[-n:]), *options, bool(ceil_mode))
    return _pick_max(input, n, window, return_indices)


def max_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
    return_indices: bool = False,
):  # fmt: skip
    """The largest number under each window.  input: (N, C, L) or (C, L) -> (N, C, L').

    stride: default kernel_size.  ceil_mode: windows may reach over the end.  return_indices: give
    also the positions, int64, in the flattened plane.  RuntimeError where sizes do not fit.
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
    return_indices: bool = False,
):  # fmt: skip
    """As `max_pool1d`, on images.  input: (N, C, H, W) or (C, H, W) -> (N, C, H', W')."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
    return_indices: bool = False,
):  # fmt: skip
    """As `max_pool1d`, on volumes.  input: (N, C, D, H, W) or (C, D, H, W)."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---------------------------------------------------------------- mean and power pooling
def _check_floating(name, input):
    if not is_floating(input.dtype):
        raise RuntimeError(f"{name}: expected a floating input, got {input.dtype}")


def _counts(window, include_pad):
    """Numbers under each window, with or without those of the padding (but none beyond it)."""
    counts = []
    for d, (size, before) in enumerate(zip(window.image, window.padding)):
        low, high = (-before, size + before) if include_pad else (0, size)
        counts.append(tuple(min(s.stop, high) - max(s.start, low) for s in window.spans(d)))
    return tuple(counts)


def _avg_pool(name, n, input, size, stride, padding, ceil_mode, include_pad, divisor=None):
    check_input(name, input, n)
    _check_floating(name, input)
    options = map(hashable, (size, stride, padding))
    window = _window(name, n, tuple(input.shape[-n:]), *options, 1, bool(ceil_mode))
    if divisor is None:
        counts = _counts(window, include_pad)
    elif divisor == 0:
        raise RuntimeError(f"{name}: divisor_override must not be 0")
    else:
        counts = tuple((divisor if d == 0 else 1,) * o for d, o in enumerate(window.out))
    x, restored = batched(input, n)
    return restored(pairs.avg_pool(x, window, counts))


def avg_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean under each window.  input: (N, C, L) or (C, L) -> (N, C, L').

    count_include_pad: zeros of the padding count.  RuntimeError where sizes do not fit.
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """As `avg_pool1d`, on images.  divisor_override: divide the sums by this instead."""
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def avg_pool3d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """As `avg_pool2d`, on volumes."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def _lp_pool(name, n, input, norm_type, size, stride, ceil_mode):
    mean = _avg_pool(name, n, input**norm_type, size, stride, 0, ceil_mode, True)
    # the mean may round below zero where norm_type is odd and the input negative
    total = mean.sign() * relu(mean.abs()) * prod(ints(name, "kernel_size", size, n, 1))
    return total ** (1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum of x ** norm_type) ** (1 / norm_type) under each window.  input: (N, C, L) or (C, L)."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """As `lp_pool1d`, on images."""
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """As `lp_pool1d`, on volumes."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# ---------------------------------------------------------------- adaptive pooling
def _bins(name, n, input, output_size):
    """The bins; a size of None is the image's."""
    check_input(name, input, n)
    image = tuple(input.shape[-n:])
    if isinstance(output_size, tuple | list) and len(output_size) == n:
        output_size = tuple(i if o is None else o for o, i in zip(output_size, image))
    elif output_size is None:
        output_size = image
    out = ints(name, "output_size", output_size, n, 0)
    if prod(out) >= 2**31:
        raise RuntimeError(f"{name}: output_size must have less than 2**31 elements, got {out}")
    return Bins(image, out)


def _adaptive_max_pool(name, n, input, output_size, return_indices):
    window = _bins(name, n, input, output_size)
    return _pick_max(input, n, window, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """The largest number of each of output_size bins.  input: (N, C, L) or (C, L) -> (N, C, L')."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """As `adaptive_max_pool1d`, on images; a size of None keeps the input's."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """As `adaptive_max_pool2d`, on volumes."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _adaptive_avg_pool(name, n, input, output_size):
    _check_floating(name, input)
    window = _bins(name, n, input, output_size)
    counts = tuple(tuple(map(len, window.spans(d))) for d in range(n))
    x, restored = batched(input, n)
    return restored(pairs.avg_pool(x, window, counts))


def adaptive_avg_pool1d(input: Tensor, output_size) -> Tensor:
    """The mean of each of output_size bins.  input: (N, C, L) or (C, L) -> (N, C, L')."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """As `adaptive_avg_pool1d`, on images; a size of None keeps the input's."""
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """As `adaptive_avg_pool2d`, on volumes."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


# ---------------------------------------------------------------- unpooling
def _max_unpool(name, n, input, indices, size, stride, padding, output_size):
    check_input(name, input, n)
    if indices.dtype.name != "int64":
        raise RuntimeError(f"{name}: indices must be int64, got {indices.dtype}")
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"{name}: indices must have the input's shape {tuple(input.shape)}, got {tuple(indices.shape)}"
        )
    size = ints(name, "kernel_size", size, n, 1)
    stride = size if stride is None or stride == [] else ints(name, "stride", stride, n, 1)
    padding = ints(name, "padding", padding, n, 0)
    natural = tuple((i - 1) * s - 2 * p + k for i, s, p, k in zip(input.shape[-n:], stride, padding, size))
    plane = natural
    if output_size is not None:
        given = tuple(output_size)
        plane = tuple(given[-n:])
        if len(given) not in (n, n + 2) and len(given) != input.ndim:
            raise ValueError(f"{name}: output_size must be {n} or {n + 2} sizes, got {given}")
        if any(abs(o - i) >= s for o, i, s in zip(plane, natural, stride)):
            raise ValueError(f"{name}: output_size {plane} is not within the stride {stride} of {natural}")
    if min(plane) < 1:
        raise RuntimeError(f"{name}: the output would have size {plane}; use less padding {padding}")
    check_count(name, plane)
    # Reading back would stop a GPU. Without sign, negative numbers are large: one pass finds both.
    if indices.numel() and indices.device.type == "cpu" and indices.array.view("uint64").max() >= prod(plane):
        low, high = indices.min().item(), indices.max().item()
        raise RuntimeError(
            f"{name}: indices must lie in [0, {prod(plane) - 1}] for output_size {plane}, got "
            f"{low if low < 0 else high}"
        )
    x, restored = batched(input, n)
    return restored(pairs.max_unpool(x, batched(indices, n)[0], plane))


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Each number put where max pooling found it, zeros elsewhere.  input, indices: (N, C, L) or
    (C, L) -> (N, C, L').

    output_size: L' where pooling left it open.  RuntimeError for an index outside.
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """As `max_unpool1d`, on images."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """As `max_unpool1d`, on volumes."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
