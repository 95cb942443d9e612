"""Mistakes that beginners make: the message says which operation, what came, what was expected, what to do."""

import re

import numpy as np
import pytest

import tinydl
from tinydl import nn, optim
from tinydl.data import DataLoader
from tinydl.nn import functional as F

x = tinydl.ones(2, 3)


def net():
    return nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(10, 3)))


MISTAKES = {
    "a list into a layer": (
        lambda: nn.Linear(3, 5)([[1.0, 2.0, 3.0]]),
        TypeError,
        "linear: expected a tensor as input, got list; make one by tensor(...)",
    ),
    "an array into a layer": (
        lambda: nn.Linear(3, 5)(np.ones((2, 3), "f")),
        TypeError,
        "linear: expected a tensor as input, got ndarray",
    ),
    "integers into a layer": (
        lambda: nn.Linear(3, 5)(x.long()),
        RuntimeError,
        "linear: expected tensors of one dtype, got input int64, weight float32, bias float32; convert with .to(dtype)",
    ),
    "bytes into a convolution": (
        lambda: F.conv2d(tinydl.ones(1, 1, 4, 4).byte(), tinydl.ones(1, 1, 3, 3)),
        RuntimeError,
        "conv2d: expected tensors of one dtype, got input uint8, weight float32; convert with .to(dtype)",
    ),
    "floating classes": (
        lambda: F.cross_entropy(x, tinydl.ones(2)),
        RuntimeError,
        "cross_entropy: expected int64 classes, got float32; convert with .long()",
    ),
    "a class too many": (
        lambda: F.cross_entropy(x, tinydl.tensor([0, 3])),
        IndexError,
        "cross_entropy: target 3 is none of the classes 0 to 2",
    ),
    "a module for its parameters": (
        lambda: optim.Adam(nn.Linear(2, 2)),
        TypeError,
        "Adam: expected an iterable of tensors or of groups (dicts), got Linear; give its parameters()",
    ),
    "a function for a module": (
        lambda: nn.Sequential(F.relu),
        TypeError,
        "Sequential: '0' is a submodule; expected a Module or None, got function",
    ),
    "no data set": (
        lambda: DataLoader(5),
        TypeError,
        "DataLoader: expected a dataset with __getitem__ and __len__, or an IterableDataset, got int",
    ),
    "words": (lambda: tinydl.tensor(["a", "b"]), TypeError, "tensor: expected real numbers, got strings"),
    "half a row seen": (lambda: tinydl.zeros(6).view(2.0, 3), TypeError, "view: sizes must be integers, got (2.0, 3)"),
    "half a row": (lambda: tinydl.zeros(2.5), TypeError, "zeros: sizes must be integers, got 2.5"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(mistake):
    call, kind, text = MISTAKES[mistake]
    with pytest.raises(kind, match=re.escape(text)):
        call()


def test_a_mistake_within_a_network_names_the_layer():
    for image, layer in ((tinydl.ones(2, 3, 8, 8), "in 0.0 (Conv2d("), (tinydl.ones(2, 1, 8, 8), "in 0.2 (Linear(")):
        with pytest.raises(RuntimeError) as caught:
            net()(image)
        assert caught.value.__notes__[0].startswith(layer)


NAMED = ["sum", "mean", "prod", "amax", "std", "all", "logsumexp", "softmax", "cumsum", "argmax", "argsort", "unbind"]


@pytest.mark.parametrize("name", NAMED)
def test_numpys_names_of_parameters(name):
    x = tinydl.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 9.0]])
    for axis in (0, 1):
        want = getattr(x, name)(dim=axis)
        for got in (getattr(x, name)(axis=axis), getattr(tinydl, name)(x, axis=axis)):
            assert [y.tolist() for y in got] == [y.tolist() for y in want]


def test_numpys_names_beside_pytorchs():
    x = tinydl.ones(2, 3)
    assert x.sum(axis=1, keepdims=True).shape == (2, 1) and tinydl.cat([x, x], axis=1).shape == (2, 6)
    assert x.max(axis=1, keepdims=True).values.shape == (2, 1)
    with pytest.raises(TypeError, match="give one of them"):
        x.sum(dim=1, axis=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        x.sum(axes=1)


HUGE = [
    lambda: tinydl.zeros(2**40, 2**40),
    lambda: tinydl.randn(2**62),
    lambda: tinydl.ones(1).expand(2**62, 2**62),
    lambda: tinydl.ones(1).expand(2**62),
    lambda: tinydl.nn.Linear(2**40, 2**40),
]


@pytest.mark.parametrize("make", HUGE)
def test_sizes_beyond_memory_are_refused(make):
    with pytest.raises(RuntimeError, match="are (the )?sizes right"):
        make()


def test_a_tensor_of_sizes_says_what_to_call():
    with pytest.raises(TypeError, match=r"tinydl.empty\(2, 3, ...\)"):
        tinydl.Tensor(2, 3)
    with pytest.raises(IndexError, match="size: dim 5 is out of range for a tensor of 2 dimensions"):
        tinydl.ones(2, 3).size(5)
