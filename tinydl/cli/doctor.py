"""`tinydl doctor`: what is installed, what works here, and why the rest does not.

Each line of the report is a function that returns text; one that raises becomes a line marked
with `!`, so a broken part never hides the others.
"""

import os
import platform
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from ..version import __version__

REQUIRED = ("numpy", "ml_dtypes", "numba", "scipy", "safetensors", "tqdm")
# What each is for, so that a reader knows whether to miss it.
OPTIONAL = {
    "cupy": "GPU",
    "scikit-learn": "the embedded digits",
    "pooch": "downloads",
    "pillow": "image files",
    "matplotlib": "pictures",
    "pandas": "tables of training",
    "jupyterlab": "notebooks",
    "onnx": "model exchange",
    "mpi4py": "several processes",
    "tensorboardX": "TensorBoard",
    "torch": "judge in the tests",
}
SETTINGS = ("TINYDL_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "CUDA_", "CUPY_")


def add_arguments(parser: ArgumentParser) -> None:
    """No options: the report is short enough to paste whole."""


def run(args: Namespace) -> int:
    """Prints the report; 1 where a line of it needs attention."""
    healthy = True
    for title, lines in report().items():
        print(title)
        for label, line in lines.items():
            text, fine = _read(line)
            healthy &= fine
            print(f"{' ' if fine else '!'} {label:<16}{text}")
    print("\nall is well" if healthy else "\nlines marked ! need attention")
    return 0 if healthy else 1


def report() -> dict[str, dict[str, Callable[[], str]]]:
    """The lines of the report by section, each a function that says one thing."""
    return {
        f"tinydl {__version__}": {
            "folder": lambda: str(Path(__file__).resolve().parent.parent),
            "Python": lambda: f"{platform.python_version()} ({sys.executable})",
            "platform": platform.platform,
            "processor": _processor,
            "memory": _memory,
            "settings": _settings,
        },
        "Required packages": {name: lambda name=name: _version(name) for name in REQUIRED} | {"BLAS": _blas},
        "CPU kernels": {
            "threads": _threads,
            "cache": _cache,
            "load": _load_kernels,
            "run": _run_kernel,
        },
        "GPU": {"driver": _driver, "CUDA": _cuda, "compiler": _gpu_compiler},
        "Optional packages": {name: lambda name=name, use=use: _optional(name, use) for name, use in OPTIONAL.items()},
        "Data": {"TINYDL_DATA": _data},
    }


def _read(line: Callable[[], str]) -> tuple[str, bool]:
    try:
        return line(), True
    except Exception as error:  # whatever is broken here is what the reader came for
        return f"{type(error).__name__}: {error}", False


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise ImportError(f"not installed: pip install {name}") from None


def _optional(name: str, use: str) -> str:
    # CuPy's wheels are named after their CUDA version.
    names = ["cupy", "cupy-cuda12x", "cupy-cuda13x"] if name == "cupy" else [name]
    found = [f"{n} {metadata.version(n)}" for n in names if _is_installed(n)]
    if len(found) > 1:
        raise RuntimeError(f"{' and '.join(found)} break each other: keep one")
    version = found[0].removeprefix(f"{name} ") if found else "not installed"
    return f"{version:<20}({use})"


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    wide = [name for name in ("avx512f", "avx2", "fma", "neon", "sve") if features.get(name)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{binding.get_host_cpu_name()}, {cores} cores, {' '.join(wide) or 'no vector units'}"


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    return _size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _settings() -> str:
    found = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)]
    return " ".join(found) or "none in the environment"


def _blas() -> str:
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"


def _threads() -> str:
    from ..kernels.cpu import jit

    return f"{jit.get_num_threads()}"


def _cache() -> str:
    from ..kernels.cpu import jit

    folder = jit.cache_folder()
    if folder is None:
        return "no folder can be written: kernels are compiled in every process"
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    size = _size(sum(path.stat().st_size for path in files))
    return f"{folder}, {size}" if files else f"{folder}, empty: `tinydl warmup` fills it"


def _load_kernels() -> str:
    from ..kernels import cpu

    broken = {}
    for name in cpu.KERNELS:
        try:
            cpu.load(name)
        except Exception as error:
            broken[name] = f"{name} ({type(error).__name__}: {error})"
    if broken:
        raise ImportError(f"{len(broken)} of {len(cpu.KERNELS)} fail: {', '.join(broken.values())}")
    return f"{len(cpu.KERNELS)} kernels"


def _run_kernel() -> str:
    import numba

    import tinydl

    from ..ops.pool import avg_pool2d

    began = time.perf_counter()
    avg_pool2d(tinydl.ones(1, 1, 4, 4), 2)
    seconds = time.perf_counter() - began
    return f"avg_pool2d in {seconds:.2f} s, threading layer {numba.threading_layer()}"


def _driver() -> str:
    """What the NVIDIA driver itself says, without CuPy."""
    import ctypes

    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(name)
    except OSError:
        return f"none ({name} is not found)"
    version, count = ctypes.c_int(), ctypes.c_int()
    if code := cuda.cuInit(0):
        return f"found, but it does not start (cuInit gives error {code})"
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    major, minor = version.value // 1000, version.value % 1000 // 10
    return f"for CUDA {major}.{minor}, devices: {count.value}"


def _cuda() -> str:
    from ..device import cuda_state

    usable, why = cuda_state()
    return why if usable else f"not used: {why}"


def _gpu_compiler() -> str:
    from ..device import cuda_state, device

    if not cuda_state()[0]:
        return "not tried"
    source = 'extern "C" __global__ void nothing() {}'
    device("cuda").xp.RawKernel(source, "nothing").compile()
    return "NVRTC works"


def _data() -> str:
    folder = os.environ.get("TINYDL_DATA")
    if not folder:
        return "not set: data sets are downloaded"
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder} is not a folder")
    found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    return f"{folder}: {', '.join(found) or 'empty'}"


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
