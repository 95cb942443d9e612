"""Metrics against scikit-learn, which is told the same labels, and against counting by hand."""

import numpy as np
import pytest
from oracle import oracle

from tinydl import metrics
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)
TARGET = rng.integers(0, 5, 200)
SCORES = rng.normal(size=(200, 5)).astype(np.float32)
TARGET[TARGET == 3] = 2  # class 3 never occurs as a target
SCORES[:, 4] = -9  # class 4 is never predicted


def judge():
    return oracle("sklearn.metrics")


def test_accuracy_of_labels_and_scores():
    expected = judge().accuracy_score(TARGET, SCORES.argmax(1))
    assert metrics.accuracy(SCORES, TARGET) == pytest.approx(expected)
    assert metrics.accuracy(SCORES.argmax(1), TARGET) == pytest.approx(expected)
    got = metrics.accuracy(Tensor(SCORES), Tensor(TARGET))
    assert got == pytest.approx(expected) and type(got) is float


@pytest.mark.parametrize("k", [2, 3, 5])
def test_topk_accuracy(k):
    labels = range(5)
    expected = judge().top_k_accuracy_score(TARGET, SCORES, k=k, labels=labels)
    assert metrics.accuracy(SCORES, TARGET, topk=k) == pytest.approx(expected)


def test_segmentation_scores_have_their_classes_in_dimension_one():
    scores, target = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    right = [scores[n, :, i, j].argmax() == target[n, i, j] for n in range(2) for i in range(4) for j in range(5)]
    assert metrics.accuracy(scores, target) == pytest.approx(sum(right) / 40)
    assert metrics.confusion_matrix(scores, target).sum() == 40


def test_confusion_matrix_has_true_classes_in_rows():
    expected = judge().confusion_matrix(TARGET, SCORES.argmax(1), labels=range(5))
    np.testing.assert_array_equal(metrics.confusion_matrix(SCORES, TARGET), expected)
    np.testing.assert_array_equal(metrics.confusion_matrix([1], [0], 3), np.eye(3, k=1) * [0, 1, 0])


def test_small_unsigned_labels_do_not_wrap_around():
    y = np.array([19, 0], np.uint8)
    assert metrics.confusion_matrix(y, y)[19, 19] == 1
    assert metrics.confusion_matrix(y.astype(np.uint64), y)[19, 19] == 1


@pytest.mark.parametrize("average", [None, "macro"])
def test_precision_recall_f1(average):
    y = SCORES.argmax(1)
    y[y == 3] = 1  # now class 3 occurs nowhere
    labels = range(5) if average is None else None
    p, r, f, _ = judge().precision_recall_fscore_support(TARGET, y, average=average, labels=labels, zero_division=0)
    precision, recall = metrics.precision_recall(y, TARGET, average=average)
    np.testing.assert_allclose(precision, p)
    np.testing.assert_allclose(recall, r)
    np.testing.assert_allclose(metrics.f1(y, TARGET, average=average), f)


def test_accumulators_equal_one_large_batch():
    a, c = metrics.Accuracy(), metrics.ConfusionMatrix(5)
    for part in np.array_split(np.arange(200), 7):
        a.update(SCORES[part], TARGET[part])
        c.update(Tensor(SCORES[part]), Tensor(TARGET[part]))
    assert a.compute() == c.accuracy() == metrics.accuracy(SCORES, TARGET)
    np.testing.assert_array_equal(c.compute(), metrics.confusion_matrix(SCORES, TARGET))
    assert c.f1("macro") == metrics.f1(SCORES, TARGET, average="macro")
    assert c.precision_recall("macro") == metrics.precision_recall(SCORES, TARGET, average="macro")
    a.reset()
    c.reset()
    assert not c.compute().any()
    with pytest.raises(ValueError, match="no samples"):
        a.compute()
    with pytest.raises(ValueError, match="no samples"):
        c.accuracy()


REFUSED = [
    (
        lambda: metrics.accuracy(np.zeros(3, int), np.zeros(4, int)),
        ValueError,
        r"\(3,\) and \(4,\)",
    ),
    (lambda: metrics.accuracy(np.zeros(3), np.zeros(3, int)), TypeError, "predictions.*float64"),
    (lambda: metrics.accuracy(np.zeros((3, 2)), np.zeros(3)), TypeError, "targets.*float64"),
    (lambda: metrics.accuracy(np.zeros((0, 2)), np.zeros(0, int)), ValueError, "no samples"),
    (lambda: metrics.accuracy(np.zeros((3, 0)), np.zeros(3, int)), ValueError, "no class"),
    (lambda: metrics.accuracy(np.zeros((3, 2)), np.zeros(3, int), 3), ValueError, "topk=3"),
    (lambda: metrics.accuracy(np.zeros(3, int), np.zeros(3, int), 2), ValueError, "topk=2"),
    (lambda: metrics.confusion_matrix([3], [0], 3), ValueError, "must be 0 ... 2, got 0 ... 3"),
    (lambda: metrics.confusion_matrix([0], [-1]), ValueError, "got -1 ... 0"),
    (lambda: metrics.f1([0], [0], average="micro"), ValueError, "average.*'micro'"),
]


@pytest.mark.parametrize("call, error, text", REFUSED)
def test_refuses(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_refused_batch_counts_nothing():
    c = metrics.ConfusionMatrix(2)
    with pytest.raises(ValueError, match="classes"):
        c.update([0, 2], [0, 1])
    assert not c.compute().any()
