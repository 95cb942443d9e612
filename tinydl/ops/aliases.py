"""NumPy's names of parameters, which PyTorch takes too: axis for dim, keepdims for keepdim."""

from __future__ import annotations

import functools
import inspect

_GIVEN = {"axis": "dim", "keepdims": "keepdim"}


@functools.cache
def taking_numpys_names(function):
    """The function, which besides `dim` and `keepdim` takes `axis` and `keepdims`; itself if it has no `dim`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or "dim" not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return function

    @functools.wraps(function)
    def named(*args, **kwargs):
        if not kwargs.keys().isdisjoint(_GIVEN):
            kwargs = _renamed(function, kwargs)
        return function(*args, **kwargs)

    return named


def _renamed(function, kwargs):
    known = inspect.signature(function).parameters
    renamed = {_GIVEN[k] if _GIVEN.get(k) in known and k not in known else k: v for k, v in kwargs.items()}
    if len(renamed) < len(kwargs):
        raise TypeError(f"{function.__name__}: axis and keepdims are other names of dim and keepdim; give one of them")
    return renamed
