"""Where tensors live. A device is an array library, the kernels written for it, and its name.

This is the only file that tells NumPy from CuPy. CuPy is imported when a CUDA device is first asked for.
"""

from __future__ import annotations

import importlib
import sys
from functools import cached_property

import numpy as np

from .kernels.gpu.recording import SENDS, refuse_in_capture
from .kernels.gpu.transfer import in_flight, pinned_empty


class Namespace:
    """An array library as operations see it (`xp`): its functions, and `xp.special` beside them."""

    def __init__(self, library: str, special: str):
        self._library, self._special = library, special

    def __getattr__(self, name):
        value = getattr(importlib.import_module(self._library), name)
        setattr(self, name, value)  # the next look-up finds it without coming here
        return value

    @cached_property
    def special(self):
        """erf, lgamma and their like: SciPy's or cupyx.scipy's."""
        return importlib.import_module(self._special)

    def __repr__(self):
        return f"<{self._library} as xp>"


class Kernels(dict):
    """Kernels by name, each looked up once; None where the device has no kernel of that name."""

    def __init__(self, package: str):
        super().__init__()
        self._package = package

    def __missing__(self, name):
        load = importlib.import_module(self._package, __package__).load
        self[name] = found = load(name)
        return found


class Device:
    """A place for tensors: `device.type`, `device.xp` (array library), `device.kernels[name]`.

    narrow: whether it has kernels of floating types of 16 bits, so that gradients are computed in these, too.
    """

    def __init__(self, type: str, index: int | None, xp: Namespace, kernels: str, array_type, narrow: bool = True):
        self.type, self.index, self.xp = type, index, xp
        self.kernels = Kernels(kernels)
        self.array_type, self.narrow = array_type, narrow
        self.memory = None  # of a GPU: its allocator

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self):
        return f"device(type='{self.type}')" if self.index is None else f"device('{self}')"

    def __eq__(self, other):
        if isinstance(other, str):
            return other in (str(self), self.type)
        return self is other

    def __hash__(self):
        return hash(self.type)

    def __reduce__(self):
        return device, (str(self),)

    def array(self, array, dtype=None, non_blocking: bool = False):
        """`array` (of any device, or anything NumPy takes) as an array of this device; shares memory if it can.

        non_blocking: a copy to a GPU may still be under way; until it is done, `array` must not be written to.
        """
        if isinstance(array, self.array_type):
            array = self.xp.asarray(array)  # a plain array, of a memory map, too
            return array if dtype is None or array.dtype == dtype else array.astype(dtype)
        if type(array) in _BY_ARRAY:
            array = _BY_ARRAY[type(array)].to_host(array)
        if self is CPU:
            return self.xp.asarray(array, dtype)
        refuse_in_capture(SENDS)
        sent = self.xp.asarray(array, dtype, blocking=not non_blocking)
        if non_blocking:
            self._hold(array)
        return sent

    def to_host(self, array, out: np.ndarray | None = None) -> np.ndarray:
        """An array of this device as NumPy's.  IndexError for a bad index that only a kernel could see.

        out: page-locked memory of the same shape and type, which is returned while the copy may be under way.
        """
        if isinstance(array, np.ndarray):
            return array
        refuse_in_capture("reads values on the host")
        if out is not None:
            array.get(out=out, blocking=False)
            self._hold(array, out)
            return out
        raise_faults()
        return array.get()

    def pinned(self, array: np.ndarray) -> np.ndarray:
        """A copy of a host array in page-locked memory, from which this device copies without waiting."""
        out = pinned_empty(self.xp.cuda, array.shape, array.dtype)
        out[...] = array
        return out

    def into(self, kernels, array):
        """Within it, a kernel of one of these names may write its output straight to `array`: then it is `taken`.

        On the CPU only: None on other devices.
        """
        return (
            None
            if self is not CPU
            else importlib.import_module(".kernels.cpu.arrays", __package__).into(kernels, array)
        )

    def _hold(self, *arrays):
        """Let arrays live until all that the current stream was asked is done."""
        if self.type == "cuda":
            cuda = self.xp.cuda
            in_flight.keep(cuda.get_current_stream().record(cuda.Event(disable_timing=True)), *arrays)

    def synchronize(self):
        """Wait until everything asked of the device is done, on all streams.  IndexError as of `to_host`."""
        if self is not CPU:
            refuse_in_capture("waits for the device")
        if self.type == "cuda":
            self.xp.cuda.runtime.deviceSynchronize()
            in_flight.release()
            raise_faults(every=True)


def raise_faults(every: bool = False):
    """Raise what GPU kernels, if any ran, noted since the last look; every: on other streams, too."""
    faults = sys.modules.get(f"{__package__}.kernels.gpu.faults")
    if faults:
        faults.raise_faults(every)


CPU = Device("cpu", None, Namespace("numpy", "scipy.special"), ".kernels.cpu", np.ndarray, narrow=False)
_BY_ARRAY: dict[type, Device] = {np.ndarray: CPU}
_BY_NAME: dict[str, Device] = {"cpu": CPU}


def of_array(array) -> Device:
    """The device on which `array` lies."""
    found = _BY_ARRAY.get(type(array))
    if found is None:
        if isinstance(array, np.ndarray):
            return CPU
        raise TypeError(f"expected an array of {' or '.join(_BY_NAME)}, got {type(array).__name__}")
    return found


def on_host(array) -> bool:
    """Whether the values can be looked at without waiting for a GPU: of numbers and CPU arrays."""
    return _BY_ARRAY.get(type(array), CPU) is CPU


def register(found: Device) -> Device:
    """Make a device known by its name and by the type of its arrays."""
    _BY_NAME[str(found)] = _BY_ARRAY[found.array_type] = found
    return found


_default = [CPU]


def set_default_device(name) -> None:
    """New tensors and layers that name no device are made on this one from now on; None: on the CPU again."""
    _default[0] = CPU if name is None else device(name)


def get_default_device() -> Device:
    """Where tensors are made that name no device: the CPU, unless `set_default_device` said otherwise."""
    return _default[0]


def device(name=None, index: int | None = None) -> Device:
    """The device called `name`: 'cpu', 'cuda', 'cuda:0', 0 (that GPU), or a Device.  None is the default device.

    RuntimeError where there is no such device here, with the reason; ValueError for an unknown name.
    """
    if isinstance(name, Device):
        return name
    if name is None:
        return _default[0]
    if index is not None:
        name = f"{name}:{index}"
    elif isinstance(name, int) and not isinstance(name, bool):
        name = f"cuda:{name}"
    if name in _BY_NAME:
        return _BY_NAME[name]
    kind, _, index = str(name).partition(":")
    if kind == "cpu" and index in ("", "0"):
        return CPU
    if kind != "cuda" or not (index == "" or index.isdigit()):
        raise ValueError(f"device: expected 'cpu' or 'cuda', got {name!r}")
    if int(index or 0):
        raise RuntimeError(f"device: tinydl uses one GPU, 'cuda'; got {name!r}. Choose it by CUDA_VISIBLE_DEVICES")
    return _BY_NAME.get("cuda") or register(_cuda())


def cuda_is_available() -> bool:
    """Whether there is a device 'cuda'.  Never raises."""
    return "cuda" in _BY_NAME or cuda_state()[0]


def known_types() -> list[str]:
    """The types of devices that there can be: 'cpu', 'cuda', and those that tests make known."""
    return list(dict.fromkeys(["cpu", "cuda", *(found.type for found in _BY_NAME.values())]))


def cuda_state() -> tuple[bool, str]:
    """Whether a GPU can be used, and why not: CuPy missing, no driver, no device.  Never raises."""
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError:
        return False, "CuPy is not installed: pip install 'tinydl[cuda12]' or 'tinydl[cuda13]'"
    except Exception as e:  # a broken CUDA installation raises many things at import
        return False, f"CuPy cannot be imported: {e}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as e:
        reason = "no NVIDIA driver" if "InsufficientDriver" in str(e) else "no GPU answers"
        return False, f"{reason} ({e})"
    if count == 0:
        return False, "CuPy sees no GPU (CUDA_VISIBLE_DEVICES may hide it)"
    return True, f"{count} GPU{'s' if count > 1 else ''}, CuPy {cupy.__version__}"


def _cuda() -> Device:
    usable, reason = cuda_state()
    if not usable:
        raise RuntimeError(f"device 'cuda' cannot be used: {reason}. `tinydl doctor` tells more")
    import cupy

    from .kernels.gpu.memory import guarded

    found = Device("cuda", None, Namespace("cupy", "cupyx.scipy.special"), ".kernels.gpu", cupy.ndarray)
    found.memory = guarded(cupy)
    return found
