"""Loops around the formulas of pointwise.py, made at first use, and run in pieces on all threads.

A loop is compiled alone, in a tenth of a second, to a function with one signature for all; what shares the pieces out
among threads is compiled once and calls it by its address.
"""

import ast
from functools import cache
from math import sqrt

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from ..formulas import TABLE
from . import formula, vmath
from .jit import jit
from .microkernel import address
from .objects import place

CHUNK = 1 << 13  # elements in a piece, the same at every number of threads
LOOP = """
def {name}(operands, constants, begin, end):
    {pointers}
    {numbers}
    for i in range(begin, end):
        {elements}
        to[i] = {formula}
"""
FUNCTIONS = {**vars(vmath), "like": formula.like, "where": formula.where, "sqrt": sqrt}


def run(name, numbers, operands, constants):
    """operands[0] = the function `name` of the other operands, arrays of one size, and of the constants.

    numbers: bit i says that array i of the table is a number, the constant behind the others.
    """
    x = operands[0]
    _pieces(_compiled(name, numbers, x.dtype.char), np.array([*map(id, operands)]), np.array([*constants, 0.0]), x.size)


@cache
def _compiled(name, numbers, dtype):
    """The address of a compiled loop."""
    arrays, constants, text = TABLE[name]
    arrays, constants = arrays.split(), constants.split()
    constants += [a for i, a in enumerate(arrays) if numbers >> i & 1]
    arrays = [a for i, a in enumerate(arrays) if not numbers >> i & 1]
    entry = f"all_{name}_{numbers}" if numbers else f"all_{name}"
    typed = ast.unparse(formula.with_typed_numbers(ast.parse(text, mode="eval"), arrays[0]))
    source = LOOP.format(
        name=entry,
        pointers="; ".join(f"{a} = operands[{k}]" for k, a in enumerate(["to", *(f"all_{a}" for a in arrays)])),
        numbers="; ".join(f"{c} = like(to[begin], constants[{k}])" for k, c in enumerate(constants)) or "pass",
        elements="; ".join(f"{a} = all_{a}[i]" for a in arrays),
        formula=typed,
    )
    names = dict(FUNCTIONS, __name__=__name__)
    exec(compile(source, __file__, "exec"), names)
    number = types.float32 if dtype == "f" else types.float64
    pointers = types.CPointer(types.CPointer(number)), types.CPointer(types.float64)
    loop = jit(names[entry])
    loop.compile((*pointers, types.intp, types.intp))
    (made,) = loop.overloads.values()
    _alive.append(loop)
    return made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)


_alive = []  # what an address is taken of


@intrinsic
def _call(typingctx, function, operands, constants, begin, end):
    """Call the loop at the address `function`."""

    def codegen(context, builder, sig, args):
        where, *given = args
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in given])
        builder.call(builder.inttoptr(where, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(types.intp, operands, constants, types.intp, types.intp), codegen


@jit(parallel=True)
def _pieces(function, operands, constants, n):
    places = np.empty_like(operands)
    for k in range(len(operands)):
        places[k] = place(operands[k])
    for piece in prange((n + CHUNK - 1) // CHUNK):
        begin = piece * CHUNK
        _call(function, address(places, 0), address(constants, 0), begin, min(n, begin + CHUNK))
