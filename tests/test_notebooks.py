"""Every notebook runs from top to bottom; what it claims it asserts itself."""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, monkeypatch):
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
