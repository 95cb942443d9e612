"""What wrappers of kernels share: types, memory in order, tables on the device."""

from __future__ import annotations

import functools
from collections.abc import Callable

from . import recording
from .source import NAMES

NARROW = ("float16", "bfloat16")
FLOATS = ("float32", "float64", *NARROW)
# of an array's type the name in CUDA, and that of the type in which its numbers are added up
WIDE = {"float": "float", "double": "double", "__half": "float", "__nv_bfloat16": "float"}


def served(*arrays) -> bool:
    """Whether these, of which some may be None, are floating and of one type."""
    names = {a.dtype.name for a in arrays if a is not None}
    return len(names) == 1 and names <= set(FLOATS)


def instance(name: str, x, *types: str) -> str:
    """The kernel `name` for arrays like x: name<T, A, types...>, sums in A."""
    kind = NAMES[x.dtype.name]
    return f"{name}<{', '.join((kind, WIDE[kind], *types))}>"


def instances(name: str, *types: str) -> list[str]:
    """All of them: those for every floating type."""
    return [f"{name}<{', '.join((kind, wide, *types))}>" for kind, wide in WIDE.items()]


def wide(x) -> str:
    """NumPy's name of the type in which numbers of x are added up."""
    return "float64" if x.dtype.name == "float64" else "float32"


def lanes(x) -> int:
    """Numbers of x in 16 bytes."""
    return 16 // x.dtype.itemsize


def plain(x):
    """x in C order."""
    return x if x.flags.c_contiguous else x.copy()


def upload(backend, a):
    """An array of NumPy's on the device, also while a graph is captured."""
    step = recording.now.step
    return step.runtime.upload(a) if step is not None and step.capturing else backend.xp.asarray(a)


def keep(a):
    """The array `a` of a cache, for as long as the graph, if one is captured, that reads it."""
    if recording.now.step is not None:
        recording.now.step.kept.append(a)
    return a


def table(backend, make: Callable, *arguments):
    """make(*arguments), an array of NumPy's, on the device; kept for the next call."""
    return keep(_table(backend, make, *arguments))


@functools.lru_cache(maxsize=256)
def _table(backend, make, *arguments):
    return upload(backend, make(*arguments))
