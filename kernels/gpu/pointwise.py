"""Elementwise functions and their gradients, each one pass: csrc/pointwise.cu around the formulas of ../formulas.py.

What is one function of CuPy's (add, exp, ...) has no kernel here: CuPy makes one pass of it itself.
"""

import ast

from ..formulas import TABLE, kernels_of
from .arrays import instance, instances, lanes, plain, served
from .launch import backend_of, elementwise
from .source import Source

SINGLE = {"add", "sub", "mul", "true_divide", "neg", "abs", "square", "sqrt", "exp", "log", "erf", "tanh"}
NAMES = [name for name in TABLE if name not in SINGLE]
LOOPS = {1: "of_one", 2: "of_two", 3: "of_three"}  # by the number of arrays


class _Typed(ast.NodeTransformer):
    def visit_Constant(self, node):
        return ast.parse(f"A({float(node.value)!r})", mode="eval").body

    def visit_Name(self, node):
        node.id = {"abs": "fabs"}.get(node.id, node.id)
        return node


def _struct(name):
    """A line of the table as a struct of C++."""
    arrays, constants, text = TABLE[name]
    takes = arrays.split() + (constants.split() + ["", "", ""])[:3]
    formula = ast.unparse(_Typed().visit(ast.parse(text, mode="eval")))
    parameters = ", ".join(f"A {p}".rstrip() for p in takes)
    return (
        f"struct {name}_f {{\n  template <typename A>\n"
        f"  __device__ static A of({parameters}) {{\n    return {formula};\n  }}\n}};\n"
    )


def _loop(name):
    return LOOPS[len(TABLE[name][0].split())]


POINTWISE = Source(
    "pointwise.cu",
    *(i for name in NAMES for i in instances(_loop(name), f"{name}_f")),
    headers={"formulas.cuh": "".join(map(_struct, NAMES))},
)


def _serve(name, arrays, constants=()):
    """The table's function `name` of arrays of one shape; declines others."""
    x = arrays[0]
    if not all(getattr(a, "shape", None) == x.shape for a in arrays) or not served(*arrays):
        return NotImplemented
    y = backend_of(x).empty(x.shape, x.dtype)
    numbers = [*constants, 0, 0, 0][:3]
    call = instance(_loop(name), x, f"{name}_f")
    elementwise(POINTWISE, call, y.size, *map(plain, arrays), y, *numbers, y.size, lanes=lanes(x))
    return y


globals().update(kernels_of(_serve, NAMES))
