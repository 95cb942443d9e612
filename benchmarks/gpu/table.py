"""benchmarks/results/gpu.json, and what is shown of it: rows whose kernels changed since are shown nowhere.

{"about": the machine, "limits": what it reaches, "rows": [{case, arithmetic, us, launches, hashes, ratio, ...}]}
"""

import json
import math
from pathlib import Path

from .. import report
from . import ledger
from .rows import limit_of

RESULTS = report.RESULTS / "gpu.json"
MARKS = "<!-- made by `python -m benchmarks gpu readme` -->\n", "<!-- end of the GPU's -->\n"
NOTHING = (
    f"On a GPU: {ledger.NO_RUN}, and nothing is claimed. `python -m benchmarks gpu --record` is that run: "
    "[docs/gpu.md](docs/gpu.md).\n"
)
NO_KERNEL = "__init__.py"  # a row without a kernel of ours holds until the table of kernels changes


# ---------------------------------------------------------------- kept
def read(path: Path = RESULTS) -> dict:
    """All that was measured."""
    return json.loads(path.read_text()) if path.exists() else {"about": None, "limits": {}, "rows": []}


def hashes() -> dict[str, str]:
    """What a row's figures hold for: of each source of kernels its hash, and that of the table of kernels."""
    return ledger.hashes() | {NO_KERNEL: ledger.hash_of_file(ledger.CSRC.parent / NO_KERNEL)}


def finished(row: dict, about: dict, limits: dict) -> dict:
    """The row with its ratio, its share of the roofline, and what it holds for."""
    now = hashes()
    row |= {"hashes": {file: now[file] for file in row.get("launches") or [NO_KERNEL]}, **ledger.stamped(about)}
    if "failed" in row:
        return row
    us, limit = row["us"], limit_of(row["case"], row["arithmetic"])
    row["ratio"] = us["tinydl"] / us["torch"]
    floors = [1e6 * row[what] / limits[key] for what, key in (("bytes", "bytes"), ("flops", limit)) if what in row]
    if floors:
        row["floor_us"] = max(floors)
        row["share"] = row["floor_us"] / min(us["tinydl"], us.get("tinydl graphs", math.inf))
    return row


def put(results: dict, row: dict) -> None:
    """In place of the row of the same case and arithmetic."""
    key = lambda r: (r["case"], r["arithmetic"])
    results["rows"] = [old for old in results["rows"] if key(old) != key(row)] + [row]


def current(results: dict, kind: str = "cuda") -> list[dict]:
    """Rows that ran, on such a device, with kernels as they are now."""
    now = hashes()
    return [
        row
        for row in results["rows"]
        if row["kind"] == kind and "ratio" in row and all(now.get(f) == h for f, h in row["hashes"].items())
    ]


# ---------------------------------------------------------------- shown
SIDES = ("tinydl", "tinydl graphs", "torch", "torch graphs", "torch channels_last", "torch channels_last graphs")


def heading() -> str:
    columns = "".join(f"{side.replace('channels_last', 'NHWC'):>19}" for side in SIDES)
    return f"{'microseconds':<34}{'float32':>9}{columns}{'ratio':>8}{'roofline':>10}{'CPU/GPU':>9}"


def line(row: dict) -> str:
    """A row of the table."""
    name = f"{row['case']:<34}{row['arithmetic']:>9}"
    if "failed" in row:
        return f"{name}  failed: {row['failed']}"
    times = "".join(f"{row['us'][side]:>19.1f}" if side in row["us"] else f"{'':>19}" for side in SIDES)
    share = f"{row['share']:>10.0%}" if "share" in row else f"{'':>10}"
    over_cpu = f"{row['cpu_us'] / row['us']['tinydl']:>9.1f}" if "cpu_us" in row else ""
    return f"{name}{times}{row['ratio']:>8.2f}{share}{over_cpu}"


def mean(rows: list[dict], over: str, under: str = "torch", own: str = "tinydl") -> str:
    """The geometric mean of own/under of those rows that have both; nothing where none has."""
    found = [{"ratio": row[own] / row[under]} for row in (r[over] for r in rows) if own in row and under in row]
    return f"{report.geometric_mean(found):.2f}" if found else ""


def cells(family: str, rows: list[dict]) -> list[str]:
    """A family's line of the README."""
    default = [row for row in rows if row["arithmetic"] == "default"]
    exact = [row for row in rows if row["arithmetic"] == "ieee"]
    worst = max(rows, key=lambda row: row["ratio"])
    shares = [{"ratio": row["share"]} for row in default if "share" in row]
    cpu = [{"ratio": row["cpu_us"] / row["us"]["tinydl"]} for row in default if "cpu_us" in row]
    return [
        f"{family} ({len(rows)})", mean(default, "us"), mean(default, "us", "torch graphs", "tinydl graphs"),
        mean(default, "us", "torch channels_last"), mean(exact, "us"),
        f"{report.geometric_mean(shares):.0%}" if shares else "",
        f"{worst['case'].replace('_', ' ')}{', ieee' * (worst['arithmetic'] == 'ieee')}: {worst['ratio']:.2f}",
        f"{report.geometric_mean(cpu):.0f}" if cpu else "",
    ]  # fmt: skip


def readme(results: dict, found: dict) -> str:
    """The README's lines: of current rows alone."""
    rows = current(results)
    if not rows or found["about"] == ledger.NO_RUN:
        return NOTHING
    about = results["about"]
    lines = [
        f"On {about['device']}, driver {about['driver']}, CUDA {about['cuda']}, PyTorch {about['torch']}, "
        f"{about['date']}.",
        f"{ledger.state(found)} Ratios are times over PyTorch's, of the {len(rows)} rows (of {len(results['rows'])})",
        "whose kernels are as they were measured.",
        "",
        "| family | eager | graphs | to channels_last | TF32 off | of the roofline | worst case | CPU's time over it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for family, members in report.families(rows).items():
        lines.append(f"| {' | '.join(cells(family, members))} |")
    return "\n".join(lines) + "\n"


def write_readme() -> None:
    """Put the lines between the README's marks."""
    report.put_into_readme(MARKS, readme(read(), ledger.read()))
