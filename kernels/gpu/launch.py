"""The one way in which CUDA kernels are launched: arguments checked against the source, limits kept."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .faults import raise_faults
from .source import Source

THREADS = 256  # in a block of a kernel that walks over elements
MOST_BLOCKS = 1 << 16


class LaunchError(RuntimeError):
    """A launch that would have gone wrong on the device."""


class Backend(NamedTuple):
    """What runs kernels on arrays of one type."""

    kind: str  # "cuda" or "cuda-emulated"
    xp: Any  # the array library
    empty: Callable  # (shape, dtype) -> array
    raw_module: Callable  # as cupy.RawModule
    unwrap: Callable  # an array, or None for a null pointer -> what its kernels take
    address: Callable  # an array -> its address
    synchronize: Callable
    resident: Callable = lambda kernel, threads, shared: 132  # blocks that run at once: an H200's, one on each
    capability: Callable = lambda: "90"  # the current device's, without its point
    graphs: Callable | None = None  # what captures launches, as graphs.Runtime


BACKENDS: dict[type, Backend] = {}
# Told of each launch, as watcher(source, instance, backend, run), and runs it: how tests and benchmarks see kernels.
watchers: list[Callable] = []


def backend_of(array) -> Backend:
    """The backend of an array: CuPy's, or one that tests registered."""
    found = BACKENDS.get(type(array))
    if found is None:
        if type(array).__module__.partition(".")[0] != "cupy":
            raise LaunchError(f"CUDA kernels take arrays of a CUDA device, got {type(array).__name__}")
        found = BACKENDS[type(array)] = _cupy()
    return found


def _cupy():
    import cupy

    from .graphs import Runtime

    return Backend(
        "cuda", cupy, cupy.empty, cupy.RawModule, lambda a: np.uint64(0) if a is None else a, lambda a: a.data.ptr,
        lambda: cupy.cuda.get_current_stream().synchronize(), _resident,
        lambda: cupy.cuda.Device().compute_capability, Runtime,
    )  # fmt: skip


def _resident(kernel, threads, shared):
    import cupy

    try:
        _grant(kernel, shared)
    except cupy.cuda.driver.CUDADriverError:  # more than this device has
        return 0
    each = cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.kernel.ptr, threads, shared)
    return each * cupy.cuda.Device().attributes["MultiProcessorCount"]


@functools.cache
def compiled(source: Source, backend: Backend, instances: tuple[str, ...]) -> Any:
    """The module of a source's instances on a backend, compiled at its first launch."""
    target = (f"-arch={source.target}",) if source.target else ()
    return backend.raw_module(
        code=source.text, options=("-std=c++17", *target, *source.options), name_expressions=list(instances),
        enable_cooperative_groups=source.cooperative,
    )  # fmt: skip


@functools.cache
def _kernel(source, backend, instance, shared):
    kernel = compiled(source, backend, (instance,) if source.apart else source.instances).get_function(instance)
    _grant(kernel, shared)
    return kernel


def _grant(kernel, shared):
    """Allow launches with so much shared memory.  A kernel has one such number: lowered, earlier ones would fail."""
    if shared > kernel.max_dynamic_shared_size_bytes:  # at first what every device grants without being asked
        kernel.max_dynamic_shared_size_bytes = shared


@functools.cache
def _resident_blocks(source, backend, instance, threads, shared):
    return backend.resident(_kernel(source, backend, instance, 0), threads, shared)


def resident(source: Source, instance: str, array, threads: int, shared: int) -> int:
    """How many blocks of a kernel run at the same time on the array's device: what a cooperative launch may ask for."""
    return _resident_blocks(source, backend_of(array), instance, threads, shared)


def launch(source: Source, instance: str, grid, block, *args, shared: int = 0) -> None:
    """Run an instance on the current stream.  args: arrays, None for a null pointer, Python numbers.

    LaunchError where an array has another type, is not contiguous or of another device, or a number does not fit.
    """
    parameters = source.parameters(instance)
    if len(args) != len(parameters):
        raise LaunchError(f"{instance}: takes {len(parameters)} arguments, got {len(args)}")
    backend = backend_of(next(a for a in args if hasattr(a, "dtype")))
    given = [_checked(instance, p, a, backend) for p, a in zip(parameters, args)]
    kernel, grid, block = _kernel(source, backend, instance, shared), _sizes(grid), _sizes(block)
    if source.cooperative and prod(grid) > _resident_blocks(source, backend, instance, prod(block), shared):
        raise LaunchError(f"{instance}: the device cannot run {prod(grid)} blocks at once, as grid barriers need")
    run = functools.partial(kernel, grid, block, tuple(given), shared_mem=shared)
    watchers[-1](source, instance, backend, run) if watchers else run()
    if os.environ.get("TINYDL_SYNC", "0") != "0":
        backend.synchronize()
        raise_faults()


def elementwise(source: Source, instance: str, count: int, *args, lanes: int = 1) -> None:
    """Launch a kernel whose threads stride over `count` elements, `lanes` at a time; nothing where there are none."""
    if count:
        launch(source, instance, min(-(-count // (THREADS * lanes)), MOST_BLOCKS), THREADS, *args)


def _sizes(n):
    sizes = (n,) if isinstance(n, int) else tuple(n)
    limits = (2**31 - 1, 65535, 65535)
    if not all(0 < size <= limit for size, limit in zip(sizes, limits)):
        raise LaunchError(f"grid or block {sizes}: sizes must lie in 1..{limits}")
    return sizes


def _checked(instance, parameter, a, backend):
    name, dtype, array, _ = parameter
    if not array:
        return _number(instance, name, dtype, a)
    if a is None:
        return backend.unwrap(None)
    if not hasattr(a, "dtype") or backend_of(a) is not backend:
        raise LaunchError(f"{instance}: {name} must be an array of the same device, got {type(a).__name__}")
    if a.dtype != dtype and not (dtype.type is np.void and a.dtype.itemsize == dtype.itemsize):
        raise LaunchError(f"{instance}: {name} must hold {dtype}, got {a.dtype}")
    if not a.flags.c_contiguous:
        raise LaunchError(f"{instance}: {name} of shape {a.shape} is not contiguous")
    return backend.unwrap(a)


def _number(instance, name, dtype, value):
    if dtype.type is np.void:  # a struct: CuPy passes an array of one element by value
        if getattr(value, "nbytes", 0) != dtype.itemsize:
            raise LaunchError(f"{instance}: {name} is a struct of {dtype.itemsize} bytes, got {value!r}")
        return value
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            raise LaunchError(f"{instance}: {name} = {value} does not fit {dtype}")
    return dtype.type(value)


def index_type(*arrays) -> str:
    """`int` where every position in these arrays fits it (division is several times cheaper), else `i64`."""
    return "int" if all(a.size <= _MOST_INT for a in arrays) else "i64"


_MOST_INT = 2**31 - 2**28  # a thread's last step goes beyond the end
