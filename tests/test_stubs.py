"""tinydl/tensor.pyi, from which editors and type checkers know the operations of a Tensor."""

import ast
import importlib.util
from pathlib import Path

from tinydl.tensor import Tensor

ROOT = Path(__file__).resolve().parent.parent


def make_stubs():
    spec = importlib.util.spec_from_file_location("make_stubs", ROOT / "tools" / "make_stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stub_is_current():
    tool = make_stubs()
    committed = tool.STUB.read_text(encoding="utf-8")
    assert committed == tool.stub(), "run python tools/make_stubs.py"


def test_the_stub_has_every_public_method():
    tree = ast.parse(make_stubs().STUB.read_text(encoding="utf-8"))
    (stub,) = (node for node in tree.body if getattr(node, "name", "") == "Tensor")
    found = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in vars(Tensor) if not name.startswith("_")}
    assert public - found <= {"array"}
    assert {"backward", "exp", "reshape", "__add__", "__getitem__"} <= found
