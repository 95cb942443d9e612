"""A file of CUDA sources and its instances: the one table that CuPy, nvcc, NVRTC and the emulator compile."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_dtypes import bfloat16

CSRC = Path(__file__).with_name("csrc")
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"\n', re.M)
_KERNEL = re.compile(
    r"(?:template\s*<(?P<template>[^>]*)>\s*)?__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?"
    r"(?P<name>\w+)\s*\((?P<parameters>[^)]*)\)"
)
# CUDA's name of a type -> NumPy's
TYPES = {
    name: np.dtype(code)
    for name, code in {
        "float": "f4", "double": "f8", "__half": "f2", "__nv_bfloat16": bfloat16, "bool": "b1", "int": "i4",
        "i64": "i8", "unsigned": "u4", "u64": "u8", "unsigned char": "u1", "unsigned short": "u2",
    }.items()
}  # fmt: skip
NAMES = {dtype.name: name for name, dtype in TYPES.items()}


class Parameter(NamedTuple):
    """What a kernel takes: numbers of a type by value, or arrays of it, that it may write unless `const`."""

    name: str
    dtype: np.dtype
    array: bool
    const: bool


class Source:
    """`file` of csrc/; `instances`: the templates' name expressions that exist, e.g. "max_pool<float, int>".

    options: for the compiler.  cooperative: the kernels meet at grid barriers.  structs: those that kernels take by
    value, by their names in the source, as NumPy's types.  headers: those that are no files, by their names.
    apart: each instance is compiled by itself when it is first launched, as suits many large ones.
    target: the one architecture that has what the source uses, such as "sm_90a"; none where every one has.
    """

    folder = CSRC
    all: list[Source] = []

    def __init__(
        self, file: str, *instances: str, options: tuple[str, ...] = (), cooperative: bool = False,
        structs: dict[str, np.dtype] | None = None, headers: dict[str, str] | None = None, apart: bool = False,
        target: str | None = None,
    ):  # fmt: skip
        self.file, self.instances, self.options, self.cooperative = file, instances, options, cooperative
        self.apart, self.target = apart, target
        self.headers = headers or {}
        self.structs = {name: np.dtype(f"V{dtype.itemsize}") for name, dtype in (structs or {}).items()}
        Source.all.append(self)

    @functools.cached_property
    def text(self) -> str:
        """The source with our own headers written out: CuPy's cache does not see changes in included files."""
        return _expanded(self.file, set(), self.headers)

    @property
    def digest(self) -> str:
        """What evidence about this source holds for: its text, instances and options."""
        parts = [self.text, *self.instances, *self.options, *([self.target] if self.target else [])]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @functools.cache  # noqa: B019 (sources live as long as the program)
    def parameters(self, instance: str) -> list[Parameter]:
        """The parameters of an instance, read from the source."""
        name, _, arguments = instance.rstrip(">").partition("<")
        found = next((m for m in _KERNEL.finditer(self.text) if m["name"] == name), None)
        if found is None or instance not in self.instances:
            raise KeyError(f"{self.file}: no instance {instance}; there are {', '.join(self.instances)}")
        names = [p.split()[-1] for p in (found["template"] or "").split(",") if p.strip()]
        types = self.structs | dict(zip(names, (a.strip() for a in arguments.split(","))))
        return [_parameter(p, types) for p in found["parameters"].split(",")]


def _expanded(file, seen, headers):
    def included(match):
        if match[1] in seen:
            return ""
        seen.add(match[1])
        return headers.get(match[1]) or _expanded(match[1], seen, headers)

    return _INCLUDE.sub(included, (CSRC / file).read_text())


def _parameter(text, types):
    """`const T* __restrict__ x` -> Parameter("x", float32, True, True) with types {"T": "float"}."""
    words = text.replace("__restrict__", " ").replace("*", " * ").split()
    kind = " ".join(w for w in words[:-1] if w not in ("const", "*"))
    kind = types.get(kind, kind)
    return Parameter(words[-1], TYPES.get(kind, kind), "*" in words, "const" in words)
