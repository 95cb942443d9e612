"""Compiles every CUDA kernel for this device, many at a time, so that no test or timing waits for it: CuPy keeps them.

python -m benchmarks.gpu.compiling [--dry] PROCESSES   prints what did not compile
"""

import multiprocessing
import os
import sys

from tinydl.kernels.gpu import launch

from .ledger import sources


def portions(dry: bool) -> list[tuple[str, tuple[str, ...]]]:
    """(file, instances) that are compiled together, what takes longest first."""
    found = []
    for source in sources():
        if not dry or source.file == "reduce.cu":
            found += (
                [(source.file, (i,)) for i in source.instances] if source.apart else [(source.file, source.instances)]
            )
    return sorted(found, key=lambda portion: -len(portion[1]))


def compiled(portion: tuple[str, tuple[str, ...]], dry: bool = False) -> str:
    """Compile one; nothing, or what the compiler said."""
    file, instances = portion
    source = next(s for s in sources() if s.file == file)
    try:
        if dry:
            from tinydl.testing.emulated import EMULATED as backend
        else:
            backend = launch._cupy()
        if source.target and source.target != f"sm_{backend.capability()}a":
            return ""  # it is for other devices
        launch.compiled(source, backend, instances).get_function(instances[0])
    except Exception as error:
        return f"{file}, {instances[0]}: {error}"
    return ""


def main(dry: bool, processes: int) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        waiting = [pool.apply_async(compiled, (portion, dry)) for portion in portions(dry)]
        faults = list(filter(None, (w.get() for w in waiting)))
    print(f"{len(waiting)} portions compiled, {len(faults)} failed", *faults, sep="\n", flush=True)
    sys.exit(bool(faults))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--dry"]
    main("--dry" in sys.argv, int(words[0]) if words else os.cpu_count())
