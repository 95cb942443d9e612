"""Images as columns of what lies under a window, and back: unfold and fold.

<im2col(x), g> = <x, col2im(g)>: each is the other's gradient.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from ..autograd.engine import Array, op
from ..tensor import Tensor
from .window import Window, batched, check_input, hashable, ints


@op
def im2col(xp, x: Array, window):
    """x: (N, C, *image) -> (N, C * taps, outputs): the inputs under each window as a column."""
    image = xp.pad(x, [(0, 0), (0, 0), *window.padded()])
    N, C = x.shape[:2]
    columns = xp.empty((N, C, prod(window.size), prod(window.out)), x.dtype)
    for t, (_, at) in enumerate(window.reads()):
        columns[:, :, t] = image[(..., *at)].reshape(N, C, columns.shape[3])
    return columns.reshape(N, C * columns.shape[2], columns.shape[3])


@op
def col2im(xp, columns: Array, window):
    """columns: (N, C * taps, outputs) -> (N, C, *image): the columns added up where they came from."""
    N, T, widths = columns.shape[0], prod(window.size), window.padded()
    C = columns.shape[1] // T
    x = xp.zeros((N, C, *(a + n + b for n, (a, b) in zip(window.image, widths))), columns.dtype)
    columns = columns.reshape(N, C, T, *window.out)
    for t, (_, at) in enumerate(window.reads()):
        x[(..., *at)] += columns[:, :, t]
    inner = [slice(a, a + n) for n, (a, _) in zip(window.image, widths)]
    return xp.ascontiguousarray(x[(..., *inner)])


im2col.grads(lambda g, window: col2im(g, window))
col2im.grads(lambda g, window: im2col(g, window))


@lru_cache(maxsize=256)
def _window(name, image, size, dilation, padding, stride):
    size = ints(name, "kernel_size", size, 2, 1)
    dilation = ints(name, "dilation", dilation, 2, 1)
    padding = ints(name, "padding", padding, 2, 0)
    stride = ints(name, "stride", stride, 2, 1)
    out = tuple((i + 2 * p - r * (k - 1) - 1) // s + 1 for i, p, r, k, s in zip(image, padding, dilation, size, stride))
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: the kernel {size} with dilation {dilation} is larger than the image {image} "
            f"with padding {padding}"
        )
    return Window(size, stride, padding, dilation, 1, image, out).countable(name)


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The inputs under each window as a column.  input: (N, C, H, W) or (C, H, W) ->
    (N, C * kH * kW, L), L the number of windows.
    """
    check_input("unfold", input, 2)
    options = map(hashable, (kernel_size, dilation, padding, stride))
    window = _window("unfold", tuple(input.shape[-2:]), *options)
    x, restored = batched(input, 2)
    return restored(im2col(x, window))


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The adjoint of `unfold`: columns added up to images.  input: (N, C * kH * kW, L) or
    (C * kH * kW, L) -> (N, C, *output_size).
    """
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(f"fold: expected an input (N, C * taps, L) or (C * taps, L), got {tuple(input.shape)}")
    image = ints("fold", "output_size", output_size, 2, 1)
    window = _window("fold", image, *map(hashable, (kernel_size, dilation, padding, stride)))
    T, L = prod(window.size), prod(window.out)
    if input.shape[-2] % T or input.shape[-1] != L:
        raise RuntimeError(
            f"fold: expected (C * {T}, {L}) numbers for output_size {image}, got shape {tuple(input.shape)}"
        )
    columns, restored = batched(input, 1)
    return restored(col2im(columns, window))
