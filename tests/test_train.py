"""The training loop: events in order, callbacks, and runs that go on bit-equal."""

import csv

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.train import (
    Callback,
    Checkpoint,
    Classify,
    EarlyStopping,
    History,
    Plots,
    Progress,
    Schedule,
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
    with pytest.raises(ValueError, match=r"the checkpoint has \[.*'Schedule-0'\], this trainer \['Ch.*'EarlyStopping-0', "):
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


def test_progress_shows_what_it_should(capsys):
    build(Progress()).fit(2)
    shown = capsys.readouterr().err
    for word in ("epoch 2/2", "loss=", "accuracy=", "images/s"):
        assert word in shown
    assert "240/240" in shown


def test_plots_are_written(tmp_path):
    from tinydl.pictures import draw_history

    build(Plots(tmp_path / "curves.png", lambda run: draw_history(run.history))).fit(2)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
