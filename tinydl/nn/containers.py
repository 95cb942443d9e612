"""Modules and parameters held in lists and dicts, so that they are registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from operator import index as as_index

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _Holder(Module):
    """A module whose items are all that stands in one of its tables."""

    _table = "_modules"

    @property
    def _items(self):
        return self.__dict__[self._table]

    def _own(self, item):
        return item

    def __len__(self):
        return len(self._items)

    def pop(self, key=-1):
        """Take one away and return it."""
        item = self[key]
        del self[key]
        return item


class _Listing(_Holder):
    """What lists of registered things share: items under the names '0', '1', ..."""

    def __init__(self, items: Iterable = ()):
        super().__init__()
        self.extend(items)

    def _name(self, i):
        n, i = len(self), as_index(i)
        if not -n <= i < n:
            raise IndexError(f"{type(self).__name__}: index {i} is out of range for {n} items")
        return next(islice(self._items, i % n, None))

    def __getitem__(self, i):
        if isinstance(i, slice):
            return type(self)._of(list(self)[i])
        return self._items[self._name(i)]

    @classmethod
    def _of(cls, items):
        return cls(items)

    def __setitem__(self, i, item):
        setattr(self, self._name(i), self._own(item))

    def __delitem__(self, i):
        rest = list(self)
        del rest[i]
        self._refill(rest)

    def _refill(self, items):
        self._items.clear()
        self.extend(items)

    def __iter__(self):
        return iter(list(self._items.values()))

    def __contains__(self, item):
        return any(item is mine for mine in self)

    def __iadd__(self, items):
        return self.extend(items)

    def __add__(self, items):
        return type(self)._of(chain(self, items))

    def append(self, item):
        """Add one at the end."""
        self._register_entry(self._table, str(len(self)), self._own(item))
        return self

    def extend(self, items: Iterable):
        """Add several at the end."""
        if isinstance(items, Tensor | Module) and not isinstance(items, _Listing):
            raise TypeError(f"{type(self).__name__}.extend: expected an iterable, got {type(items).__name__}")
        for item in list(items):
            self.append(item)
        return self

    def insert(self, index: int, item):
        """Add one before position `index`."""
        items = list(self)
        items.insert(index, item)
        self._refill(items)
        return self


class Sequential(_Listing):
    """Modules one after another, each fed the output of the one before.

    Sequential(a, b, c) names them '0', '1', '2'; Sequential({'conv': a, ...}) as the dict does.
    """

    def __init__(self, *args: Module | Mapping[str, Module]):
        Module.__init__(self)
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    @classmethod
    def _of(cls, items):
        return cls(*items)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return type(self)(dict(list(self._modules.items())[i]))
        return super().__getitem__(i)

    def forward(self, input):
        """input -> the last module's output."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Listing):
    """A list whose modules are registered: their parameters belong to whoever holds the list."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__(modules or ())

    def __repr__(self):
        """Neighbours that look alike are shown once: (0-2): 3 x Linear(...)."""
        groups = []
        for i, text in enumerate(map(repr, self)):
            if groups and groups[-1][0] == text:
                groups[-1][2] = i
            else:
                groups.append([text, i, i])
        return self._describe_with(
            [(f"{a}-{b}", _Text(f"{b - a + 1} x {text}")) if b > a else (a, _Text(text)) for text, a, b in groups]
        )


class _Text(str):
    __repr__ = str.__str__


class _Naming(_Holder):
    """What dicts of registered things share."""

    def __init__(self, items: Mapping | Iterable = ()):
        super().__init__()
        self.update(items)

    def __getitem__(self, key):
        return self._items[key]

    def __setitem__(self, key, item):
        item = self._own(item)
        if key in self._items:
            self._check_entry(self._table, key, item)
            self._items[key] = item
        else:
            self._register_entry(self._table, key, item)

    def __delitem__(self, key):
        del self._items[key]

    def __iter__(self):
        return iter(self._items)

    def __contains__(self, key):
        return key in self._items

    def keys(self):
        """The names."""
        return self._items.keys()

    def values(self):
        """What is held, in order of insertion."""
        return self._items.values()

    def items(self):
        """(name, what it stands for)."""
        return self._items.items()

    def update(self, items: Mapping | Iterable) -> None:
        """Add or replace, from a mapping or from pairs."""
        for key, item in items.items() if hasattr(items, "items") else items:
            self[key] = item

    def clear(self) -> None:
        """Take all away."""
        self._items.clear()


class ModuleDict(_Naming):
    """A dict whose modules are registered: their parameters belong to whoever holds the dict."""

    def __init__(self, modules: Mapping[str, Module] | Iterable | None = None):
        super().__init__(modules or ())


class _OfParameters:
    """Tensors become parameters, and the description lists shapes."""

    _table = "_parameters"

    def _own(self, item):
        plain = isinstance(item, Tensor) and not isinstance(item, Parameter)
        return Parameter(item.detach()) if plain else item

    def extra_repr(self):
        return "\n".join(f"({name}): Parameter of shape {tuple(p.shape)}, {p.dtype}" for name, p in self._items.items())


class ParameterList(_OfParameters, _Listing):
    """A list of parameters; tensors that come in become parameters."""

    def __init__(self, values: Iterable[Tensor] | None = None):
        super().__init__(values or ())


class ParameterDict(_OfParameters, _Naming):
    """A dict of parameters; tensors that come in become parameters."""

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable | None = None):
        super().__init__(parameters or ())
