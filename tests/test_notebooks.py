"""Every notebook runs from top to bottom; what it claims it asserts itself."""

import json
import os
from pathlib import Path

import pytest

from tinydl.testing import cudaemu

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GPU_KERNELS = ROOT / "notebooks" / "09_gpu_kernels.ipynb"


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, monkeypatch):
    if path == GPU_KERNELS and not cudaemu.available():
        pytest.skip("emulation needs g++")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TINYDL_SHORT", "1")  # the evidence in full is in the committed outputs
    notebook = nbformat.read(path, 4)
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_was_committed_executed_and_names_no_machine(path):
    cells = json.loads(path.read_text())["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in code), "run it before committing"
    assert any("image/png" in o.get("data", {}) for c in code for o in c["outputs"])
    texts = [str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for c in code for o in c["outputs"]]
    assert not any(word in text for text in texts for word in ("/tmp/", "/home/", "/root/"))


def test_without_a_compiler_the_lesson_on_gpu_kernels_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cudaemu, "available", lambda: False)
    code = ["".join(c["source"]) for c in json.loads(GPU_KERNELS.read_text())["cells"] if c["cell_type"] == "code"]
    with pytest.raises(RuntimeError, match=r"needs the compiler g\+\+, which was not found.*apt install g\+\+"):
        exec("\n".join(code[:2]), {})
