"""Loops of jobs on all threads, for functions that are compiled alone.

Numba takes most of a second for every loop with threads, and compiles what it calls three times over. So there is one
such loop for all, which calls a job's function by its address; the operands travel in two tables, of whole numbers
(for an array the object itself, and its shape) and of floats.
"""

import functools
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import carray, get_thread_id, prange, types
from numba.extending import intrinsic

from .jit import jit
from .microkernel import address
from .objects import place, pointer

NO_FLOATS = np.empty(0)
ENTRY = """
def {name}(j, thread, table, floats):
    function(j, {operands})
"""


def jobs(function: Callable | None = None, *, contract: bool = True) -> Callable:
    """`function(j, *operands)` as a function of (n, *operands) that runs it for all j < n; a single job on no thread.

    operands: arrays in C's order, whole numbers, floats, tuples of whole numbers.  contract: as of `jit`.
    A function(j, thread, *operands) is told the number of its thread, for scratch: Numba's get_thread_id ends a process
    that has started no threads.
    """
    if function is None:
        return functools.partial(jobs, contract=contract)
    compiled, addresses = jit(function, apart=True, contract=contract), {}

    @functools.wraps(function)
    def run(n, *operands):
        kinds, table, floats = [], [], []
        for a in operands:
            if a.__class__ is np.ndarray:
                kinds.append((a.dtype.char, a.ndim))
                table.append(id(a))
                table += a.shape
            elif a.__class__ is float:
                kinds.append(float)
                floats.append(a)
            elif a.__class__ is tuple:
                kinds.append(len(a))
                table += a
            else:
                kinds.append(int)
                table.append(a)
        kinds = tuple(kinds)
        where = addresses.get(kinds)
        if where is None:
            where = addresses[kinds] = _compiled(function, compiled, kinds)
        floats = np.array(floats) if floats else NO_FLOATS
        (_alone if n <= 1 else _shared)(where, np.array(table), floats, n)

    run.dispatcher = compiled.dispatcher
    return run


# ---------------------------------------------------------------- compiling
_alive = []  # what an address was taken of


def _compiled(function, compiled, kinds):
    """The address of a function that takes the operands from the tables."""
    names = {"function": compiled, "carray": carray, "pointer": pointer, "place": place}
    operands, at, floats = ["thread"] * ("thread" in function.__code__.co_varnames[1:2]), 0, 0
    for kind in kinds:
        if kind is float:
            operands.append(f"floats[{floats}]")
            floats += 1
        elif kind is int:
            operands.append(f"table[{at}]")
            at += 1
        elif isinstance(kind, int):
            operands.append("({},)".format(", ".join(f"table[{at + k}]" for k in range(kind))))
            at += kind
        else:
            char, ndim = kind
            names[f"like_{char}"] = np.empty(0, char)
            shape = ", ".join(f"table[{at + 1 + k}]" for k in range(ndim))
            operands.append(f"carray(pointer(place(table[{at}]), like_{char}), ({shape},))")
            at += 1 + ndim
    name = "_".join([function.__name__, "of", *map(_letters, kinds)])
    source = ENTRY.format(name=name, operands=", ".join(operands))
    names["__name__"] = function.__module__
    exec(compile(source, function.__code__.co_filename, "exec"), names)
    entry = jit(names[name])
    entry.compile((types.intp, types.intp, types.CPointer(types.intp), types.CPointer(types.float64)))
    (made,) = entry.overloads.values()
    _alive.append(entry)
    return made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)


def _letters(kind):
    return f"{kind[0]}{kind[1]}" if isinstance(kind, tuple) else kind.__name__ if isinstance(kind, type) else str(kind)


# ---------------------------------------------------------------- running
@intrinsic
def _call(typingctx, function, j, thread, table, floats):
    """Call what is at the address `function`."""

    def codegen(context, builder, sig, args):
        where, *given = args
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in given])
        builder.call(builder.inttoptr(where, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, table, floats), codegen


@jit
def _alone(function, table, floats, n):
    for j in range(n):
        _call(function, j, 0, address(table, 0), address(floats, 0))


@jit(parallel=True)
def _shared(function, table, floats, n):
    for j in prange(n):
        _call(function, j, get_thread_id(), address(table, 0), address(floats, 0))
