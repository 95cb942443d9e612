"""Damaged copies of every kind of file are read or refused: no crash, no endless loop, no huge piece of memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from damaged import COPIES, PARSERS, SECONDS
from oracle import oracle

HERE = Path(__file__).parent


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits by the system's own means")
@pytest.mark.parametrize("parser", PARSERS)
def test_damaged_copies_are_read_or_refused(parser, tmp_path):
    """In a process with half a gigabyte and a minute; errors are ValueErrors that name the file."""
    if parser == "one_png":
        oracle("PIL.Image")
    done = subprocess.run(
        [sys.executable, str(HERE / "damaged.py"), str(tmp_path), parser],
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["refused"] >= COPIES / 4 and sum(counts.values()) == COPIES
