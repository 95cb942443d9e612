"""How good predictions are.  Tensors or arrays in, Python floats and NumPy arrays out.

Predictions are class numbers, of the shape of the target (N, ...), or scores (N, C, ...), of which
the largest counts.
"""

from __future__ import annotations

import numpy as np

from .tensor import Tensor


def _array(x) -> np.ndarray:
    return x.device.to_host(x.array) if isinstance(x, Tensor) else np.asarray(x)


def _numbers(op: str, prediction, target) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and target as vectors of class numbers, checked."""
    y, t = _array(prediction), _array(target)
    if y.ndim == t.ndim + 1 and y.ndim > 1 and y.shape[:1] + y.shape[2:] == t.shape:
        if not y.shape[1]:
            raise ValueError(f"{op}: predictions {y.shape} have no class")
        y = y.argmax(1)
    if y.shape != t.shape:
        raise ValueError(
            f"{op}: expected predictions (N, ...) or scores (N, C, ...) for targets (N, ...), "
            f"got {y.shape} and {t.shape}"
        )
    for name, x in (("predictions", y), ("targets", t)):
        if x.dtype.kind not in "iub":
            raise TypeError(f"{op}: {name} must be class numbers (integers), got {x.dtype}")
    return y.reshape(-1).astype(np.int64), t.reshape(-1).astype(np.int64)


def _no_samples(op: str):
    return ValueError(f"{op}: no samples; call update(prediction, target) first")


def accuracy(prediction, target, topk: int = 1) -> float:
    """Share of right predictions; with `topk`, the target is among the k largest scores."""
    if topk == 1:
        y, t = _numbers("accuracy", prediction, target)
        right = y == t
    else:
        right = _among_largest(_array(prediction), _array(target), topk)
    if not right.size:
        raise _no_samples("accuracy")
    return float(right.mean())


def _among_largest(y, t, k: int) -> np.ndarray:
    if y.ndim != t.ndim + 1 or y.shape[:1] + y.shape[2:] != t.shape or not 0 < k <= y.shape[1]:
        raise ValueError(
            f"accuracy: topk={k} needs at least {k} scores (N, C, ...) for targets (N, ...), "
            f"got {y.shape} and {t.shape}"
        )
    largest = np.argsort(-y, 1, kind="stable")[:, :k]  # of equal scores the first, as argmax
    return (largest == t[:, None]).any(1)


def confusion_matrix(prediction, target, num_classes: int | None = None) -> np.ndarray:
    """(C, C) counts: row the true class, column the predicted one.

    `num_classes` is the largest number + 1 unless given. ValueError for a class out of range.
    """
    y, t = _numbers("confusion_matrix", prediction, target)
    top = int(max(y.max(initial=-1), t.max(initial=-1))) + 1
    n = top if num_classes is None else num_classes
    if top > n or min(y.min(initial=0), t.min(initial=0)) < 0:
        raise ValueError(
            f"confusion_matrix: classes must be 0 ... {n - 1}, got "
            f"{min(y.min(initial=0), t.min(initial=0))} ... {top - 1}"
        )
    pairs = t * n + y
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


def _average(op: str, average: str | None, matrix, *values):
    """Per-class values, or their mean over the classes that occur (in target or prediction)."""
    if average is None:
        return values
    if average != "macro":
        raise ValueError(f"{op}: average must be None (each class) or 'macro', got {average!r}")
    occurs = (matrix.sum(0) + matrix.sum(1)) > 0
    if not occurs.any():
        raise _no_samples(op)
    return tuple(float(v[occurs].mean()) for v in values)


def _rates(matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class; 0 where there is nothing to divide by."""
    hits, predicted, true = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    share = lambda a, b: np.divide(a, b, out=np.zeros(len(a)), where=b > 0)
    return share(hits, predicted), share(hits, true), share(2 * hits, predicted + true)


def precision_recall(prediction, target, num_classes: int | None = None, average=None):
    """(precision, recall): right among those predicted as the class, and among those of the class.

    Arrays (C,), 0 for a class that never occurs; with average="macro" means over those that do.
    """
    matrix = confusion_matrix(prediction, target, num_classes)
    return _average("precision_recall", average, matrix, *_rates(matrix)[:2])


def f1(prediction, target, num_classes: int | None = None, average=None):
    """Harmonic mean of precision and recall: an array (C,), or the mean with average="macro"."""
    matrix = confusion_matrix(prediction, target, num_classes)
    return _average("f1", average, matrix, _rates(matrix)[2])[0]


def purity(clusters, target) -> float:
    """Share of samples that are of the commonest class in their cluster.  (N,) and (N,) numbers, not negative."""
    matrix = confusion_matrix(clusters, target)
    if not matrix.any():
        raise _no_samples("purity")
    return float(matrix.max(0).sum() / matrix.sum())


def frechet_distance(x, y) -> float:
    """How far two sets of features are from each other, as normals of their means and covariances.

    x, y: (N, D) and (M, D), N and M at least 2.  |m - n|^2 + trace(A + B - 2 (A B)^(1/2)), 0 for equal moments.
    (Dowson and Landau 1982; for samples of generators: Heusel et al. 2017)
    """
    x, y = (_array(z).astype(np.float64) for z in (x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"frechet_distance: expected features (N, D) and (M, D), got {x.shape} and {y.shape}")
    A, B = (np.atleast_2d(np.cov(z, rowvar=False)) for z in (x, y))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # A B has the eigenvalues of root B root, which is symmetric
    cross = np.sqrt(np.linalg.eigvalsh(root @ B @ root).clip(0)).sum()
    return float(np.square(x.mean(0) - y.mean(0)).sum() + A.trace() + B.trace() - 2 * cross)


class Accuracy:
    """Accuracy over several batches: `update(prediction, target)`, `compute()`, `reset()`."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.right = self.total = 0

    def update(self, prediction, target) -> None:
        """Count a batch."""
        y, t = _numbers("Accuracy", prediction, target)
        self.right += int((y == t).sum())
        self.total += y.size

    def compute(self) -> float:
        """Share of right predictions so far; ValueError if there were none."""
        if not self.total:
            raise _no_samples("Accuracy")
        return self.right / self.total


class ConfusionMatrix:
    """Confusion matrix over several batches, with what follows from it."""

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.matrix = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, prediction, target) -> None:
        """Count a batch."""
        self.matrix += confusion_matrix(prediction, target, self.num_classes)

    def compute(self) -> np.ndarray:
        """(C, C) counts so far: row the true class, column the predicted one."""
        return self.matrix.copy()

    def accuracy(self) -> float:
        """Share of right predictions so far."""
        if not self.matrix.any():
            raise _no_samples("ConfusionMatrix")
        return float(self.matrix.trace() / self.matrix.sum())

    def precision_recall(self, average: str | None = None):
        """As `precision_recall`."""
        return _average("precision_recall", average, self.matrix, *_rates(self.matrix)[:2])

    def f1(self, average: str | None = None):
        """As `f1`."""
        return _average("f1", average, self.matrix, _rates(self.matrix)[2])[0]
