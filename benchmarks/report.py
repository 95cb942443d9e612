"""Results: kept as JSON, shown as tables, as the README's lines, and as a picture."""

import datetime
import json
import math
import os
import platform
import shutil
import subprocess
from pathlib import Path

from .cases import load

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).parents[1] / "README.md"
MARKS = "<!-- made by `python -m benchmarks readme` -->\n", "<!-- end -->\n"


def machine(threads: int) -> dict:
    """What the figures are made on, and of."""
    from importlib.metadata import version

    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    packages = {p: version(p) for p in ("numpy", "numba", "torch")}
    settings = {k: v for k, v in os.environ.items() if k.startswith(("TINYDL_", "NUMBA_", "ONEDNN_", "ATEN_"))}
    about = {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version(), **packages}
    return about | {"threads": threads, "date": datetime.date.today().isoformat(), "tree": tree(), **settings}


def tree() -> str:
    """The commit, with a + where files differ from it."""

    if not shutil.which("git"):
        return "unknown"

    def git(*words):
        return subprocess.run(["git", *words], cwd=README.parent, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "-uno"))


# ---------------------------------------------------------------- kept
def path_of(threads: int) -> Path:
    """A file for each number of threads, and for each processor that kernels are compiled for instead of this one."""
    other = os.environ.get("NUMBA_CPU_NAME")
    return RESULTS / f"cpu-{threads}-threads{f'-{other}' if other else ''}.json"


def read(threads: int) -> dict:
    """All that was measured: {'about': ..., 'ops': rows, 'models': rows, 'memory': rows, 'startup': rows}."""
    path = path_of(threads)
    return json.loads(path.read_text()) if path.exists() else {}


def save(kind: str, row: dict, about: dict) -> None:
    """Put the row in place of that of the same case; cases that are no more are dropped."""
    kept = read(about["threads"])
    rows = {old["case"]: old for old in kept.get(kind, [])} | {row["case"]: row | {"tree": about["tree"]}}
    if kind in ("ops", "models"):
        rows = {name: row for name, row in rows.items() if name in load()}
    kept |= {"about": about, kind: list(rows.values())}
    path_of(about["threads"]).write_text(json.dumps(kept, indent=1) + "\n")


# ---------------------------------------------------------------- families
def families(rows: list[dict]) -> dict[str, list[dict]]:
    """Rows by family, in the order of the cases, the worst first within each; failed ones at the front."""
    found: dict[str, list[dict]] = {}
    for name, case in load().items():
        found.setdefault(case.family, []).extend(row for row in rows if row["case"] == name)
    return {family: sorted(rows, key=lambda row: -row.get("ratio", math.inf)) for family, rows in found.items() if rows}


def geometric_mean(rows: list[dict]) -> float:
    """Of the ratios of those that ran."""
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


# ---------------------------------------------------------------- shown
COLUMNS = (("body ms", "body_ms"), ("tinydl ms", "tinydl_ms"), ("PyTorch ms", "torch_ms"))


def heading() -> str:
    return f"{'case':<34}" + "".join(f"{c:>12}" for c, _ in COLUMNS) + f"{'ratio':>8}{'best':>7}{'of peak':>9}  bodies"


def line(row: dict, peak: dict) -> str:
    """A row of the table."""
    if "failed" in row:
        return f"{row['case']:<34}  failed: {row['failed']}"
    times = "".join(f"{row[key]:>12.3f}" if key in row else f"{'':>12}" for _, key in COLUMNS)
    share = next(
        (row[k] / row["tinydl_ms"] * 1e3 / peak[k] for k in ("flops", "bytes") if k in row and k in peak), None
    )
    said = f"{share:>9.0%}" if share else f"{'':>9}"
    bodies = ", ".join(row.get("bodies", ()))
    return f"{row['case']:<34}{times}{row['ratio']:>8.2f}{row['ratio_of_best']:>7.2f}{said}  {bodies}"


def summary(rows: list[dict]) -> str:
    """A line for each family: the mean against the bar, and the worst row."""
    lines = [f"{'family':<26}{'mean':>7}{'bar':>6}{'rows':>6}  worst"]
    for family, found in families(rows).items():
        bar, worst = load()[found[0]["case"]].at_most, found[0].get("ratio", math.nan)
        lines.append(
            f"{family:<26}{geometric_mean(found):>7.2f}{bar:>6.2f}{len(found):>6}  {worst:.2f} {found[0]['case']}"
        )
    return "\n".join(lines)


def small_table(rows: list[dict]) -> str:
    """Rows of memory or starting: the case, then each figure with its name."""

    def figures(row):
        return "  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k != "case")

    return "\n".join(f"{row['case']:<44}{figures(row)}" for row in rows)


# ---------------------------------------------------------------- the README's lines
def readme(results: dict) -> str:
    """The tables of the README, worst rows first."""
    about = results["about"]
    lines = [
        f"{about['threads']} threads of {about['cpu']}, {about['date']}, PyTorch {about['torch'].partition('+')[0]}.",
        "",
        "| family | mean ratio | aimed at | worst case | ratio | PyTorch, ms |",
        "|---|---|---|---|---|---|",
    ]
    for family, rows in families(results.get("ops", []) + results.get("models", [])).items():
        ran = [row for row in rows if "ratio" in row]
        if not ran:
            continue
        worst, bar = ran[0], load()[rows[0]["case"]].at_most
        lines.append(
            f"| {family} ({len(ran)}) | {geometric_mean(ran):.2f} | {bar} | {worst['case'].replace('_', ' ')} "
            f"| {worst['ratio']:.2f} | {worst['torch_ms']:.3g} |"
        )
    steps = [row for row in families(results.get("models", [])).get("training steps", []) if "ratio" in row]
    if steps:
        lines += ["", "| training step | ratio | tinydl, ms | PyTorch, ms |", "|---|---|---|---|"]
        lines += [
            f"| {row['case'].replace('_', ' ')} | {row['ratio']:.2f} | {row['tinydl_ms']:.3g} | {row['torch_ms']:.3g} |"
            for row in steps
        ]
    grown = [row for row in results.get("memory", []) if "ratio" in row]
    if grown:
        each = [f"{row['case']} {row['tinydl_mb']:.0f} MB (PyTorch {row['torch_mb']:.0f})" for row in grown]
        lines += ["", f"What ten training steps add to resident memory: {', '.join(each)}."]
    seconds = [f"{row['case']} {row['seconds']:.1f} s" for row in results.get("startup", []) if "functions" not in row]
    if seconds:
        lines += ["", f"Starting: {', '.join(seconds)}."]
    return "\n".join(lines) + "\n"


def write_readme(results: dict) -> None:
    """Put the tables between the README's marks."""
    put_into_readme(MARKS, readme(results))


def put_into_readme(marks: tuple[str, str], text: str) -> None:
    """In place of what stands between two marks."""
    before, _, rest = README.read_text().partition(marks[0])
    _, _, after = rest.partition(marks[1])
    README.write_text(before + marks[0] + text + marks[1] + after)


# ---------------------------------------------------------------- the picture
def draw(results: dict, path: Path) -> None:
    """For each family its rows as points, their geometric mean as a bar, what is aimed at as a line; log scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found = families(results.get("ops", []) + results.get("models", []))
    names = list(found)[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(names) + 1.4), layout="constrained")
    for i, family in enumerate(names):
        ratios = [row["ratio"] for row in found[family] if "ratio" in row]
        bar, mean = load()[found[family][0]["case"]].at_most, geometric_mean(found[family])
        axes.barh(i, mean - 1, left=1, height=0.6, color="#4c9f70" if mean <= bar else "#d9873d")
        axes.plot(ratios, [i] * len(ratios), "o", color="#333333", markersize=3, alpha=0.6)
        axes.plot([bar, bar], [i - 0.38, i + 0.38], color="#b03060", linewidth=2)
    axes.set_xscale("log", base=2)
    axes.set_xticks([2.0**n for n in range(-5, 4)])
    axes.set_xlim(1 / 32, 8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel("time over PyTorch's (bar: geometric mean; point: case; red line: aimed at)")
    axes.set_title(f"tinydl and PyTorch {results['about']['torch']}, {results['about']['threads']} threads")
    figure.savefig(path, dpi=110)
    plt.close(figure)
