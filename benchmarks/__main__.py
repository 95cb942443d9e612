"""Times the same cases on tinydl and PyTorch, in processes that take turns.

python -m benchmarks [ops|models] [words]   time a step of each case whose name or family holds one of the words
python -m benchmarks memory [words]         what ten training steps add to resident memory
python -m benchmarks startup                importing, compiling, loading of kernels
python -m benchmarks summary|readme|picture what was saved, by families; in the README; as benchmarks/results/*.png
python -m benchmarks gpu --record           proof and speed on a GPU (gpu --help)
"""

import argparse
import os
import sys

from . import memory, peak, report, startup, workers
from .cases import load

KINDS = ("ops", "models", "memory", "startup", "summary", "readme", "picture")


def main() -> None:
    if sys.argv[1:2] == ["gpu"]:
        from .gpu import command  # it asks for what a GPU's machine has

        return command.main(sys.argv[2:])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="what to measure; nothing: all operations and models")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--body", action="store_true", help="also time the reference bodies, without kernels")
    parser.add_argument("--save", action="store_true", help="keep the results in benchmarks/results/")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--remember", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return workers.work(*args.work, args.threads)
    if args.remember:
        return memory.work(*args.remember, args.threads)
    kinds = [args.words.pop(0)] if args.words and args.words[0] in KINDS else ["ops", "models"]
    if kinds[0] in ("summary", "readme", "picture"):
        return show(kinds[0], report.read(args.threads))
    about = report.machine(args.threads)
    print("  ".join(f"{k} {v}" for k, v in about.items()))
    for kind in kinds:
        for row in MEASURE[kind](kind, args):
            if args.save:  # at once: a long run may be stopped
                report.save(kind, row, about)


def show(what, results):
    """What was saved."""
    if not results:
        raise SystemExit("benchmarks: nothing was saved with as many threads; run with --save first")
    if what == "summary":
        print(report.summary(results.get("ops", []) + results.get("models", [])))
    elif what == "readme":
        report.write_readme(results)
    else:
        path = report.path_of(results["about"]["threads"]).with_suffix(".png")
        report.draw(results, path)
        print(f"drawn in {path}")


def timings(kind, args):
    """A row of the table for each case, worst first within its family at the end."""
    names = [name for name, case in load().items() if (case.family == "training steps") == (kind == "models")]
    if args.words:
        names = [n for n in names if any(w in n or w in load()[n].family for w in args.words)]
    if not names:
        return
    limits = peak.measure(args.threads)
    print(f"peak {limits['flops'] / 1e9:.0f} GFLOP/s, {limits['bytes'] / 1e9:.0f} GB/s\n{report.heading()}")
    rows = []
    for name in names:
        rows.append(workers.measure(name, args.threads, args.rounds, args.body))
        print(report.line(rows[-1], limits), flush=True)
        yield rows[-1]
    print(report.summary(rows))


def memories(kind, args):
    """A row for each of the models whose memory counts."""
    for name in memory.MODELS:
        if not args.words or any(w in name for w in args.words):
            row = memory.measure(name, args.threads)
            print(report.small_table([row]), flush=True)
            yield row


def startups(kind, args):
    """All of them."""
    rows = startup.measure()
    print(report.small_table(rows))
    yield from rows


MEASURE = {"ops": timings, "models": timings, "memory": memories, "startup": startups}

if __name__ == "__main__":
    main()
