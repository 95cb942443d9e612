"""Elements of other types in compiled loops of float32: read as float32, rounded where they are written.

Numba knows neither of the narrow types, float16 and bfloat16; here their arrays are words of 16 bits.
"""

from functools import cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .arrays import FLOATS, NARROW
from .jit import target

WORD = ir.IntType(16)
KINDS = dict(zip((*FLOATS, *NARROW), "edhb"))  # as loops.py calls them


@cache
def kind(dtype: np.dtype) -> str | None:
    """How loops of float32 read and write elements of a type; None where this processor has no instruction for it."""
    found = KINDS[dtype]
    return None if found == "h" and not {"+f16c", "+avx512f"} & set(target()[1].split(",")) else found


def _at(builder, words, i, kind=WORD):
    return builder.gep(builder.bitcast(words, kind.as_pointer()), [i])


@intrinsic
def double(typingctx, numbers, i):
    """The i-th of the float64 that lie where `numbers` points, as float32."""

    def codegen(context, builder, sig, args):
        return builder.fptrunc(builder.load(_at(builder, *args, ir.DoubleType())), ir.FloatType())

    return types.float32(numbers, i), codegen


@intrinsic
def put_double(typingctx, numbers, i, x):
    """Let the i-th be x as float64."""

    def codegen(context, builder, sig, args):
        builder.store(builder.fpext(args[2], ir.DoubleType()), _at(builder, *args[:2], ir.DoubleType()))
        return context.get_dummy_value()

    return types.void(numbers, i, types.float32), codegen


@intrinsic
def half(typingctx, words, i):
    """The i-th of the float16 that lie where `words` points, as float32."""

    def codegen(context, builder, sig, args):
        return builder.fpext(builder.bitcast(builder.load(_at(builder, *args)), ir.HalfType()), ir.FloatType())

    return types.float32(words, i), codegen


@intrinsic
def bfloat(typingctx, words, i):
    """As `half`, of bfloat16, which are the upper halves of float32."""

    def codegen(context, builder, sig, args):
        word = builder.zext(builder.load(_at(builder, *args)), ir.IntType(32))
        return builder.bitcast(builder.shl(word, ir.IntType(32)(16)), ir.FloatType())

    return types.float32(words, i), codegen


@intrinsic
def put_half(typingctx, words, i, x):
    """Let the i-th be the float16 next to x, of two the even one."""

    def codegen(context, builder, sig, args):
        builder.store(builder.bitcast(builder.fptrunc(args[2], ir.HalfType()), WORD), _at(builder, *args[:2]))
        return context.get_dummy_value()

    return types.void(words, i, types.float32), codegen


@intrinsic
def put_bfloat(typingctx, words, i, x):
    """Let the i-th be the bfloat16 next to x, of two the even one; NaN stays NaN."""

    def codegen(context, builder, sig, args):
        whole = ir.IntType(32)
        bits = builder.bitcast(args[2], whole)
        upper = builder.lshr(bits, whole(16))
        up = builder.add(builder.and_(upper, whole(1)), whole(0x7FFF))
        nearest = builder.lshr(builder.add(bits, up), whole(16))
        is_nan = builder.fcmp_unordered("uno", args[2], args[2])
        word = builder.select(is_nan, builder.or_(upper, whole(0x40)), nearest)
        builder.store(builder.trunc(word, WORD), _at(builder, *args[:2]))
        return context.get_dummy_value()

    return types.void(words, i, types.float32), codegen
