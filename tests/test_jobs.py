"""Jobs compiled alone: operands of every kind arrive, each job runs once, kept code is found again."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np
import work
from tinydl.kernels.cpu import jit, jobs

for threads in 1, 2:
    jit.set_num_threads(threads)
    for n in 0, 1, 37:
        for dtype in np.float32, np.float64:
            x = np.arange(37 * 5, dtype=dtype).reshape(37, 5)
            places = np.arange(37, dtype=np.int32)[::-1].copy()
            y = np.full(37, -1, dtype)
            work.rows(n, x, places, 3, 0.25, (2, 7), y)
            expected = np.where(np.arange(37) < n, (x[places].sum(1) * 3 + 2 - 7) * 0.25, -1)
            assert y.dtype == dtype and (y == expected).all(), (n, y)
cube = np.ones((2, 3, 4))
work.rows(2, cube.reshape(6, 4), np.zeros(2, np.int64), True, 0.5, (0, 0), z := np.zeros(2))
assert (z == 2).all()
kinds = [tuple(map(str, s)) for s in work.rows.dispatcher.signatures]
assert len(kinds) == len(set(kinds)) == 3, kinds
assert len(jobs._shared.dispatcher.signatures) == 1
print(sum(work.rows.dispatcher.stats.cache_misses.values()))
"""
MODULE = """
from tinydl.kernels.cpu.jobs import jobs

@jobs
def rows(j, x, places, times, factor, pair, y):
    total = x[places[j], 0]
    for k in range(1, x.shape[1]):
        total += x[places[j], k]
    y[j] = (total * times + pair[0] - pair[1]) * factor
"""


def test_operands_of_every_kind_arrive_and_code_is_kept(tmp_path):
    (tmp_path / "work.py").write_text(MODULE)
    path = os.pathsep.join([str(tmp_path), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "TINYDL_CACHE": str(tmp_path / "cache"), "TINYDL_QUIET": "1", "PYTHONPATH": path}
    for compiled in ("3", "0"):
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == compiled
