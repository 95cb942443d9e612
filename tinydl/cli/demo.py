"""`tinydl demo`: LeNet learns handwritten digits, and draws what it learned."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

DATA = ("digits", "mnist", "fashion-mnist")
_DEFAULTS = {
    "digits": {"epochs": 25, "batch_size": 64, "lr": 3e-3},
    "mnist": {"epochs": 6, "batch_size": 64, "lr": 2e-3},
    "fashion-mnist": {"epochs": 10, "batch_size": 64, "lr": 2e-3},
}
# what decides the outcome, and so is kept with the run
_SETTINGS = ("data", "epochs", "batch_size", "lr", "seed")


def add_arguments(parser) -> None:
    """The options of `tinydl demo`."""
    parser.add_argument("--data", help=f"{', '.join(DATA)} (default: digits)")
    parser.add_argument("--epochs", type=int, help="times to go through the data")
    parser.add_argument("--batch-size", type=int, help="images in a step")
    parser.add_argument("--lr", type=float, help="largest learning rate")
    parser.add_argument("--seed", type=int, help="of weights and order (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    parser.add_argument("--name", help="the run's folder in --out (default: DATA-lenet)")
    parser.add_argument("--out", default="runs", help="folder of runs (default: runs)")
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")


def run(args) -> int:
    """Train, draw, and say how good it is and where things are."""
    from .. import device as find_device
    from .. import manual_seed, optim, set_num_threads
    from ..data import DataLoader
    from ..models import LeNet
    from ..train import Checkpoint, Classify, History, Progress, Schedule, Trainer, Validate

    began = time.perf_counter()
    _check(args)
    device = find_device(args.device)
    if args.threads:
        set_num_threads(args.threads)
    settings = _settings(args, _saved_settings(_run_to_resume(args)) if args.resume else None)
    training, testing = load_data(settings["data"])
    folder = _run_to_resume(args) if args.resume else _new_folder(args)

    manual_seed(settings["seed"])
    size = training[0][0].shape[-1]
    model = LeNet(size, channels=(32, 64) if size < 16 else (16, 32)).to(device)
    optimizer = optim.AdamW(model.parameters(), settings["lr"], weight_decay=1e-2)
    batches = DataLoader(training, settings["batch_size"], shuffle=True, seed=settings["seed"])
    held_out = DataLoader(testing, 500)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, warm_up_then_cosine(settings["epochs"] * len(batches)))
    checkpoint = Checkpoint(folder, settings=settings)
    trainer = Trainer(
        Classify(model, optimizer),
        batches,
        Progress(),
        Schedule(schedule, by="step"),
        Validate(model, held_out),
        History(folder / "history.csv"),
        checkpoint,
    )
    if args.resume:
        checkpoint.resume(trainer)
        if trainer.epoch >= settings["epochs"]:
            print(f"the run has its {trainer.epoch} epochs already; --epochs with a larger number goes on")
    try:
        if not args.resume:
            checkpoint.write(trainer)  # from now on there is something to go on with
        trainer.fit(settings["epochs"])
    except KeyboardInterrupt:
        print(f"\nto go on: tinydl demo --resume --out {folder.parent} --name {folder.name}", file=sys.stderr)
        raise
    correct = draw_results(folder, model, testing, held_out, trainer.history, settings)
    print(
        f"{100 * correct:.2f} % of {len(testing)} held-out images right, "
        f"{time.perf_counter() - began:.1f} s on {device}"
    )
    print(f"{folder}/: checkpoint.safetensors history.csv {' '.join(p.name for p in _pictures(folder))}")
    return 0


def warm_up_then_cosine(steps: int):
    """Factor of the learning rate: up to 1 over the first tenth of the steps, then down to 0 as a cosine."""

    def factor(step):
        if step < steps / 10:
            return (step + 1) / (steps / 10 + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - steps / 10) / (0.9 * steps))))

    return factor


def load_data(name: str):
    """(training, testing) of a data set, as (1, H, W) images in [0, 1] with class numbers."""
    from ..data.datasets import MNIST, Digits, FashionMNIST

    if name == "digits":
        return Digits(train=True), Digits(train=False)
    kind = FashionMNIST if name == "fashion-mnist" else MNIST
    try:
        return kind(train=True, download=True), kind(train=False, download=True)
    except (FileNotFoundError, ConnectionError):
        try:
            parts = kind.held_out()
        except (FileNotFoundError, ConnectionError):
            parts = None
        if parts is None:
            raise
        print(f"{name}: the training images are not here; dividing the test images instead")
        return parts


def draw_results(folder: Path, model, testing, held_out, history, settings) -> float:
    """Write the pictures; returns the accuracy on the held-out images."""
    from .. import metrics, pictures, stack
    from ..train import predict

    scores, targets = predict(model, held_out)
    images = stack([testing[i][0] for i in range(len(testing))])
    matrix = metrics.confusion_matrix(scores, targets, num_classes=len(testing.classes))
    figures = {
        "curves": pictures.draw_history(history, f"LeNet on {settings['data']}"),
        "filters": pictures.draw_filters(model.features[0].weight),
        "confusion": pictures.draw_confusion(matrix, testing.classes),
        "mistakes": pictures.draw_mistakes(images, scores, targets, testing.classes),
    }
    for name, figure in figures.items():
        pictures.keep(figure, folder / f"{name}.png")
    return metrics.accuracy(scores, targets)


def _pictures(folder):
    return sorted(folder.glob("*.png"))


def _check(args):
    """Refuse wrong options before anything is read or written."""
    from importlib.util import find_spec

    if args.data is not None and args.data not in DATA:
        raise ValueError(f"--data must be one of {', '.join(DATA)}; got {args.data!r}")
    for option, value in (("--epochs", args.epochs), ("--batch-size", args.batch_size), ("--threads", args.threads)):
        if value is not None and value < 1:
            raise ValueError(f"{option} must be at least 1, got {value}")
    if args.lr is not None and not 0 < args.lr < float("inf"):
        raise ValueError(f"--lr must be a positive number, got {args.lr}")
    if args.name is not None and (args.name in ("", "..") or Path(args.name).name != args.name):
        raise ValueError(f"--name must be the name of a folder, not a path (see --out); got {args.name!r}")
    for package in ("matplotlib", "sklearn"):
        if find_spec(package) is None:
            raise ImportError(f"the demo needs {package}: pip install 'tinydl[demo]'")


def _name(args) -> str:
    return args.name or f"{args.data or 'digits'}-lenet"


def _run_to_resume(args) -> Path:
    """The folder of the run to go on with."""
    folder = Path(args.out) / _name(args)
    if not (folder / "checkpoint.safetensors").exists():
        raise ValueError(f"--resume: there is no checkpoint in {folder}; see --name and --out")
    return folder


def _saved_settings(folder: Path) -> dict:
    from ..io import Checkpoint

    state = Checkpoint(folder).load()
    settings = state.get("settings") if isinstance(state, dict) else None
    if not isinstance(settings, dict) or not {*_SETTINGS} <= settings.keys() or settings["data"] not in DATA:
        raise ValueError(f"--resume: the checkpoint in {folder} was not written by tinydl demo")
    return settings


def _new_folder(args) -> Path:
    """A folder that is not there yet, made."""
    name = _name(args)
    folder = Path(args.out) / name
    number = 1
    while folder.exists():
        number += 1
        folder = Path(args.out) / f"{name}-{number}"
    folder.mkdir(parents=True)
    return folder


def _settings(args, saved: dict | None) -> dict:
    """What the run is made with: the options, else the saved values, else the defaults.

    A run that goes on keeps its settings; only --epochs may be raised.
    """
    given = {name: getattr(args, name) for name in _SETTINGS if getattr(args, name) is not None}
    if saved is None:
        data = given.get("data", "digits")
        return {"data": data, "seed": 0, **_DEFAULTS[data], **given}
    for name, value in given.items():
        if name != "epochs" and value != saved[name]:
            option = name.replace("_", "-")
            raise ValueError(
                f"--{option} {value}: this run was begun with --{option} {saved[name]}, and goes on with it; "
                f"leave --{option} out, or begin a new run"
            )
    return {**saved, **given}
