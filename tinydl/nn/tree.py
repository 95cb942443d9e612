"""What a module is made of: parameters, buffers and submodules under names, found again by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class Tree:
    """Attributes that are Parameters, registered buffers, or Trees are kept in tables."""

    def __init__(self):
        self.__dict__ |= {table: {} for table in TABLES}
        self.__dict__["_non_persistent_buffers_set"] = set()

    # ---- registration
    def __setattr__(self, name, value):
        table = next((t for t, (kind, _) in TABLES.items() if isinstance(value, kind)), None)
        if table is None or table == "_buffers":  # a plain tensor is no buffer until registered
            table = next((t for t in TABLES if name in self.__dict__.get(t, ())), None)
        if table is None:
            super().__setattr__(name, value)
            return
        self._check_entry(table, name, value)
        if name not in self.__dict__[table]:
            for names in (self.__dict__, *(self.__dict__[t] for t in TABLES)):
                names.pop(name, None)
        self.__dict__[table][name] = value

    def __getattr__(self, name):
        for table in TABLES:
            found = self.__dict__.get(table, ())
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name):
        table = next((t for t in TABLES if name in self.__dict__.get(t, ())), None)
        if table is None:
            super().__delattr__(name)
        else:
            del self.__dict__[table][name]

    def __dir__(self):
        return sorted({*super().__dir__(), *(name for t in TABLES for name in self.__dict__[t])})

    def _check_entry(self, table, name, value):
        """Refuse what cannot stand in `table` under `name`."""
        mine = type(self).__name__
        if table not in self.__dict__:
            raise AttributeError(f"{mine}: call super().__init__() before assigning {name!r}")
        if not isinstance(name, str):
            raise TypeError(f"{mine}: a name must be a string, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{mine}: a name must not be empty nor hold '.', got {name!r}")
        kind, what = TABLES[table]
        if value is not None and not isinstance(value, kind):
            expected = "Module" if kind is Tree else kind.__name__
            raise TypeError(f"{mine}: {name!r} is a {what}; expected a {expected} or None, got {type(value).__name__}")

    def _register_entry(self, table, name, value):
        self._check_entry(table, name, value)
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"{type(self).__name__}: attribute {name!r} exists already")
        self.__dict__[table][name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name, as layers without bias do."""
        self._register_entry("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; it is in the state_dict if `persistent`."""
        self._register_entry("_buffers", name, tensor)
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a submodule."""
        self._register_entry("_modules", name, module)

    add_module = register_module

    # ---- walking
    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module (path '') and of all below it, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, join(prefix, name), remove_duplicate)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of this module and, if `recurse`, of all below; a shared one once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer), as `named_parameters`."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def _named_members(self, table, prefix, recurse, remove_duplicate):
        seen = set()
        modules = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, value in module.__dict__[table].items():
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield join(path, name), value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct submodules, a shared one once."""
        seen = {None}
        for name, module in self._modules.items():
            if module not in seen:
                seen.add(module)
                yield name, module

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        return (m for _, m in self.named_children())

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path below this one; AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            module = module._find_entry("_modules", name, target)
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        return self.get_submodule(path)._find_entry("_parameters", name, target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        return self.get_submodule(path)._find_entry("_buffers", name, target)

    def _find_entry(self, table, name, target):
        found = self.__dict__[table].get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no {TABLES[table][1]} {name!r} (looked up: {target!r})")
        return found


def join(prefix: str, name: str) -> str:
    """A dotted path."""
    return f"{prefix}.{name}" if prefix else name


# table -> (type of what it holds, its name in messages)
TABLES = {
    "_parameters": (Parameter, "parameter"),
    "_modules": (Tree, "submodule"),
    "_buffers": (Tensor, "buffer"),
}
