"""Layers that are one function of `nn.functional`, declared by its options."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from . import functional
from .module import Module

Size = int | tuple[int, ...]  # one for all dimensions, or one for each


class Layer(Module):
    """A layer that calls one function; its fields are the constructor's arguments and the options.

        class LeakyReLU(Layer, function="leaky_relu"):
            negative_slope: float = 0.01
            inplace: bool = False

    is constructed as LeakyReLU(negative_slope=0.01, inplace=False), has these attributes, and
    computes functional.leaky_relu(input, negative_slope=..., inplace=...).

    function: its name in nn.functional.  by_mode: whether it has an option `training`.
    shown: the fields in the description; one written `*name` stands there without its name.
    """

    _function: ClassVar[str] = ""
    _by_mode: ClassVar[bool] = False
    _shown: ClassVar[list[str]] = []
    _kept_back: ClassVar[tuple[str, ...]] = ()  # fields that are no options of the function

    def __init_subclass__(cls, function: str | None = None, by_mode=False, shown=None):
        if function is None:  # somebody's subclass: an ordinary module
            return
        dataclass(eq=False, repr=False)(cls)
        cls._function, cls._by_mode = function, by_mode
        names = [f.name for f in fields(cls)]
        for name in names:  # defaults would hide buffers of the same name
            if name in vars(cls):
                delattr(cls, name)
        cls._options = [name for name in names if name not in cls._kept_back]
        cls._shown = cls._options if shown is None else shown.split()

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        Module.__init__(self)  # a module before its fields are set
        return self

    def __post_init__(self):
        """What a constructor has to do beyond keeping its arguments."""

    def forward(self, *inputs, **more):
        """What the function gives for the inputs."""
        options = {name: getattr(self, name) for name in self._options} | more
        if self._by_mode:
            options["training"] = self.training
        return getattr(functional, self._function)(*inputs, **options)

    def extra_repr(self):
        """The fields, as name=value; inplace only where it is so."""
        parts = []
        for name in self._shown:
            value = getattr(self, name.strip("*"))
            if name.startswith("*"):
                parts.append(repr(value))
            elif name != "inplace" or value or self._by_mode:
                parts.append(f"{name}={value!r}")
        return ", ".join(parts)
