"""What a test of CUDA kernels saw: which of them ran, where, and how far they were from float64.

With TINYDL_EVIDENCE=FILE each test adds a line to the file: `python -m benchmarks gpu` makes the ledger of them.
"""

import contextlib
import json
import os

import numpy as np

from tinydl.kernels.gpu import launch

place = "emulated"  # or "cuda": where the test that runs now launches kernels
errors: list[float] = []  # that it noted


def note(got, want, scale=1.0) -> None:
    """Results of a kernel, and what float64 gives: the largest difference of finite numbers, as a part of `scale`."""
    finite = np.isfinite(want) & np.isfinite(got)
    errors.append(float(np.abs(got[finite].astype("float64") - want[finite]).max(initial=0) / scale))


@contextlib.contextmanager
def gathered(where: str, test: str, passed):
    """Within it, `test` runs kernels on `where`; passed(): asked at the end, whether it did."""
    global place
    launched: dict[str, dict[str, set]] = {}

    def watch(source, instance, backend, run):
        launched.setdefault(backend.kind, {}).setdefault(source.file, set()).add(instance)
        run()

    place = where
    errors.clear()
    launch.watchers.append(watch)
    try:
        yield
    finally:
        launch.watchers.remove(watch)
        place = "emulated"
        if "TINYDL_EVIDENCE" in os.environ:
            names = {kind: {file: sorted(i) for file, i in files.items()} for kind, files in launched.items()}
            line = {"test": test, "passed": passed(), "error": max(errors, default=None), "launched": names}
            with open(os.environ["TINYDL_EVIDENCE"], "a") as file:
                file.write(json.dumps(line) + "\n")
