"""Handwritten digits, and a LeNet that knows them: the judge of what games make of them."""

import functools

import pytest

import tinydl
from tinydl import optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import Digits
from tinydl.models import LeNet
from tinydl.train import Classify, Trainer, evaluate


def digits(train=True):
    """8 x 8 digits in [-1, 1] and their labels."""
    pytest.importorskip("sklearn")
    data = Digits(train=train)
    x, t = next(iter(DataLoader(data, len(data))))
    return 2 * x - 1, t


@functools.cache
def judge():
    """The LeNet, in evaluation mode; right on more than 95 % of the held-out digits."""
    tinydl.manual_seed(100)
    lenet = LeNet(8, channels=(16, 32))
    step = Classify(lenet, optim.Adam(lenet.parameters(), 2e-3))
    Trainer(step, DataLoader(TensorDataset(*digits()), 64, shuffle=True, seed=0)).fit(12)
    assert evaluate(lenet, DataLoader(TensorDataset(*digits(False)), 360))["accuracy"] > 0.95
    return lenet.eval()
