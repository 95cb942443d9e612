"""PyTorch's own samples of its operations, modules and optimizers, where TINYDL_CONFORMANCE names the programs.

They run in processes of their own, and write what they found as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from oracle import oracle

oracle()
FOLDER = os.environ.get("TINYDL_CONFORMANCE")
ROOT = Path(__file__).parents[1]

if FOLDER is None:
    pytest.skip("TINYDL_CONFORMANCE names no folder", allow_module_level=True)

# vectors have no sign of their own, and PyTorch's come from another LAPACK: see test_decompositions
SIGNS = {"linalg.eigh", "linalg.svd"}
# in float32 PyTorch is farther from float64 than tinydl: see test_precision
ROUGH = {"logcumsumexp", "nn.functional.ctc_loss"}
# name: (program, options, how many of each there are at least, what may differ)
RUNS = {
    "operations": ("opinfo", [], 372, SIGNS),
    "operations in float32": ("opinfo", ["--dtype", "float32", "--most", "20"], 372, SIGNS | ROUGH),
    "modules": ("modules", ["--most", "12"], 133, set()),
    "optimizers": ("optimizers", [], 27, set()),
}
NAMED = {"opinfo": "op", "modules": "module", "optimizers": "name"}


@pytest.mark.parametrize("name", RUNS)
def test_pytorchs_own_samples(name, tmp_path):
    program, options, count, tolerated = RUNS[name]
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, str(Path(FOLDER) / f"{program}.py"), *options, "--json", str(report)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [row for row in json.loads(report.read_text()) if row["status"] != "skipped"]
    assert len(rows) >= count, done.stdout
    bad = [row for row in rows if row["status"] != "pass" or row["errors_accepted"]]
    assert {row.get(NAMED[program]) for row in bad} <= tolerated, done.stdout
    # of what is tolerated numbers may differ, and nothing else
    assert all(why.startswith("Mismatch") for row in bad for why in row["why"]), done.stdout
