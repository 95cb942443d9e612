"""Settings of the whole test run; they are read at the first import of NumPy and Numba."""

import os
import sys
from pathlib import Path

# Two workers of pytest-xdist share the machine: one thread each for BLAS and kernels. Tests of threads ask for two.
# Kernels are compiled with bounds checks here.
for name, value in {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "2",
    "TINYDL_NUM_THREADS": "1",
    "NUMBA_BOUNDSCHECK": "1",
    "MPLBACKEND": "Agg",
    "TINYDL_QUIET": "1",
}.items():
    os.environ.setdefault(name, value)

import numpy as np  # noqa: E402  (after the environment is set)
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Reproducible, and patient with kernels that compile inside a test.
settings.register_profile(
    "tinydl",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tinydl")


# ---------------------------------------------------------------- random numbers
START, GENERATORS = np.random.default_rng(0).bit_generator.state, pytest.StashKey()


def pytest_collection_finish(session):
    """Finds the generators of the modules of tests."""
    here = Path(__file__).parent
    modules = [m for m in list(sys.modules.values()) if here in Path(getattr(m, "__file__", None) or "/").parents]
    session.config.stash[GENERATORS] = [
        g.bit_generator for m in modules for g in vars(m).values() if isinstance(g, np.random.Generator)
    ]


def pytest_runtest_setup(item):
    """Each test draws the numbers that it draws alone, whichever ran before it in its process."""
    for generator in item.config.stash[GENERATORS]:
        generator.state = START
    if "tinydl" in sys.modules:
        sys.modules["tinydl"].manual_seed(0)


# ---------------------------------------------------------------- tests of a GPU
PASSED, WHY_NOT = pytest.StashKey(), pytest.StashKey()


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.device)])
def place(request):
    """Where a test runs CUDA kernels: in the emulator, and, under the mark `device`, on a GPU."""
    import evidence

    from tinydl.testing import cudaemu

    if request.param == "emulated" and not cudaemu.available():
        pytest.skip("emulation needs g++")
    with evidence.gathered(request.param, request.node.nodeid, lambda: request.node.stash.get(PASSED, False)):
        yield request.param


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes whether the test passed, for what is asked after it."""
    report = (yield).get_result()
    if report.when == "call":
        item.stash[PASSED] = report.passed


def pytest_collection_modifyitems(config, items):
    """Tests under the mark `device` need no flag where there is a GPU, and are left out where there is none.

    Those of the emulator itself (mark `emulated`) are none of a GPU.
    """
    left_out = [i for i in items if i.get_closest_marker("device") and i.get_closest_marker("emulated")]
    if any(item.get_closest_marker("device") for item in items):
        from tinydl.device import cuda_state

        usable, why = cuda_state()
        if not usable:
            config.stash[WHY_NOT] = why
            left_out = [item for item in items if item.get_closest_marker("device")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(map(id, left_out))
        items[:] = [item for item in items if id(item) not in gone]


def pytest_terminal_summary(terminalreporter, config):
    if WHY_NOT in config.stash:
        terminalreporter.write_line(f"tests of a GPU (mark `device`) were left out: {config.stash[WHY_NOT]}")
