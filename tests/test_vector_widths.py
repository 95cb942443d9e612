"""The kernels' own tests once more, on narrower vectors than the machine has, and at one thread.

The machine's own width at two threads is what all other tests run at.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tinydl.kernels.cpu import jit

HERE = Path(__file__).parent
FILES = (
    "attention", "batch_conv", "copies", "direct_conv", "fused", "kernels_cpu", "norm_kernels", "optim_kernels",
    "pointwise_kernels", "products", "scan_order_kernels", "sequence_kernels", "winograd",
)  # fmt: skip
# what starts processes or asks for one thread or two itself
ELSEWHERE = "not (threads or thread or cache or forked or imports_no_numba)"
SHOW = "import tinydl; from tinydl.kernels.cpu import jit; print(jit.vector_bytes(), tinydl.get_num_threads())"

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have one width"),
    pytest.mark.skipif(bool(os.environ.get("NUMBA_CPU_NAME")), reason="these are the tests at a chosen width"),
]


def run(processor, threads, *words):
    environment = os.environ | {
        "NUMBA_CPU_NAME": processor, "NUMBA_NUM_THREADS": str(threads), "TINYDL_NUM_THREADS": str(threads),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=HERE.parent, capture_output=True, text=True, timeout=1450
    )


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("processor, width, threads", [("haswell", 32, 2), ("nehalem", 16, 1)])
def test_kernels_on_narrower_vectors(processor, width, threads):
    if width >= jit.vector_bytes():
        pytest.skip(f"this machine's own vectors have {jit.vector_bytes()} bytes")
    assert run(processor, threads, "-c", SHOW).stdout.split() == [str(width), str(threads)]
    files = [str(HERE / f"test_{name}.py") for name in FILES]
    done = run(processor, threads, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", ELSEWHERE, *files)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
