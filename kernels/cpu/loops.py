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
from . import formula, narrow, vmath
from .arrays import plain
from .jit import jit
from .microkernel import address
from .objects import place


@intrinsic
def holds(typingctx, bools, i):
    """Whether the i-th of the bools that lie where `bools` points is true."""

    def codegen(context, builder, sig, args):
        bytes_ = builder.bitcast(args[0], ir.IntType(8).as_pointer())
        byte = builder.load(builder.gep(bytes_, [args[1]]))
        return builder.icmp_unsigned("!=", byte, ir.IntType(8)(0))

    return types.boolean(bools, i), codegen


CHUNK = 1 << 13  # elements in a piece, the same at every number of threads
SHORTEST = 8  # elements of a line
LOOP = """
def {name}(_operands, _constants, _begin, _end):
    {pointers}
    {numbers}
    {fixed}
    for _i in range(_begin, _end):
        {elements}
        {store}
"""  # its own names begin with _ or all_: those of the table's arrays and constants do not
FUNCTIONS = {**vars(formula), **vars(vmath), **vars(narrow), "sqrt": sqrt, "holds": holds}
READ = {
    "e": "{0} = all_{0}[_i]", "f": "{0} = all_{0}[0]", "y": "{0} = _to[_i]", "h": "{0} = half(all_{0}, _i)",
    "b": "{0} = bfloat(all_{0}, _i)", "d": "{0} = double(all_{0}, _i)",
}  # fmt: skip
READ_BOOL = {"e": "{0} = holds(all_{0}, _i)", "f": "{0} = holds(all_{0}, 0)"}
STORE = {
    "e": "_to[_i] = {0}", "h": "put_half(_to, _i, {0})", "b": "put_bfloat(_to, _i, {0})",
    "d": "put_double(_to, _i, {0})",
}  # fmt: skip


def run(name, kinds, operands, constants, stored="e"):
    """operands[0] = the function `name` of the other operands, arrays of one size, and of the constants.

    kinds: for each array of the table "e": it has elements, "f": it is fixed along a line, "y": it is operands[0]
    itself, "n": it is a number, which stands behind the constants; of a function computed in float32 also "h": it has
    elements of float16, "b": of bfloat16, "d": of float64.
    stored: "e", "h", "b" or "d", what operands[0] has.
    """
    x = operands[0]
    loop = _compiled(name, kinds, x.dtype.char if stored == "e" else "f", stored)
    _pieces(loop, np.array([*map(id, operands)]), np.array([*constants, 0.0], np.float64), x.size)
    return True


def run_in_lines(name, kinds, operands, constants):
    """As `run`, of arrays of any strides that broadcast to operands[0]: line by line of their last dimension.

    False, and nothing is done, where many lines are short: there NumPy is quicker.

    Dimensions that lie alike in all operands are taken together.  Along a line, an array has its elements side by side,
    or one for all of them.
    """
    x = operands[0]
    sizes, steps = merged(x.shape, [_repeated(a, x.ndim) for a in operands])
    if not all(step[-1] in (0, a.itemsize) and a.flags.aligned for a, step in zip(operands, steps)):
        operands = [x, *map(plain, operands[1:])]
        sizes, steps = merged(x.shape, [_repeated(a, x.ndim) for a in operands])
    if sizes[-1] < SHORTEST and len(sizes) > 1:
        return False
    fixed = iter(step[-1] == 0 for step in steps[1:])
    kinds = "".join("f" if kind == "e" and next(fixed) else kind for kind in kinds)
    loop = _compiled(name, kinds, x.dtype.char)
    ids = np.array([*map(id, operands)])
    _lines(loop, ids, np.array([*constants, 0.0], np.float64), np.array(sizes), np.array(steps))
    return True


def _repeated(a, ndim):
    """Bytes from one element of `a` to the next along each of `ndim` dimensions; 0 where it broadcasts."""
    return [0] * (ndim - a.ndim) + [0 if n == 1 else s for n, s in zip(a.shape, a.strides)]


def merged(shape, strides):
    """Sizes, and strides of each array, without dimensions of size 1, and with those as one that lie alike in all."""
    sizes, steps = [], [[] for _ in strides]
    for n, *here in zip(shape, *strides):
        if n == 1:
            continue
        if sizes and all(step[-1] == s * n for step, s in zip(steps, here)):
            sizes[-1] *= n
            for step, s in zip(steps, here):
                step[-1] = s
            continue
        sizes.append(n)
        for step, s in zip(steps, here):
            step.append(s)
    return (sizes, steps) if sizes else ([1], [[0] for _ in strides])


@cache
def _compiled(name, kinds, dtype, stored="e"):
    """The address of a compiled loop."""
    entry, source = _written(name, kinds, stored)
    names = dict(FUNCTIONS, __name__=__name__)
    exec(compile(source, __file__, "exec"), names)
    number = types.float32 if dtype == "f" else types.float64
    loop = jit(names[entry])
    loop.compile((types.CPointer(types.CPointer(number)), types.CPointer(types.float64), types.intp, types.intp))
    (made,) = loop.overloads.values()
    _alive.append(loop)
    return made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)


def _written(name, kinds, stored):
    """A loop's name and source."""
    arrays, constants, text = TABLE[name]
    arrays, constants = arrays.split(), constants.split()
    constants += [a for a, kind in zip(arrays, kinds) if kind == "n"]
    given = [(a, kind) for a, kind in zip(arrays, kinds) if kind != "n"]
    pointers = ["_to", *(f"all_{a}" for a, kind in given if kind != "y")]
    reads = [(kind, (READ_BOOL if a == "condition" else READ)[kind].format(a)) for a, kind in given]
    like = next(a for a in (*arrays, *constants) if a != "condition")
    entry = f"all_{name}" if {*kinds, stored} == {"e"} else f"all_{name}_{kinds}_{stored}"
    result = ast.unparse(formula.with_typed_numbers(ast.parse(text, mode="eval"), like))
    return entry, LOOP.format(
        name=entry,
        pointers="; ".join(f"{a} = _operands[{k}]" for k, a in enumerate(pointers)),
        numbers="; ".join(f"{c} = like(_to[_begin], _constants[{k}])" for k, c in enumerate(constants)) or "pass",
        fixed="; ".join(read for kind, read in reads if kind == "f") or "pass",
        elements="; ".join(read for kind, read in reads if kind != "f") or "pass",
        store=STORE[stored].format(result),
    )


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


@jit(parallel=True)
def _lines(function, operands, constants, sizes, steps):
    """steps[k, d]: bytes from one element of operand k to the next along dimension d.  A piece is some lines, or a part
    of one."""
    last, n, lines = len(sizes) - 1, sizes[-1], 1
    for d in range(last):
        lines *= sizes[d]
    parts, group = (n + CHUNK - 1) // CHUNK, max(1, CHUNK // n)
    for piece in prange((lines + group - 1) // group * parts):
        places = np.empty(len(operands), np.intp)
        first, begin = piece // parts * group, piece % parts * CHUNK
        for line in range(first, min(lines, first + group)):
            for k in range(len(operands)):
                where, rest = place(operands[k]), line
                for d in range(last - 1, 0, -1):
                    where += rest % sizes[d] * steps[k, d]
                    rest //= sizes[d]
                places[k] = where + (rest * steps[k, 0] if last else 0)
            _call(function, address(places, 0), address(constants, 0), begin, min(n, begin + CHUNK))
