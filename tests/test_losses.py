"""Losses, penalties and layers that PyTorch does not have, against NumPy."""

import numpy as np
import pytest

import tinydl
import tinydl.nn.functional as F
from tinydl import nn
from tinydl.testing import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
A, B = rng.standard_normal((2, 6, 3))
Y = np.array([1, -1, 1, -1, -1, 1])


def leaf(a):
    return tinydl.tensor(a, requires_grad=True)


def test_mean_bias_error():
    assert F.mbe_loss(leaf(A), tinydl.tensor(B)).item() == pytest.approx((A - B).mean())
    assert F.mbe_loss(tinydl.ones(2), tinydl.tensor([0.0, 2.0])).item() == 0
    np.testing.assert_array_equal(nn.MBELoss(reduction="none")(tinydl.tensor(A), tinydl.tensor(B)).numpy(), A - B)
    assert gradcheck(F.mbe_loss, (leaf(A), leaf(B)))
    with pytest.raises(ValueError, match="mbe_loss: reduction must be"):
        F.mbe_loss(tinydl.ones(2), tinydl.ones(2), "median")


@pytest.mark.parametrize("margin", [0.7, 2.0])
def test_contrastive_loss(margin):
    distance = np.linalg.norm(A - B, axis=1)
    expected = [d**2 / 2 if y == 1 else max(0, margin - d) ** 2 / 2 for d, y in zip(distance, Y)]
    a, b, y = leaf(A), leaf(B), tinydl.tensor(Y)
    np.testing.assert_allclose(F.contrastive_loss(a, b, y, margin, "none").detach().numpy(), expected, rtol=1e-12)
    assert nn.ContrastiveLoss(margin)(a, b, y).item() == pytest.approx(np.mean(expected))
    loss = lambda a, b: F.contrastive_loss(a, b, y, margin)
    assert gradcheck(loss, (a, b)) and gradgradcheck(loss, (a, b))


def test_contrastive_loss_of_equal_points():
    a = tinydl.ones(2, 3, requires_grad=True)
    F.contrastive_loss(a, tinydl.ones(2, 3), tinydl.tensor([1, -1])).backward()
    np.testing.assert_array_equal(a.grad.numpy(), 0)


def test_contrastive_loss_refuses():
    with pytest.raises(ValueError, match=r"expected two inputs \(N, D\) and a target \(N,\), got \(2, 3\)"):
        F.contrastive_loss(tinydl.ones(2, 3), tinydl.ones(2, 3), tinydl.ones(3))
    with pytest.raises(ValueError, match="margin must be positive, got 0"):
        F.contrastive_loss(tinydl.ones(2, 3), tinydl.ones(2, 3), tinydl.ones(2), 0)


def test_penalties():
    weights = [leaf(A), leaf(B[0])]
    flat = np.concatenate([A.ravel(), B[0]])
    l1, l2 = abs(flat).sum(), (flat**2).sum()
    assert F.l1_penalty(weights).item() == pytest.approx(l1)
    assert F.l2_penalty(iter(weights)).item() == pytest.approx(l2)
    assert F.elastic_net_penalty(weights, 0.3, 0.2).item() == pytest.approx(0.3 * l1 + 0.2 * l2)
    assert gradcheck(lambda *w: F.elastic_net_penalty(w, 0.3, 0.2), weights)
    model = nn.Linear(3, 2)
    assert F.elastic_net_penalty(model.parameters(), 1e-3, 1e-2).dtype == np.float32
    used = model.parameters()
    list(used)
    with pytest.raises(ValueError, match="l1_penalty: no parameters"):
        F.l1_penalty(used)
    with pytest.raises(ValueError, match="must not be negative, got -1 and 0"):
        F.elastic_net_penalty(weights, -1, 0)


def test_penalties_prefer_different_weights():
    """Both of these weights give [1, 1, 1, 1] the same score: L1 is indifferent, L2 takes the even one."""
    one, even = tinydl.tensor([1.0, 0, 0, 0]), tinydl.full((4,), 0.25)
    assert F.l1_penalty(one).item() == F.l1_penalty(even).item() == 1
    assert F.l2_penalty(one).item() == 1 and F.l2_penalty(even).item() == 0.25


@pytest.mark.parametrize("pieces, bias", [(1, True), (2, True), (3, False)])
def test_maxout(pieces, bias):
    layer = nn.Maxout(3, 4, pieces, bias, dtype=tinydl.float64)
    x = leaf(A)
    w = layer.linear.weight.detach().numpy().reshape(4, pieces, 3)
    b = layer.linear.bias.detach().numpy().reshape(4, pieces) if bias else 0
    expected = (np.einsum("opi,ni->nop", w, A) + b).max(-1)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-12)
    assert layer(x.reshape(2, 3, 3)).shape == (2, 3, 4) and layer(x[0]).shape == (4,)
    assert gradcheck(layer, (x,))
    assert list(layer.state_dict()) == ["linear.weight"] + ["linear.bias"] * bias


def test_maxout_refuses():
    with pytest.raises(ValueError, match="Maxout: pieces must be positive, got 0"):
        nn.Maxout(3, 4, 0)
