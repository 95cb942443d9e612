"""CuPy's RawModule and RawKernel, for the CPU, with every argument checked against the kernel's own types."""

from __future__ import annotations

import ctypes
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .compiler import EmulationError, compiled
from .guard import Guarded

ORDERS = ("forward", "reverse", "shuffle")
SHARED_BYTES = 227 * 1024  # that a block of sm_90 may have, where it is granted to its kernel
UNASKED_BYTES = 48 * 1024  # that every block may have
_PLAIN = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(')


class _Settings(ctypes.Structure):
    _fields_ = [("seed", ctypes.c_uint64), ("order", ctypes.c_int), ("poison", ctypes.c_int)]


_now = {"order": "forward", "seed": 1, "guard": False}


@contextmanager
def launches(order: str = "forward", seed: int = 1, guard: bool = False):
    """Within it, launches run threads and blocks in this order, arrays between forbidden pages if `guard`."""
    if order not in ORDERS:
        raise ValueError(f"launches: order must be one of {', '.join(ORDERS)}, got {order!r}")
    before = dict(_now)
    _now.update(order=order, seed=seed, guard=guard)
    try:
        yield
    finally:
        _now.update(before)


class RawModule:
    """As cupy.RawModule: kernels of one source, by name; templates by `name_expressions`."""

    def __init__(
        self, code: str | None = None, *, path=None, options=(), backend: str = "nvrtc", name_expressions=None,
        enable_cooperative_groups: bool = False, **ignored,
    ):  # fmt: skip
        self.code = Path(path).read_text() if code is None else code
        self.names = _PLAIN.findall(self.code) + list(name_expressions or [])
        self.options = [o for o in options if o.startswith(("-D", "-I", "-U"))]
        self.cooperative = enable_cooperative_groups
        self._library, self._granted = None, dict.fromkeys(self.names, UNASKED_BYTES)

    def compile(self, log_stream=None) -> None:
        """Compile now; otherwise the first kernel asked for does."""
        if self._library is None:
            self._library = compiled(self.code, self.names, self.options)

    def get_function(self, name: str) -> RawKernel:
        """The kernel of this name, or of this name expression."""
        if name not in self.names:
            raise EmulationError(f"there is no kernel {name}; there are {', '.join(self.names)}")
        self.compile()
        return RawKernel(self._library, self.names.index(name), name, self.cooperative, self._granted)


class RawKernel:
    """As cupy.RawKernel: called with grid, block and arguments, arrays or NumPy scalars."""

    def __init__(self, library, index: int, name: str, cooperative: bool, granted: dict[str, int]):
        signature = getattr(library, f"emu_sig_{index}")
        signature.restype = ctypes.c_char_p
        self.name, self.parameters = name, signature().decode().split()
        self._cooperative, self._granted = cooperative, granted
        self._run = getattr(library, f"emu_run_{index}")
        self._run.restype = ctypes.c_char_p

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """What a launch may ask for.  As on a device a kernel has one such number, however often it was looked up."""
        return self._granted[self.name]

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        if size > SHARED_BYTES:
            raise EmulationError(f"{self.name}: {size} bytes of shared memory; a block has at most {SHARED_BYTES}")
        self._granted[self.name] = size

    def __call__(self, grid, block, args, *, shared_mem: int = 0, stream=None) -> None:
        grid, block = ((*map(int, size), 1, 1)[:3] for size in (grid, block))
        self._check_launch(grid, block, shared_mem, len(args))
        guards, cells = {}, []
        for i, (argument, parameter) in enumerate(zip(args, self.parameters)):
            place = self._pointer if parameter[0] in "pP" else self._value
            cells.append(place(f"{self.name}: argument {i}", argument, parameter, guards))
        settings = _Settings(_now["seed"], ORDERS.index(_now["order"]), 1)
        addresses = (ctypes.c_void_p * max(1, len(cells)))(*map(ctypes.addressof, cells))
        fault = self._run(
            addresses, (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), ctypes.c_uint(shared_mem),
            int(self._cooperative), ctypes.byref(settings),
        )  # fmt: skip
        if fault:
            raise EmulationError(f"{self.name}: {fault.decode()}")
        beside = [guard.array.shape for guard in guards.values() if not guard.write_back()]
        if beside:
            raise EmulationError(f"{self.name}: wrote outside an array of shape {beside[0]}")

    def _check_launch(self, grid, block, shared, count):
        if block[0] * block[1] * block[2] > 1024 or block[2] > 64 or min(block) < 1:
            raise EmulationError(f"{self.name}: block {block} cannot be launched")
        if min(grid) < 1 or grid[0] >= 2**31 or max(grid[1:]) > 65535:
            raise EmulationError(f"{self.name}: grid {grid} cannot be launched")
        granted = self.max_dynamic_shared_size_bytes
        if shared > granted:
            raise EmulationError(f"{self.name}: {shared} bytes of shared memory; {granted} were granted to this kernel")
        if count != len(self.parameters):
            raise EmulationError(f"{self.name}: takes {len(self.parameters)} arguments, got {count}")

    def _pointer(self, what, a, parameter, guards):
        if a is None:
            return ctypes.c_void_p(0)
        if not isinstance(a, np.ndarray):
            raise EmulationError(f"{what}: expected an array, got {type(a).__name__}")
        wanted = parameter[1:]  # f4, i8, ...; V12: some struct of 12 bytes; V0: void
        if wanted[0] != "V" and _code(a.dtype) != wanted:
            raise EmulationError(f"{what}: the kernel takes {wanted}*, the array holds {a.dtype}")
        if wanted[0] == "V" and wanted != "V0" and a.nbytes % int(wanted[1:]):
            raise EmulationError(f"{what}: {a.nbytes} bytes are no multiple of the kernel's {wanted[1:]}-byte elements")
        if not a.flags.c_contiguous:
            raise EmulationError(f"{what}: the array is not C-contiguous")
        if not _now["guard"]:
            return ctypes.c_void_p(a.ctypes.data)
        place = a.ctypes.data, a.nbytes
        if place not in guards:
            guards[place] = Guarded(a)
        return ctypes.c_void_p(guards[place].address)

    def _value(self, what, a, parameter, guards):
        # as CuPy: a Python int goes as int64, a float as float64, which is garbage to a float parameter
        a = np.bool_(a) if isinstance(a, bool) else np.int64(a) if type(a) is int else a
        a = np.float64(a) if type(a) is float else a
        a = a.reshape(())[()] if isinstance(a, np.ndarray) and a.size == 1 else a
        if not isinstance(a, np.generic):
            raise EmulationError(f"{what}: expected a number, got {type(a).__name__}")
        fits = a.itemsize == int(parameter[1:]) if parameter[0] == "V" else _code(a.dtype) == parameter
        if not fits:
            raise EmulationError(f"{what}: the kernel takes {parameter}, got {a.dtype}")
        return ctypes.create_string_buffer(a.tobytes() + bytes(8))


def _code(dtype):
    return f"{dtype.kind}{dtype.itemsize}"
