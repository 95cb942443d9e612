"""Operands of every CPU kernel: those of the samples that it must serve, and sizes that leave remainders everywhere.

CASES[name]   [Sample, ...]
"""

import numpy as np
from samples import SAMPLES
from samples.make import Sample, normal
from samples_conv_pool import window

from tinydl.kernels import cpu
from tinydl.optim.update import UPDATES

# (window, N, C, O)
ODD_CONVS = [
    (window((17, 13), (3, 3), padding=1), 3, 37, 31),
    (window((1, 1), (1, 1)), 17, 3, 5),
    (window((23,), (4,), stride=3, padding=2, dilation=2, groups=2), 3, 4, 6),
    (window((7, 7), (7, 7)), 1, 1, 1),
    (window((5, 5), (3, 3), padding=1, groups=5), 2, 5, 5),
    (window((31, 29), (2, 2), stride=2), 1, 3, 15),
    (window((3, 4, 5), (2, 1, 3), padding=1), 2, 2, 3),
    (window((2, 37), (1, 5), padding=2), 1, 1, 17),
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
]
CASES["dropout"] += [Sample(normal(n), 0.3, 5, 7) for n in (1, 4099)]
for kind in ("bits", "uniform", "normal"):
    CASES[f"philox_{kind}"] += [Sample(normal(n), 5, 7) for n in (1, 4099)]


def every_case():
    return [(name, sample) for name in CASES for sample in CASES[name]]


def operands(sample, dtype):
    """The sample's arguments, floating arrays in `dtype`."""
    return sample.map(lambda a: np.ascontiguousarray(a, dtype if a.dtype.kind == "f" else None))


def call(name, sample, args):
    """The outputs of the kernel, which must serve."""
    out = cpu.load(name)(*args, **sample.constants)
    assert out is not NotImplemented, f"{name} declines {[getattr(a, 'shape', a) for a in args]}"
    return list(out) if isinstance(out, tuple) else [out]
