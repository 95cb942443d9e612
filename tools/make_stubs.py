"""Writes tinydl/tensor.pyi from the live Tensor: operations are attached when tinydl is imported.

python tools/make_stubs.py            writes the file
python tools/make_stubs.py --check    exits with 1 where the file is not current
"""

import ast
import builtins
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "tinydl" / "tensor.pyi"

HEADER = '''"""Tensor and the operations attached to it; written by tools/make_stubs.py."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .device import Device
'''
KNOWN = {"Any", "Callable", "Iterable", "Iterator", "Sequence", "np", "Device"}
# Inside of Tensor these names are methods.
RENAMED = {name: f"_{name}" for name in ("bool", "complex", "float", "int")}
# Elementwise here, where object's gives a bool.
OVERRIDES = {"__eq__", "__ne__"}
# What Python's protocols say; other special methods of Tensor are operators and give a Tensor.
RETURNS = {
    "__init__": "None",
    "__setitem__": "None",
    "__bool__": "bool",
    "__contains__": "bool",
    "__int__": "int",
    "__index__": "int",
    "__len__": "int",
    "__float__": "float",
    "__iter__": "Iterator[Tensor]",
    "__repr__": "str",
    "__format__": "str",
    "__array__": "np.ndarray",
    "__array_ufunc__": "Any",
    "__array_function__": "Any",
    "__dlpack__": "Any",
    "__dlpack_device__": "tuple[int, int]",
    "__reduce__": "tuple",
    "T": "Tensor",
}


def stub() -> str:
    """The text of tensor.pyi."""
    import_module("tinydl")  # attaches the operations
    tensor = import_module("tinydl.tensor")  # `tinydl.tensor` itself is the function

    here = [v for v in vars(tensor).values() if getattr(v, "__module__", None) == tensor.__name__]
    classes = [value for value in here if inspect.isclass(value)]
    known = KNOWN | {value.__name__ for value in classes}
    text = [HEADER]
    for value in here:
        if inspect.isclass(value):
            text.append(_class(value, known))
        elif isinstance(value, FunctionType):
            text.append("\n".join(_function(value.__name__, value, known, indent="")))
    return "\n".join(text).rstrip() + "\n"


def _class(cls: type, known: set[str]) -> str:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    lines = ["", f"class {cls.__name__}({bases}):" if bases else f"class {cls.__name__}:"]
    lines += [f'    """{_first_line(cls)}"""', ""]
    if cls.__name__ == "Tensor":
        lines += ["    array: Any", "    __hash__: Any"]
    lines += [f"    {slot}: Any" for slot in getattr(cls, "__slots__", ())]
    for name, value in sorted(vars(cls).items()):
        lines += _member(name, value, known, cls)
    return "\n".join(lines) + "\n"


def _member(name: str, value: object, known: set[str], owner: type) -> list[str]:
    indent = "    "
    if name.startswith("_") and not name.endswith("__") or name == "__hash__":
        return []
    if isinstance(value, property):
        lines = ["@property", *_function(name, value.fget, known, "")]
        if value.fset:
            lines += [f"@{name}.setter", f"def {name}(self, value: Any) -> None: ..."]
        return [indent + line for line in lines]
    if isinstance(value, classmethod | staticmethod):
        kind = type(value).__name__
        return [f"{indent}@{kind}", *_function(name, value.__func__, known, indent, kind)]
    if isinstance(value, FunctionType):
        return _function(name, value, known, indent, "method", owner)
    return []


def _function(name, function, known, indent, kind="function", owner=None) -> list[str]:
    signature = _signature(name, function, owner)
    parameters = [
        p.replace(
            annotation=_hint(p.annotation, known, takes=True),
            default=p.default if p.default is p.empty else _Text("..."),
        )
        for p in signature.parameters.values()
    ]
    # A method's first parameter has the name of the operation's argument; callers see `self`.
    if kind == "method":
        parameters[0] = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    returns = signature.return_annotation
    if returns is signature.empty and name in RETURNS:
        returns = RETURNS[name]
    elif returns is signature.empty and owner and owner.__name__ == "Tensor" and name[-1] == "_":
        returns = "Tensor"  # operators, and methods that write in place
    shown = inspect.Signature(parameters, return_annotation=_hint(returns, known))
    head = f"{indent}def {name}{shown}:"
    ignore = "  # type: ignore[override]" if name in OVERRIDES else ""
    doc = _first_line(function)
    return [head + ignore, f'{indent}    """{doc}"""'] if doc else [f"{head} ...{ignore}"]


def _signature(name, function, owner) -> inspect.Signature:
    """The signature; of an in-place method, that of the operation that it is named after."""
    signature = inspect.signature(function)
    if "args" not in signature.parameters or owner is None:
        return signature
    operator = name.startswith("__i") and name.endswith("__")
    twin = f"__{name[3:]}" if operator else name.removesuffix("_")
    found = inspect.signature(vars(owner).get(twin, function))
    return found.replace(return_annotation="Tensor")


class _Text(str):
    """Shown by inspect.Signature as it is."""

    def __repr__(self):
        return str(self)


def _hint(annotation, known: set[str], takes: bool = False):
    """The annotation as text, with names that the stub has, Any for others.

    takes: of a parameter, where a number may stand for a tensor.
    """
    if annotation is inspect.Signature.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.replace("numpy.", "np.").replace("collections.abc.", "").replace("typing.", "")
    tree = ast.parse(text, mode="eval")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if {name.id for name in names} - known - set(vars(builtins)):
        return _Text("Any")
    for name in names:
        name.id = RENAMED.get(name.id, name.id)
    return _Text(ast.unparse(tree) + (" | _complex" if takes and text == "Tensor" else ""))


def _first_line(value) -> str:
    doc = inspect.cleandoc(value.__doc__ or "").partition("\n")[0]
    return doc.replace("\\", "\\\\").replace('"""', "'''")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if "--check" not in sys.argv:
        STUB.write_text(stub(), encoding="utf-8")
    elif not STUB.exists() or STUB.read_text(encoding="utf-8") != stub():
        sys.exit(f"{STUB} is not current: run python tools/make_stubs.py")
