"""The command line: exit codes, one-line errors, and what doctor says of a broken machine."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinydl
from tinydl import cli
from tinydl.cli import doctor

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def command(monkeypatch):
    """`command(f)` makes f the command `tinydl fake`."""

    def install(run):
        module = SimpleNamespace(add_arguments=lambda parser: None, run=run)
        monkeypatch.setitem(cli.COMMANDS, "fake", "a command of the tests")
        monkeypatch.setitem(sys.modules, "tinydl.cli.fake", module)

    return install


def fail_with(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert cli.COMMANDS[name].split()[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, text",
    [([], "COMMAND"), (["dance"], "'dance'"), (["doctor", "--loud"], "--loud")],
)
def test_a_wrong_call_exits_with_2(argv, text, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, text",
    [
        (ValueError("no data set 'mnits'"), "no data set 'mnits'"),
        (RuntimeError("device 'cuda' cannot be used"), "device 'cuda' cannot be used"),
        (PermissionError(13, "Permission denied", "/runs"), "/runs: Permission denied"),
        (ImportError("matplotlib is not installed"), "matplotlib is not installed"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_expected_error_is_one_line(error, text, command, capsys):
    command(fail_with(error))
    assert cli.main(["fake"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"tinydl fake: {text}\n")


def test_debug_shows_the_traceback(command, monkeypatch):
    command(fail_with(ValueError("where from?")))
    monkeypatch.setenv("TINYDL_DEBUG", "1")
    with pytest.raises(ValueError, match="where from"):
        cli.main(["fake"])


def test_a_bug_keeps_its_traceback(command):
    command(fail_with(KeyError("a slip of ours")))
    with pytest.raises(KeyError):
        cli.main(["fake"])


def test_exit_codes(command, capsys):
    for returned, code in [(None, 0), (0, 0), (3, 3)]:
        command(lambda args, returned=returned: returned)
        assert cli.main(["fake"]) == code
    command(fail_with(KeyboardInterrupt()))
    assert cli.main(["fake"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    """As `tinydl doctor | head -1`: no traceback when nobody reads on."""
    reader = subprocess.Popen(
        [sys.executable, "-u", "-m", "tinydl", "doctor"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline().startswith("tinydl ")
    reader.stdout.close()
    assert reader.stderr.read() == ""
    reader.stderr.close()
    reader.wait(timeout=60)


def test_doctor_of_this_machine(capsys):
    code = cli.main(["doctor"])
    said = capsys.readouterr().out
    assert code == 0, said
    for text in ("numpy", "cache", "threading layer", "GPU", "TINYDL_DATA", "all is well"):
        assert text in said


def test_doctor_names_what_is_broken(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "llvmlite", None)  # its import fails
    monkeypatch.setattr(doctor, "REQUIRED", ("numpy", "no-such-package"))
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path / "gone"))
    assert cli.main(["doctor"]) == 1
    lines = {line[2:].split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["processor"].startswith("! ") and "llvmlite" in lines["processor"]
    assert "pip install no-such-package" in lines["no-such-package"]
    assert "gone is not a folder" in lines["TINYDL_DATA"]
    assert lines["numpy"].startswith("  ")


def test_doctor_sees_an_unwritable_cache(monkeypatch):
    from tinydl.kernels.cpu import jit

    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    assert "compiled in every process" in doctor.report()["CPU kernels"]["cache"]()


def test_doctor_refuses_two_cupy_wheels(monkeypatch):
    wheels = {"cupy-cuda12x", "cupy-cuda13x"}
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name in wheels)
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "14.1.0")
    with pytest.raises(RuntimeError, match="keep one"):
        doctor.report()["Optional packages"]["cupy"]()


def test_warmup_serves_every_kernel(monkeypatch):
    """Each name in the table of kernels is called, and serves, for both types."""
    from tinydl.cli import warmup
    from tinydl.device import CPU
    from tinydl.kernels import cpu

    served = set()

    def watch(name, kernel):
        def call(*args, **kwargs):
            y = kernel(*args, **kwargs)
            if y is not NotImplemented:
                served.add((name, dtype))
            return y

        return call

    for name in cpu.KERNELS:
        monkeypatch.setitem(CPU.kernels, name, watch(name, cpu.load(name)))
    for dtype in ("float32", "float64"):
        for call in warmup.calls().values():
            call(getattr(tinydl, dtype))
    assert served == {(name, t) for name in cpu.KERNELS for t in ("float32", "float64")}


def test_after_a_warmup_nothing_compiles():
    """The second of two processes finds everything on the disk."""
    command = [sys.executable, "-m", "tinydl", "warmup"]
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1400)
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing to do"), done.stdout
    assert "100%" in done.stderr  # the progress bar
