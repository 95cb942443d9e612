"""`tinydl train` and `tinydl sample`: every model of the table learns, is interrupted, goes on and draws."""

import os
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
from test_train import flat
from test_train import interrupts as interrupts  # a fixture

import tinydl
from tinydl import cli, train
from tinydl.cli import runs
from tinydl.cli.recipes import RECIPES
from tinydl.data.datasets import Digits, LabelledImages
from tinydl.io import load

ROOT = Path(__file__).parents[1]


@pytest.fixture
def few(tmp_path, monkeypatch):
    """An empty folder to work in, and digits of which there are 220."""

    def load_data(name):
        return Digits(train=True)._part(np.arange(160)), Digits(train=False)._part(np.arange(60))

    monkeypatch.setattr(runs, "load_data", load_data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image)


def call(*words):
    return cli.main([str(word) for word in words])


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("model", RECIPES)
def test_every_model_is_interrupted_goes_on_bit_equal_and_draws(model, few, monkeypatch, capsys):
    """Ctrl-C comes within the second of four epochs."""
    options = ("--epochs", 4, "--batch-size", 40)
    assert call("train", model, *options, "--name", "whole") == 0
    said = capsys.readouterr().out
    assert f"{model} on digits: epoch 4, " in said and "runs/whole/: checkpoint.safetensors curves.png history" in said

    class Press(train.NaNGuard):
        def on_step_end(self, run):
            if run.iteration == 5:
                os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train, "NaNGuard", Press)
        assert call("train", model, *options, "--name", "broken") == 130
    said = capsys.readouterr().err
    assert f"to go on: tinydl train {model} --resume --out runs --name broken" in said
    state = load("runs/broken/checkpoint.safetensors")["run"]
    assert state["epoch"] == 1 and state["seen"] == 2
    tinydl.rand(3)
    assert call("train", model, "--resume", "--name", "broken") == 0
    whole, broken = (dict(flat(load(f"runs/{name}/checkpoint.safetensors"))) for name in ("whole", "broken"))
    assert whole == broken

    if model == "lenet":
        assert call("sample", "runs/whole") == 1
        assert capsys.readouterr().err.endswith("tinydl sample: runs/whole holds a lenet, which makes no pictures\n")
        return
    names = sorted(path.name for path in Path("runs/broken/samples").iterdir())
    assert names == [*[f"epoch-000{n}.png" for n in (1, 2, 3, 4)], "samples.gif"]
    first, last = (picture(f"runs/whole/samples/epoch-000{n}.png") for n in (1, 4))
    assert first.shape == last.shape and len(np.unique(last)) > 10 and not np.array_equal(first, last)
    assert np.array_equal(last, picture("runs/broken/samples/epoch-0004.png"))
    drawn = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert call("sample", "runs/whole", "--grid", 6, "--seed", seed, "--out", few / f"{name}.png") == 0
        drawn[name] = picture(few / f"{name}.png")
    assert np.array_equal(drawn["a"], drawn["b"])
    random = not RECIPES[model].shown or model in ("denoising-ae", "dbn")
    assert np.array_equal(drawn["a"], drawn["c"]) is not random
    assert f"{model} after 4 epochs of digits" in capsys.readouterr().out


def test_where_a_sample_goes(few, capsys):
    assert call("train", "vae", "--epochs", 1) == 0
    assert call("sample", "runs/digits-vae/checkpoint.safetensors", "--grid", 2) == 0
    assert "runs/digits-vae/sample.png: vae after 1 epochs" in capsys.readouterr().out
    pixels = picture("runs/digits-vae/sample.png")
    zoom = pixels.shape[0] // 17  # two images of 8 pixels and what is between them
    assert pixels.shape == (17 * zoom, 17 * zoom) and pixels.dtype == np.uint8


def test_a_game_of_labels_draws_one_to_a_column(few, monkeypatch):
    asked = []
    sample = train.Adversarial.sample
    monkeypatch.setattr(
        train.Adversarial, "sample", lambda self, n, *given, **k: asked.append(given) or sample(self, n, *given, **k)
    )
    call("train", "cgan", "--epochs", 1)
    (labels,) = asked[-1]
    assert labels.reshape(10, 10).tolist() == [list(range(10))] * 10


def test_settings_of_a_run_are_kept(few, capsys):
    assert call("train", "vae", "--epochs", 1, "--lr", 0.01, "--seed", 5) == 0
    settings = load("runs/digits-vae/checkpoint.safetensors")["settings"]
    images = settings.pop("images")
    assert settings == {
        "command": "train", "model": "vae", "data": "digits", "epochs": 1, "lr": 0.01, "seed": 5, "batch_size": 50,
    }  # fmt: skip
    x = Digits(train=True).data.numpy()[:160] / 255
    assert images["shape"] == (1, 8, 8) and images["classes"] == 10
    assert images["mean"] == pytest.approx(x.mean()) and images["std"] == pytest.approx(x.std(ddof=1), rel=1e-5)
    assert call("train", "vae", "--resume", "--lr", 0.1) == 1
    assert "--lr 0.1: this run was begun with --lr 0.01, and goes on with it" in capsys.readouterr().err
    assert call("train", "vae", "--resume", "--epochs", 2) == 0
    assert load("runs/digits-vae/checkpoint.safetensors")["run"]["epoch"] == 2
    assert call("train", "vae", "--resume", "--epochs", 1) == 0
    assert "has its 2 epochs already" in capsys.readouterr().out
    assert call("train", "vae", "--epochs", 1) == 0  # a new run does not touch the old one
    assert load("runs/digits-vae/checkpoint.safetensors")["run"]["epoch"] == 2
    assert load("runs/digits-vae-2/checkpoint.safetensors")["run"]["epoch"] == 1


def test_tensorboard_files(few):
    assert call("train", "autoencoder", "--epochs", 1, "--tensorboard") == 0
    (events,) = Path("runs/digits-autoencoder/tensorboard").iterdir()
    assert events.stat().st_size > 1000


@pytest.mark.filterwarnings("ignore:.*matmul:RuntimeWarning")
def test_numbers_that_are_not_finite_end_a_run(few, capsys):
    assert call("train", "autoencoder", "--epochs", 3, "--lr", 1e30) == 1
    assert re.match(r"(?s).*tinydl train: step \d \(epoch 1, batch \d\): ", capsys.readouterr().err)


WRONG = {
    "epochs": ("train vae --epochs 0", "--epochs must be at least 1, got 0"),
    "data": ("train vae --data letters", "--data must be one of digits, mnist, fashion-mnist, faces; got 'letters'"),
    "batch": ("train vae --batch-size 5000", "--batch-size 5000: there are 1437 images to learn from"),
    "name": ("train vae --name a/b", "--name must be the name of a folder, not a path (see --out); got 'a/b'"),
    "resume": ("train vae --resume", "--resume: there is no checkpoint in runs/digits-vae; see --name and --out"),
    "model": ("train rbm --resume --name other", "--model rbm: this run was begun with --model vae"),
    "demo": ("train vae --resume --name demo", "the checkpoint in runs/demo was not written by tinydl train"),
    "sample": ("sample runs/demo", "the checkpoint in runs/demo was not written by tinydl train"),
    "nothing": ("sample runs/nothing", "no checkpoint in runs/nothing"),
    "grid": ("sample runs/other --grid 0", "--grid must be at least 1, got 0"),
    "device": ("sample runs/other --device tpu", "expected 'cpu' or 'cuda', got 'tpu'"),
    "place": ("sample runs/other --out none/a.png", "there is no folder"),
}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """A folder with a run of a VAE, and one of the demo."""
    folder = tmp_path_factory.mktemp("two-runs")
    for name, command in (("other", "train"), ("demo", "demo")):
        recipe = RECIPES["vae"]
        images = {"shape": (1, 8, 8), "classes": 10, "mean": 0.3, "std": 0.4}
        settings = {"command": command, "model": "vae", "data": "digits", "seed": 0, **recipe.defaults("digits")}
        from tinydl.cli.recipes import Images

        step = recipe.build(settings, Images(**images), tinydl.device("cpu")).step
        run = train.Trainer(step, [])
        train.Checkpoint(folder / "runs" / name, settings={**settings, "images": images}).write(run)
    return folder


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_told_in_one_line(case, two_runs, monkeypatch, capsys):
    monkeypatch.chdir(two_runs)
    words, text = WRONG[case]
    assert call(*words.split()) == 1
    said = capsys.readouterr().err
    assert text in said and said.count("\n") == 1
    assert sorted(os.listdir("runs")) == ["demo", "other"]  # nothing was begun


def test_an_unknown_model_is_told_the_others(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "vea"])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "'vea'" in said and "denoising-ae" in said


def test_faces_are_made_small_and_some_are_held_out(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for person in (1, 2, 3):
        (tmp_path / "att_faces" / f"s{person}").mkdir(parents=True)
        for n in range(1, 6):
            pixels = rng.integers(0, 256, (112, 92), np.uint8)
            (tmp_path / "att_faces" / f"s{person}" / f"{n}.pgm").write_bytes(b"P5 92 112 255\n" + pixels.tobytes())
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    learned, held_out = runs.load_data("faces")
    assert isinstance(learned, LabelledImages) and tuple(learned[0][0].shape) == (1, 32, 32)
    assert learned.targets.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and held_out.targets.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_readmes_lines_are_understood():
    """Those of `tinydl train` and `tinydl sample`; options too."""
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^(tinydl (?:train|sample) [^#\n]*)", text, re.MULTILINE)
    assert {shlex.split(line)[1] for line in lines} == {"train", "sample"}
    for line in lines:
        with pytest.raises(SystemExit) as stop:
            cli.main([*shlex.split(line)[1:], "--help"])
        assert stop.value.code == 0
