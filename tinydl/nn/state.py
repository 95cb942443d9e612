"""A module's state under its names: taken, and loaded again once everything has been checked."""

from __future__ import annotations

from collections import namedtuple

from ..autograd import no_grad
from ..device import of_array
from ..tensor import Tensor, wrap
from .parameter import Parameter
from .tree import join


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """Names that `load_state_dict` lacked, and names that it had no use for."""

    __slots__ = ()

    def __repr__(self):
        return "<All keys matched successfully>" if not any(self) else super().__repr__()


def places(module):
    """path -> (module, table, name) of all that is state; shared tensors under each name."""
    found = {}
    for path, m in module.named_modules(remove_duplicate=False):
        for table in ("_parameters", "_buffers"):
            for name, value in m.__dict__[table].items():
                kept = table == "_parameters" or name not in m._non_persistent_buffers_set
                if value is not None and kept:
                    found[join(path, name)] = (m, table, name)
    return found


def take(module, prefix, keep_vars):
    """path -> tensor, sharing memory; detached unless `keep_vars`."""
    state = {}
    for path, (m, table, name) in places(module).items():
        value = m.__dict__[table][name]
        state[prefix + path] = value if keep_vars else value.detach()
    return state


def load(module, state, strict, assign) -> IncompatibleKeys:
    """Copy the values of `state` (or, `assign`, put its tensors) in the module's places.

    RuntimeError that lists every name missing or unexpected and every shape that does not fit,
    before anything is changed.
    """
    if not hasattr(state, "keys"):
        raise TypeError(f"load_state_dict: expected a dict of tensors, got {type(state).__name__}")
    goals = places(module)
    missing = [path for path in goals if path not in state]
    unexpected = [path for path in state if path not in goals]
    values, errors = {}, []
    for path in goals:
        if path in state:
            values[path], error = _fitting(path, *goals[path], state[path])
            errors += error
    if strict:
        errors = [
            *_listed("missing", missing, "not in the state_dict"),
            *_listed("unexpected", unexpected, "not in the module"),
            *errors,
        ]
    if errors:
        raise RuntimeError(
            f"load_state_dict: the state does not fit {type(module).__name__}; nothing was loaded"
            + "".join(f"\n  {error}" for error in errors)
        )
    with no_grad():
        for path, value in values.items():
            _put(*goals[path], value, assign)
    return IncompatibleKeys(missing, unexpected)


def _fitting(path, module, table, name, value):
    """The value as a tensor, and what is wrong with it."""
    if not isinstance(value, Tensor):
        try:
            of_array(value)
        except TypeError:
            return None, [f"{path}: expected a tensor, got {type(value).__name__}"]
        value = wrap(value)
    expected = module.__dict__[table][name].shape
    if value.shape != expected:
        return None, [f"{path}: shape {tuple(value.shape)}, the module's is {tuple(expected)}"]
    return value, []


def _listed(what, paths, where):
    return [f"{what} {', '.join(map(repr, paths))} ({where})"] if paths else []


def _put(module, table, name, value, assign):
    old = module.__dict__[table][name]
    if not assign:
        old.copy_(value)
    elif table == "_parameters" and not isinstance(value, Parameter):
        module.__dict__[table][name] = Parameter(value.detach(), old.requires_grad)
    else:
        module.__dict__[table][name] = value
