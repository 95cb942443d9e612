"""Formulas of numbers, compiled without branches for float32 and float64 alike: what vmath.py is written in.

Numba takes a literal for a float64, and one among float32 makes a whole formula float64, at half the speed.  In a
`@formula` every literal has the type of the first parameter.
"""

import ast
import inspect
from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import jit


class _Typed(ast.NodeTransformer):
    def __init__(self, first):
        self.first = first

    def visit_Constant(self, node):
        return ast.parse(f"like({self.first}, {float(node.value)!r})", mode="eval").body


def with_typed_numbers(expression: ast.AST, first: str) -> ast.AST:
    """The expression with its literals in the type of the variable `first`."""
    return ast.fix_missing_locations(_Typed(first).visit(expression))


def formula(function: Callable) -> Callable:
    """Compile a function of numbers; its literals have the type of its first parameter."""
    lines, start = inspect.getsourcelines(function)
    tree = ast.parse("".join(lines))
    define = tree.body[0]
    define.decorator_list = []
    define.body = [with_typed_numbers(line, define.args.args[0].arg) for line in define.body if not _is_text(line)]
    ast.increment_lineno(tree, start - 1)
    names = dict(function.__globals__, like=like)
    exec(compile(tree, function.__code__.co_filename, "exec"), names)
    return jit(names[function.__name__])


def _is_text(line):
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


# ---------------------------------------------------------------- constants
@intrinsic
def like(typingctx, x, value):
    """`value` in the type of x."""

    def codegen(context, builder, sig, args):
        return context.cast(builder, args[1], sig.args[1], sig.return_type)

    return x(x, value), codegen


def _choice(kind):
    """Which of a pair (for float32, for float64)."""
    return 0 if kind == types.float32 else 1


@intrinsic
def pick(typingctx, x, pair):
    """pair[0] where x is float32, pair[1] where it is float64."""

    def codegen(context, builder, sig, args):
        i = _choice(sig.return_type)
        return context.cast(builder, builder.extract_value(args[1], i), sig.args[1][i], sig.return_type)

    return x(x, pair), codegen


@intrinsic
def polynomial(typingctx, x, pair):
    """sum c[k] x**k by Horner's rule, c being pair[0] where x is float32, pair[1] where it is float64."""

    def codegen(context, builder, sig, args):
        kind, i = sig.return_type, _choice(sig.return_type)
        series, element = builder.extract_value(args[1], i), sig.args[1][i].dtype
        terms = [builder.extract_value(series, k) for k in range(len(sig.args[1][i]))]
        y, *rest = [context.cast(builder, c, element, kind) for c in reversed(terms)]
        for c in rest:
            y = _call(builder, "llvm.fmuladd", y, args[0], c)
        return y

    return x(x, pair), codegen


# ---------------------------------------------------------------- instructions
def _call(builder, name, *args):
    number = args[0].type
    bits = 32 if number == ir.FloatType() else 64
    function = ir.FunctionType(number, [number] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, f"{name}.f{bits}"), args)


@intrinsic
def where(typingctx, condition, a, b):
    """a where the condition holds, else b; both are computed, and nothing branches."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    return a(types.boolean, a, a), codegen


@intrinsic
def copysign(typingctx, x, sign):
    """|x| with the sign of `sign`."""

    def codegen(context, builder, sig, args):
        return _call(builder, "llvm.copysign", *args)

    return x(x, x), codegen


def _one(name):
    """An instruction of one number as a function in formulas."""

    @intrinsic
    def instruction(typingctx, x):
        def codegen(context, builder, sig, args):
            return _call(builder, f"llvm.{name}", *args)

        return x(x), codegen

    return instruction


floor, ceil, trunc = map(_one, ("floor", "ceil", "trunc"))


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c, rounded once."""

    def codegen(context, builder, sig, args):
        return _call(builder, "llvm.fma", *args)

    return a(a, b, c), codegen


def _layout(context, kind):
    """LLVM's float and integer type, bits of the fraction, bias of the exponent."""
    fraction, bias = (23, 127) if kind == types.float32 else (52, 1023)
    return context.get_value_type(kind), ir.IntType(kind.bitwidth), fraction, bias


ROUND = 1.5 * 2.0**23, 1.5 * 2.0**52  # adding it rounds to a whole number, which the low bits then hold
LEVEL = ROUND[0] + 127, ROUND[1] + 1023  # the low bits then hold the exponent of 2**n


@intrinsic
def times_power(typingctx, y, t):
    """y * 2**n for t = n + ROUND; in two factors, so that denormals and the largest numbers come out right."""

    def codegen(context, builder, sig, args):
        y, t = args
        number, whole, fraction, bias = _layout(context, sig.return_type)
        origin = builder.bitcast(ir.Constant(number, ROUND[_choice(sig.return_type)]), whole)
        n = builder.sub(builder.bitcast(t, whole), origin)
        half = builder.ashr(n, whole(1))
        for part in (half, builder.sub(n, half)):
            power = builder.shl(builder.add(part, whole(bias)), whole(fraction))
            y = builder.fmul(y, builder.bitcast(power, number))
        return y

    return y(y, y), codegen


@intrinsic
def power(typingctx, t):
    """2**n for t = n + LEVEL, no denormal number."""

    def codegen(context, builder, sig, args):
        number, whole, fraction, _ = _layout(context, sig.return_type)
        return builder.bitcast(builder.shl(builder.bitcast(args[0], whole), whole(fraction)), number)

    return t(t), codegen


@intrinsic
def split(typingctx, x):
    """(m, n) with x = m * 2**n and 0.707 <= m < 1.414, for a positive x that is not denormal."""

    def codegen(context, builder, sig, args):
        number, whole, fraction, _ = _layout(context, sig.args[0])
        bits = builder.bitcast(args[0], whole)
        n = builder.ashr(builder.sub(bits, builder.bitcast(ir.Constant(number, 0.70703125), whole)), whole(fraction))
        m = builder.bitcast(builder.sub(bits, builder.shl(n, whole(fraction))), number)
        return context.make_tuple(builder, sig.return_type, [m, builder.sitofp(n, number)])

    return types.UniTuple(x, 2)(x), codegen
