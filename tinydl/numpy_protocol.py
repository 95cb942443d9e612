"""NumPy's functions on tensors: `np.exp(t)` is the operation `exp`, with its gradient, or is refused with advice."""

from __future__ import annotations

import numpy as np

from .tensor import Tensor

# NumPy's names that differ from the operation's
_UFUNCS = {
    "multiply": "mul", "subtract": "sub", "negative": "neg", "absolute": "abs", "divide": "true_divide",
    "power": "pow", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le",
    "greater": "gt", "greater_equal": "ge", "rint": "round", "invert": "bitwise_not", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift", "conjugate": "clone", "fabs": "abs", "float_power": "float_power",
}  # fmt: skip


def _refuse(name):
    raise TypeError(
        f"numpy.{name} is not an operation of tinydl; use tinydl's own function, or t.detach().numpy() "
        "for the array without gradients"
    )


def call_ufunc(ufunc, method, inputs, kwargs):
    """The operation that a ufunc stands for."""
    import tinydl

    name = _UFUNCS.get(ufunc.__name__, ufunc.__name__)
    function = getattr(tinydl, name, None)
    if method != "__call__" or kwargs or function is None:
        _refuse(ufunc.__name__ + ("" if method == "__call__" else f".{method}"))
    return function(*[x if isinstance(x, Tensor) else tinydl.as_tensor(x) for x in inputs])


def _axis(function):
    def call(x, axis=None, keepdims=False, **kwargs):
        if kwargs:
            _refuse(function)
        import tinydl

        keep = {"keepdim": keepdims} if axis is not None or function not in ("argmax", "argmin") else {}
        return getattr(tinydl, function)(x, axis, **keep)

    return call


def _plain(name):
    def call(*args, **kwargs):
        import tinydl

        if "axis" in kwargs:
            kwargs["dim"] = kwargs.pop("axis")
        return getattr(tinydl, name)(*args, **kwargs)

    return call


def _extreme(name):
    def call(x, axis=None, keepdims=False):
        import tinydl

        return getattr(tinydl, name)(x, () if axis is None else axis, keepdims)

    return call


_FUNCTIONS = {
    np.sum: _axis("sum"), np.mean: _axis("mean"), np.prod: _axis("prod"), np.argmax: _axis("argmax"),
    np.argmin: _axis("argmin"), np.max: _extreme("amax"), np.min: _extreme("amin"), np.any: _axis("any"),
    np.all: _axis("all"), np.concatenate: _plain("cat"), np.stack: _plain("stack"), np.where: _plain("where"),
    np.reshape: _plain("reshape"), np.squeeze: _plain("squeeze"), np.expand_dims: _plain("unsqueeze"),
    np.dot: _plain("matmul"), np.einsum: _plain("einsum"), np.clip: _plain("clamp"), np.cumsum: _plain("cumsum"),
    np.tril: _plain("tril"), np.triu: _plain("triu"), np.outer: _plain("outer"), np.flip: _plain("flip"),
    np.zeros_like: _plain("zeros_like"), np.ones_like: _plain("ones_like"), np.broadcast_to: _plain("broadcast_to"),
    np.swapaxes: _plain("swapaxes"), np.moveaxis: _plain("movedim"), np.sort: lambda x, axis=-1: x.sort(axis).values,
    np.transpose: lambda x, axes=None: x.permute(*(axes if axes is not None else range(x.ndim)[::-1])),
    np.shape: lambda x: tuple(x.shape), np.ndim: lambda x: x.ndim, np.size: lambda x: x.numel(),
    np.allclose: _plain("allclose"), np.array_equal: _plain("equal"), np.copy: _plain("clone"),
}  # fmt: skip


def call_function(function, args, kwargs):
    """The operation that one of NumPy's functions stands for."""
    serve = _FUNCTIONS.get(function)
    if serve is None:
        _refuse(function.__name__)
    return serve(*args, **kwargs)
