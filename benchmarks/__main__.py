"""Times the cases on tinydl and on PyTorch, each in a process of its own, taking turns."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).with_name("results")


def work(library: str, name: str, threads: int) -> None:
    """The process of one library: a line in, as many steps as it asks for, their seconds out."""
    import importlib

    from .cases import load

    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    lib.manual_seed(0)
    case = load()[name]
    step = case.build(lib, **case.arguments)
    between = getattr(step, "between", lambda: None)
    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        spent = 0
        for _ in range(int(line)):
            between()
            start = time.perf_counter()
            step()
            spent += time.perf_counter() - start
        print(spent, flush=True)


class Worker:
    def __init__(self, library, name, threads):
        command = [sys.executable, "-m", "benchmarks", "--work", library, name, "--threads", str(threads)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"benchmarks: {library} could not run {name}")

    def seconds(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def measure(name: str, threads: int, rounds: int) -> dict:
    """Medians over `rounds` turns of each library, in milliseconds a step, and their ratio."""
    workers = {lib: Worker(lib, name, threads) for lib in ("tinydl", "torch")}
    try:
        steps = max(1, round(0.05 / max(1e-6, workers["torch"].seconds(1))))
        times = {lib: [] for lib in workers}
        for _ in range(rounds):
            for lib, worker in workers.items():
                times[lib].append(1e3 * worker.seconds(steps) / steps)
    finally:
        for worker in workers.values():
            worker.stop()
    row = {"case": name, **{f"{lib}_ms": statistics.median(t) for lib, t in times.items()}}
    row["ratio"] = row["tinydl_ms"] / row["torch_ms"]
    row["ratio_of_best"] = min(times["tinydl"]) / min(times["torch"])
    return row


def machine() -> dict:
    """What the figures were made on."""
    from importlib.metadata import version

    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    packages = {p: version(p) for p in ("numpy", "numba", "torch")}
    return {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version(), **packages}


def main() -> None:
    from .cases import load

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="only cases whose name contains one of these")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(*args.work, args.threads)
        return
    names = [n for n in load() if not args.words or any(w in n for w in args.words)]
    about = {**machine(), "threads": args.threads, "date": datetime.date.today().isoformat()}
    print("  ".join(f"{k} {v}" for k, v in about.items()))
    print(f"{'case':<26}{'tinydl ms':>12}{'PyTorch ms':>12}{'ratio':>8}{'of best':>9}")
    rows = []
    for name in names:
        row = measure(name, args.threads, args.rounds)
        rows.append(row)
        print(
            f"{name:<26}{row['tinydl_ms']:>12.3f}{row['torch_ms']:>12.3f}{row['ratio']:>8.2f}"
            f"{row['ratio_of_best']:>9.2f}"
        )
    if args.save:
        path = RESULTS / f"cpu-{args.threads}-threads.json"
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        print(f"written to {path}")


if __name__ == "__main__":
    main()
