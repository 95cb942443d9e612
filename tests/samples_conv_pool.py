"""Samples of the operations on windows: op -> [Sample], and calls that must be refused."""

from typing import NamedTuple

import numpy as np

from tinydl.kernels.cpu import jit
from tinydl.ops.window import Bins, Window


class Sample(NamedTuple):
    """Arrays (float64; integers are indices) and constants, in the op's order."""

    arrays: tuple
    constants: dict
    served: bool = True  # by the CPU's kernel, in float32 and float64


def _normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def window(image, size, stride=1, padding=0, dilation=1, groups=1):
    """A window with the same options in each dimension."""
    n = len(image)
    stride, padding, dilation = ((v,) * n for v in (stride, padding, dilation))
    out = tuple((i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in zip(image, size, stride, padding, dilation))
    return Window(size, stride, padding, dilation, groups, image, out)


def same_bits_on_any_threads(family, w, operands):
    """The kernels of a family (name -> arguments) give the same bits on one thread, on two, and again."""
    before, results = jit.get_num_threads(), []
    try:
        for n in (1, 2, 2):
            jit.set_num_threads(n)
            results.append([getattr(family, name)(*args, window=w) for name, args in operands.items()])
    finally:
        jit.set_num_threads(before)
    for first, *others in zip(*results, strict=True):
        assert first is not NotImplemented
        for other in others:
            np.testing.assert_array_equal(first, other)


# (window, N, C, O)
CONVS = [
    (window((5,), (3,), padding=1), 2, 3, 2),
    (window((4, 5), (2, 3), stride=2, padding=1), 2, 2, 3),
    (window((5, 4), (2, 2), dilation=2, groups=2), 1, 4, 2),
    (window((2, 3, 4), (2, 1, 3), padding=1), 1, 2, 2),
    # 'same' of an even kernel: more zeros after than before
    (Window((4,), (1,), (1,), (1,), 1, (6,), (6,)), 2, 1, 2),
    (window((3, 3), (2, 2)), 0, 2, 2),
]
POOLS = [
    window((7,), (3,), stride=2, padding=1),
    window((4, 5), (2, 2)),
    window((5, 5), (3, 2), stride=2, padding=1),
    window((2, 3, 4), (2, 2, 2)),
    Bins((7, 4), (3, 5)),
]


def _counts(w):
    """Numbers under each window that lie inside of the image."""
    dims = range(len(w.image))
    return tuple(tuple(sum(0 <= i < w.image[d] for i in span) for span in w.spans(d)) for d in dims)


def _winners(w):
    """Positions that occur several times, and such that do not occur."""
    rng = np.random.default_rng(0)
    return rng.integers(0, np.prod(w.image), (2, 3, *w.out))


def _convs(*names, **constants):
    """Samples of the operands named, one for each of CONVS."""
    samples = []
    for w, N, C, O in CONVS:
        made = {
            "x": _normal(N, C, *w.image),
            "u": _normal(N, O, *w.out),
            "w": _normal(O, C // w.groups, *w.size),
            "b": _normal(O),
            "c": _normal(C),
            None: None,
        }
        samples.append(Sample(tuple(made[n] for n in names), {"window": w}))
    return samples


SAMPLES = {
    "conv": _convs("x", "w", None) + _convs("x", "w", "b"),
    "conv_transpose": _convs("u", "w", None) + _convs("u", "w", "c"),
    "conv_weight": _convs("x", "u"),
    "conv_bias": [Sample((_normal(2, 3, 4), _normal(2, 1, 3)), {}, served=False)],
    "im2col": [Sample((_normal(2, 2, *w.image),), {"window": w}, served=False) for w in POOLS[1:3]],
    "col2im": [
        Sample((_normal(2, 2 * np.prod(w.size), np.prod(w.out)),), {"window": w}, served=False) for w in POOLS[1:3]
    ],
    "max_pool": [Sample((_normal(2, 3, *w.image),), {"window": w}) for w in POOLS],
    "max_pool_winners": [Sample((_normal(2, 3, *w.image),), {"window": w}) for w in POOLS],
    "max_pool_gather": [Sample((_normal(2, 3, *w.image), _winners(w)), {"window": None}) for w in POOLS],
    "max_pool_scatter": [
        Sample((_normal(2, 3, *w.out), _winners(w)), {"image": w.image, "window": None}) for w in POOLS
    ],
    "max_unpool": [Sample((_normal(1, 2, 3), np.array([[[5, 0, 3], [1, 2, 4]]])), {"plane": (2, 3)})],
    "avg_pool": [Sample((_normal(2, 3, *w.image),), {"window": w, "counts": _counts(w)}) for w in POOLS],
    "avg_pool_spread": [Sample((_normal(2, 3, *w.out),), {"window": w, "counts": _counts(w)}) for w in POOLS],
}


# function -> [(arguments, keywords, part of the message)]; arrays stand for tensors
def _zeros(*shape):
    return np.zeros(shape, "float32")


REFUSES = {
    "conv2d": [
        ((_zeros(2, 3, 8, 8), _zeros(4, 5, 3, 3)), {},
         "conv2d: input has 3 channels, weight expects 5 (input (2, 3, 8, 8), weight (4, 5, 3, 3), groups=1)"),
        ((_zeros(2, 4, 8, 8), _zeros(3, 2, 3, 3)), {"groups": 2}, "must be a positive multiple of groups"),
        ((_zeros(2, 3, 2, 8), _zeros(4, 3, 3, 3)), {}, "the kernel (3, 3) with dilation (1, 1) is larger"),
        ((_zeros(2, 3, 8), _zeros(4, 3, 3)), {}, "expected an input of 3 or 4 dimensions and a weight of 4"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3), _zeros(3)), {}, "bias must have shape (4,), got (3,)"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3)), {"stride": 0}, "stride must be positive, got 0"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3)), {"stride": (1, 1, 1)}, "stride must be an int or 2 ints, got 3"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3)), {"padding": -1}, "padding must be at least 0, got -1"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3)), {"padding": "same", "stride": 2}, "padding='same' needs stride 1"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3)), {"padding": "full"}, "'valid' or 'same', got 'full'"),
        ((_zeros(1, 3, 8, 8), _zeros(4, 3, 3, 3).astype("d")), {}, "one dtype, got input float32, weight float64"),
        ((_zeros(1, 3, 8, 8), None), {}, "conv2d: weight must be a tensor, got NoneType"),
    ],
    "conv_transpose1d": [
        ((_zeros(2, 3, 8), _zeros(4, 5, 3)), {}, "input has 3 channels, weight expects 4"),
        ((_zeros(2, 4, 8), _zeros(4, 5, 3)), {"output_padding": 1}, "output_padding must be smaller than stride"),
        ((_zeros(2, 4, 1), _zeros(4, 5, 3)), {"padding": 2}, "use less padding"),
    ],
    "max_pool2d": [
        ((_zeros(2, 3, 8), 2), {"padding": 2}, "padding must be at most half of the kernel"),
        ((_zeros(8, 8), 2), {}, "expected an input (N, C, H, W) or (C, H, W), got shape (8, 8)"),
        ((_zeros(2, 0, 8, 8), 2), {}, "only the batch may be empty"),
        ((_zeros(2, 3, 8, 8), 9), {}, "the kernel (9, 9) with dilation (1, 1) is larger than the image (8, 8)"),
        ((_zeros(2, 3, 8, 8), 2.5), {}, "kernel_size must be an int or 2 ints, got 2.5"),
    ],
    "max_pool1d": [
        ((_zeros(2, 3, 4), 2), {"padding": 1, "dilation": 5}, "a window without any of the image"),
    ],
    "avg_pool2d": [
        ((_zeros(2, 3, 8, 8), 2), {"divisor_override": 0}, "divisor_override must not be 0"),
        ((np.zeros((2, 3, 8, 8), "int64"), 2), {}, "expected a floating input, got int64"),
    ],
    "adaptive_avg_pool2d": [
        ((_zeros(2, 3, 8, 8), (1, 2, 3)), {}, "output_size must be an int or 2 ints, got 3"),
    ],
    "max_unpool2d": [
        ((_zeros(1, 1, 2, 2), np.full((1, 1, 2, 2), 16), 2), {},
         "indices must lie in [0, 15] for output_size (4, 4), got 16"),
        ((_zeros(1, 1, 2, 2), np.zeros((1, 1, 2, 3), "int64"), 2), {}, "indices must have the input's shape"),
        ((_zeros(1, 1, 2, 2), _zeros(1, 1, 2, 2), 2), {}, "indices must be int64, got float32"),
        ((_zeros(1, 1, 2, 2), np.zeros((1, 1, 2, 2), "int64"), 2), {"output_size": (9, 9)}, "not within the stride"),
    ],
    "fold": [
        ((_zeros(1, 12, 7), (4, 5), 2), {}, "expected (C * 4, 12) numbers for output_size (4, 5)"),
    ],
}  # fmt: skip
