"""CTC: the loss against the sum over all paths, its gradient against differences and PyTorch."""

import itertools
import math

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl.nn import functional as F

torch = oracle()
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def ctc_by_enumeration(probabilities, label, blank=0):
    """-log of the summed probability of all paths that collapse to the label."""
    T, C = probabilities.shape
    total = 0.0
    for path in itertools.product(range(C), repeat=T):
        merged = [c for c, _ in itertools.groupby(path)]
        if [c for c in merged if c != blank] == list(label):
            total += math.prod(probabilities[t, c] for t, c in enumerate(path))
    return -math.log(total) if total else math.inf


def test_ctc_is_the_sum_over_all_paths():
    logits = normal(5, 4, 3)
    logp = np.log(np.exp(logits) / np.exp(logits).sum(2, keepdims=True))
    labels, lengths, steps = (
        [[1, 2, 0], [1, 1, 0], [2, 0, 0], [1, 1, 1]],
        [2, 2, 0, 3],
        [5, 4, 3, 4],
    )
    loss = F.ctc_loss(tinydl.tensor(logp), tinydl.tensor(labels), steps, lengths, reduction="none").numpy()
    for n in range(4):
        expected = ctc_by_enumeration(np.exp(logp[: steps[n], n]), labels[n][: lengths[n]])
        assert loss[n] == pytest.approx(expected, rel=1e-10)
    assert math.isinf(loss[3])


def test_ctc_gradients():
    """Those of logits are right, by differences and PyTorch; an impossible target has none."""
    logits, labels = normal(6, 2, 4), np.array([[1, 2, 2], [3, 3, 3]])
    lengths, steps = [3, 3], [6, 4]  # the second is impossible: equal labels need blanks between

    def loss(z, lib, functions):
        return functions.ctc_loss(
            functions.log_softmax(z, 2), lib.tensor(labels), lib.tensor(steps), lib.tensor(lengths),
            zero_infinity=True,
        )  # fmt: skip

    mine = tinydl.tensor(logits, requires_grad=True)
    theirs = torch.tensor(logits, requires_grad=True)
    loss(mine, tinydl, F).backward()
    loss(theirs, torch, torch.nn.functional).backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), atol=1e-12)
    assert not mine.grad.numpy()[:, 1].any()
    d = normal(*logits.shape)
    ahead, back = (loss(tinydl.tensor(logits + s * d), tinydl, F).item() for s in (1e-6, -1e-6))
    assert (mine.grad.numpy() * d).sum() == pytest.approx((ahead - back) / 2e-6, rel=1e-7)


def test_ctc_gradient_of_log_probabilities_is_pytorchs():
    """It is that along normalised probabilities: of each step, its elements add up to 0."""
    logp = torch.log_softmax(torch.tensor(normal(5, 1, 3)), 2)
    mine = tinydl.tensor(logp.numpy(), requires_grad=True)
    theirs = logp.clone().requires_grad_()
    F.ctc_loss(mine, tinydl.tensor([[1, 2]]), [5], [2]).backward()
    torch.nn.functional.ctc_loss(theirs, torch.tensor([[1, 2]]), [5], [2]).backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(mine.grad.numpy().sum(2), 0, atol=1e-12)
