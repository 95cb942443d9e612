"""The main job: `tinydl demo` on real digits, killed and resumed, called wrongly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def demo(*arguments, cwd, wait=True):
    command = [sys.executable, "-m", "tinydl", "demo", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TINYDL_QUIET": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=cwd, env=environment, **pipes)
    if not wait:
        return process
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


def test_learns_digits_and_leaves_everything_behind(tmp_path):
    code, out, err = demo(cwd=tmp_path)
    assert code == 0, err
    share = float(out.split(" %")[0].split()[-1])
    assert share >= 98.0, out
    folder = tmp_path / "runs" / "digits-lenet"
    names = {p.name for p in folder.iterdir()}
    pictures = {"curves.png", "filters.png", "confusion.png", "mistakes.png"}
    assert names >= {"checkpoint.safetensors", "history.csv"} | pictures
    assert all(len((folder / p).read_bytes()) > 5000 for p in pictures)
    assert "runs/digits-lenet" in out and "images/s" in err


@pytest.mark.skipif("TINYDL_DATA" not in os.environ, reason="needs the MNIST files of TINYDL_DATA")
def test_learns_mnist(tmp_path):
    code, out, err = demo("--data", "mnist", "--epochs", 3, cwd=tmp_path)
    assert code == 0, err
    assert float(out.split(" % of")[0].split()[-1]) >= 97.0, out


def weights(folder):
    from tinydl.io import load

    return load(Path(folder) / "checkpoint.safetensors")["run"]["step"]["model"]


def test_a_killed_run_resumes_bit_equal(tmp_path):
    code, _, err = demo("--epochs", 5, "--name", "whole", cwd=tmp_path)
    assert code == 0, err
    checkpoint = tmp_path / "runs" / "killed" / "checkpoint.safetensors"
    process = demo("--epochs", 5, "--name", "killed", cwd=tmp_path, wait=False)
    for pause in (0.0, 0.15):
        seen = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != seen:
                break
            time.sleep(0.002)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        weights(checkpoint.parent)  # readable at any moment
        process = demo("--resume", "--name", "killed", cwd=tmp_path, wait=False)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    whole, killed = weights(tmp_path / "runs/whole"), weights(checkpoint.parent)
    assert whole.keys() == killed.keys()
    assert all(np.array_equal(whole[k].numpy(), killed[k].numpy()) for k in whole)


def test_an_interrupted_run_goes_on(tmp_path):
    """Also before its first epoch has ended; and it says how."""
    process = demo("--epochs", 8, cwd=tmp_path, wait=False)
    checkpoint = tmp_path / "runs" / "digits-lenet" / "checkpoint.safetensors"
    deadline = time.monotonic() + 600
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert checkpoint.exists(), "no checkpoint yet; a cold cache compiles first"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert "to go on: tinydl demo --resume --out runs --name digits-lenet" in err
    code, out, err = demo("--resume", "--out", "runs", "--name", "digits-lenet", cwd=tmp_path)
    assert code == 0 and "epoch 8/8" in err, err
    code, out, err = demo("--resume", "--epochs", 1, cwd=tmp_path)
    assert code == 0 and "has its 8 epochs already" in out


def test_a_checkpoint_of_another_program_is_refused(tmp_path):
    import tinydl

    (tmp_path / "runs" / "digits-lenet").mkdir(parents=True)
    for foreign in ([1], {"weight": tinydl.ones(2)}, {"settings": {}, "run": 3}):
        tinydl.save(foreign, tmp_path / "runs" / "digits-lenet" / "checkpoint.safetensors")
        code, out, err = demo("--resume", cwd=tmp_path)
        assert code == 1 and "was not written by tinydl demo" in err and "Traceback" not in err


WRONG = {
    "data set": (["--data", "letters"], "--data must be one of digits, mnist, fashion-mnist; got 'letters'"),
    "epochs": (["--epochs", "0"], "--epochs must be at least 1"),
    "rate": (["--lr", "-1"], "--lr must be a positive number"),
    "device": (["--device", "cuda"], "device 'cuda' cannot be used"),
    "no such device": (["--device", "tpu"], "expected 'cpu' or 'cuda', got 'tpu'"),
    "a path for a name": (["--name", "../x"], "--name must be the name of a folder"),
    "nothing to resume": (["--resume", "--name", "none"], "there is no checkpoint in runs/none"),
    "folder is a file": (["--out", "a-file"], "a-file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_told_in_one_line(case, tmp_path):
    (tmp_path / "a-file").write_text("")
    arguments, text = WRONG[case]
    code, out, err = demo(*arguments, cwd=tmp_path)
    assert code != 0 and text in err and "Traceback" not in err, err
    assert not (tmp_path / "runs").exists()  # nothing was begun


def test_resuming_protects_the_run(tmp_path):
    code, _, err = demo("--epochs", 1, cwd=tmp_path)
    assert code == 0, err
    folder = tmp_path / "runs" / "digits-lenet"
    before = weights(folder)

    code, out, err = demo("--resume", "--lr", "0.5", cwd=tmp_path)
    assert code != 0 and "was begun with --lr 0.003" in err and "Traceback" not in err

    code, out, err = demo("--epochs", 1, cwd=tmp_path)  # a new run does not touch the old one
    assert code == 0 and "digits-lenet-2" in out
    assert all(np.array_equal(before[k].numpy(), v.numpy()) for k, v in weights(folder).items())

    path = folder / "checkpoint.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    code, out, err = demo("--resume", "--epochs", "2", cwd=tmp_path)
    assert code != 0 and "is damaged" in err and "Traceback" not in err
    assert path.read_bytes() == data[: len(data) // 2]  # the damaged file is left for its owner
