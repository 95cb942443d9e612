"""NumPy's functions on tensors: `np.exp(t)` is the operation `exp`, with its gradient, or is refused with advice."""

from __future__ import annotations

import inspect

import numpy as np

from . import dtype as dtypes
from .tensor import Tensor

# NumPy's names that differ from the operation's
_UFUNCS = {
    "multiply": "mul", "subtract": "sub", "negative": "neg", "absolute": "abs", "divide": "true_divide",
    "power": "pow", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le",
    "greater": "gt", "greater_equal": "ge", "rint": "round", "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift", "conjugate": "clone",
    "fabs": "abs",
}  # fmt: skip


def _refuse(name, why="is not an operation of tinydl"):
    raise TypeError(f"{name} {why}; use tinydl's own function, or t.detach().numpy() for the array without gradients")


def call_ufunc(ufunc, method, inputs, kwargs):
    """The operation that a ufunc stands for."""
    import tinydl

    if method != "__call__":
        _refuse(f"numpy.{ufunc.__name__}.{method}")
    if kwargs:
        _refuse(f"numpy.{ufunc.__name__}", f"with {', '.join(kwargs)}= has no gradient")
    function = getattr(tinydl, _UFUNCS.get(ufunc.__name__, ufunc.__name__), None)
    if function is None:
        _refuse(f"numpy.{ufunc.__name__}")
    operands = [x.item() if isinstance(x, np.generic) else x for x in inputs]  # as weak as Python's
    operands = [tinydl.as_tensor(x) if isinstance(x, np.ndarray | list) else x for x in operands]
    common = dtypes.result_of([x.array if isinstance(x, Tensor) else x for x in operands])
    return function(*[x if isinstance(x, Tensor) else tinydl.as_tensor(x, dtype=common) for x in operands])


def call_function(function, args, kwargs):
    """The operation that one of NumPy's functions stands for."""
    serve = _table().get(function)
    name = f"{function.__module__}.{function.__name__}"
    if serve is None:
        _refuse(name)
    try:
        bound = inspect.signature(serve).bind(*args, **kwargs)
    except TypeError as e:  # out=, dtype=, order=, ...
        _refuse(name, f"cannot be called so on tensors ({e})")
    return serve(*map(_tensors, bound.args), **{k: _tensors(v) for k, v in bound.kwargs.items()})


def _tensors(value):
    """`value` with tensors for NumPy's arrays, also those in a list."""
    import tinydl

    if isinstance(value, list | tuple):
        return type(value)(map(_tensors, value))
    return tinydl.as_tensor(value) if isinstance(value, np.ndarray) else value


_made: dict = {}


def _table():
    """NumPy's functions -> the operations, with the parameters of NumPy that they serve; made when first needed."""
    if not _made:
        _made.update(_shapes() | _reductions() | _algebra())
    return _made


def _shapes():
    import tinydl as t

    def flat(x):
        return x.reshape(-1)

    def concatenate(arrays, axis=0):
        arrays = [x if isinstance(x, Tensor) else t.as_tensor(x) for x in arrays]
        return t.cat(arrays, axis) if axis is not None else t.cat([flat(x) for x in arrays])

    def stack(arrays, axis=0):
        return t.stack([x if isinstance(x, Tensor) else t.as_tensor(x) for x in arrays], axis)

    def split(ary, indices_or_sections, axis=0):
        n, sections = ary.shape[axis], indices_or_sections
        if isinstance(sections, int) and n % sections:
            raise ValueError(f"numpy.split: {n} elements along axis {axis} do not make {sections} equal parts")
        return list(t.tensor_split(ary, sections, axis))

    def where(condition, *choices):
        return t.where(condition, *choices)

    return {
        np.concatenate: concatenate, np.stack: stack, np.split: split, np.where: where,
        np.array_split: lambda ary, indices_or_sections, axis=0: list(t.tensor_split(ary, indices_or_sections, axis)),
        np.reshape: lambda a, shape: a.reshape(shape),
        np.ravel: lambda a: flat(a),
        np.squeeze: lambda a, axis=None: a.squeeze() if axis is None else a.squeeze(axis),
        np.expand_dims: lambda a, axis: a.unsqueeze(axis),
        np.broadcast_to: lambda array, shape: t.broadcast_to(array, shape),
        np.swapaxes: lambda a, axis1, axis2: a.transpose(axis1, axis2),
        np.moveaxis: lambda a, source, destination: a.movedim(source, destination),
        np.transpose: lambda a, axes=None: a.permute(*(range(a.ndim)[::-1] if axes is None else axes)),
        np.flip: lambda m, axis=None: m.flip(tuple(range(m.ndim)) if axis is None else axis),
        np.roll: lambda a, shift, axis=None: t.roll(a, shift, axis),
        np.tile: lambda A, reps: t.tile(A, reps if isinstance(reps, tuple) else (reps,)),
        np.repeat: lambda a, repeats, axis=None: t.repeat_interleave(a, repeats, axis),
        np.tril: lambda m, k=0: m.tril(k), np.triu: lambda m, k=0: m.triu(k),
        np.diag: lambda v, k=0: t.diag(v, k),
        np.diagonal: lambda a, offset=0, axis1=0, axis2=1: a.diagonal(offset, axis1, axis2),
        np.sort: lambda a, axis=-1: flat(a).sort().values if axis is None else a.sort(axis).values,
        np.argsort: lambda a, axis=-1: flat(a).argsort() if axis is None else a.argsort(axis),
        np.zeros_like: lambda a, dtype=None: t.zeros_like(a, dtype=dtype),
        np.ones_like: lambda a, dtype=None: t.ones_like(a, dtype=dtype),
        np.full_like: lambda a, fill_value, dtype=None: t.full_like(a, fill_value, dtype=dtype),
        np.copy: lambda a: a.clone(),
        np.shape: lambda a: tuple(a.shape), np.ndim: lambda a: a.ndim,
        np.size: lambda a, axis=None: a.numel() if axis is None else a.shape[axis],
    }  # fmt: skip


def _reductions():
    import tinydl as t

    def by_axis(function):
        return lambda a, axis=None, keepdims=False: function(a, axis, keepdim=keepdims)

    def extreme(function):
        return lambda a, axis=None, keepdims=False: function(a, () if axis is None else axis, keepdims)

    def winner(function):
        def call(a, axis=None, keepdims=False):
            if axis is None and keepdims:
                _refuse(f"numpy.{function.__name__}", "with keepdims= needs an axis")
            return function(a) if axis is None else function(a, axis, keepdims)

        return call

    def spread(function):
        return lambda a, axis=None, ddof=0, keepdims=False: function(a, axis, correction=ddof, keepdim=keepdims)

    def running(function):
        return lambda a, axis=None: function(a.reshape(-1) if axis is None else a, axis or 0)

    return {
        **{np_f: by_axis(f) for np_f, f in {
            np.sum: t.sum, np.mean: t.mean, np.prod: t.prod, np.any: t.any, np.all: t.all}.items()},
        np.max: extreme(t.amax), np.min: extreme(t.amin),
        np.argmax: winner(t.argmax), np.argmin: winner(t.argmin),
        np.std: spread(t.std), np.var: spread(t.var),
        np.cumsum: running(t.cumsum), np.cumprod: running(t.cumprod),
        np.count_nonzero: lambda a, axis=None: t.count_nonzero(a, axis),
        np.clip: lambda a, a_min=None, a_max=None: a if a_min is None and a_max is None else a.clamp(a_min, a_max),
        np.round: lambda a, decimals=0: t.round(a, decimals=decimals),
    }  # fmt: skip


def _algebra():
    import tinydl as t

    def dot(a, b):
        if not all(isinstance(x, Tensor) and 0 < x.ndim <= 2 for x in (a, b)):
            _refuse("numpy.dot", "has rules of its own for numbers and for more than two dimensions")
        return a @ b

    def solve(a, b):
        if a.ndim > 2:
            _refuse("numpy.linalg.solve", "has rules of its own for more than two dimensions")
        return t.linalg.solve(a, b)

    def compared(function):
        def call(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
            a, b = (x if isinstance(x, Tensor) else t.as_tensor(x) for x in (a, b))
            return function(a, b.to(a.dtype), rtol, atol, equal_nan)

        return call

    return {
        np.dot: dot, np.linalg.solve: solve,
        np.einsum: lambda subscripts, *operands: t.einsum(subscripts, *operands),
        np.outer: lambda a, b: t.outer(a.reshape(-1), b.reshape(-1)),
        np.tensordot: lambda a, b, axes=2: t.tensordot(a, b, axes),
        np.kron: lambda a, b: t.kron(a, b),
        np.trace: lambda a, offset=0: a.diagonal(offset, 0, 1).sum(-1),
        np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: t.linalg.norm(x, ord, axis, keepdims),
        np.linalg.inv: lambda a: t.linalg.inv(a), np.linalg.det: lambda a: t.linalg.det(a),
        np.linalg.slogdet: lambda a: t.linalg.slogdet(a), np.linalg.cholesky: lambda a: t.linalg.cholesky(a),
        np.linalg.matrix_power: lambda a, n: t.linalg.matrix_power(a, n),
        np.allclose: compared(t.allclose), np.isclose: compared(t.isclose),
        np.array_equal: lambda a1, a2: t.equal(a1, a2),
    }  # fmt: skip
