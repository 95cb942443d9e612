"""Two libraries taking turns: a process for each, told how many steps to run, telling how long they took."""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time

SETTLING = 0.02  # seconds before a turn: the other's threads go on spinning for a while, on the same cores
LIBRARIES = {"tinydl": "tinydl", "torch": "torch", "body": "tinydl"}  # body: tinydl without any kernel


def work(side: str, name: str, threads: int) -> None:
    """The process of one side: a number of steps in, their seconds out."""
    lib = importlib.import_module(LIBRARIES[side])
    lib.set_num_threads(threads)
    if side == "body":
        from tinydl.device import CPU
        from tinydl.kernels import cpu

        CPU.kernels.update(dict.fromkeys(cpu.KERNELS))
    step, about = built(lib, name), {}
    between = getattr(step, "between", lambda: None)
    if side == "tinydl":
        about = {"bodies": run_by_bodies(step)}
        about |= {kind: getattr(step, kind) for kind in ("bytes", "flops") if hasattr(step, kind)}
    for _ in range(1 if side == "body" else 3):
        step()
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        spent = 0
        time.sleep(SETTLING)
        for _ in range(int(line)):
            between()
            start = time.perf_counter()
            step()
            spent += time.perf_counter() - start
        print(spent, flush=True)


def built(lib, name):
    """The step of a case, from a fixed seed."""
    from .cases import load

    lib.manual_seed(0)
    case = load()[name]
    return case.build(lib, **case.arguments)


def run_by_bodies(step) -> list[str]:
    """Operations that took a tenth of the step or more, and that no kernel served: 'name' or 'name (declined)'."""
    from tinydl.profiler import profile

    step()
    with profile() as p:
        step()
    total = sum(row.seconds for row in p.sorted_rows())
    slow = [row for row in p.sorted_rows() if row.seconds > total / 10 and row.served < row.calls]
    return [row.name + " (declined)" * bool(row.declined) for row in slow]


class Worker:
    def __init__(self, side, name, threads):
        command = [sys.executable, "-m", "benchmarks", "--work", side, name, "--threads", str(threads)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        first = self.process.stdout.readline()
        if not first:
            said = self.process.stderr.read().splitlines()  # notes of a module may follow the error
            reason = next((line for line in reversed(said) if "Error" in line), "ended without a word")
            raise RuntimeError(f"{side}: {reason}")
        self.about = json.loads(first)

    def seconds(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def measure(name: str, threads: int, rounds: int, body: bool = False) -> dict:
    """Medians over `rounds` turns of each library, in milliseconds a step, and their ratio.

    With `body` also the time of the reference bodies, from one turn.  A side that fails is told in 'failed'.
    """
    workers, row = {}, {"case": name}
    try:
        for side in ("tinydl", "torch", *["body"] * body):
            workers[side] = Worker(side, name, threads)
        steps = max(1, round(0.05 / max(1e-6, workers["torch"].seconds(1))))
        times = {"tinydl": [], "torch": []}
        for _ in range(rounds):
            for side in times:
                times[side].append(1e3 * workers[side].seconds(steps) / steps)
        if body:
            row["body_ms"] = 1e3 * workers["body"].seconds(1)
        row |= workers["tinydl"].about | {f"{side}_ms": statistics.median(t) for side, t in times.items()}
        row |= {"ratio": row["tinydl_ms"] / row["torch_ms"]}
        row |= {"ratio_of_best": min(times["tinydl"]) / min(times["torch"])}
    except RuntimeError as error:
        row["failed"] = str(error)
    finally:
        for worker in workers.values():
            worker.stop()
    return row
