"""A stand-in for CUDA graphs: what is asked of the emulated device while it is captured, done again at each replay.

As on a GPU nothing runs during a capture: kernels are only noted, results of array functions are NaN or -1, arrays
that are written keep their values.  As CuPy it refuses copies from and to the host, and what calls cuBLAS or cuSOLVER.
A replay runs the same kernels and array functions on the same memory.  It shows that a captured step is right; it does
not show what CUDA itself would refuse, nor that memory is used again too early, as all of it is kept.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from . import strict

LIBRARIES = frozenset("matmul dot vdot inner outer tensordot einsum".split())
IN_PLACE = frozenset("fill sort put partition at copyto place putmask fill_diagonal setitem put_along_axis".split())


class Tape:
    """What was captured: (function, its arguments, its results), results of kernels being among the arguments."""

    def __init__(self):
        self.calls: list = []

    def run(self, function, args, kwargs):
        """Note a call of a function on NumPy's arrays; its result, of the right shape and without values."""
        name, module = function.__name__, str(getattr(function, "__module__", None))
        library = "cuBLAS" if name in LIBRARIES else "cuSOLVER" if "numpy.linalg" in module else None
        if library:
            raise NotImplementedError(f"strict: calling {library} API during stream capture is unsupported")
        if kwargs.get("out") is not None or name in IN_PLACE:
            self.calls.append((function, args, kwargs, None))
            return None
        with np.errstate(all="ignore"):
            result = strict._wrap(function(*args, **kwargs))
        arrays = _arrays(result)
        if arrays:
            self.calls.append((function, args, kwargs, arrays))
        for a in arrays:
            if not any(np.may_share_memory(a, b) for b in _arrays((args, getattr(function, "__self__", None)))):
                a.reshape(-1).view(np.uint8)[:] = 0xFF
        return result

    def play(self):
        """Do it all again, into the same memory."""
        for function, args, kwargs, into in self.calls:
            found = function(*args, **kwargs)
            for a, b in zip(into or (), _arrays(strict._wrap(found)) if into else ()):
                if not np.may_share_memory(a, b):
                    a[...] = b


def _arrays(value):
    """NumPy's arrays in results or arguments."""
    if isinstance(value, strict.ndarray):
        return [value._host]
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    return [a for v in value for a in _arrays(v)] if isinstance(value, (list, tuple, type({}.values()))) else []


class Runtime:
    """As tinydl.kernels.gpu.graphs.Runtime, on a tape."""

    def __init__(self):
        self.tape = Tape()

    @contextmanager
    def capture(self):
        """Within it everything asked of the stand-in goes onto the tape."""
        strict.tape = self.tape
        try:
            yield
        finally:
            strict.tape = None

    def upload(self, host):
        """A host array on the device, sent beside the capture."""
        return strict.ndarray(np.array(host))

    def replay(self):
        """Do what the tape holds."""
        self.tape.play()


def recorded(raw_module):
    """The class of kernel modules `raw_module`, whose launches go onto the tape while one is recorded."""

    class Recorded(raw_module):
        def get_function(self, name):
            return _Kernel(super().get_function(name))

    return Recorded


class _Kernel:
    """A kernel that is run, or put on the tape."""

    def __init__(self, kernel):
        self._kernel = kernel

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """The kernel's own number of bytes."""
        return self._kernel.max_dynamic_shared_size_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        self._kernel.max_dynamic_shared_size_bytes = size

    def __call__(self, *args, **options):
        if strict.tape is None:
            self._kernel(*args, **options)
        else:
            strict.tape.calls.append((self._kernel, args, options, None))
