"""Pictures of training: curves, filters, confusion matrices, images.  Each function returns a matplotlib Figure.

Matplotlib (extra `plot`) is imported when something is drawn; no window is opened.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .io import write_atomically
from .tensor import Tensor

_INK, _PALE = "#1f4e79", "#d1495b"


def _figure(width: float, height: float):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'tinydl[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def _array(x) -> np.ndarray:
    return x.numpy(force=True) if isinstance(x, Tensor) else np.asarray(x)


def png(figure) -> bytes:
    """A figure as the content of a PNG file."""
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def keep(figure, path: str | os.PathLike) -> Path:
    """Write a figure as PNG, whole or not at all."""
    write_atomically(path, png(figure))
    return Path(path)


# ---------------------------------------------------------------- pixels
def image_grid(images, columns: int = 8, gap: int = 1) -> np.ndarray:
    """Images side by side, enlarged to be seen: uint8 (H', W') or (H', W', 3).

    images: (N, H, W), (N, 1, H, W) or (N, 3, H, W) in [0, 1]; what lies beyond is cut off, NaN is black.
    gap: pixels in between.
    """
    images = _channels_last(_array(images))
    if images.ndim not in (3, 4) or not len(images) or (images.ndim == 4 and images.shape[3] != 3):
        raise ValueError(f"image_grid: expected images (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {images.shape}")
    N, H, W = images.shape[:3]
    columns = max(1, min(columns, N))
    rows = -(-N // columns)
    zoom = max(1, round(640 / (columns * (W + gap))))
    grid = np.full((rows, H + gap, columns, W + gap, *images.shape[3:]), 0.5, np.float32)
    for i, image in enumerate(np.nan_to_num(images).clip(0, 1)):
        grid[i // columns, :H, i % columns, :W] = image
    grid = grid.reshape(rows * (H + gap), columns * (W + gap), *images.shape[3:])[: -gap or None, : -gap or None]
    return np.rint(255 * grid).astype(np.uint8).repeat(zoom, 0).repeat(zoom, 1)


def _channels_last(images):
    if images.ndim != 4:
        return images
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def _pillow():
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("writing images needs Pillow: pip install 'tinydl[data]'") from None
    return Image


def keep_image(pixels: np.ndarray, path: str | os.PathLike) -> Path:
    """Write uint8 pixels (H, W) or (H, W, 3) as PNG, whole or not at all."""
    data = io.BytesIO()
    _pillow().fromarray(pixels).save(data, "png")
    write_atomically(path, data.getvalue())
    return Path(path)


def keep_animation(pictures: Sequence[str | os.PathLike], path: str | os.PathLike, seconds: float = 6.0) -> Path:
    """Join PNG files of one size into a GIF of about `seconds`, again and again; the last picture stays longer.

    Of many files 60 are taken, from the first to the last, and large ones are made smaller.
    """
    Image = _pillow()
    frames = []
    for i in np.unique(np.linspace(0, len(pictures) - 1, 60).round().astype(int)):
        with Image.open(pictures[i]) as picture:
            frames.append(picture.reduce(max(1, round(max(picture.size) / 320))))
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    each = min(500, max(40, round(1000 * seconds / len(frames))))
    data = io.BytesIO()
    durations = [each] * (len(frames) - 1) + [each + 1500]
    frames[0].save(data, "gif", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    write_atomically(path, data.getvalue())
    return Path(path)


# ---------------------------------------------------------------- figures


def draw_history(history: Sequence[dict], title: str = "Training"):
    """Loss and accuracy by epoch, on the data learned from and on those held out.

    history: rows with epoch, loss, accuracy, val_loss, val_accuracy (those that are there are drawn).
    """
    figure = _figure(9, 3.6)
    figure.suptitle(title)
    epochs = [row["epoch"] for row in history]
    for axes, name, unit in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("nats", "%")):
        scale = 100 if unit == "%" else 1
        for key, label, colour in ((name, "training", _INK), (f"val_{name}", "held out", _PALE)):
            if all(key in row for row in history):
                values = [scale * row[key] for row in history]
                axes.plot(epochs, values, "o-", color=colour, label=label, markersize=3)
        axes.set(xlabel="epoch", ylabel=f"{name} ({unit})")
        if name == "loss":
            axes.set_yscale("log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    return figure


def draw_metrics(history: Sequence[dict], steps: Sequence[dict] = (), title: str = ""):
    """Every metric by epoch, that of held-out data (val_...) beside its own.

    history: rows of epoch and metrics, as Trainer.history; steps: the same of single steps (epoch 2.5), drawn pale.
    """
    names = list(dict.fromkeys(k.removeprefix("val_") for row in (*history, *steps) for k in row))
    names = [name for name in names if name != "epoch"] or ["loss"]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(4 * columns, 2.8 * rows + (0.3 if title else 0))
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in list(grid.flat)[len(names) :]:
        axes.axis("off")
    for axes, name in zip(grid.flat, names):
        axes.set(title=name, xlabel="epoch")
        axes.grid(alpha=0.3)
        for rows, key, label, style in (
            (steps, name, "steps", {"color": _INK, "alpha": 0.3, "linewidth": 0.8}),
            (history, name, "training", {"color": _INK, "marker": "o", "markersize": 3}),
            (history, f"val_{name}", "held out", {"color": _PALE, "marker": "o", "markersize": 3}),
        ):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points), label=label, **style)
        if any(f"val_{name}" in row for row in history):
            axes.legend()
    return figure


def draw_layers(rows: Sequence[dict], title: str = "Layers by epoch"):
    """What train.Statistics found, as maps of layers by epochs: zeros and deviations of outputs, sizes of gradients."""
    layers, epochs = (list(dict.fromkeys(row[k] for row in rows)) for k in ("layer", "epoch"))
    kinds = {"zeros": "share of zeros", "deviation": "deviation of outputs", "gradient": "gradient", "weight": "weight"}
    figure = _figure(12, 1.4 + 0.28 * len(layers))
    figure.suptitle(title)
    all_axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, (kind, label) in zip(all_axes, kinds.items()):
        table = np.full((len(layers), len(epochs)), np.nan)
        for row in rows:
            table[layers.index(row["layer"]), epochs.index(row["epoch"])] = row.get(kind, np.nan)
        if kind == "zeros":
            shown = axes.imshow(100 * table, cmap="magma", vmin=0, vmax=100, aspect="auto")
        else:
            with np.errstate(divide="ignore"):
                shown = axes.imshow(np.log10(table), cmap="viridis", aspect="auto")
        figure.colorbar(shown, ax=axes, label="%" if kind == "zeros" else "log10 of root mean square")
        axes.set(title=label, xlabel="epoch")
        axes.set_yticks(range(len(layers)), layers, fontsize=7)
        marks = range(0, len(epochs), max(1, len(epochs) // 5))
        axes.set_xticks(marks, [epochs[i] for i in marks])
    return figure


def draw_filters(weight, title: str = "First-layer filters"):
    """The kernels of a convolution as images.  weight: (O, C, H, W); of several channels the mean is shown."""
    w = _array(weight).mean(1)
    limit = float(np.abs(w).max()) or 1.0
    columns = min(8, len(w))
    rows = -(-len(w) // columns)
    figure = _figure(1.1 * columns + 1.2, 1.1 * rows + 0.8)
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, kernel in zip(grid.flat, w):
        shown = axes.imshow(kernel, cmap="RdBu", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=grid, label="weight", shrink=0.8)
    return figure


def draw_confusion(matrix, classes: Sequence[str] | None = None, title: str = "Confusion matrix"):
    """How often each class (rows) was taken for each (columns).  matrix: (K, K) counts."""
    matrix = _array(matrix)
    names = classes or [str(i) for i in range(len(matrix))]
    figure = _figure(1.6 + 0.48 * len(matrix), 1.2 + 0.48 * len(matrix))
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    for i, j in zip(*np.nonzero(matrix)):
        colour = "white" if share[i, j] > 0.5 else _PALE if i != j else "black"
        axes.text(j, i, matrix[i, j], ha="center", va="center", color=colour, fontsize=8)
    return figure


def draw_images(images, captions: Sequence[str] = (), columns: int = 8, title: str = ""):
    """A grid of images with captions.  images: (N, H, W), (N, 1, H, W) or (N, 3, H, W)."""
    images = _channels_last(_array(images))
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure = _figure(1.25 * columns, (1.55 if captions else 1.25) * rows + (0.4 if title else 0))
    if title:
        figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for i, (axes, image) in enumerate(zip(grid.flat, images)):
        axes.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        if i < len(captions):
            axes.set_title(captions[i], fontsize=8)
    return figure


def draw_mistakes(images, scores, targets, classes: Sequence[str], most: int = 24):
    """The images that were mistaken with the greatest confidence, or the least certain right ones if all are right.

    images: (N, 1, H, W); scores: (N, K) before softmax; targets: (N,) class numbers.
    """
    scores, targets = _array(scores).astype(np.float64), _array(targets)
    exps = np.exp(scores - scores.max(1, keepdims=True))
    p = exps / exps.sum(1, keepdims=True)
    predicted = p.argmax(1)
    wrong = np.nonzero(predicted != targets)[0]
    chosen = wrong[np.argsort(-p[wrong, predicted[wrong]])][:most]
    some = "The worst of" if len(chosen) < len(wrong) else "All"
    title = f"{some} {len(wrong)} mistakes among {len(targets)} images"
    if not len(wrong):
        chosen = np.argsort(p.max(1))[:most]
        title = f"No mistakes among {len(targets)} images; the least certain answers"
    captions = [
        f"{classes[targets[i]]} taken for {classes[predicted[i]]}\n{100 * p[i].max():.0f} %"
        if predicted[i] != targets[i]
        else f"{classes[targets[i]]}, {100 * p[i].max():.0f} %"
        for i in chosen
    ]
    return draw_images(_array(images)[chosen], captions, 8, title)
