"""The table's rows, in a process of their own: each case on both libraries, eager and as CUDA graphs, taking turns.

python -m benchmarks.gpu.rows [--dry] ARITHMETIC:CASE ...   prints a row of JSON for each as soon as it is measured
"""

import contextlib
import functools
import json
import os
import statistics
import sys

from tinydl.kernels.gpu import precision

from .. import workers
from ..cases import breadth, load
from .place import Overlay, place

# families whose float32 is multiplied by TF32 unless told otherwise, and by what setting
TF32 = {
    "convolution 3x3": "conv", "convolution, others": "conv", "transposed convolution": "conv", "recurrent": "rnn",
    "training steps": "conv",
}  # fmt: skip
# dry runs emulate each thread: cases that are small
DRY = (
    *("softmax n128_c10", "conv lenet_1", "embedding few", "linear n64_400_120", "small product", "mlp"),
    "optimizer adam 400 small",
)  # fmt: skip


def every(dry: bool, words=()) -> list[tuple[str, str]]:
    """(arithmetic, case) in the order of importance: the first of each family, then the second of each, ...

    "default" is PyTorch's; convolutions, recurrent layers and training steps follow a second time without TF32, linear
    layers with tinydl's products by warpgroups.  What has kernels on the CPU alone comes only where a word asks for it.
    """
    found: dict[str, list] = {}
    for name, case in load().items():
        asked = any(w in name or w in case.family for w in words)
        chosen = asked if words else case.build.__module__ != breadth.__name__
        if chosen and (not dry or name in DRY):
            more = ["ieee"] if case.family in TF32 else ["wgmma"] if case.family == "linear" else []
            found.setdefault(case.family, []).extend((a, name) for a in ("default", *more))
    longest = max(map(len, found.values()), default=0)
    return [rows[i] for i in range(longest) for rows in found.values() if i < len(rows)]


def limit_of(name: str, arithmetic: str) -> str:
    """The key of Place.limits() whose operations a second bound the case."""
    return "tf32" if load()[name].family in TF32 and arithmetic == "default" else "ieee"


@contextlib.contextmanager
def multiplying(arithmetic: str):
    """Within it both libraries multiply float32 by their defaults, or without TF32; tinydl's by warpgroups: "wgmma"."""
    import torch

    kept, warpgroups = dict(precision._now), os.environ.get("TINYDL_WGMMA")
    if arithmetic == "wgmma":
        os.environ["TINYDL_WGMMA"] = "1"
    if arithmetic == "ieee":
        precision._now.update(dict.fromkeys(kept, "ieee"))
    torch.backends.cudnn.allow_tf32 = arithmetic != "ieee"
    try:
        yield
    finally:
        precision._now.update(kept)
        if arithmetic == "wgmma":
            os.environ.pop("TINYDL_WGMMA") if warpgroups is None else os.environ.update(TINYDL_WGMMA=warpgroups)


def medians(here, steps: dict) -> dict[str, float]:
    """Of each side the median of its microseconds a step; the sides take turns, weights change before each."""
    times = {side: [] for side in steps}
    for step in steps.values():
        for _ in range(here.warm):
            step()
    for _ in range(here.rounds):
        for side, step in steps.items():
            getattr(step, "between", lambda: None)()
            times[side].append(here.us(step))
    return {side: statistics.median(found) for side, found in times.items()}


def measure(here, name: str, arithmetic: str) -> dict:
    """A row: the microseconds of each side, tinydl's launches, and of the graphs that were not made the reasons."""
    row, libraries = {"case": name, "arithmetic": arithmetic}, here.libraries()
    if "convolution" not in load()[name].family:
        del libraries["torch channels_last"]
    with multiplying(arithmetic):
        steps = {side: workers.built(library, name) for side, library in libraries.items()}
        row["us"] = medians(here, steps)
        row["launches"], row["bodies"] = here.watched(steps["tinydl"]), workers.run_by_bodies(steps["tinydl"])
        row |= {kind: getattr(steps["tinydl"], kind) for kind in ("bytes", "flops") if hasattr(steps["tinydl"], kind)}
        for side, library in libraries.items():
            try:
                graph = captured(here, name, side, steps, library)
                row["us"] |= medians(here, {f"{side} graphs": graph})
            except Exception as error:
                row.setdefault("no_graph", {})[side] = f"{type(error).__name__}: {error}".splitlines()[0]
    return row


def captured(here, name, side, steps, library):
    """A side's step as a graph."""
    step = steps[side] if side == "tinydl" else workers.built(capturable(library), name)
    replay = functools.partial(here.graphed(side, step))
    if hasattr(step, "between"):
        replay.between = step.between
    return replay


def capturable(torch):
    """PyTorch with optimizers of which steps can be captured."""
    names = {n: functools.partial(getattr(torch.optim, n), capturable=True) for n in ("Adam", "AdamW")}
    return Overlay(torch, optim=Overlay(torch.optim, **names))


def main(words: list[str]) -> None:
    """A failure may leave a GPU of no use: the process ends after it, and another one goes on."""
    here = place("--dry" in words)
    with here.entered():
        for arithmetic, _, name in (word.partition(":") for word in words if word != "--dry"):
            print(json.dumps({"begun": (arithmetic, name)}), flush=True)
            try:
                row = measure(here, name, arithmetic)
            except Exception as error:
                said = f"{type(error).__name__}: {error}".splitlines()[0]
                print(json.dumps({"case": name, "arithmetic": arithmetic, "failed": said}), flush=True)
                sys.exit(1)
            print(json.dumps(row), flush=True)
            here.free()
            if "no_graph" in row and here.kind == "cuda":  # a capture that failed may leave its stream unusable
                sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
