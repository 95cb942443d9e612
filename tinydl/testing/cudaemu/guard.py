"""Copies of arrays between two pages that nobody may touch."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_FILL = 0xA5  # what lies between the page and the array, to see whether it was written


class Guarded:
    """A copy of `a` that ends where a forbidden page begins (but for alignment to 16 bytes)."""

    def __init__(self, a: np.ndarray):
        page = mmap.PAGESIZE
        inner = -(-max(a.nbytes, 1) // page) * page
        self.array, self.memory = a, mmap.mmap(-1, inner + 2 * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for forbidden in (base, base + page + inner):
            if _libc.mprotect(forbidden, page, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.inner = np.frombuffer(self.memory, np.uint8, inner, page)
        self.inner[:] = _FILL
        start = inner - -(-a.nbytes // 16) * 16
        self.copy = self.inner[start : start + a.nbytes]
        self.copy[:] = a.reshape(-1).view(np.uint8)
        self.outside = [self.inner[:start], self.inner[start + a.nbytes :]]
        self.address = base + page + start

    def write_back(self) -> bool:
        """Bring what the kernel wrote into the array; False if it wrote beside it."""
        if self.array.flags.writeable:
            self.array.reshape(-1).view(np.uint8)[:] = self.copy
        return all((part == _FILL).all() for part in self.outside)
