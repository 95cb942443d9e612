"""`tinydl sample CHECKPOINT`: pictures from a model that `tinydl train` has left."""

from __future__ import annotations

from pathlib import Path

from . import runs


def add_arguments(parser) -> None:
    """The options of `tinydl sample`."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the run's folder, as runs/digits-vae")
    parser.add_argument("--grid", type=int, default=10, help="rows and columns of images (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--out", help="the picture (default: sample.png in the run's folder)")


def run(args) -> int:
    """Build the model as it was, give it its weights, draw."""
    from .. import device as find_device
    from .. import manual_seed
    from ..pictures import image_grid, keep_image
    from .recipes import RECIPES, Images
    from .train import tensors

    if args.grid < 1:
        raise ValueError(f"--grid must be at least 1, got {args.grid}")
    device = find_device(args.device)
    folder = Path(args.checkpoint)
    folder = folder.parent if folder.is_file() else folder
    state = runs.read_checkpoint(folder, "train")
    settings = state["settings"]
    recipe = RECIPES[settings["model"]]
    images = Images(**settings["images"])
    if recipe.shown:
        images.held_out = tensors(runs.load_data(settings["data"])[1])[0]
    job = recipe.build(settings, images, device)
    if job.draw is None:
        raise ValueError(f"{folder} holds a {settings['model']}, which makes no pictures")
    job.step.load_state_dict(state["run"]["step"])
    manual_seed(args.seed)
    pixels = image_grid(job.draw(args.grid**2, args.grid), args.grid)
    path = keep_image(pixels, args.out or folder / "sample.png")
    print(f"{path}: {settings['model']} after {state['run']['epoch']} epochs of {settings['data']}")
    return 0
