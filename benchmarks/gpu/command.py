"""Proof and speed on a GPU.

python -m benchmarks gpu --record            all of it; what is current is not done again
python -m benchmarks gpu --record table conv the table alone, of cases or families with one of these words
python -m benchmarks gpu --dry               everything but the device: emulated kernels, a clock that lies
python -m benchmarks gpu state               which kernels are verified, which changed since
python -m benchmarks gpu readme              the README's lines, of current rows
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from . import checks, ledger, speed, table
from .run import Run

# in the order of importance: a run may be stopped at any time
PARTS = {
    "compile": checks.compile_kernels, "kernels": checks.kernels, "table": speed.speed, "suite": checks.suite,
    "cpu": speed.by_the_cpu, "sanitize": checks.sanitize,
}  # fmt: skip


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help=f"parts ({', '.join(PARTS)}; none: all), then words of cases")
    parser.add_argument(
        "--record", action="store_true", help="write tests/device_ledger.json, benchmarks/results/gpu.json"
    )
    parser.add_argument("--into", type=Path, help="a folder for these two instead, and for logs")
    parser.add_argument("--minutes", type=float, default=25, help="that it may last (default: 25)")
    parser.add_argument("--again", action="store_true", help="also what is current")
    parser.add_argument("--sanitize", action="store_true", help="also a few tests under compute-sanitizer")
    parser.add_argument("--dry", action="store_true", help="in the emulator; into a folder, never into the ledger")
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    args = parsed(words)
    if args.words == ["state"]:
        return print(ledger.state(ledger.read()))
    if args.words == ["readme"]:
        return table.write_readme()
    parts = [word for word in args.words if word in PARTS] or [p for p in PARTS if p != "sanitize" or args.sanitize]
    run = Run(
        *places(args), deadline=time.monotonic() + 60 * args.minutes, dry=args.dry, again=args.again,
        words=[word for word in args.words if word not in PARTS],
    )  # fmt: skip
    run.begin()
    print("  ".join(f"{key} {value}" for key, value in run.about.items()))
    print("  ".join(f"{key} {value:.3g}/s" for key, value in run.limits.items()), flush=True)
    for part in PARTS:
        if part in parts and run.left(1):
            print(f"\n{part}", flush=True)
            PARTS[part](run)
    print(f"\n{ledger.state(run.ledger)}\nin {run.folder / 'gpu.json'} and {run.ledger_path}")


def places(args) -> tuple[Path, Path]:
    """The folder of gpu.json and the path of the ledger: the repository's, or a folder that begins as these are."""
    if args.record and not args.into and not args.dry:
        return table.RESULTS.parent, ledger.LEDGER
    folder = args.into or Path(tempfile.mkdtemp(prefix="tinydl-gpu-"))
    folder.mkdir(parents=True, exist_ok=True)
    for path in (table.RESULTS, ledger.LEDGER):
        if path.exists() and not args.dry and not (folder / path.name).exists():
            shutil.copy(path, folder)
    return folder, folder / ledger.LEDGER.name
