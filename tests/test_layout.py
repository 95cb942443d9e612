"""The architecture, read from the source by `ast`: who imports whom, how long a file may be."""

import ast
import configparser
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A module imports its own layer and those above it in this list.
LAYERS = [
    {"version", "_locate"},
    {"kernels"},
    {"dtype", "device"},
    {"tensor", "autograd", "printing"},
    {"ops", "numpy_protocol", "interop"},
    {"nn", "optim", "data", "utils", "distributions", "func", "linalg", "special", "random", "sparse"},
    {"cuda", "backends", "amp", "io", "profiler", "metrics", "pictures", "summary", "testing", "threads"},
    {"models"},
    {"train"},
    {"cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

KERNEL_LIBRARIES = {"numpy", "ml_dtypes", "numba", "llvmlite", "cupy"}
# Imported inside functions, when first needed: `import tinydl` brings in NumPy and ml_dtypes.
LAZY = {"numba", "llvmlite", "scipy", "safetensors", "tqdm", "matplotlib", "sklearn", "pooch"}
LAZY |= {"PIL", "threadpoolctl", "pandas", "tensorboardX", "IPython"}
LONGEST = 450


class Import(NamedTuple):
    module: str  # absolute, with the imported name: "tinydl.ops.conv"
    lazy: bool  # inside a function
    line: int

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name under which a file is imported; `kernels/` is `tinydl.kernels`."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] == "kernels":
        parts.insert(0, "tinydl")
    return ".".join(parts)


def imports(tree: ast.AST, package: list[str], lazy: bool = False) -> Iterator[Import]:
    """Every import of a module, but for those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, lazy, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", lazy, node.lineno)
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, package, inside)


def imports_of(path: Path) -> list[Import]:
    package = name_of(path).split(".")[:-1]
    return list(imports(ast.parse(path.read_text(encoding="utf-8")), package))


def is_outside(item: Import) -> bool:
    return item.library not in sys.stdlib_module_names and item.library != "tinydl"


def layer_of(module: str) -> int:
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__init__":
        return len(LAYERS)  # the top of the package has the names of all layers
    assert parts[1] in RANK, f"tests/test_layout.py: LAYERS does not say where {module} belongs"
    return RANK[parts[1]]


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


@each(sources("tinydl", "kernels"))
def test_imports_go_one_way(path):
    mine = layer_of(name_of(path))
    for item in imports_of(path):
        if item.library == "tinydl" and not item.lazy:
            other = layer_of(item.module)
            assert other <= mine, f"{path}:{item.line}: {item.module} belongs to a later layer"


@each(sources("kernels"))
def test_kernels_know_arrays_only(path):
    for item in imports_of(path):
        own = item.module.startswith("tinydl.kernels")
        outside = item.library == "tinydl" or is_outside(item)
        allowed = own or not outside or item.library in KERNEL_LIBRARIES
        assert allowed, f"{path}:{item.line}: a kernel imports {item.module}"


@each(sources("tinydl"))
def test_only_numpy_is_imported_at_once(path):
    """And ml_dtypes, which adds bfloat16 to NumPy: 4 ms beside NumPy's 60."""
    for item in imports_of(path):
        if is_outside(item) and item.library not in ("numpy", "ml_dtypes"):
            where = f"{path}:{item.line}: {item.module}"
            assert item.library in LAZY | {"cupy"}, f"{where} is no dependency"
            assert item.lazy, f"{where} must be imported inside the function that needs it"


# The stand-ins for CuPy and for CUDA know what they stand for.
@each([path for path in sources("tinydl") if "testing" not in path.parts])
def test_only_device_names_cupy(path):
    if path == ROOT / "tinydl/device.py":
        return
    for item in imports_of(path):
        assert item.library not in {"cupy", "cupyx"}, f"{path}:{item.line}: only device.py may"


def declares_operations(path: Path) -> bool:
    """Whether a function of the file is decorated as `@op`, `@op(...)` or `@fused`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    decorators = [ast.unparse(d).partition("(")[0] for f in functions for d in f.decorator_list]
    return not {"op", "fused"}.isdisjoint(decorators)


@each([path for path in sources("tinydl/ops") if declares_operations(path)])
def test_operations_receive_their_array_library(path):
    for item in imports_of(path):
        named = item.library in {"numpy", "scipy", "cupy", "cupyx", "numba"}
        assert not named, f"{path}:{item.line}: an op's body receives xp; it imports {item.module}"


def notebook_code(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(line for line in "\n".join(lines).split("\n") if line[:1] not in "%!")


def test_bare_kernels_is_never_imported():
    """The bare name `kernels` is another project's: only `tinydl.kernels` exists."""
    files = sources("tinydl", "kernels", "tests", "benchmarks", "tools")
    code = {path: path.read_text(encoding="utf-8") for path in files}
    code |= {path: notebook_code(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    assert len(code) > 20
    for path, text in code.items():
        for item in imports(ast.parse(text), name_of(path).split(".")[:-1]):
            assert item.library != "kernels", f"{path}:{item.line}: bare `kernels`"


@each(sources("tinydl", "kernels"))
def test_a_file_fits_a_sitting(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{path}: {lines} lines; split it by family (about 300 is right)"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_finds_nothing(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_setup_lists_every_package():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    files = sources("tinydl", "kernels")
    found = {".".join(name_of(path).split(".")[:-1]) for path in files}
    assert sorted(listed) == sorted(found)
    for package in found:
        folder = package.removeprefix("tinydl.") if "tinydl.kernels" in package else package
        assert (ROOT / folder.replace(".", "/") / "__init__.py").exists(), f"{package}: no __init__"


def test_the_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"\b((?:tests|tools|tinydl|kernels)/[\w/]*(?:\.\w+)?)", text)
    assert len(named) > 10
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert not missing, f"CONTRIBUTING.md names {missing}"


def test_the_rules_bite():
    """The reader of imports sees what the rules are about."""
    code = "import scipy\ndef f():\n    from ..kernels import cpu\nfrom . import conv, pool\n"
    code += "if TYPE_CHECKING:\n    import torch\ntry:\n    import cupy.cuda\nexcept OSError: pass\n"
    found = list(imports(ast.parse(code), ["tinydl", "ops"]))
    assert found == [
        ("scipy", False, 1),
        ("tinydl.kernels.cpu", True, 3),
        ("tinydl.ops.conv", False, 4),
        ("tinydl.ops.pool", False, 4),
        ("cupy.cuda", False, 8),
    ]
