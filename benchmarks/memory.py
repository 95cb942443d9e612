"""What ten training steps add to the resident memory of a fresh process in which model and inputs exist."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

MODELS = ("vgg", "resnet18", "segnet")
STEPS = 10


def work(library: str, name: str, threads: int) -> None:
    """The process: prints the rise of the peak, in MB."""
    from .workers import built

    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    step = built(lib, name)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    for _ in range(STEPS):
        step()
    print(status("VmHWM") - before)


def status(key: str) -> float:
    """A line of the kernel's account of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def measure(name: str, threads: int) -> dict:
    """The rise in both libraries; tinydl's second run, when no kernel has to be compiled."""
    row = {"case": name}
    for library in ("tinydl", "tinydl", "torch"):
        command = [sys.executable, "-m", "benchmarks", "--remember", library, name, "--threads", str(threads)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            return {"case": name, "failed": f"{library}: {done.stderr.strip().rpartition(chr(10))[2]}"}
        row[f"{library}_mb"] = float(done.stdout)
    return row | {"ratio": row["tinydl_mb"] / row["torch_mb"]}
