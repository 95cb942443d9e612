"""What wrappers of kernels share: types, memory in order, tables on the device."""

from __future__ import annotations

import functools
from collections.abc import Callable

from .source import NAMES

FLOATS = ("float32", "float64", "float16")
# of an array's type the name in CUDA, and that of the type in which its numbers are added up
WIDE = {"float": "float", "double": "double", "__half": "float"}


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


@functools.lru_cache(maxsize=256)
def table(backend, make: Callable, *arguments):
    """make(*arguments), an array of NumPy's, on the device; kept for the next call."""
    return backend.xp.asarray(make(*arguments))
