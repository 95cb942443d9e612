"""Jitted functions that stand apart: compiled once, called by name, loaded before the kept callers that name them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinydl.kernels.cpu import jit

KERNELS = Path(jit.__file__).parents[1]
FILES = sorted(KERNELS.rglob("*.py"))

MODULE = """
import numpy as np
from numba import prange
from tinydl.kernels.cpu.jit import jit

@jit(apart=True)
def total(x, i):
    s = x[i, 0]
    for k in range(1, x.shape[1]):
        s += x[i, k]
    return s

@jit(apart=True)
def row(x, pair, y, twice):
    i, factor = pair
    if x[i, 0] < 0:
        raise ValueError("negative")
    y[i] = total(x, i) * factor * (2 if twice else 1)

@jit(parallel=True)
def rows(x, y):
    for i in prange(len(x)):
        row(x, (i, 3), y, True)

@jit
def one(x, y):
    row(x, (0, 3), y, False)

@jit
def between(x, i):
    return total(x, i)

@jit
def later(x):
    return between(x, len(x) - 2)  # no literal, for which it would be compiled anew
"""
PROGRAM = """
import numpy as np
import apart

for dtype in np.float32, np.float64:
    x = np.arange(12, dtype=dtype).reshape(4, 3)
    y = np.zeros(4, dtype)
    apart.rows(x, y)
    assert (y == 6 * x.sum(1)).all(), y
    apart.one(x, y)
    assert y[0] == 9, y
try:
    apart.one(-1 - x, y)
except ValueError as error:
    assert str(error) == "negative"
else:
    raise AssertionError("no error came through")
functions = [f.dispatcher for f in (apart.rows, apart.row, apart.total)] + [apart.one]
assert all(len(f.overloads) <= 2 for f in functions), "more than one signature for a dtype"
print(sum(sum(f.stats.cache_misses.values()) for f in functions))
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "apart.py").write_text(MODULE)
    path = os.pathsep.join([str(tmp_path), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "TINYDL_CACHE": str(tmp_path / "cache"), "TINYDL_QUIET": "1", "PYTHONPATH": path}

    def compiled(program=PROGRAM):
        """How many functions a fresh process had to compile."""
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return compiled


def test_kept_callers_find_what_they_call(run, tmp_path):
    assert run() > 0
    assert run() == 0
    # callers are kept, and what they call is not
    lost = [file for name in ("row-", "total-") for file in (tmp_path / "cache").rglob(f"apart.{name}*")]
    assert lost
    for file in lost:
        file.unlink()
    assert run() > 0
    assert run() == 0


def test_a_caller_compiled_after_what_it_calls_was_kept_tells_what_that_needs(run):
    program = (
        "import numpy as np, apart\nx = np.ones((3, 4))\nassert apart.{} == 4\nprint(len(apart.{}.stats.cache_misses))"
    )
    assert run(program.format("between(x, 1)", "between")) == 1
    assert run(program.format("later(x)", "later")) == 1  # with `between` from the disk
    assert run(program.format("later(x)", "later")) == 0


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(KERNELS)) for file in FILES])
def test_a_kept_kernel_depends_on_all_that_its_file_imports(file):
    """The quick look for imports, by which stale kernels are known, against Python's own parser."""
    expected = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            expected |= {folder.with_suffix(".py"), *(folder / f"{a.name}.py" for a in node.names)}
    source, found = jit.source_and_imports(file)
    assert source == file.read_bytes()
    assert {f for f in expected if f.exists() and KERNELS in f.parents} <= set(found)


def test_imports_over_several_lines_are_seen():
    (found,) = jit._IMPORT.findall(b"from .. import (\n    one,\n    two,\n)\n")
    assert found[0] == b".." and b"one" in found[2] and b"two" in found[2]
