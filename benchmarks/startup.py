"""What starting costs: importing, and compiling kernels where none are kept."""

import json
import os
import subprocess
import sys
import tempfile

IMPORT = "import time; t = time.perf_counter(); import tinydl; print(time.perf_counter() - t)"
LENET = """
import json, time
start = time.perf_counter()
import tinydl
from benchmarks.workers import built
built(tinydl, "lenet")()
print(time.perf_counter() - start)
"""
FIRST_CALLS = """
import json, time
import tinydl
from tinydl.cli.warmup import calls
from tinydl.kernels.cpu import jit
found = []
jit.compile_hooks.append(lambda kernel, seconds: seconds is None or found.append((kernel, seconds)))
rows = []
for name, call in calls().items():
    for dtype in ("float32", "float64"):
        found.clear()
        start = time.perf_counter()
        call(getattr(tinydl, dtype))
        spent = time.perf_counter() - start
        longest = max((s for _, s in found), default=0.0)
        rows.append(dict(case=f"{name}, {dtype}", seconds=spent, functions=len(found), longest=longest))
print(json.dumps(rows))
"""


def run(program: str, cache: str) -> str:
    """What a fresh process prints whose kernels are kept in `cache`."""
    environment = {**os.environ, "TINYDL_CACHE": cache, "TINYDL_QUIET": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def measure() -> list[dict]:
    """Rows (case, seconds): the import, a LeNet's first step without and with kept kernels, each family's first use."""
    with tempfile.TemporaryDirectory() as cache:
        rows = [{"case": "import tinydl", "seconds": min(float(run(IMPORT, cache)) for _ in range(3))}]
        for case in ("first step of LeNet, nothing compiled", "first step of LeNet, kernels kept"):
            rows.append({"case": case, "seconds": float(run(LENET, cache))})
    with tempfile.TemporaryDirectory() as cache:
        first = json.loads(run(FIRST_CALLS, cache))
        again = json.loads(run(FIRST_CALLS, cache))
    rows.append({"case": "all families' first use, nothing compiled", "seconds": sum(r["seconds"] for r in first)})
    rows.append({"case": "all families' first use, kernels kept", "seconds": sum(r["seconds"] for r in again)})
    return rows + sorted(first, key=lambda row: -row["longest"])
