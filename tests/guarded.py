"""Arrays between two pages that nobody may touch: to read or write one element outside of them ends the process.

python guarded.py at_end|at_start    runs every CPU kernel so; it fails with SIGSEGV, or by an exception
python guarded.py overrun            shows that the pages bite
"""

import ctypes
import mmap
import sys
from contextlib import contextmanager
from math import prod

import numpy as np

import tinydl  # noqa: F401 (it makes tinydl.kernels importable)
from tinydl.kernels.cpu import arrays

PAGE, PROT_NONE = mmap.PAGESIZE, 0
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


def guarded(shape, dtype, at_end: bool, byte: int = 0xFF) -> np.ndarray:
    """An array that begins right behind a forbidden page, or ends right before one; full of NaN (0xFF) or zeros."""
    dtype, shape = np.dtype(dtype), tuple(map(int, shape))
    size = prod(shape) * dtype.itemsize
    inner = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, PAGE + inner + PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    start = PAGE + (inner - size if at_end else 0)
    memory[start : start + size] = bytes([byte]) * size
    for page in (base, base + PAGE + inner):
        if libc.mprotect(page, PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    return np.ndarray(shape, dtype, memory, start)


@contextmanager
def guarded_allocations(at_end: bool):
    """NumPy's makers of arrays, as kernels call them from Python, make guarded ones."""

    def maker(byte):
        def make(shape, dtype=float, order="C"):  # np.pad says the order
            return guarded((shape,) if np.isscalar(shape) else shape, dtype, at_end, byte)

        return make

    def contiguous(a, dtype=None):
        copy = guarded(a.shape, dtype or a.dtype, at_end)
        copy[...] = a
        return copy

    def placed(a):
        """A copy whose dimensions lie in memory in the order of a's."""
        order = sorted(range(a.ndim), key=lambda d: -a.strides[d])
        return contiguous(a.transpose(order)).transpose(np.argsort(order))

    def full(shape, fill_value, dtype):
        return contiguous(np.broadcast_to(fill_value, shape), np.dtype(dtype))

    makers = {
        "empty": maker(0xFF), "zeros": maker(0), "full": full, "ascontiguousarray": contiguous,
        "empty_like": lambda a: maker(0xFF)(a.shape, a.dtype), "zeros_like": lambda a: maker(0)(a.shape, a.dtype),
    }  # fmt: skip
    before, large = {name: getattr(np, name) for name in makers}, arrays.SMALLEST
    vars(np).update(makers)
    arrays.SMALLEST = float("inf")  # large ones too come from NumPy
    try:
        yield placed
    finally:
        vars(np).update(before)
        arrays.SMALLEST = large


def forget_tables():
    """Tables that kernels keep are made anew, between guards."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tinydl.kernels") and not name.endswith(".jit"):
            for value in vars(module).values():
                getattr(value, "cache_clear", lambda: None)()


def idle():
    """Functions with threads that no case has called; those of optimizers have cases of their own."""
    modules = [m for name, m in sys.modules.items() if name.startswith("tinydl.kernels.cpu.")]
    entries = {f for m in modules for f in vars(m).values() if hasattr(f, "dispatcher")}
    return sorted(f"{f.__module__}.{f.__name__}" for f in entries if not f.dispatcher.signatures)


def check(at_end):
    from kernel_cases import call, every_case, operands

    for name, sample in every_case():
        for dtype in ("float32", "float64"):
            args = operands(sample, dtype)
            expected = call(name, sample, args)  # compiles, with NumPy as it is
            print(name, dtype, [getattr(a, "shape", a) for a in args], flush=True)
            forget_tables()
            with guarded_allocations(at_end) as between_guards:
                placed = [between_guards(a) if isinstance(a, np.ndarray) else a for a in args]
                found = call(name, sample, placed)
            forget_tables()
            for got, want in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, want)
    assert not idle(), f"no case reaches {idle()}"
    print("done")


if __name__ == "__main__":
    if sys.argv[1] == "overrun":
        a = guarded((3,), "float32", at_end=True)
        print(a[2], flush=True)
        print(np.lib.stride_tricks.as_strided(a, (4,))[3], flush=True)
    else:
        check(sys.argv[1] == "at_end")
