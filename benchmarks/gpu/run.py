"""One run: where it writes, until when it may last, what machine it is on; and processes with a time limit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import ledger, table

ABOUT = 120  # seconds that a process may take to say what the machine is, and what it reaches


@dataclass
class Run:
    """words: of the cases of the table.  again: also what is current.  keep() after every row loses nothing."""

    folder: Path  # of gpu.json
    ledger_path: Path
    deadline: float  # of time.monotonic
    dry: bool = False
    again: bool = False
    words: list[str] = field(default_factory=list)
    about: dict = field(default_factory=dict)
    limits: dict = field(default_factory=dict)

    def begin(self) -> None:
        """Read what was kept; ask a process of its own what this machine is.  SystemExit where there is no GPU."""
        self.ledger, self.results = ledger.read(self.ledger_path), table.read(self.folder / "gpu.json")
        done = self.python("-m", "benchmarks.gpu.place", at_most=ABOUT)
        if done.returncode:
            raise SystemExit(done.stderr.strip())
        found = json.loads(done.stdout.splitlines()[-1])
        self.about, self.limits = found["about"], found["limits"]
        self.ledger["about"] = self.results["about"] = self.about
        self.results["limits"] = self.limits

    def keep(self) -> None:
        """Write what was found so far."""
        ledger.write(self.ledger, self.ledger_path)
        ledger.write_whole(self.folder / "gpu.json", self.results)

    def left(self, at_most: float) -> float:
        """Seconds for something that may take so many."""
        return max(0.0, min(at_most, self.deadline - time.monotonic()))

    def command(self, *words: str) -> list[str]:
        """Python with these words; a module of this package is told of a dry run."""
        return [sys.executable, *words, *["--dry"] * (self.dry and "benchmarks" in words[1])]

    def python(self, *words, at_most, **environment) -> subprocess.CompletedProcess:
        """Run Python at the repository's root."""
        return ended(self.command(*words), self.left(at_most), environment)


def ended(command: list[str], seconds: float, environment: dict) -> subprocess.CompletedProcess:
    """A process when it ended or, with code -9, when its time did: what it had said by then."""
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    given = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=ledger.ROOT, env=given, start_new_session=True, **pipes)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        err += f"\nstopped after {seconds:.0f} s"
    return subprocess.CompletedProcess(command, process.returncode, out, err)
