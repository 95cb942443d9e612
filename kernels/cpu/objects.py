"""NumPy arrays by their id, for compiled code that is told of many, or often: asking NumPy where an array's numbers lie
takes most of a microsecond for each.

Whoever passes an id keeps the array alive until the call returns.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

HEAD = object.__basicsize__  # bytes before the address of an array's numbers (NumPy's PyArrayObject_fields)


@intrinsic
def place(typingctx, array):
    """Where the numbers of the array lie whose id this is."""

    def codegen(context, builder, signature, args):
        (number,) = args
        where = builder.add(number, ir.Constant(number.type, HEAD))
        return builder.load(builder.inttoptr(where, number.type.as_pointer()))

    return types.intp(types.intp), codegen


@intrinsic
def pointer(typingctx, address, like):
    """An address as a pointer to numbers of the type of `like`."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), codegen
