"""`tinydl demo`: LeNet learns handwritten digits, and draws what it learned."""

from __future__ import annotations

import math
import time
from pathlib import Path

from . import runs

DATA = ("digits", "mnist", "fashion-mnist")
_DEFAULTS = {
    "digits": {"epochs": 25, "batch_size": 64, "lr": 3e-3},
    "mnist": {"epochs": 6, "batch_size": 64, "lr": 2e-3},
    "fashion-mnist": {"epochs": 10, "batch_size": 64, "lr": 2e-3},
}


def add_arguments(parser) -> None:
    """The options of `tinydl demo`."""
    runs.add_options(parser, DATA, "DATA-lenet")


def run(args) -> int:
    """Train, draw, and say how good it is and where things are."""
    from .. import manual_seed, optim
    from ..data import DataLoader
    from ..models import LeNet
    from ..train import Checkpoint, Classify, History, Progress, Schedule, Trainer, Validate

    began = time.perf_counter()
    runs.check_options(args, DATA, ("matplotlib", "sklearn"))
    device = runs.choose_device(args)
    data = args.data or "digits"
    name = args.name or f"{data}-lenet"
    saved = runs.saved_settings(args, name)
    settings = runs.settle(args, saved, {"data": data, "seed": 0, **_DEFAULTS[data]})
    training, testing = runs.load_data(settings["data"])
    folder = runs.begin(args, name, saved)

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
    runs.fit(trainer, checkpoint, settings["epochs"], args, "tinydl demo")
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
