"""Parameters that are functions of others: a tensor of a module computed, at each use, from what is trained instead."""

from __future__ import annotations

from ...autograd import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter


class ParametrizationList(ModuleList):
    """Modules that a tensor goes through, one after the other; called, it gives the tensor.

    It holds what is trained: `original`, or `original0`, `original1`, ... where the first module takes several.
    """

    def __init__(self, parametrization: Module, original: Tensor):
        super().__init__([parametrization])
        values = _inverse(parametrization, original)
        self._names = ["original"] if isinstance(values, Tensor) else [f"original{i}" for i in range(len(values))]
        if isinstance(values, Tensor):  # the parameter itself goes on, so that optimizers keep it
            with no_grad():
                original.data = values.detach()
            values = (original,)
        for name, value in zip(self._names, values):
            if not isinstance(original, Parameter):
                self.register_buffer(name, value)
            else:
                grown = value if value is original else Parameter(value.detach(), original.requires_grad)
                self.register_parameter(name, grown)

    def forward(self) -> Tensor:
        """The tensor."""
        first, *more = self
        y = first(*(getattr(self, name) for name in self._names))
        for parametrization in more:
            y = parametrization(y)
        return y

    def assign(self, value: Tensor) -> None:
        """Overwrite what is trained, so that the tensor becomes `value` (as far as the modules have an inverse)."""
        with no_grad():
            for parametrization in reversed(list(self)):
                value = _inverse(parametrization, value)
            for name, part in zip(self._names, (value,) if isinstance(value, Tensor) else value):
                getattr(self, name).copy_(part)


@no_grad()
def _inverse(parametrization, value):
    """What the module must be given to give `value`; without `right_inverse`, value itself."""
    inverse = getattr(parametrization, "right_inverse", None)
    return value if inverse is None else inverse(value)


def _chains(module):
    """Name -> ParametrizationList of a parametrized module."""
    return module.__dict__.get("_modules", {}).get("parametrizations", ())


class _Parametrized(Module):
    """Looks a parametrized tensor up where it is computed."""

    def __getattr__(self, name):
        found = _chains(self)
        return found[name]() if name in found else super().__getattr__(name)

    def __setattr__(self, name, value):
        found = _chains(self)
        if name in found:
            found[name].assign(value)
        else:
            super().__setattr__(name, value)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on module.tensor_name is parametrization(original), and `original` is what is trained.

    Where the parametrization has a method right_inverse, original begins as that of the present tensor.  A second
    one takes what the first gives.  ValueError if there is no such tensor, or its shape or dtype would change (that
    is not checked if `unsafe`).
    """
    before = getattr(module, tensor_name, None)
    if not isinstance(before, Tensor):
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer {tensor_name!r}"
        )
    if not unsafe:
        with no_grad():
            start = _inverse(parametrization, before)
            after = parametrization(*((start,) if isinstance(start, Tensor) else start))
        if after.shape != before.shape or after.dtype != before.dtype:
            raise ValueError(
                f"register_parametrization: {tensor_name!r} is {before.dtype} {tuple(before.shape)}, but the "
                f"parametrization gives {after.dtype} {tuple(after.shape)}; unsafe=True allows it"
            )
    if is_parametrized(module, tensor_name):
        chain = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.assign(before)
        return module
    chain = ParametrizationList(parametrization, before)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
        kind = type(module)
        module.__class__ = type(f"Parametrized{kind.__name__}", (_Parametrized, kind), {})
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = chain
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make module.tensor_name a plain parameter or buffer again, with its present value (or what it was made of)."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__} has no parametrized {tensor_name!r}")
    chain = module.parametrizations[tensor_name]
    if not leave_parametrized and len(chain._names) > 1:
        raise ValueError(
            f"remove_parametrizations: {tensor_name!r} is made of {len(chain._names)} tensors; "
            "only leave_parametrized=True makes one of them"
        )
    original = getattr(chain, chain._names[0])
    with no_grad():
        value = chain() if leave_parametrized else original
    del module.parametrizations[tensor_name]
    if not module.parametrizations:
        del module.parametrizations
        module.__class__ = type(module).__bases__[1]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, Parameter(value.detach(), original.requires_grad))
    else:
        module.register_buffer(tensor_name, value.detach())
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrized tensor (of this name)."""
    return isinstance(module, _Parametrized) and (tensor_name is None or tensor_name in _chains(module))
