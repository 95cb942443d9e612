"""Where the table is measured: a GPU, or, to try everything but the speed, the emulator with a clock that lies."""

import contextlib
import datetime
import functools
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable

import tinydl
from tinydl.device import cuda_state
from tinydl.kernels.gpu import launch, precision

from . import ledger

BESIDE_CACHES = 1 << 28  # bytes written before each timing: more than a second-level cache holds


class Overlay:
    """A library with some of its names replaced."""

    def __init__(self, library, **names):
        self.__dict__.update(names, _library=library)

    def __getattr__(self, name):
        return getattr(self._library, name)


class Place:
    """Both libraries on one device."""

    kind: str
    warm, rounds = 3, 15  # steps before the timed ones, timed ones

    @contextlib.contextmanager
    def entered(self):
        """Within it new tensors of both libraries are made on the device."""
        raise NotImplementedError

    def us(self, step: Callable) -> float:
        """Microseconds of a step on the device, from the first operation's start to the last one's end."""
        raise NotImplementedError

    def limits(self) -> dict:
        """What the device reaches: bytes a second to and from memory, operations a second in each arithmetic."""
        raise NotImplementedError

    def graphed(self, library: str, step: Callable) -> Callable:
        """The step as a CUDA graph.  RuntimeError, with the reason, where it cannot be captured."""
        raise NotImplementedError

    def free(self) -> None:
        """Give memory back that no array holds."""

    def libraries(self) -> dict:
        """The sides of the table, under their names."""
        import torch

        def turned(*size, **options):
            x = torch.randn(*size, **options)
            return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

        return {"tinydl": tinydl, "torch": torch, "torch channels_last": Overlay(torch, randn=turned)}

    def about(self) -> dict:
        """The device, and what runs on it."""
        import torch

        today = datetime.date.today().isoformat()
        return {"kind": self.kind, "date": today, "python": platform.python_version(), "torch": torch.__version__}

    def watched(self, step: Callable) -> dict:
        """The launches of a step: {file: {instance: microseconds of the longest}}."""
        found: dict[str, dict[str, float]] = {}

        def watch(source, instance, backend, run):
            if backend.kind == self.kind:
                names = found.setdefault(source.file, {})
                names[instance] = max(names.get(instance, 0), self.us(run))

        launch.watchers.append(watch)
        try:
            step()
        finally:
            launch.watchers.remove(watch)
        return found


class Gpu(Place):
    """The first GPU; tinydl and PyTorch in one process, on the same stream."""

    kind = "cuda"

    def __init__(self):
        import cupy

        self.cupy = cupy

    @contextlib.contextmanager
    def entered(self):
        import torch

        tinydl.set_default_device("cuda")
        torch.set_default_device("cuda")
        torch.backends.cudnn.benchmark = True  # its quickest algorithms
        yield

    @functools.cached_property
    def _scratch(self):
        return self.cupy.empty(BESIDE_CACHES, "u1")

    def us(self, step):
        self._scratch.fill(0)
        start, end = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        start.record()
        step()
        end.record()
        end.synchronize()
        return 1e3 * self.cupy.cuda.get_elapsed_time(start, end)

    def limits(self):
        import torch

        a, b = (self.cupy.zeros(1 << 28, "f4") for _ in range(2))
        found = {"bytes": 2 * a.nbytes / self._best(lambda: self.cupy.copyto(a, b))}
        n = 8192
        x, y = (torch.randn(n, n, device="cuda") for _ in range(2))
        for mode in precision.MODES:
            torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
            found[mode] = 2 * n**3 / self._best(lambda: x @ y)
        torch.backends.cuda.matmul.allow_tf32 = False
        # three products of TF32 are as accurate as one of float32: a faster way where tensor cores are fast
        return found | {"ieee": max(found["ieee"], found["tf32"] / 3)}

    def _best(self, step, rounds=7):
        step()
        return 1e-6 * min(self.us(step) for _ in range(rounds))

    def graphed(self, library, step):
        if library == "tinydl":
            return tinydl.cuda.graph(step)
        import torch

        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # as PyTorch asks: what is made at the first steps is made before the capture
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay

    def free(self):
        import torch

        self.cupy.get_default_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()

    def about(self):
        runtime = self.cupy.cuda.runtime
        name = runtime.getDeviceProperties(0)["name"].decode()
        cuda = runtime.runtimeGetVersion()
        return super().about() | {
            "device": name, "driver": _driver(), "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}",
            "cupy": self.cupy.__version__,
        }  # fmt: skip


def _driver():
    """The driver's version, as nvidia-smi tells it."""
    if not shutil.which("nvidia-smi"):
        return "unknown"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return (subprocess.run(command, capture_output=True, text=True).stdout.split() or ["unknown"])[0]


class Emulated(Place):
    """tinydl's kernels in the emulator, PyTorch on the CPU; every time is 100 microseconds, and so means nothing."""

    kind = "cuda-emulated"
    warm, rounds = 0, 1

    @contextlib.contextmanager
    def entered(self):
        from tinydl.testing.emulated import emulated_device

        with emulated_device() as device:
            tinydl.set_default_device(device)
            try:
                yield
            finally:
                tinydl.set_default_device(None)

    def us(self, step):
        step()
        return 100.0

    def limits(self):
        return {"bytes": 1e12, "tf32": 2e14, "ieee": 1e14}

    def graphed(self, library, step):
        return lambda: step()

    def about(self):
        return super().about() | {"device": "emulator", "driver": "none", "cuda": "none"}


def place(dry: bool) -> Place:
    """The emulator if asked for, else the GPU.  SystemExit that says why there is none."""
    usable, why = cuda_state()
    if not dry and not usable:
        raise SystemExit(
            f"benchmarks gpu: there is no GPU here: {why}\nThe ledger: {ledger.state(ledger.read())}\n"
            "--dry runs all but the launches on a device, in the emulator"
        )
    return Emulated() if dry else Gpu()


if __name__ == "__main__":  # in a process of its own, so that the one that waits holds no GPU
    here = place("--dry" in sys.argv)
    with here.entered():
        print(json.dumps({"about": here.about(), "limits": here.limits()}))
