"""The parts of a run that say what is right: kernels compile, tests pass on the device, compute-sanitizer is silent."""

import concurrent.futures
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable

from . import ledger
from .run import Run, ended

COMPILING, TESTING, SANITIZING = 240, 240, 180  # seconds that all kernels, a test file, a case may take
FIRST = ("gemm", "conv", "pool", "recurrent", "norm", "softmax", "attention", "optim", "pointwise", "embedding")
SUITE = ("test_cuda_samples.py", "test_strict.py")  # every operation: after the kernels, and after the table
DRY = "test_cuda_softmax.py", "over_any_dimension and float32"
# tool, file, which of its tests
SANITIZED = (
    ("memcheck", "test_cuda_gemm.py", "every_layout"), ("memcheck", "test_cuda_conv.py", "2d or stride"),
    ("racecheck", "test_cuda_gemm.py", "every_layout and ieee"), ("racecheck", "test_cuda_softmax.py", "cross_entropy"),
    ("memcheck", "test_cuda_recurrent.py", "lstm and one"), ("initcheck", "test_cuda_pool.py", "test_pooling"),
)  # fmt: skip


def compile_kernels(run: Run) -> None:
    """All kernels, many at a time."""
    done = run.python("-m", "benchmarks.gpu.compiling", at_most=COMPILING)
    print(done.stdout.strip() or done.stderr.strip()[-300:], flush=True)


# ---------------------------------------------------------------- tests
def test_files() -> list[str]:
    """Those with tests under the mark `device`, in the order of importance."""
    texts = {path.name: path.read_text() for path in sorted((ledger.ROOT / "tests").glob("test_*.py"))}
    found = [name for name, text in texts.items() if re.search(r'usefixtures\("place"\)|pytest\.mark\.device\b', text)]
    order = [*(f"test_cuda_{family}.py" for family in FIRST), "test_cuda_networks.py", "test_device.py"]
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def kernels(run: Run) -> None:
    """Each kernel against float64, the same bits at every run; training steps, checkpoints, faults."""
    tests(run, [name for name in test_files() if name not in SUITE])


def suite(run: Run) -> None:
    """Every sample of every operation, layers, losses, optimizers."""
    tests(run, [name for name in test_files() if name in SUITE])


def tests(run: Run, files: list[str]) -> None:
    """Run those files that changed, or whose kernels did; some at a time, as they say nothing of speed."""
    files = [name for name in files if not run.dry or name == DRY[0]]
    files = [name for name in files if run.again or not passed_before(run, name)]
    with concurrent.futures.ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) // 3))) as pool:
        for done in concurrent.futures.as_completed([pool.submit(one_file, run, name) for name in files]):
            name, row, lines = done.result()
            for line in lines:
                ledger.enter(run.ledger, line, run.about)
            run.ledger["tests"][name] = row
            run.keep()
            shown(name, row)


def passed_before(run: Run, name: str) -> bool:
    """Whether it passed as it is now, on such a device."""
    row = run.ledger["tests"].get(name, {})
    same = row.get("hash") == ledger.hash_of_test(name) and row.get("device") == run.about["device"]
    return same and row["passed"] > 0 and not row["failed"]


def one_file(run: Run, name: str) -> tuple[str, dict, list[dict]]:
    """Its row of the ledger, and what its tests saw, also where the time was over before they were."""
    seen, start = run.folder / f".{name}.jsonl", time.monotonic()
    chosen = ["-m", "not device", "-k", DRY[1]] if run.dry else ["-m", "device"]
    words = ["-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider", *chosen, f"tests/{name}"]
    done = run.python(*words, at_most=TESTING, TINYDL_EVIDENCE=str(seen))
    lines = [json.loads(line) for line in seen.read_text().splitlines()] if seen.exists() else []
    seen.unlink(missing_ok=True)
    row = {"hash": ledger.hash_of_test(name), **ledger.stamped(run.about), **counted(done)}
    if row["failed"]:
        (run.folder / f"{name}.log").write_text(done.stdout + done.stderr)
    return name, row | {"seconds": round(time.monotonic() - start, 1)}, lines


def counted(done) -> dict:
    """How many tests passed, and which failed, by what `pytest -v` printed."""
    failed = re.findall(r"^(\S+::.*?) (?:FAILED|ERROR)\b", done.stdout, re.M)
    if done.returncode not in (0, 1):  # stopped, crashed, or nothing was collected
        failed.append(f"code {done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-200:]}")
    return {"passed": len(re.findall(r"^\S+::.*? PASSED\b", done.stdout, re.M)), "failed": list(dict.fromkeys(failed))}


def shown(name: str, row: dict, most: int = 10) -> None:
    print(f"{name:<40}{row['passed']:>6} passed{len(row['failed']):>5} failed{row['seconds']:>8.0f} s", flush=True)
    for test in row["failed"][:most]:
        print(f"    {test}", flush=True)


# ---------------------------------------------------------------- compute-sanitizer
def sanitize(run: Run, cases: Iterable[tuple[str, str, str]] = SANITIZED) -> None:
    """A few tests under NVIDIA's checker of memory, races and unwritten memory; arrays are not pooled meanwhile."""
    checker = shutil.which("compute-sanitizer")
    if not checker:
        print("compute-sanitizer is not on the PATH: nothing was sanitized", flush=True)
        return
    for tool, name, some in cases:
        words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-m", "device", "-k", some]
        command = [checker, "--tool", tool, "--error-exitcode", "7", *words, f"tests/{name}"]
        start, done = time.monotonic(), ended(command, run.left(SANITIZING), {"TINYDL_NO_POOL": "1"})
        row = {"hash": ledger.hash_of_test(name), **ledger.stamped(run.about), **counted(done)}
        row["seconds"] = round(time.monotonic() - start, 1)
        key = f"{name}, {tool}"
        run.ledger["tests"][key] = row
        if row["failed"]:
            (run.folder / f"{key}.log".replace(", ", ".")).write_text(done.stdout + done.stderr)
        run.keep()
        shown(key, row)
