"""`tinydl train MODEL`: a model of the table in `recipes` learns a data set; pictures show how."""

from __future__ import annotations

import time
from pathlib import Path

from . import runs

DATA = ("digits", "mnist", "fashion-mnist", "faces")
GRID = 10  # rows and columns of a picture of samples: as many as most sets have classes


def add_arguments(parser) -> None:
    """The options of `tinydl train`."""
    from .recipes import RECIPES

    parser.add_argument("model", choices=RECIPES, metavar="MODEL", help=f"one of {', '.join(RECIPES)}")
    runs.add_options(parser, DATA, "DATA-MODEL")
    parser.add_argument("--tensorboard", action="store_true", help="write for TensorBoard too")


def run(args) -> int:
    """Train, draw as it goes, and say where things are."""
    from .. import manual_seed, train
    from ..data import DataLoader, TensorDataset
    from .recipes import RECIPES

    began = time.perf_counter()
    runs.check_options(args, DATA, ("matplotlib", "sklearn", "PIL"))
    device = runs.choose_device(args)
    data = args.data or "digits"
    name = args.name or f"{data}-{args.model}"
    saved = runs.saved_settings(args, name)
    recipe = RECIPES[args.model]
    settings = runs.settle(args, saved, {"model": args.model, "data": data, "seed": 0, **recipe.defaults(data)})
    learned, held_out = (tensors(part) for part in runs.load_data(settings["data"]))
    if settings["batch_size"] > len(learned[0]):
        raise ValueError(f"--batch-size {settings['batch_size']}: there are {len(learned[0])} images to learn from")
    folder = runs.begin(args, name, saved)

    manual_seed(settings["seed"])
    images = describe(learned, held_out, settings)
    job = recipe.build(settings, images, device)
    x, labels = learned
    batches = DataLoader(
        TensorDataset(job.prepare(x), labels), settings["batch_size"],
        shuffle=True, seed=settings["seed"], drop_last=True,
    )  # fmt: skip
    checkpoint = train.Checkpoint(folder, settings=settings)
    callbacks = [train.Progress(), train.NaNGuard(), *job.callbacks]
    if isinstance(job.step, train.Classify):
        callbacks.append(train.Validate(job.step.model, DataLoader(TensorDataset(*held_out), 500)))
    callbacks += [train.History(folder / "history.csv"), train.LivePlots(folder / "curves.png")]
    if job.draw is not None:
        draw = lambda run: job.draw(GRID * GRID, GRID)
        callbacks.append(train.SampleGrid(draw, folder / "samples", columns=GRID))
    if args.tensorboard:
        callbacks.append(train.TensorBoard(folder / "tensorboard"))
    trainer = train.Trainer(job.step, batches, *callbacks, checkpoint)
    runs.fit(trainer, checkpoint, settings["epochs"], args, f"tinydl train {args.model}")
    print(f"{args.model} on {settings['data']}: {_shown(trainer)}, {time.perf_counter() - began:.1f} s on {device}")
    print(f"{folder}/: {' '.join(_results(folder))}")
    if job.draw is not None:
        print(f"more pictures: tinydl sample {folder}")
    return 0


def tensors(dataset):
    """(images (N, C, H, W) in [0, 1], labels (N,)) of a set of labelled images."""
    return dataset.collated(range(len(dataset)))


def describe(learned, held_out, settings: dict):
    """What the model is built for; `settings` keep it, so that pictures can be drawn without the data."""
    from .recipes import Images

    x, labels = learned
    about = {
        "shape": tuple(x.shape[1:]),
        "classes": int(labels.max()) + 1,
        "mean": x.mean().item(),
        "std": x.std().item(),
    }
    settings["images"] = about
    return Images(**about, held_out=held_out[0])


def _shown(trainer) -> str:
    last = trainer.history[-1] if trainer.history else {}
    return ", ".join(f"{name} {value:.4g}" for name, value in last.items())


def _results(folder: Path) -> list[str]:
    """What a run left, pictures of epochs by their folder."""
    return sorted(p.name + "/" * p.is_dir() for p in folder.iterdir() if not p.name.startswith("checkpoint.previous"))
