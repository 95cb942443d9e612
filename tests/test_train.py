"""The training loop: events in order, callbacks, and runs that go on bit-equal."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.io import Checkpoint as CheckpointFile
from tinydl.train import (
    Adversarial,
    Callback,
    Checkpoint,
    Classify,
    EarlyStopping,
    HistoricalAverage,
    History,
    InstanceNoise,
    Plots,
    Progress,
    Replay,
    Schedule,
    Step,
    Stop,
    Trainer,
    Validate,
)


def two_moons(n=120):
    """Points of two classes that a small network can tell apart."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, n)
    label = np.arange(n) % 2
    x = np.stack([np.cos(angle) * (1 - 2 * label) + label, np.sin(angle) * (1 - 2 * label) + label / 2], 1)
    x = (x + 0.1 * rng.standard_normal((n, 2))).astype(np.float32)
    return TensorDataset(tinydl.tensor(x), tinydl.tensor(label))


def build(*callbacks, lr=0.05):
    """A trainer on two moons: with dropout, so that random numbers matter for resuming."""
    tinydl.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=lr)
    schedule = Schedule(optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5))
    batches = DataLoader(two_moons(), batch_size=16, shuffle=True, seed=1)
    return Trainer(Classify(model, optimizer), batches, schedule, *callbacks)


def parameters(trainer):
    return [p.numpy(force=True).copy() for p in trainer.step.model.parameters()]


class Log(Callback):
    def __init__(self):
        self.events = []

    def on_fit_begin(self, run):
        self.events.append("fit_begin")

    def on_epoch_begin(self, run):
        self.events.append("epoch_begin")

    def on_step_end(self, run):
        self.events.append("step_end")

    def on_epoch_end(self, run):
        self.events.append("epoch_end")

    def on_fit_end(self, run):
        self.events.append("fit_end")


def test_events_come_in_order():
    log = Log()
    build(log).fit(2)
    epoch = ["epoch_begin", *["step_end"] * 8, "epoch_end"]
    assert log.events == ["fit_begin", *epoch, *epoch, "fit_end"]


def test_an_unknown_event_is_refused():
    with pytest.raises(TypeError, match="on_epoch_ended: there is no such event; events are fit_begin"):

        class Wrong(Callback):
            def on_epoch_ended(self, run):
                pass


def test_learns_and_history_holds_the_means(tmp_path):
    trainer = build(History(tmp_path / "history.csv"))
    history = trainer.fit(15)
    assert [row["epoch"] for row in history] == list(range(1, 16))
    assert history[-1]["accuracy"] > 0.9 > history[0]["accuracy"]
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [float(r["loss"]) for r in rows] == [r["loss"] for r in history]


def test_epoch_metrics_weigh_a_short_last_batch_less():
    figures = iter([1.0, 4.0])
    batches = [tinydl.zeros(3, 2), tinydl.zeros(1, 2)]
    trainer = Trainer(lambda batch: {"loss": next(figures)}, batches)
    assert trainer.fit(1)[0]["loss"] == pytest.approx((3 * 1.0 + 1 * 4.0) / 4)


def test_stop_ends_training_and_tells_everyone():
    class StopAtTen(Callback):
        def on_step_end(self, run):
            if run.iteration == 10:
                raise Stop

    log = Log()
    trainer = build(StopAtTen(), log)
    trainer.fit(5)
    assert trainer.iteration == 10 and trainer.epoch == 1 and log.events[-1] == "fit_end"


def test_an_error_reaches_the_caller_after_fit_end():
    log = Log()

    def step(batch):
        raise ZeroDivisionError("in the step")

    trainer = Trainer(step, [tinydl.zeros(1)], log)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(1)
    assert log.events == ["fit_begin", "epoch_begin", "fit_end"]
    assert isinstance(trainer.error, ZeroDivisionError)


def test_early_stopping():
    losses = iter([3.0, 2.0, 2.5, 2.4, 2.3, 1.0])
    trainer = Trainer(lambda batch: {"loss": next(losses)}, [tinydl.zeros(1)], EarlyStopping("loss", patience=3))
    trainer.fit(6)
    assert trainer.epoch == 5
    with pytest.raises(ValueError, match="no metric 'val_loss'; there are loss"):
        Trainer(lambda b: {"loss": 1.0}, [tinydl.zeros(1)], EarlyStopping()).fit(1)


def test_schedule_follows_epochs():
    trainer = build(lr=0.1)
    trainer.fit(4)
    assert trainer.step.optimizer.param_groups[0]["lr"] == pytest.approx(0.025)


def test_validation_leaves_the_model_in_training_mode():
    held_out = DataLoader(two_moons(), 50)
    trainer = build()
    trainer.callbacks += (Validate(trainer.step.model, held_out),)
    trainer.fit(1)
    assert {"val_loss", "val_accuracy"} <= set(trainer.history[0])
    assert trainer.step.model.training


@pytest.mark.parametrize("stopped_after", [1, 3])
def test_a_resumed_run_is_bit_equal(tmp_path, stopped_after):
    whole = build(EarlyStopping("loss", patience=50))
    whole.fit(5)
    first = build(EarlyStopping("loss", patience=50), Checkpoint(tmp_path))
    first.fit(stopped_after)
    tinydl.rand(7)  # another use of the random numbers must not matter
    second = build(EarlyStopping("loss", patience=50), Checkpoint(tmp_path))
    second.callbacks[-1].resume(second)
    assert second.epoch == stopped_after
    second.fit(5)
    for a, b in zip(parameters(whole), parameters(second)):
        assert np.array_equal(a, b)
    assert whole.history == second.history
    assert second.callbacks[1].best == whole.callbacks[1].best


def test_a_checkpoint_of_another_trainer_is_refused(tmp_path):
    build(Checkpoint(tmp_path)).fit(1)
    other = build(EarlyStopping("loss"), Checkpoint(tmp_path))
    before = parameters(other)
    with pytest.raises(
        ValueError, match=r"the checkpoint has \[.*'Schedule-0'\], this trainer \['Ch.*'EarlyStopping-0', "
    ):
        other.callbacks[2].resume(other)
    assert all(np.array_equal(a, b) for a, b in zip(before, parameters(other)))
    without_place = Trainer(other.step, list(other.batches), other.callbacks[0], Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="place in the batches with a state: the checkpoint has True, this trainer F"):
        without_place.callbacks[1].resume(without_place)


def test_callbacks_without_a_state_may_come_and_go(tmp_path):
    build(Log(), Checkpoint(tmp_path)).fit(1)
    other = build(Checkpoint(tmp_path), Progress())
    other.callbacks[1].resume(other)
    assert other.epoch == 1


class At(Callback):
    """Does something after the step of this number."""

    def __init__(self, iteration, act):
        self.iteration, self.act = iteration, act

    def on_step_end(self, run):
        if run.iteration == self.iteration:
            self.act()


def raise_stop():
    raise Stop


@pytest.fixture
def interrupts():
    """Ctrl-C means what it does at a terminal; to programs in the background it may mean nothing."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def press_ctrl_c_in_step(run, iteration):
    """While that step is under way."""
    loss, calls = run.step.loss, []

    def pressing(*args):
        calls.append(1)
        if len(calls) == iteration:
            press_ctrl_c()
        return loss(*args)

    run.step.loss = pressing


@pytest.mark.parametrize("iteration", [1, 10, 16])  # 8 steps in an epoch
@pytest.mark.parametrize("end", ["stop", "Ctrl-C"])
@pytest.mark.parametrize("batches", ["loader", "list"])
def test_a_run_goes_on_from_within_an_epoch(tmp_path, iteration, end, batches, interrupts):
    """The order of data, the means of the epoch, schedules and random numbers as if there had been no end."""

    def make(*callbacks):
        run = build(*callbacks)
        if batches == "list":
            run.batches = list(DataLoader(two_moons(), batch_size=16))
        return run

    whole = make()
    whole.fit(4)
    if end == "stop":
        first = make(Checkpoint(tmp_path), At(iteration, raise_stop))
        first.fit(4)
    else:
        first = make(Checkpoint(tmp_path))
        press_ctrl_c_in_step(first, iteration)
        with pytest.raises(KeyboardInterrupt):
            first.fit(4)
    assert first.iteration == iteration
    first.callbacks = first.callbacks[:1]
    first.fit(4)  # the same trainer goes on, too
    second = make(Checkpoint(tmp_path))
    second.callbacks[1].resume(second)
    assert (second.iteration, second.epoch) == (iteration, (iteration - 1) // 8)
    second.fit(4)
    for run in (first, second):
        assert run.history == whole.history
        assert all(np.array_equal(a, b) for a, b in zip(parameters(whole), parameters(run)))


def test_a_second_ctrl_c_does_not_wait(capsys, interrupts):
    log, seen = Log(), []

    def step(batch):
        press_ctrl_c()
        seen.append("after the first")
        press_ctrl_c()
        seen.append("after the second")

    trainer = Trainer(step, [tinydl.zeros(1)], log)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(1)
    assert seen == ["after the first"] and log.events == ["fit_begin", "epoch_begin", "fit_end"]
    assert "Ctrl-C again ends at once" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_in_a_thread_leaves_signals_alone():
    trainer = build()
    thread = threading.Thread(target=trainer.fit, args=(1,))
    thread.start()
    thread.join(60)
    assert trainer.epoch == 1


def test_a_checkpoint_is_written_after_the_others_were_told(tmp_path):
    """Though it comes first: a schedule has made its step by then."""
    tinydl.manual_seed(3)
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), 1.0)
    schedule = Schedule(optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5))
    checkpoint = Checkpoint(tmp_path)
    Trainer(Classify(model, optimizer), DataLoader(two_moons(), 60), checkpoint, schedule).fit(1)
    state = checkpoint.file.load()["run"]
    assert state["callbacks"]["Schedule-0"]["last_epoch"] == 1
    assert state["step"]["optimizer"]["param_groups"][0]["lr"] == 0.5


class Many(Step):
    """Parts of every kind, several of each, all of which decide how learning goes on."""

    def __init__(self):
        self.models = [nn.Linear(2, 2), nn.Linear(2, 2)]
        self.optimizers = {m: optim.SGD(self.models[m].parameters(), 0.1, momentum=0.9) for m in (0, 1)}
        self.generator = tinydl.Generator().manual_seed(7)
        self.shift = tinydl.zeros(2)
        self.queue = {"past": (tinydl.zeros(3, 2), "a name")}

    def __call__(self, batch):
        x, target = batch
        self.shift += 0.1 * tinydl.randn(2, generator=self.generator)
        self.queue["past"][0].mul_(0.5).add_(x[:3])
        loss = 0
        for i, model in enumerate(self.models):
            part = nn.functional.cross_entropy(model(x + self.shift + self.queue["past"][0].mean(0)), target)
            self.optimizers[i].zero_grad()
            part.backward()
            self.optimizers[i].step()
            loss += part.item()
        return {"loss": loss}


def flat(state, place=""):
    """The tensors and numbers of a nested state, by place."""
    if isinstance(state, (dict, list, tuple)):
        for name, value in state.items() if isinstance(state, dict) else enumerate(state):
            yield from flat(value, f"{place}.{name}")
    else:
        yield place, state.tolist() if isinstance(state, tinydl.Tensor) else state


def many():
    return Many()


def game():
    """A generator, a discriminator, an average, and tricks with memories."""
    generator, discriminator = (
        nn.Linear(3, 2),
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)),
    )
    tricks = [Replay(20), InstanceNoise(0.2, 100), HistoricalAverage(0.1)]
    both = (optim.Adam(m.parameters(), 1e-2, betas=(0.5, 0.9)) for m in (generator, discriminator))
    return Adversarial(generator, discriminator, *both, latent=3, d_steps=2, tricks=tricks, average=0.9)


@pytest.mark.parametrize("make", [many, game])
def test_several_models_optimizers_generators_and_buffers_resume_bit_equal(tmp_path, make):
    def begin(*callbacks):
        tinydl.manual_seed(5)
        return Trainer(make(), DataLoader(two_moons(), 16, shuffle=True, seed=2), *callbacks)

    whole = begin()
    whole.fit(4)
    begin(Checkpoint(tmp_path), At(19, raise_stop)).fit(4)
    tinydl.rand(7)
    second = begin(Checkpoint(tmp_path))
    second.callbacks[0].resume(second)
    second.fit(4)
    there, here = (dict(flat(run.step.state_dict())) for run in (whole, second))
    assert there == here and len(here) > 10
    assert whole.history == second.history


def test_states_of_other_parts_are_refused():
    step, other = Many(), Many()
    other.models.append(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"Many.models.load_state_dict: expected states of \['0', '1', '2'\], got"):
        other.load_state_dict(step.state_dict())
    other = Many()
    other.shift = tinydl.zeros(3)
    with pytest.raises(ValueError, match=r"Many.shift: the state has shape \(2,\), here it is \(3,\)"):
        other.load_state_dict(step.state_dict())


KILLED = """
import sys
sys.path[:0] = sys.argv[2:]
from test_train import Checkpoint, DataLoader, Trainer, game, tinydl, two_moons
tinydl.manual_seed(5)
run = Trainer(game(), DataLoader(two_moons(), 16, shuffle=True, seed=2), Checkpoint(sys.argv[1], steps=3))
if run.callbacks[0].file.exists():
    run.callbacks[0].resume(run)
run.fit(40)
"""


def test_a_killed_run_goes_on_bit_equal(tmp_path):
    """Killed by force at moments of no choice, in a process of its own, until it is done."""
    here = Path(__file__).parent
    command = [sys.executable, "-c", KILLED]
    places = [str(here), str(here.parent)]
    subprocess.run([*command, str(tmp_path / "whole"), *places], check=True, timeout=600)
    kept, killed = CheckpointFile(tmp_path / "killed"), 0
    for pause in (0.0, 0.03, 0.1, None):
        before = kept.path.stat().st_mtime_ns if kept.exists() else 0
        process = subprocess.Popen([*command, str(tmp_path / "killed"), *places])
        while pause is not None and process.poll() is None:
            if kept.exists() and kept.path.stat().st_mtime_ns != before:
                time.sleep(pause)
                process.kill()
                break
            time.sleep(0.002)
        killed += process.wait(timeout=600) == -signal.SIGKILL
    assert killed >= 1, "every process was done before it could be killed"
    assert process.returncode == 0
    one, other = (CheckpointFile(tmp_path / name).load()["run"] for name in ("whole", "killed"))
    assert dict(flat(one)) == dict(flat(other))


def test_progress_shows_what_it_should(capsys):
    build(Progress()).fit(2)
    shown = capsys.readouterr().err
    for word in ("epoch 2/2", "loss=", "accuracy=", "images/s"):
        assert word in shown
    assert "240/240" in shown
    run = build(Progress(), At(11, raise_stop))
    run.fit(2)
    assert "168/240" in capsys.readouterr().err
    run.callbacks = run.callbacks[:2]
    run.fit(2)
    assert "120/120" in capsys.readouterr().err  # the epoch that goes on, from 48 on


def test_plots_are_written(tmp_path):
    from tinydl.pictures import draw_history

    build(Plots(tmp_path / "curves.png", lambda run: draw_history(run.history))).fit(2)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
