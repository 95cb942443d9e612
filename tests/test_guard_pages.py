"""No CPU kernel touches a byte outside of its arrays: pointers escape Numba's bounds checks, but not the hardware."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_cases import CASES

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect by way of ctypes")
HERE = Path(__file__).parent


def run(what):
    """In a process of its own, which a fault ends."""
    return subprocess.run(
        [sys.executable, str(HERE / "guarded.py"), what],
        env=os.environ | {"TINYDL_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=1400,
    )


def test_the_guards_bite():
    done = run("overrun")
    assert done.returncode == -signal.SIGSEGV and done.stdout.strip() == "nan"


def test_every_kernel_has_cases():
    assert [name for name, cases in CASES.items() if not cases] == []


@pytest.mark.parametrize("place", ["at_end", "at_start"])
def test_kernels_stay_inside_of_their_arrays(place):
    done = run(place)
    last = done.stdout.strip().rpartition("\n")[2]
    assert done.returncode == 0 and last == "done", f"{done.returncode} in {last}\n{done.stderr[-3000:]}"
