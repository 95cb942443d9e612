"""Operands of every CPU kernel: those of the samples that it must serve, and sizes that leave remainders everywhere.

CASES[name]   [Sample, ...]
"""

from math import prod

import numpy as np
from samples import SAMPLES
from samples.make import Sample, integers, normal, positive
from samples_conv_pool import window

from tinydl.kernels import cpu
from tinydl.ops.window import Bins
from tinydl.optim.update import UPDATES

# (window, N, C, O)
ODD_CONVS = [
    (window((17, 13), (3, 3), padding=1), 3, 37, 31),
    (window((1, 1), (1, 1)), 17, 3, 5),
    (window((23,), (4,), stride=3, padding=2, dilation=2, groups=2), 3, 4, 6),
    (window((7, 7), (7, 7)), 1, 1, 1),
    (window((3, 4), (3, 4)), 5, 37, 33),
    (window((9, 11), (1, 1)), 3, 37, 31),
    (window((17, 13), (1, 1), stride=2, padding=1), 3, 5, 17),
    (window((5, 5), (3, 3), padding=1, groups=5), 2, 5, 5),
    (window((21, 19), (3, 3), padding=1), 7, 35, 37),
    (window((7, 9), (5, 3), stride=2, padding=1, groups=3), 2, 3, 6),
    (window((9, 17), (3, 3), padding=1), 3, 17, 35),
    (window((10, 14), (4, 4), stride=2, padding=1), 3, 17, 35),
    (window((3, 9, 7), (2, 3, 3), padding=1), 2, 16, 17),
    (window((31, 29), (2, 2), stride=2), 1, 3, 15),
    (window((3, 4, 5), (2, 1, 3), padding=1), 2, 2, 3),
    (window((2, 37), (1, 5), padding=2), 1, 1, 17),
    (window((11, 10), (5, 3), stride=2, padding=2), 61, 3, 7),
    (window((14, 14), (5, 5)), 61, 5, 17),
]


def convolutions(w, N, C, O):
    """The operands of the three kernels for one window."""
    x, u = normal(N, C, *w.image), normal(N, O, *w.out)
    weight = normal(O, C // w.groups, *w.size)
    return {
        "conv": Sample(x, weight, normal(O), window=w),
        "conv_transpose": Sample(u, weight, normal(C), window=w),
        "conv_weight": Sample(x, u, window=w),
    }


# Updates of optimizers write into lists of arrays: test_optim_kernels.py asks the same of them.
CASES = {name: [s for s in SAMPLES.get(name, []) if s.kernel] for name in cpu.KERNELS if name not in UPDATES}
for case in ODD_CONVS:
    for name, sample in convolutions(*case).items():
        CASES[name].append(sample)
CASES["matmul"] += [
    Sample(normal(67, 61), normal(61, 131)),
    Sample(normal(3, 47, 83), normal(3, 83, 89)),
    Sample(normal(5, 31, 83), normal(83, 107)),
    Sample(normal(601, 600), normal(600, 1)),
    Sample(normal(300, 600), normal(600, 131)),
]
CASES["linear"] += [Sample(normal(5, 67, 600), normal(131, 600), b) for b in (None, normal(131), normal())]
for m, k in ((131, 600), (601, 5), (5, 601)):
    CASES["linear_grad"].append(Sample(normal(5, 67, m), normal(5, 67, k), normal(m, k)))
# lines, turned planes with and without remainders, short turned lines
for x in (
    normal(4, 9, 521), normal(1013, 67).T, normal(3, 67, 2, 53).transpose(0, 3, 1, 2), normal(9, 64, 128).mT,
    normal(31, 7, 2, 61).transpose(0, 1, 3, 2), normal(31, 7, 61, 2).transpose(0, 3, 1, 2),
):  # fmt: skip
    CASES["clone"].append(Sample(x))
    CASES["reshape"] += [Sample(x, (-1,))] * (not x.flags.c_contiguous)
CASES["broadcast"] += [Sample(normal(1, 67, 1, 53), (9, 67, 3, 53)), Sample(normal(67, 1, 61).T, (61, 7, 67))]
CASES["dropout"] += [Sample(normal(n), 0.3, 5, 7) for n in (1, 4099)]
for kind in ("bits", "uniform", "normal"):
    CASES[f"philox_{kind}"] += [Sample(normal(n), 5, 7) for n in (1, 4099)]


def recurrent(kind, gates, first, last, extra, tail=()):
    """A layer and its gradient of 17 sequences, some shorter: 35 hidden units leave remainders of strips and tiles."""
    (N, D, H), sizes = (17, 5, 35), (17, 16, 3)
    rows = sum(sizes)
    states = [normal(N, H) for _ in range(1 + (kind == "lstm"))]
    weights = normal(gates * H, D), normal(gates * H, H), normal(gates * H), None
    constants = [*tail, sizes, True]
    hidden = [normal(rows, gates * H), *(normal(rows, H) for _ in range(1 + extra))]
    given = [normal(rows, D), *states, *weights, *first, *constants]
    g = [normal(rows, H), *(normal(N, H) for _ in states)]
    return {kind: Sample(*given), f"{kind}_grad": Sample(g, *given, *hidden, (True,) * (6 + last))}


for parts in (("rnn", 1, [], 0, 0, ["tanh"]), ("gru", 3, [], 0, 1), ("lstm", 4, [None], 2, 1)):
    for name, sample in recurrent(*parts).items():
        CASES[name].append(sample)
for causal, mask in ((False, normal(2, 1, 37, 45)), (True, None)):
    given = normal(2, 3, 37, 9), normal(2, 3, 45, 9), normal(2, 3, 45, 35), mask, causal, 0.3
    CASES["attention"].append(Sample(*given))
    grad = Sample(normal(2, 3, 37, 35), *given, normal(6, 37, 2), (True, True, True, False))
    CASES["attention_grad"].append(grad)


x, index, weight = normal(2, 17, 31), integers(31, 2, 4, 37), normal(2, 4, 37)
CASES["blend_grad"].append(Sample(normal(2, 17, 37), x, index, weight, (True, False, True)))

CASES["huber_grad"] = [Sample(*[normal(32_771) for _ in range(3)], 0.4, (True, True))]
PAIR, WIDTH = (-0.5, 0.7), (0.5,)
for n, args in {
    "silu": (), "mish": (), "gelu": ("tanh",), "threshold": PAIR, "hardshrink": WIDTH,
    "softshrink": WIDTH, "hardsigmoid": (), "hardswish": (),
}.items():  # fmt: skip
    CASES[f"{n}_grad"] = [Sample(normal(32_771), normal(32_771), *args, (True,))]


def normalisations():
    """Sizes that leave remainders, planes of one number, and none of weight and bias."""
    for shape, w in (((3, 10, 7, 3), normal(10)), ((67, 46), None)):
        C, x, g, both = shape[1], normal(*shape), normal(*shape), (True, True, True)
        groups = shape[0] * 2
        yield "batch_norm", Sample(x, w, w, 1e-5)
        yield "batch_norm_grad", Sample([g, None, None], x, w, w, 1e-5, normal(C), positive(C), both)
        yield "group_norm", Sample(x, w, w, 2, 1e-5)
        yield "group_norm_grad", Sample(g, x, w, w, 2, 1e-5, normal(groups), positive(groups), both)
    for shape, w in (((5, 7, 33), normal(7, 33)), ((5, 1, 1), None)):
        x, g, mean, scale = normal(*shape), normal(*shape), normal(shape[0]), positive(shape[0])
        yield "layer_norm", Sample(x, w, w, 2, 1e-5)
        yield "layer_norm_grad", Sample(g, x, w, w, 2, 1e-5, mean, scale, (True, True, True))
        yield "rms_norm", Sample(x, w, 2, 1e-5)
        yield "rms_norm_grad", Sample(g, x, w, 2, 1e-5, scale, (True, True))
    x, w = normal(3, 5, 7, 3), normal(5, 1, 1)
    yield "affine", Sample(x, w, w)
    yield "affine_grad", Sample(normal(3, 5, 7, 3), x, w)
    for shape, to in (((5, 6561), ()), ((3, 5, 2203), (5, 1)), ((131, 257), (257,)), ((257, 131), (257, 1))):
        yield "sum_to", Sample(normal(*shape), to)
        if to:
            kept = (1,) * (len(shape) - len(to)) + to
            yield "vector_norm", Sample(normal(*shape), 2.0, tuple(d for d, n in enumerate(kept) if n == 1))
    places = np.array([[0, 4, 2, 2, 1, 0, 4], [1, 3, 2, 0, 0, 3, 4]])
    for dim in (1, 2):
        yield "resample", Sample(normal(3, 5, 5), places, normal(2, 7), dim)
        yield "resample_adjoint", Sample(normal(3, 7, 7), places[:1], None, dim, 6)


for name, sample in normalisations():
    CASES[name].append(sample)


def pools():
    """Rows longer than a vector, in phases that leave remainders; bins of unequal sizes; one window of all."""
    regular = window((5, 37), (3, 3), stride=2, padding=1), window((4, 41), (2, 5), stride=3, padding=1)
    for w in (*regular, Bins((9, 37), (4, 7)), Bins((6, 40), (3, 4)), Bins((9, 37), (1, 1))):
        x, g, places = normal(3, 11, *w.image), normal(3, 11, *w.out), integers(prod(w.image), 3, 11, *w.out)
        counts = tuple(tuple(map(len, w.spans(d))) for d in range(2))
        yield from ((name, Sample(x, window=w)) for name in ("max_pool", "max_pool_winners"))
        yield "avg_pool", Sample(x, window=w, counts=counts)
        yield "avg_pool_spread", Sample(g, window=w, counts=counts)
        yield "max_pool_gather", Sample(x, places)
        yield "max_pool_scatter", Sample(g, places, image=w.image)
        yield "max_unpool", Sample(g, places, plane=w.image)


def classes():
    """Short rows, several jobs of them."""
    x = normal(1501, 7)
    for name in ("softmax", "log_softmax"):
        yield name, Sample(x, dim=-1)
        yield f"{name}_slope", Sample(x, positive(1501, 7), dim=1)
    yield "cross_entropy", Sample(x, integers(7, 1501), None, 5, "mean", 0.0)


for name, sample in (*pools(), *classes()):
    CASES[name].append(sample)

for kind, shape in (("mean", ()), ("sum", ()), ("none", (33,))):
    given = normal(*shape), normal(33, 257), integers(257, 33), None, 5, kind
    CASES["cross_entropy_grad"].append(Sample(*given, 0.0, (True, False, False)))
    CASES["nll_loss_grad"].append(Sample(*given, (True, False, False)))


def every_case():
    return [(name, sample) for name in CASES for sample in CASES[name]]


def operands(sample, dtype):
    """The sample's arguments, floating arrays in `dtype`."""
    return sample.map(lambda a: np.asarray(a, dtype if a.dtype.kind == "f" else None))


def call(name, sample, args):
    """The outputs of the kernel, which must serve."""
    out = cpu.load(name)(*args, **sample.constants)
    assert out is not NotImplemented, f"{name} declines {[getattr(a, 'shape', a) for a in args]}"
    return list(out) if isinstance(out, tuple | list) else [out]
