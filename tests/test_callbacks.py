"""Callbacks: what each does, that it leaves training as it was, and what happens when it fails."""

import csv
import math
import struct
import sys

import numpy as np
import pytest
from test_train import At, build, parameters, press_ctrl_c, raise_stop, two_moons
from test_train import interrupts as interrupts  # a fixture

import tinydl
from tinydl import nn, optim, pictures
from tinydl.data import DataLoader
from tinydl.io import load
from tinydl.train import (
    Average,
    Callback,
    Checkpoint,
    Classify,
    EarlyStopping,
    History,
    LivePlots,
    NaNGuard,
    Plots,
    Progress,
    SampleGrid,
    Statistics,
    Step,
    TensorBoard,
    Trainer,
    Validate,
)


def figures(values, *callbacks):
    """A trainer whose epochs have these losses."""
    left = iter(values)
    return Trainer(lambda batch: {"loss": next(left)}, [tinydl.zeros(1)], *callbacks)


# ---------------------------------------------------------------- tables
def test_history_as_a_table():
    run = build()
    run.fit(3)
    table = run.to_pandas()
    assert list(table.index) == [1, 2, 3] and list(table.columns) == ["loss", "accuracy"]
    assert table["loss"].tolist() == [row["loss"] for row in run.history]
    assert build().to_pandas().empty


def test_a_table_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas: pip install pandas"):
        build().to_pandas()


def test_history_of_a_resumed_run_is_whole(tmp_path):
    build(History(tmp_path / "h.csv"), Checkpoint(tmp_path)).fit(2)
    second = build(History(tmp_path / "h.csv"), Checkpoint(tmp_path))
    second.callbacks[-1].resume(second)
    second.fit(3)
    rows = list(csv.DictReader((tmp_path / "h.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in second.history]


# ---------------------------------------------------------------- checkpoints
def test_the_best_epoch_is_kept(tmp_path):
    run = build(Checkpoint(tmp_path, monitor="loss", mode="max"))  # the first loss is the greatest
    run.fit(1)
    first = parameters(run)
    run.fit(4)
    assert load(tmp_path / "best.safetensors")["run"]["epoch"] == 1
    assert load(tmp_path / "checkpoint.safetensors")["run"]["epoch"] == 4
    assert not all(np.array_equal(a, b) for a, b in zip(first, parameters(run)))
    resumed = build(Checkpoint(tmp_path, monitor="loss", mode="max"))
    resumed.callbacks[1].resume(resumed)
    resumed.fit(5)  # a resumed run knows what the best was
    assert load(tmp_path / "best.safetensors")["run"]["epoch"] == 1
    resumed.callbacks[1].restore_best(resumed)
    assert all(np.array_equal(a, b) for a, b in zip(first, parameters(resumed)))


def test_when_checkpoints_are_written(tmp_path):
    class Count(Checkpoint):
        def write(self, run):
            written.append((run.epoch, run.iteration))
            super().write(run)

    for options, end, expected in (
        ({"every": 2}, None, [(2, 16), (4, 32), (5, 40)]),
        ({"every": 10, "steps": 15}, None, [(1, 15), (3, 30), (5, 40)]),
        ({"every": 10}, At(11, raise_stop), [(1, 11)]),
    ):
        written = []
        build(Count(tmp_path, **options), *filter(None, [end])).fit(5)
        assert written == expected, options
    with pytest.raises(ValueError, match="every and steps must be at least 1, got 0 and None"):
        Checkpoint(tmp_path, 0)
    with pytest.raises(ValueError, match="Checkpoint: there is no metric 'fid'; there are loss, accuracy"):
        build(Checkpoint(tmp_path, monitor="fid")).fit(1)


@pytest.mark.parametrize("fails_in", ["step_end", "epoch_end"])
def test_an_error_leaves_the_last_good_checkpoint(tmp_path, fails_in):
    class Fail(Callback):
        pass

    def fail(self, run):
        if run.iteration == 24 - (fails_in == "step_end"):
            raise ZeroDivisionError("in a callback")

    setattr(Fail, f"on_{fails_in}", fail)
    run = build(Checkpoint(tmp_path), Fail())
    with pytest.raises(ZeroDivisionError):
        run.fit(5)
    assert load(tmp_path / "checkpoint.safetensors")["run"]["epoch"] == 2
    assert load(tmp_path / "checkpoint.previous.safetensors")["run"]["epoch"] == 1


# ---------------------------------------------------------------- early stopping
def test_early_stopping_goes_back_to_the_best_epoch():
    run = build(EarlyStopping("loss", patience=2, mode="max", restore=True))
    run.fit(1)
    first = parameters(run)
    run.fit(9)
    assert run.epoch == 3
    assert all(np.array_equal(a, b) for a, b in zip(first, parameters(run)))


def test_a_run_that_had_stopped_stays_stopped(tmp_path):
    def make():
        return build(EarlyStopping("loss", patience=2, mode="max", restore=True), Checkpoint(tmp_path, every=10))

    make().fit(9)
    resumed = make()
    resumed.callbacks[-1].resume(resumed)
    assert resumed.epoch == 3  # written though every is 10
    resumed.fit(9)
    assert resumed.epoch == 3


# ---------------------------------------------------------------- numbers that are not finite
class Breaks(Step):
    """Learns well until a step in which something becomes infinite or NaN."""

    def __init__(self, what, at):
        self.model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
        self.optimizer = optim.SGD(self.model.parameters(), 0.1)
        self.inner, self.what, self.at, self.done = Classify(self.model, self.optimizer), what, at, 0

    def __call__(self, batch):
        self.done += 1
        broken = self.done == self.at
        if broken and self.what == "gradient":
            self.model[2].weight.register_hook(lambda g: g * float("inf"))
        found = self.inner(batch)
        return found | {"loss": float("nan")} if broken and self.what == "metric" else found


@pytest.mark.parametrize(
    "what, text",
    [
        ("metric", r"^step 13 \(epoch 2, batch 5\): loss is nan\. The last checkpoint"),
        (
            "gradient",
            r"^step 13 \(epoch 2, batch 5\): model.2.weight has [1-8] of 8 numbers that are not finite; "
            r"the gradient of model.2.weight has [1-8] of 8 numbers",
        ),
    ],
)
def test_the_guard_names_the_step_and_keeps_the_good_checkpoint(tmp_path, what, text):
    run = Trainer(Breaks(what, 13), DataLoader(two_moons(), 16), NaNGuard(), Checkpoint(tmp_path, steps=1))
    with pytest.raises(FloatingPointError, match=text):
        run.fit(4)
    state = load(tmp_path / "checkpoint.safetensors")["run"]
    assert state["iteration"] == 12
    assert all(np.isfinite(p.numpy()).all() for p in state["step"]["model"].values())


def test_the_guard_looks_before_an_epoch_is_kept(tmp_path):
    run = Trainer(Breaks("gradient", 16), DataLoader(two_moons(), 16), NaNGuard(every=100), Checkpoint(tmp_path))
    with pytest.raises(FloatingPointError, match=r"step 16 \(epoch 2, batch last\): model"):
        run.fit(4)
    assert load(tmp_path / "checkpoint.safetensors")["run"]["epoch"] == 1


def test_the_guard_lets_large_numbers_pass():
    """Of which the sum is infinite, though each is finite."""
    run = build(NaNGuard())
    run.step.optimizer.param_groups[0]["lr"] = 0.0
    with tinydl.no_grad():
        run.step.model[3].bias.fill_(3e38)
    with np.errstate(over="ignore"):
        assert math.isinf(run.step.model[3].bias.sum().item())
    run.fit(1)


# ---------------------------------------------------------------- statistics
def test_statistics_against_numpy(tmp_path):
    """Each layer's outputs and gradients, seen in every third step, averaged over the epoch."""
    tinydl.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    expected = []

    class ByHand(Classify):
        done = 0

        def __call__(self, batch):
            W, b = (p.numpy(force=True).astype(float) for p in (model[0].weight, model[0].bias))
            figures = super().__call__(batch)
            if self.done % 3 == 0:
                y = batch[0].numpy() @ W.T + b
                gradients = np.concatenate([p.grad.numpy().ravel() for p in (model[0].weight, model[0].bias)])
                expected.append((y.mean(), y.std(), (y <= 0).mean(), np.sqrt((gradients.astype(float) ** 2).mean())))
            self.done += 1
            return figures

    statistics = Statistics(tmp_path / "layers.csv", every=3)
    step = ByHand(model, optim.SGD(model.parameters(), 0.5))
    Trainer(step, DataLoader(two_moons(), 24), statistics).fit(1)  # steps 1 and 4 of 5
    rows = {row["layer"]: row for row in statistics.rows}
    assert list(rows) == ["model.0", "model.1", "model.2"] and len(expected) == 2
    mean, deviation, zeros, gradient = np.mean(expected, 0)
    linear, relu = rows["model.0"], rows["model.1"]
    assert linear["mean"] == pytest.approx(mean, abs=1e-6)
    assert linear["deviation"] == pytest.approx(deviation, rel=1e-5)
    assert linear["gradient"] == pytest.approx(gradient, rel=1e-5)
    assert relu["zeros"] == pytest.approx(zeros) and linear["zeros"] == 0
    assert "weight" in linear and "weight" not in relu
    kept = list(csv.DictReader((tmp_path / "layers.csv").open()))
    assert [row["layer"] for row in kept] == list(rows) and float(kept[0]["mean"]) == linear["mean"]


@pytest.mark.parametrize("end", [raise_stop, press_ctrl_c, lambda: 1 / 0])
@pytest.mark.usefixtures("interrupts")
def test_hooks_are_gone_when_training_has_ended(end):
    statistics = Statistics(every=1)
    run = build(statistics, At(3, end))
    try:
        run.fit(1)
    except (KeyboardInterrupt, ZeroDivisionError):
        pass
    assert 3 <= run.iteration <= 4 and not statistics.handles
    assert all(not hooks for m in run.step.model.modules() for hooks in m._module_hooks.values())


def test_statistics_go_on_within_an_epoch(tmp_path):
    whole = build(Statistics(every=3))
    whole.fit(2)
    build(Statistics(every=3), Checkpoint(tmp_path), At(5, raise_stop)).fit(2)
    second = build(Statistics(every=3), Checkpoint(tmp_path))
    second.callbacks[-1].resume(second)
    second.fit(2)
    assert whole.callbacks[1].rows == second.callbacks[1].rows and len(whole.callbacks[1].rows) == 8


# ---------------------------------------------------------------- averages
def test_an_average_of_weights(tmp_path):
    def make(*more):
        run = build()
        run.callbacks += (Average(run.step.model, 0.9), *more)
        return run

    class Follow(Callback):
        def on_fit_begin(self, run):
            self.average = run.step.model[0].weight.numpy(force=True).astype(float)

        def on_step_end(self, run):
            decay = min(0.9, (1 + run.iteration) / (10 + run.iteration))
            self.average = decay * self.average + (1 - decay) * run.step.model[0].weight.numpy(force=True)

    follow = Follow()
    whole = make(follow)
    whole.fit(3)
    average = whole.callbacks[1].model[0].weight.numpy(force=True)
    np.testing.assert_allclose(average, follow.average, rtol=1e-5)
    assert not np.allclose(average, whole.step.model[0].weight.numpy(force=True), rtol=1e-3)
    make(Checkpoint(tmp_path)).fit(2)
    resumed = make(Checkpoint(tmp_path))
    resumed.callbacks[-1].resume(resumed)
    resumed.fit(3)
    assert np.array_equal(average, resumed.callbacks[1].model[0].weight.numpy(force=True))
    with pytest.raises(ValueError, match=r"Average: decay must be in \[0, 1\), got 1"):
        Average(whole.step.model, 1)


# ---------------------------------------------------------------- pictures
def test_a_grid_of_images_pixel_by_pixel():
    images = np.random.default_rng(0).uniform(-0.2, 1.2, (5, 3, 4, 6)).astype(np.float32)
    images[0, 0, 0, 0] = np.nan
    grid = pictures.image_grid(tinydl.tensor(images), columns=2)
    zoom = grid.shape[0] // 14  # three rows of 4 pixels, two gaps
    assert grid.dtype == np.uint8 and grid.shape == (14 * zoom, 13 * zoom, 3) and zoom > 10
    small = grid[zoom // 2 :: zoom, zoom // 2 :: zoom]
    for n in range(5):
        for h in range(4):
            for w in range(6):
                for c in range(3):
                    value = images[n, c, h, w]
                    expected = 0 if np.isnan(value) else round(255 * float(np.float32(min(max(value, 0), 1))))
                    assert abs(int(small[n // 2 * 5 + h, n % 2 * 7 + w, c]) - expected) <= 1
    assert (small[4] == 128).all() and (small[:, 6] == 128).all() and (small[10:, 7:] == 128).all()
    with pytest.raises(ValueError, match=r"image_grid: expected images .*, got \(2, 4, 4, 5\)"):
        pictures.image_grid(np.zeros((2, 5, 4, 4)))


def noise(run):
    """Six images of noise, the first of which is the epoch's grey."""
    images = tinydl.rand(6, 1, 5, 5)
    images[0] = run.epoch / 10
    return images


def test_samples_of_epochs_and_their_animation(tmp_path):
    from PIL import Image

    whole = build()
    whole.fit(4)
    run = build(SampleGrid(noise, tmp_path / "samples", columns=3), Checkpoint(tmp_path))
    run.fit(2)
    run = build(SampleGrid(noise, tmp_path / "samples", columns=3), Checkpoint(tmp_path))
    run.callbacks[-1].resume(run)
    run.fit(4)
    assert all(np.array_equal(a, b) for a, b in zip(parameters(whole), parameters(run)))  # randomness is apart
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == [*[f"epoch-000{n}.png" for n in (1, 2, 3, 4)], "samples.gif"]
    pixels = [np.asarray(Image.open(tmp_path / "samples" / name)) for name in names[:4]]
    half = pixels[0].shape[1] // 2
    assert all(np.array_equal(p[:, half:], pixels[0][:, half:]) for p in pixels)  # the same numbers each time
    assert pixels[0][:, half:].std() > 50 and [p[0, 0] for p in pixels] == [26, 51, 76, 102]
    with Image.open(tmp_path / "samples" / "samples.gif") as gif:
        assert gif.n_frames == 4 and gif.size == (306, 198) and gif.info["loop"] == 0  # half as wide and high
    pictures.keep_animation([tmp_path / "samples" / names[i % 4] for i in range(200)], tmp_path / "many.gif")
    with Image.open(tmp_path / "many.gif") as gif:
        assert 30 <= gif.n_frames <= 60  # neighbours that are equal are one


def test_live_curves_in_a_file(tmp_path):
    path = tmp_path / "curves.png"
    run = build(LivePlots(path, seconds=0.0), At(3, lambda: seen.append(path.stat().st_size)))
    run.callbacks += (Validate(run.step.model, DataLoader(two_moons(), 50)),)
    seen = []
    run.fit(2)
    assert seen[0] > 1000 and path.read_bytes().startswith(b"\x89PNG")
    steps = run.callbacks[1].steps
    assert [row["epoch"] for row in steps[:9]] == [n / 8 for n in range(1, 10)]
    figure = pictures.draw_metrics(run.history, steps)
    by_title = {axes.get_title(): axes for axes in figure.axes}
    assert set(by_title) == {"loss", "accuracy"}
    assert [line.get_label() for line in by_title["loss"].lines] == ["steps", "training", "held out"]
    assert by_title["loss"].lines[2].get_ydata().tolist() == [row["val_loss"] for row in run.history]


@pytest.mark.parametrize("make", [lambda d, path: LivePlots(path, 0.0, d), lambda d, path: Plots(path, d)])
def test_drawing_leaves_the_random_numbers_of_training_alone(make, tmp_path):
    whole = build()
    whole.fit(2)
    run = build(make(lambda *args: pictures.draw_images(tinydl.rand(3, 4, 4)), tmp_path / "p.png"))
    run.fit(2)
    assert (tmp_path / "p.png").exists()
    assert all(np.array_equal(a, b) for a, b in zip(parameters(whole), parameters(run)))


def test_live_curves_keep_a_bounded_number_of_points(tmp_path, monkeypatch):
    monkeypatch.setattr("tinydl.train.callbacks.drawing.MOST_POINTS", 10)
    live = LivePlots(tmp_path / "c.png", seconds=1e6)
    build(live).fit(4)
    assert 5 <= len(live.steps) <= 10 and live.steps[-1]["epoch"] == 4.0
    gaps = np.diff([row["epoch"] for row in live.steps])
    assert np.allclose(gaps, gaps[0])


def test_live_curves_need_a_place():
    with pytest.raises(ValueError, match="this is no notebook; give the path"):
        LivePlots()


def test_live_curves_in_a_notebook():
    """One picture in the cell, renewed in place."""
    import nbformat
    from nbclient import NotebookClient

    code = (
        "import tinydl\nfrom tinydl.train import LivePlots, Trainer\nlosses = iter([3.0, 2.0, 1.0])\n"
        "step = lambda batch: {'loss': next(losses)}\n"
        "Trainer(step, [tinydl.zeros(1)], LivePlots(seconds=0.0)).fit(3);"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=300).execute()
    (output,) = book.cells[0].outputs
    assert output.output_type == "display_data" and "image/png" in output.data


# ---------------------------------------------------------------- TensorBoard
def entries(folder):
    """What TensorBoard would read: (kind, tag, step, value)."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events*")):
        data = path.read_bytes()
        while data:  # length, its checksum, event, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                yield kind, value.tag, event.step, getattr(value, kind)


def test_what_tensorboard_is_told(tmp_path):
    run = build(TensorBoard(tmp_path, every=4, draw=noise))
    run.fit(2)
    found = list(entries(tmp_path))
    scalars = {(tag, step): value for kind, tag, step, value in found if kind == "simple_value"}
    assert {step for tag, step in scalars if tag == "step/loss"} == {4, 8, 12, 16}
    for row in run.history:
        assert scalars["epoch/loss", 8 * row["epoch"]] == pytest.approx(row["loss"], rel=1e-6)
    histograms = [(tag, step, value) for kind, tag, step, value in found if kind == "histo"]
    assert {tag for tag, *_ in histograms} == {f"model.{n}.{p}" for n in (0, 3) for p in ("weight", "bias")}
    last = next(value for tag, step, value in histograms if (tag, step) == ("model.0.weight", 16))
    weight = run.step.model[0].weight.numpy(force=True)
    assert last.num == 32 and last.max == pytest.approx(float(weight.max()), rel=1e-6)
    assert sum(kind == "image" for kind, *_ in found) == 2
    plain = build()
    plain.fit(2)
    assert all(np.array_equal(a, b) for a, b in zip(parameters(plain), parameters(run)))


def test_without_tensorboard(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"needs tensorboardX: pip install 'tinydl\[tensorboard\]'"):
        TensorBoard(tmp_path)


# ---------------------------------------------------------------- failures
def broken(run, *more):
    raise OSError("the disk is full")


FAILING = {
    "History": lambda folder: History(folder / "none" / "h.csv"),
    "Plots": lambda folder: Plots(folder / "p.png", broken),
    "LivePlots": lambda folder: LivePlots(folder / "l.png", 0.0, broken),
    "SampleGrid": lambda folder: SampleGrid(broken, folder / "s"),
    "TensorBoard": lambda folder: TensorBoard(folder / "t", draw=broken),
    "Statistics": lambda folder: Statistics(folder / "none" / "s.csv"),
    "Checkpoint": lambda folder: Checkpoint(folder / "a-file"),
    "Validate": lambda folder: Validate(None, None, broken),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_callback_that_fails(name, tmp_path, capsys):
    """The error reaches the caller, the others are told that training has ended, what was kept is whole."""
    (tmp_path / "a-file").write_text("")
    statistics, progress = Statistics(every=1), Progress()
    run = build(progress, statistics, FAILING[name](tmp_path), Checkpoint(tmp_path / "kept", steps=1))
    run.callbacks[-1].write(run)
    with pytest.raises(OSError):
        run.fit(2)
    assert isinstance(run.error, OSError)
    assert progress.bar.disable and not statistics.handles
    state = load(tmp_path / "kept" / "checkpoint.safetensors")["run"]
    assert state["epoch"] == 0
    build().step.load_state_dict(state["step"])
