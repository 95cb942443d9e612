"""The parts of a run that measure: the table, and the same cases by our CPU kernels."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator

from .. import workers
from . import ledger, rows, table
from .run import Run

ROW = 60  # seconds that a row may take


def speed(run: Run) -> None:
    """Each case on both libraries; a row is kept as soon as it is there."""
    waiting = [key for key in rows.every(run.dry, run.words) if run.again or key not in measured_before(run)]
    if waiting:
        print(table.heading())
    while waiting and run.left(1):
        found = [key for key in measured(run, waiting)]
        if not found:
            print("the table's process ended without a row", flush=True)
            return
        waiting = [key for key in waiting if key not in found]


def measured_before(run: Run) -> set[tuple[str, str]]:
    """(arithmetic, case) of rows that are current and of such a device."""
    found = table.current(run.results, run.about["kind"])
    return {(row["arithmetic"], row["case"]) for row in found if row["device"] == run.about["device"]}


def measured(run: Run, waiting: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The cases whose rows one process gave, or in which it ended or was silent for too long: a failed row."""
    words = [":".join(key) for key in waiting]
    command = run.command("-m", "benchmarks.gpu.rows", *words)
    process = subprocess.Popen(command, cwd=ledger.ROOT, stdout=subprocess.PIPE, text=True)
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=lambda: [*map(lines.put, process.stdout), lines.put("")], daemon=True).start()
    begun = None
    try:
        while line := lines.get(timeout=run.left(ROW * (10 if run.dry else 1))):
            said = json.loads(line)
            begun = said.get("begun")
            if not begun:
                yield kept(run, said)
        why = f"the process ended with code {process.wait()}"
    except queue.Empty:
        why = f"it took longer than {ROW} s"
    finally:
        process.kill()
        process.wait()
    if begun and run.left(1):
        yield kept(run, {"case": begun[1], "arithmetic": begun[0], "failed": why})


def kept(run: Run, row: dict) -> tuple[str, str]:
    """Finish, keep and show a row; its key."""
    row = table.finished(row, run.about, run.limits)
    table.put(run.results, row)
    if "launches" in row:
        ledger.enter_times(run.ledger, row, run.about)
    run.keep()
    print(table.line(row), flush=True)
    return row["arithmetic"], row["case"]


def by_the_cpu(run: Run) -> None:
    """The time of our CPU kernels for each current row, with all cores."""
    for row in table.current(run.results, run.about["kind"]):
        if row["arithmetic"] != "default" or ("cpu_us" in row and not run.again) or not run.left(1):
            continue
        try:
            worker = workers.Worker("tinydl", row["case"], os.cpu_count())
        except RuntimeError as error:
            print(f"{row['case']}: {error}", flush=True)
            continue
        seconds = sorted(worker.seconds(1) for _ in range(5))
        worker.stop()
        row |= {"cpu_us": 1e6 * seconds[2], "cpu_threads": os.cpu_count()}
        run.keep()
        print(table.line(row), flush=True)
