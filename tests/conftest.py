"""Settings of the whole test run; they are read at the first import of NumPy and Numba."""

import os

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

from hypothesis import HealthCheck, settings  # noqa: E402  (after the environment is set)

# Reproducible, and patient with kernels that compile inside a test.
settings.register_profile(
    "tinydl",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tinydl")
