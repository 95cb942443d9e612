"""From CUDA source to a library that the CPU runs, by g++; kept by a hash of everything it was made of."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

INCLUDE = Path(__file__).with_name("include")
_FLAGS = [
    "-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-strict-aliasing", "-w",
    "-Wl,-Bsymbolic", f"-I{INCLUDE}",
    "-fsanitize=bounds,alignment,shift,integer-divide-by-zero", "-fsanitize-undefined-trap-on-error",
]  # fmt: skip
# The one form that C++ does not know: an array whose size the launch decides.
_DYNAMIC = re.compile(
    r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\s*\d+\s*\)\s*)?([\w:]+(?:\s+\w+)?)\s+(\w+)\s*\[\s*\]\s*;"
)


class EmulationError(RuntimeError):
    """What a launch, or its source, did wrong."""


def available() -> bool:
    """Whether there is a g++ to compile with."""
    return shutil.which("g++") is not None


def compiled(source: str, names: list[str], options: list[str]) -> ctypes.CDLL:
    """The library of a source's kernels: `emu_run_I` and `emu_sig_I` for each name."""
    source = _DYNAMIC.sub(r"\1* \2 = (\1*)emu::dyn_smem();", source)
    text = f'#include "cuda_emu.h"\n#line 1 "kernel.cu"\n{source}\n'
    text += "".join(f"EMU_EXPORT({i}, {name})\n" for i, name in enumerate(names))
    command = ["g++", *_FLAGS, *options]
    key = hashlib.sha256("\0".join([text, _headers(), *command]).encode()).hexdigest()[:24]
    library = _folder() / f"{key}.so"
    if not library.exists():
        draft = library.with_suffix(f".{os.getpid()}")
        done = subprocess.run([*command, "-x", "c++", "-", "-o", draft], input=text, text=True, capture_output=True)
        if done.returncode:
            raise EmulationError(f"g++ cannot compile the kernel source:\n{done.stderr[:4000]}")
        draft.replace(library)
    return ctypes.CDLL(library)


@functools.cache
def _headers() -> str:
    return "".join(file.read_text() for file in sorted(INCLUDE.iterdir()))


@functools.cache
def _folder() -> Path:
    """Where libraries are kept: nobody else may write there."""
    base = os.environ.get("TINYDL_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "tinydl-emulated"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="tinydl-emulated-"))
    return folder
