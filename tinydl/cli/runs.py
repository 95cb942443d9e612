"""What the commands that train share: options, folders of runs, data, and settings that a run keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path


def add_options(parser, data: Sequence[str], name: str) -> None:
    """The options of a command that trains.  name: of the run's folder, for the help."""
    parser.add_argument("--data", help=f"{', '.join(data)} (default: digits)")
    parser.add_argument("--epochs", type=int, help="times to go through the data")
    parser.add_argument("--batch-size", type=int, help="images in a step")
    parser.add_argument("--lr", type=float, help="largest learning rate")
    parser.add_argument("--seed", type=int, help="of weights and order (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    parser.add_argument("--name", help=f"the run's folder in --out (default: {name})")
    parser.add_argument("--out", default="runs", help="folder of runs (default: runs)")
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")


def check_options(args, data: Sequence[str], packages: Iterable[str]) -> None:
    """Refuse wrong options before anything is read or written."""
    if args.data is not None and args.data not in data:
        raise ValueError(f"--data must be one of {', '.join(data)}; got {args.data!r}")
    for option, value in (("--epochs", args.epochs), ("--batch-size", args.batch_size), ("--threads", args.threads)):
        if value is not None and value < 1:
            raise ValueError(f"{option} must be at least 1, got {value}")
    if args.lr is not None and not 0 < args.lr < float("inf"):
        raise ValueError(f"--lr must be a positive number, got {args.lr}")
    if args.name is not None and (args.name in ("", "..") or Path(args.name).name != args.name):
        raise ValueError(f"--name must be the name of a folder, not a path (see --out); got {args.name!r}")
    for package in packages:
        if find_spec(package) is None:
            raise ImportError(f"tinydl {args.command} needs {package}: pip install 'tinydl[demo]'")


def choose_device(args):
    """The device asked for; the number of threads is set, too."""
    from .. import device, set_num_threads

    if args.threads:
        set_num_threads(args.threads)
    return device(args.device)


def fit(trainer, checkpoint, epochs: int, args, command: str) -> None:
    """Train, from the checkpoint on where the run is to go on.  command: what Ctrl-C tells to go on with."""
    if args.resume:
        checkpoint.resume(trainer)
        if trainer.epoch >= epochs:
            print(f"the run has its {trainer.epoch} epochs already; --epochs with a larger number goes on")
    folder = checkpoint.file.path.parent
    try:
        if not args.resume:
            checkpoint.write(trainer)  # from now on there is something to go on with
        trainer.fit(epochs)
    except KeyboardInterrupt:
        print(f"\nto go on: {command} --resume --out {folder.parent} --name {folder.name}", file=sys.stderr)
        raise


def begin(args, name: str, saved: dict | None) -> Path:
    """The run's folder: that of the run which goes on, or a new one."""
    if saved is not None:
        return Path(args.out) / name
    folder, number = Path(args.out) / name, 1
    while folder.exists():
        number += 1
        folder = Path(args.out) / f"{name}-{number}"
    folder.mkdir(parents=True)
    return folder


def saved_settings(args, name: str) -> dict | None:
    """What the run that is to go on was begun with; None for a new run."""
    if not args.resume:
        return None
    folder = Path(args.out) / name
    if not (folder / "checkpoint.safetensors").exists():
        raise ValueError(f"--resume: there is no checkpoint in {folder}; see --name and --out")
    return settings_of(folder, args.command)


def settings_of(folder: Path, command: str) -> dict:
    """The settings in a folder's checkpoint; ValueError if `tinydl COMMAND` did not write it."""
    return read_checkpoint(folder, command)["settings"]


def read_checkpoint(folder: Path, command: str) -> dict:
    """A folder's checkpoint; ValueError if `tinydl COMMAND` did not write it."""
    from ..io import Checkpoint

    state = Checkpoint(folder).load()
    settings = state.get("settings") if isinstance(state, dict) else None
    if not isinstance(settings, dict) or settings.get("command") != command:
        raise ValueError(f"the checkpoint in {folder} was not written by tinydl {command}")
    return state


def settle(args, saved: dict | None, defaults: dict) -> dict:
    """What the run is made with: the options, else the saved values, else the defaults.

    A run that goes on keeps its settings; only --epochs may be changed.
    """
    given = {name: getattr(args, name) for name in defaults if getattr(args, name, None) is not None}
    if saved is None:
        return {"command": args.command, **defaults, **given}
    for name, value in given.items():
        if name != "epochs" and value != saved[name]:
            option = name.replace("_", "-")
            raise ValueError(
                f"--{option} {value}: this run was begun with --{option} {saved[name]}, and goes on with it; "
                f"leave --{option} out, or begin a new run"
            )
    return {**saved, **given}


def load_data(name: str):
    """(training, testing) of a data set, as (1, H, W) images in [0, 1] with class numbers."""
    from ..data.datasets import MNIST, Digits, FashionMNIST

    if name == "digits":
        return Digits(train=True), Digits(train=False)
    if name == "faces":
        return small_faces()
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


def small_faces(side: int = 32):
    """AT&T's faces at side x side, two of each person held out."""
    from ..data.datasets import ATTFaces, LabelledImages
    from ..data.transforms.geometry import resize

    faces = ATTFaces()
    images, labels = resize(faces.data.numpy(), (side, side)), faces.targets.numpy()
    held_out = [i for person in range(len(faces.classes)) for i in (labels == person).nonzero()[0][-2:]]
    learned = [i for i in range(len(labels)) if i not in held_out]
    return tuple(LabelledImages(images[part], labels[part], classes=faces.classes) for part in (learned, held_out))
