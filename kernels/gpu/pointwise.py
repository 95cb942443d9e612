"""Elementwise functions and their gradients, each one pass: csrc/pointwise.cu around the formulas of ../formulas.py.

What is one function of CuPy's (add, exp, ...) has a kernel for narrow types only: of float32 CuPy makes one pass
itself, of these it would take three, to float32 and back, or round a number that stands beside the array.
"""

import ast

import numpy as np

from ..formulas import TABLE, kernels_of
from .arrays import NARROW, WIDE, instance, instances, lanes, plain, served
from .launch import backend_of, elementwise
from .source import NAMES as TYPES
from .source import Source

TWO = ("add", "sub", "mul", "true_divide")
SINGLE = (*TWO, "square", "sqrt", "exp", "log", "erf", "tanh")
# what rounds nothing, for which CuPy's own functions will do, and powers, which are one of them
CUPYS = (
    *("itself", "neg", "abs", "sign", "floor", "ceil", "trunc", "fmod", "remainder", "maximum", "minimum", "where"),
    *("reciprocal", "cube"),
)
NAMES = [name for name in TABLE if name not in (*SINGLE, *CUPYS)]
LOOPS = {1: "of_one", 2: "of_two", 3: "of_three"}  # by the number of arrays
# where one of two arguments is a number: an array, the number, and the formula
NUMBER = {f"{name}_{side}": (*takes, TABLE[name][2]) for name in TWO
          for side, takes in (("number", ("x", "other")), ("from", ("other", "x")))}  # fmt: skip
FORMULAS = TABLE | NUMBER


class _Typed(ast.NodeTransformer):
    def visit_Constant(self, node):
        return ast.parse(f"A({float(node.value)!r})", mode="eval").body

    def visit_Name(self, node):
        node.id = {"abs": "fabs"}.get(node.id, node.id)
        return node


def _struct(name):
    """A line of the table as a struct of C++."""
    arrays, constants, text = FORMULAS[name]
    takes = arrays.split() + (constants.split() + ["", "", ""])[:3]
    formula = ast.unparse(_Typed().visit(ast.parse(text, mode="eval")))
    parameters = ", ".join(f"A {p}".rstrip() for p in takes)
    return (
        f"struct {name}_f {{\n  template <typename A>\n"
        f"  __device__ static A of({parameters}) {{\n    return {formula};\n  }}\n}};\n"
    )


def _loop(name):
    return LOOPS[len(FORMULAS[name][0].split())]


_OF_NARROW = (*SINGLE, *NUMBER)
POINTWISE = Source(
    "pointwise.cu",
    *(i for name in NAMES for i in instances(_loop(name), f"{name}_f")),
    *(f"{_loop(name)}<{TYPES[t]}, {WIDE[TYPES[t]]}, {name}_f>" for name in _OF_NARROW for t in NARROW),
    headers={"formulas.cuh": "".join(map(_struct, (*NAMES, *_OF_NARROW)))},
)


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays of one shape; declines others."""
    x = arrays[0]
    if not all(isinstance(a, type(x)) and a.shape == x.shape for a in arrays) or not served(*arrays):
        return NotImplemented
    y = backend_of(x).empty(x.shape, x.dtype)
    numbers = [*constants, 0, 0, 0][:3]
    call = instance(_loop(name), x, f"{name}_f")
    elementwise(POINTWISE, call, y.size, *map(plain, arrays), y, *numbers, y.size, lanes=lanes(x))
    return y


def _serve_narrow(name, arrays, constants=()):
    """As `_serve`, of narrow arrays, one of two of which may be a number; declines others."""
    numbers = [a for a in arrays if isinstance(a, np.generic)]
    if numbers:
        name = f"{name}_from" if numbers[0] is arrays[0] else f"{name}_number"
        arrays = [a for a in arrays if not isinstance(a, np.generic)]
    if len(numbers) > 1 or arrays[0].dtype.name not in NARROW:
        return NotImplemented
    return _serve(name, arrays, [float(number) for number in numbers])


globals().update(kernels_of(_serve, NAMES))
globals().update({name: kernel for name, kernel in kernels_of(_serve_narrow, SINGLE).items() if name in SINGLE})


def add(x, other, alpha=1):
    return _serve_narrow("add", (x, other)) if alpha == 1 else _serve("add_scaled", (x, other), (alpha,))


def sub(x, other, alpha=1):
    return _serve_narrow("sub", (x, other)) if alpha == 1 else _serve("add_scaled", (x, other), (-alpha,))
