"""The table of samples: for every declared operation inputs that are good, and a judge of its results.

DECLARED        the names of all operations
SAMPLES[name]   [Sample, ...]
EVERY           (name, sample) as parameters of a test
oracle_of(name) a function of NumPy's arrays; PyTorch's of the same name where none is given
REFUSES[name]   [(arguments, keywords, part of the message)] of public functions
"""

import importlib
import pkgutil

import pytest

import tinydl.ops
import tinydl.special  # its operations are declared when it is first needed
from tinydl.autograd.graph import OPS

from . import elementwise, networks, reductions, shapes
from .make import Sample, same_name
from .refusals import REFUSES

_FAMILIES = (elementwise, shapes, reductions, networks)
SAMPLES: dict[str, list[Sample]] = {name: s for family in _FAMILIES for name, s in family.SAMPLES.items()}
_ORACLES = {name: f for family in _FAMILIES for name, f in family.ORACLES.items()}


def _declared() -> list[str]:
    """The operations of the package; tests declare some of their own."""
    for module in pkgutil.iter_modules(tinydl.ops.__path__, "tinydl.ops."):
        importlib.import_module(module.name)
    return [name for name, f in OPS.items() if f.op.body.__module__.startswith("tinydl.")]


def oracle_of(name: str):
    """The judge of the operation `name`."""
    return _ORACLES.get(name) or same_name(name)


DECLARED = _declared()
EVERY = [pytest.param(name, s, id=f"{name}-{i}") for name in sorted(SAMPLES) for i, s in enumerate(SAMPLES[name])]
