"""Compiles every CUDA kernel for real devices, without one: python tools/compile_cuda.py [--all] [FILES]

By nvcc (whose ptxas reports registers and spills) and by NVRTC (which CuPy uses), where each is installed.  What
passed is noted in tests/cuda_compiled.json by the hash of the source; only changed sources are compiled, all of
them with --all.  It fails where a source does not compile, a kernel spills, or none came out.
"""

import argparse
import ctypes
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tinydl.kernels.gpu import FAMILIES
from tinydl.kernels.gpu.source import Source

TABLE = Path(__file__).parents[1] / "tests" / "cuda_compiled.json"
TARGETS = ("sm_80", "sm_90", "sm_100")


def targets(source: Source) -> tuple[str, ...]:
    """The architectures that a source is for."""
    return (source.target,) if source.target else TARGETS


def sources() -> list[Source]:
    """Every source, in the order of their names."""
    for family in FAMILIES:
        importlib.import_module(f"tinydl.kernels.gpu.{family}")
    return sorted(Source.all, key=lambda s: s.file)


def by_nvcc(source: Source, target: str) -> dict:
    """Registers of each kernel; RuntimeError where something is wrong."""
    # A template that nobody names compiles to nothing, without an error.
    named = "".join(f"const void* keep_{i} = (const void*)&{name};\n" for i, name in enumerate(source.instances))
    command = ["nvcc", f"-gencode=arch=compute_{target[3:]},code={target}", "-std=c++17", "-cubin", "-Xptxas", "-v"]
    command += [*source.options, "-x", "cu", "-", "-o", os.devnull]
    done = subprocess.run(command, input=source.text + named, text=True, capture_output=True)
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", done.stderr)]
    spilled = sum(int(n) for n in re.findall(r"(\d+) bytes spill", done.stderr))
    if done.returncode or len(registers) < len(source.instances) or spilled or re.search(r"\(C75\d\d\)", done.stderr):
        raise RuntimeError(f"{source.file}, nvcc, {target}: {spilled} bytes spilled\n{done.stderr[-3000:]}")
    return {"kernels": len(registers), "most_registers": max(registers)}


def nvrtc() -> ctypes.CDLL | None:
    """The NVRTC library of a CUDA installation or of the package nvidia-cuda-nvrtc."""
    places = [Path(p) / "nvidia" for p in sys.path] + [Path("/usr/local/cuda/lib64")]
    found = next((f for p in places if p.is_dir() for f in sorted(p.rglob("libnvrtc.so*"))), None)
    return found and ctypes.CDLL(found)


def by_nvrtc(library, source: Source, target: str) -> dict:
    """The size of the machine code; RuntimeError with the log where it does not compile."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    library.nvrtcCreateProgram(ctypes.byref(program), source.text.encode(), source.file.encode(), 0, None, None)
    for name in source.instances:
        library.nvrtcAddNameExpression(program, name.encode())
    options = [f"-arch={target}", "-std=c++17", "-ftz=true", *source.options]  # as CuPy does
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * 9)(*map(str.encode, options)))
    if failed:
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        raise RuntimeError(f"{source.file}, NVRTC, {target}:\n{log.value.decode()[-3000:]}")
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return {"bytes": size.value}


def compile_source(source: Source, compilers: dict) -> tuple[dict, list[str]]:
    """A row of the table, and the faults that were found."""
    row, faults = {"hash": source.digest}, []
    for name, compiler in compilers.items():
        for target in targets(source):
            try:
                row[f"{name} {target}"] = compiler(source, target)
            except RuntimeError as fault:
                faults.append(str(fault))
    return row, faults


def compile_all(everything: bool, files: list[str]) -> list[str]:
    """Compile what changed, note in the table what passed; the faults that were found."""
    compilers = {"nvcc": by_nvcc} if shutil.which("nvcc") else {}
    library = nvrtc()
    if library:
        compilers["nvrtc"] = lambda source, target: by_nvrtc(library, source, target)
    if not compilers:
        return ["there is neither nvcc nor NVRTC here"]
    found, faults = sources(), []
    for source in found:
        if files and source.file not in files:
            continue
        if not everything and noted().get(source.file, {}).get("hash") == source.digest:
            continue
        row, wrong = compile_source(source, compilers)
        print(source.file, row, flush=True)
        faults += wrong
        if not wrong:
            rows = noted() | {source.file: row}
            kept = {s.file: rows[s.file] for s in found if s.file in rows}
            TABLE.write_text(json.dumps(kept, indent=1) + "\n")
    return faults


def noted() -> dict:
    """The table as it is."""
    return json.loads(TABLE.read_text()) if TABLE.exists() else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="also what has not changed")
    parser.add_argument("files", nargs="*", help="only these, e.g. pool.cu")
    given = parser.parse_args()
    sys.exit("\n".join(compile_all(given.all, given.files)) or 0)
