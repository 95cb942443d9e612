"""Benchmarks: cases fit together, one runs on both libraries, failures are told, the README shows what was saved."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from oracle import oracle

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # behind everything else: `benchmarks` is not installed

from benchmarks import report, workers  # noqa: E402
from benchmarks.cases import load  # noqa: E402

RESULTS = report.read(2)
ROWS = RESULTS.get("ops", []) + RESULTS.get("models", [])


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_family_aims_at_one_ratio():
    bars = {}
    for name, case in load().items():
        assert 0 < case.at_most and case.build.__name__ in name
        bars.setdefault(case.family, set()).add(case.at_most)
    assert {family: len(found) for family, found in bars.items() if len(found) > 1} == {}


def test_one_case_on_both_libraries():
    oracle()
    row = workers.measure("mlp", threads=1, rounds=2, body=True)
    assert row["ratio"] == pytest.approx(row["tinydl_ms"] / row["torch_ms"]) and row["body_ms"] > 0
    assert "mlp" in report.line(row, {}) and f"{row['ratio']:.2f}" in report.line(row, {})


def test_a_side_that_fails_is_told():
    row = workers.measure("no such case", threads=1, rounds=1)
    assert row == {"case": "no such case", "failed": "tinydl: KeyError: 'no such case'"}
    assert "failed: tinydl: KeyError" in report.line(row, {})


def test_families_show_their_worst_row_first_and_the_mean():
    names = [name for name, case in load().items() if case.family == "training steps"][:3]
    rows = [{"case": n, "ratio": r} for n, r in zip(names, (0.5, 2.0, 1.0))]
    (found,) = report.families(rows).values()
    assert [row["ratio"] for row in found] == [2.0, 1.0, 0.5]
    assert report.geometric_mean(found) == pytest.approx(1.0)
    broken = {"case": names[0], "failed": "torch: out of memory"}
    assert report.families([*rows[1:], broken])["training steps"][0] is broken
    assert math.isnan(report.geometric_mean([broken]))


def test_saved_rows_are_of_cases_that_exist_and_say_what_they_ran_on():
    assert {row["case"] for row in ROWS} <= set(load())
    assert all(row["tree"] for row in ROWS)
    assert {"cpu", "cores", "python", "numpy", "numba", "torch", "threads", "date", "tree"} <= set(RESULTS["about"])


def test_the_readme_shows_what_was_saved():
    _, _, rest = report.README.read_text().partition(report.MARKS[0])
    assert rest.partition(report.MARKS[1])[0] == report.readme(RESULTS)


def test_saving_replaces_the_rows_that_were_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    a, b = list(load())[:2]
    for case, ratio in ((a, 1.0), (b, 1.0), ("gone", 9.0), (b, 3.0)):
        report.save("ops", {"case": case, "ratio": ratio}, {"threads": 7, "tree": "abc"})
    assert {row["case"]: row["ratio"] for row in report.read(7)["ops"]} == {a: 1.0, b: 3.0}


def test_the_picture_is_drawn(tmp_path):
    report.draw(RESULTS, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_memory_of_a_step_is_measured():
    oracle()
    command = [sys.executable, "-m", "benchmarks", "--remember", "torch", "mlp", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 500
