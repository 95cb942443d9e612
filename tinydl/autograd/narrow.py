"""Narrow types, float16 and bfloat16: what is computed of them is computed in float32, and rounded once.

An operation's body never meets them (unless it is exact), a kernel only if it serves them.  On a device without such
kernels gradients and composites, too, are computed in float32 from end to end.  What is refused there is tried as it
came: the message then names the types that the caller gave.
"""

from __future__ import annotations

import functools

import numpy as np

from .. import dtype as dtypes
from ..device import _BY_ARRAY
from ..tensor import Tensor
from .graph import OPS


def common_type(operands) -> np.dtype | None:
    """The type that holds all floating arrays (or tensors), or None; numbers count where there is no array."""
    found = [a for a in operands if dtypes.is_floating(getattr(a, "dtype", dtypes.bool_))]
    found = [a for a in found if not isinstance(a, np.generic)] or found
    return functools.reduce(dtypes.promote_types, [a.dtype for a in found]) if found else None


REFUSALS = (IndexError, RuntimeError, TypeError, ValueError)


def _is_narrow(x):
    return getattr(x, "dtype", None) in dtypes.NARROW


def _refused_as_given(function, *args, **kwargs):
    """Raise what function(*args, **kwargs) does, in place of the refusal that is being handled."""
    try:
        function(*args, **kwargs)
    except REFUSALS as refusal:
        raise refusal from None


# ---------------------------------------------------------------- arrays
def run_in_float32(run, arrays, hidden, body):
    """run(arrays), narrow ones in float32; of the outputs all but the last `hidden` are rounded.

    body: what refuses arrays as they are.
    """
    dtype = common_type(arrays)
    try:
        out = run([_as(a, dtypes.float32) if _is_narrow(a) else a for a in arrays])
    except REFUSALS:
        _refused_as_given(body, arrays)
        raise
    return _rounded(out, dtype, lambda a: _as(a, dtype), hidden)


def _as(array, dtype):
    """An array in another type: by its device's kernel, if that serves."""
    device = _BY_ARRAY.get(array.__class__)  # None: of a number of NumPy's
    kernel = device and device.kernels["cast"]
    out = kernel(array, dtype) if kernel else NotImplemented
    return array.astype(dtype) if out is NotImplemented else out


def _rounded(out, dtype, cast, hidden=0):
    if dtype not in dtypes.NARROW:
        return out
    outs = out if isinstance(out, tuple) else (out,)
    visible = len(outs) - hidden
    outs = [cast(a) if i < visible and a.dtype == dtypes.float32 else a for i, a in enumerate(outs)]
    return tuple(outs) if isinstance(out, tuple) else outs[0]


# ---------------------------------------------------------------- tensors: casts are recorded
def widened(x):
    """A tensor, or each of a tuple, in float32 if it is narrow; anything else as it is."""
    if x.__class__ is tuple:
        return tuple(map(widened, x))
    return OPS["cast"](x, dtypes.float32) if isinstance(x, Tensor) and _is_narrow(x) else x


def in_float32(function, *args, **kwargs):
    """function(*args, **kwargs) of narrow tensors in float32; the results are rounded to their type."""
    dtype = common_type((*args, *kwargs.values()))
    out = function(*map(widened, args), **{name: widened(a) for name, a in kwargs.items()})
    return _rounded(out, dtype, lambda y: OPS["cast"](y, dtype))


def rounded_once(function):
    """A public function made of operations that rounds narrow tensors once, not at each: as operations do.

    Where a device has kernels of narrow types, it runs in these.  A mixture of types comes as it is, to be refused.
    """

    @functools.wraps(function)
    def once(*args, **kwargs):
        operands = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor) and a.is_floating_point()]
        apart = len({a.dtype for a in operands}) != 1
        if apart or not _is_narrow(operands[0]) or operands[0].device.narrow:
            return function(*args, **kwargs)
        try:
            return in_float32(function, *args, **kwargs)
        except REFUSALS:
            _refused_as_given(function, *args, **kwargs)
            raise

    return once
