"""Shapes as kernels see them: dimensions that lie together as one."""

from math import prod

NARROW = 8  # planes (N, C, *) of fewer numbers are joined, channels first


def three(shape, kept):
    """(A, K, B) if dimensions are summed, kept, summed, any of these of none; else None."""
    runs = []
    for n, k in zip(shape, kept):
        if n == 1:
            continue
        if runs and runs[-1][0] == (k == n):
            runs[-1][1] *= n
        else:
            runs.append([k == n, n])
    if runs and runs[0][0]:
        runs.insert(0, [False, 1])
    sizes = [n for _, n in runs]
    return (*sizes, *[1] * (3 - len(sizes))) if len(sizes) <= 3 else None


def around(shape, dim):
    """(A, n, B): the sizes of the dimensions before `dim`, of `dim`, and of those behind it."""
    return prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])


def joined(x):
    """x (N, C, *) with its channels first where planes are narrow; a view."""
    return x if prod(x.shape[2:]) >= NARROW else x.swapaxes(0, 1)


def apart(y, shape):
    """`joined` undone: the view of y that has this shape."""
    if prod(shape[2:]) >= NARROW:
        return y.reshape(shape)
    return y.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)


def only(needed, *gradients):
    """The gradients that are needed, None for the others."""
    return tuple(g if n else None for g, n in zip(gradients, needed))
