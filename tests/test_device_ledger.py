"""The ledger of what a GPU has verified, and the run that writes it, tried without one."""

import json
import re
import sys
from pathlib import Path

import pytest
from oracle import oracle

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # behind everything else: `benchmarks` is not installed
oracle()

from benchmarks import report  # noqa: E402
from benchmarks.cases import load  # noqa: E402
from benchmarks.gpu import checks, command, ledger, place, rows, speed, table  # noqa: E402
from benchmarks.gpu.run import Run, ended  # noqa: E402

H200 = {
    "kind": "cuda",
    "device": "NVIDIA H200",
    "driver": "580.1",
    "date": "2027-01-01",
    "cuda": "13.0",
    "torch": "2.11",
}
LIMITS = {"bytes": 4e12, "tf32": 4e14, "ieee": 1e14}
SOFTMAX = "softmax<float, float, true>"


def line(**changes):
    """What a test saw."""
    seen = {"test": "t", "passed": True, "error": 1e-7, "launched": {"cuda": {"softmax.cu": [SOFTMAX]}}}
    return seen | changes


def empty():
    return {"about": dict(H200), "kernels": {}, "tests": {}}


def row(**changes):
    """A row of the table as its process gives it."""
    us = {"tinydl": 50.0, "torch": 100.0, "tinydl graphs": 40.0, "torch graphs": 50.0}
    given = {"case": "softmax n128_c10", "arithmetic": "default", "us": us, "bytes": 4e6, "flops": 1e9}
    return given | {"launches": {"softmax.cu": {SOFTMAX: 30.0}}} | changes


# ---------------------------------------------------------------- what is committed
def test_the_ledger_is_well_formed():
    found = ledger.read()
    assert set(found) == {"about", "kernels", "tests"}
    if found["about"] == ledger.NO_RUN:
        assert not found["kernels"] and not found["tests"] and not table.RESULTS.exists()
    every = {source.file: set(source.instances) for source in ledger.sources()}
    for file, kept in found["kernels"].items():
        assert kept["kind"] == "cuda" and all(kept[key] for key in ("hash", *ledger.STAMP))
        for name, instance in kept["instances"].items():
            assert name in every[file] or kept["hash"] != ledger.hashes()[file]
            assert instance["error"] is None or 0 <= instance["error"] < 1
            assert instance["tests"] >= 0 and isinstance(instance["failed"], list)
            assert ("us" in instance) == ("at" in instance) and instance.get("us", 1) > 0
    for kept in found["tests"].values():
        assert kept["kind"] == "cuda" and kept["passed"] >= 0 and isinstance(kept["failed"], list)


def test_the_readme_shows_what_is_current():
    _, _, rest = report.README.read_text().partition(table.MARKS[0])
    assert rest.partition(table.MARKS[1])[0] == table.readme(table.read(), ledger.read()), "benchmarks gpu readme"


def test_files_that_the_marks_select():
    """Kernels first; every file of tests/ that names the mark is among them."""
    files = checks.test_files()
    assert files[0] == "test_cuda_gemm.py" and {*checks.SUITE, "test_device.py"} <= set(files)
    graphs = {f"test_cuda_{name}.py" for name in ("graphs", "graph_runtime", "graph_refusals")}  # on a tape, not a GPU
    left = {path.name for path in (ROOT / "tests").glob("test_cuda_*.py")} - set(files)
    assert left == {"test_cuda_compiled.py", "test_cuda_amp.py", *graphs}


# ---------------------------------------------------------------- hashes
def test_a_changed_kernel_or_wrapper_changes_the_hash(monkeypatch, tmp_path):
    before = ledger.hashes()
    source = next(s for s in ledger.sources() if s.file == "pool.cu")
    monkeypatch.setitem(source.__dict__, "text", source.text + " ")
    changed = ledger.hashes()
    assert {file for file in before if before[file] != changed[file]} == {"pool.cu"}
    for path in ledger.CSRC.parent.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text() + "\n" * (path.name == "conv.py"))
    monkeypatch.setattr(ledger, "CSRC", tmp_path / "csrc")
    again = ledger.hashes()
    assert {file for file in before if changed[file] != again[file]} == {"conv.cu", "conv_direct.cu"}


def stale(monkeypatch, *files):
    """From now on these sources are other ones."""
    now = ledger.hashes()
    monkeypatch.setattr(ledger, "hashes", lambda: now | dict.fromkeys(files, "changed"))


# ---------------------------------------------------------------- the ledger
def test_evidence_makes_kernels_verified_until_they_change(monkeypatch):
    found = empty()
    ledger.enter(found, line(), H200)
    ledger.enter(found, line(error=3e-7), H200)
    ledger.enter(found, line(error=None), H200)
    instance = found["kernels"]["softmax.cu"]["instances"][SOFTMAX]
    assert instance == {"error": 3e-7, "tests": 3, "failed": []}
    assert ledger.verified(found) == {"softmax.cu": [SOFTMAX]}
    assert re.match(r"1 of \d+ kernels verified on NVIDIA H200\.", ledger.state(found))
    stale(monkeypatch, "softmax.cu")
    assert ledger.verified(found) == {}
    assert re.match(r"0 of \d+ kernels verified on NVIDIA H200; changed since: softmax.cu\.", ledger.state(found))
    ledger.enter(found, line(error=2e-7), H200)  # the changed one, run anew: what was before holds no more
    assert found["kernels"]["softmax.cu"]["instances"][SOFTMAX] == {"error": 2e-7, "tests": 1, "failed": []}


@pytest.mark.parametrize(
    "seen",
    [
        dict(launched={"cuda-emulated": {"softmax.cu": [SOFTMAX]}}),  # not on the device
        dict(passed=False),
        dict(error=None),  # compared with nothing
    ],
    ids=["emulated", "failed", "not judged"],
)
def test_what_verifies_nothing(seen):
    found = empty()
    ledger.enter(found, line(**seen), H200)
    assert not any(ledger.verified(found).values())


def test_a_failure_outlives_later_successes():
    found = empty()
    for seen in (line(), line(passed=False, test="bad"), line()):
        ledger.enter(found, seen, H200)
    assert found["kernels"]["softmax.cu"]["instances"][SOFTMAX]["failed"] == ["bad"]
    assert ledger.verified(found) == {"softmax.cu": []}


def test_another_device_begins_anew():
    found = empty()
    ledger.enter(found, line(), H200)
    ledger.enter(found, line(error=5e-7), H200 | {"device": "NVIDIA H100"})
    assert found["kernels"]["softmax.cu"]["device"] == "NVIDIA H100"
    assert found["kernels"]["softmax.cu"]["instances"][SOFTMAX]["tests"] == 1


def test_the_ledger_refuses_what_was_emulated(tmp_path, monkeypatch):
    found = empty()
    ledger.enter(found, line(launched={"cuda-emulated": {"softmax.cu": [SOFTMAX]}}), H200 | {"kind": "cuda-emulated"})
    ledger.write(found, tmp_path / "other.json")
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.json")
    with pytest.raises(ValueError, match="what was emulated is not verified on a device"):
        ledger.write(found, tmp_path / "ledger.json")
    assert not ledger.LEDGER.exists()
    assert ledger.verified(json.loads((tmp_path / "other.json").read_text())) == {}


# ---------------------------------------------------------------- the table
def test_the_share_of_the_roofline():
    """The larger of bytes over bandwidth, operations over their rate; of the quicker of step and graph."""
    assert table.finished(row(), H200, LIMITS)["floor_us"] == pytest.approx(10)  # 1e9 / 1e14
    assert table.finished(row(bytes=8e8), H200, LIMITS)["floor_us"] == pytest.approx(200)
    conv = row(case="conv3x3 c64_32")
    assert table.finished(dict(conv), H200, LIMITS)["floor_us"] == pytest.approx(2.5)  # TF32: 1e9 / 4e14
    exact = table.finished(conv | {"arithmetic": "ieee"}, H200, LIMITS)
    assert exact["floor_us"] == pytest.approx(10) and exact["share"] == pytest.approx(10 / 40)
    assert exact["ratio"] == 0.5
    assert "share" not in table.finished({k: v for k, v in row().items() if k not in ("bytes", "flops")}, H200, LIMITS)


def test_stale_and_emulated_rows_are_shown_nowhere(monkeypatch):
    results = {"about": H200, "limits": LIMITS, "rows": []}
    softmax = table.finished(row(cpu_us=7000.0), H200, LIMITS)
    relu = row(case="activation relu", launches={"pointwise.cu": {"of_one": 1.0}}, us={"tinydl": 77.0, "torch": 100.0})
    body = row(case="draw randn", launches={}, us={"tinydl": 93.0, "torch": 100.0})
    emulated = table.finished(row(case="softmax n4096_c1000", us={"tinydl": 11.0, "torch": 100.0}), H200, LIMITS)
    failed = table.finished({"case": "dropout image", "arithmetic": "default", "failed": "no memory"}, H200, LIMITS)
    others = (table.finished(r, H200, LIMITS) for r in (relu, body))
    for found in (softmax, *others, emulated | {"kind": "cuda-emulated"}, failed):
        table.put(results, found)
    text = table.readme(results, empty())
    assert "| softmax (1) | 0.50 | 0.80 |  |  | 25% | softmax n128 c10: 0.50 | 140 |" in text
    assert "0.77" in text and "0.93" in text and "0.11" not in text and "3 rows (of 5)" in text
    stale(monkeypatch, "softmax.cu")
    text = table.readme(results, empty())
    assert "softmax" not in text and "0.50" not in text and "0.77" in text
    monkeypatch.setattr(ledger, "hash_of_file", lambda path: "another table of kernels")
    assert "0.93" not in table.readme(results, empty())
    stale(monkeypatch, "pointwise.cu", "softmax.cu")
    assert table.readme(results, empty()) == table.NOTHING
    assert table.readme(results, {"about": ledger.NO_RUN}) == table.NOTHING


def test_every_case_has_its_turn_families_first():
    every = rows.every(dry=False)
    on_the_cpu = {name for name, case in load().items() if case.build.__module__.endswith(".breadth")}
    assert {name for _, name in every} == set(load()) - on_the_cpu
    assert {name for _, name in rows.every(False, ["element clamp"])} == {"element clamp"} < on_the_cpu
    families = [load()[name].family for _, name in every]
    first = len(set(families))
    assert len(set(families[:first])) == first  # one of each, before the second of any
    assert ("ieee", "lstm two_layers") in every and ("ieee", "softmax n128_c10") not in every
    assert set(rows.TF32) <= set(families)
    assert {name for _, name in rows.every(dry=True)} == set(rows.DRY)
    assert {load()[name].family for _, name in rows.every(False, ["pool"])} == {"pooling"}


# ---------------------------------------------------------------- the run
@pytest.fixture(scope="module")
def dry(tmp_path_factory):
    """A dry run of the first parts and of two rows; its folder."""
    folder = tmp_path_factory.mktemp("dry")
    words = "compile", "kernels", "table", "cpu", "softmax", "small product"
    command.main([*words, "--dry", "--into", str(folder)])
    return folder


def test_a_dry_run_goes_all_the_way(dry):
    found, results = ledger.read(dry / "device_ledger.json"), table.read(dry / "gpu.json")
    assert found["about"]["kind"] == results["about"]["kind"] == "cuda-emulated"
    tests = found["tests"]["test_cuda_softmax.py"]
    assert (
        tests["passed"] == 10 and not tests["failed"] and tests["hash"] == ledger.hash_of_test("test_cuda_softmax.py")
    )
    instance = found["kernels"]["softmax.cu"]["instances"][SOFTMAX]
    assert 0 < instance["error"] < 1e-5 and instance["tests"] > 0
    assert instance["us"] == 100 and instance["at"] == "softmax n128_c10"
    softmax, product = results["rows"]
    assert softmax["us"].keys() >= {"tinydl", "torch", "tinydl graphs", "torch graphs"} and softmax["ratio"] == 1
    assert set(softmax["hashes"]) == {"softmax.cu"} and set(product["hashes"]) == {table.NO_KERNEL}
    assert softmax["floor_us"] == pytest.approx(1e6 * softmax["bytes"] / 1e12)
    assert softmax["share"] == pytest.approx(softmax["floor_us"] / 100)
    assert all(r["cpu_us"] > 0 and r["kind"] == "cuda-emulated" for r in results["rows"])
    assert not any(ledger.verified(found).values()) and table.current(results) == []


def test_what_is_current_is_not_done_again(dry, capsys, monkeypatch):
    run = Run(dry, dry / "device_ledger.json", deadline=float("inf"), dry=True, words=["softmax n128"])
    run.begin()
    before = json.dumps(run.results["rows"])
    asked = []
    monkeypatch.setattr(checks, "one_file", lambda run, name: asked.append(name))
    checks.kernels(run)
    speed.speed(run)
    assert asked == [] and json.dumps(run.results["rows"]) == before
    assert [key for key in rows.every(True, run.words) if key not in speed.measured_before(run)] == []
    stale(monkeypatch, "softmax.cu")
    assert ("default", "softmax n128_c10") not in speed.measured_before(run)
    assert not checks.passed_before(run, "test_cuda_softmax.py")


def program(monkeypatch, run, text):
    """The table's process is this one instead."""
    monkeypatch.setattr(run, "command", lambda *words: [sys.executable, "-c", text])


@pytest.mark.parametrize(
    "text, why",
    [
        ('print(\'{"begun": ["default", "mlp"]}\', flush=True); raise SystemExit(5)', "the process ended with code 5"),
        ('print(\'{"begun": ["default", "mlp"]}\', flush=True); import time; time.sleep(60)', "took longer than 1 s"),
    ],
    ids=["dies", "hangs"],
)
def test_a_case_that_ends_the_process_is_a_failed_row(text, why, tmp_path, monkeypatch):
    run = Run(tmp_path, tmp_path / "ledger.json", deadline=float("inf"), about=H200, limits=LIMITS)
    run.ledger, run.results = empty(), {"about": H200, "limits": LIMITS, "rows": []}
    program(monkeypatch, run, text)
    monkeypatch.setattr(speed, "ROW", 1)
    assert list(speed.measured(run, [("default", "mlp")])) == [("default", "mlp")]
    (found,) = table.read(tmp_path / "gpu.json")["rows"]
    assert why in found["failed"] and "failed: " in table.line(found)
    assert table.current(run.results) == []  # and so the next run tries again


def test_a_process_that_lasts_too_long_is_stopped_with_what_it_said():
    text = "print('one', flush=True); import time; time.sleep(60)"
    done = ended([sys.executable, "-c", text], 2, {})
    assert (done.returncode, done.stdout) == (-9, "one\n") and "stopped after 2 s" in done.stderr
    told = checks.counted(done)
    assert told["passed"] == 0 and "code -9" in told["failed"][0]


def test_what_pytest_prints_is_counted(tmp_path):
    (tmp_path / "test_three.py").write_text(
        "import pytest\n@pytest.mark.parametrize('x', ['a b', 'c'])\ndef test_good(x): pass\n"
        "def test_bad(): assert 0\n@pytest.fixture\ndef broken(): 1 / 0\ndef test_worse(broken): pass\n"
    )
    words = ["-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    told = checks.counted(ended([sys.executable, *words], 60, {}))
    assert told["passed"] == 2
    assert [name.rpartition("::")[2] for name in told["failed"]] == ["test_bad", "test_worse"]


def test_without_a_gpu_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(place, "cuda_state", lambda: (False, "no driver"))
    with pytest.raises(SystemExit, match="there is no GPU here: no driver\nThe ledger: .*\n--dry runs all but"):
        place.place(dry=False)
    command.main(["state"])
    assert re.search(r"no device run yet|kernels verified on", capsys.readouterr().out)
