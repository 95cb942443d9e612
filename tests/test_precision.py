"""Where float32 differs from PyTorch's by more than rounding: float64 says that tinydl's is the nearer one."""

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl.nn import functional as F

torch = oracle()
TF = torch.nn.functional
rng = np.random.default_rng(0)
FAR = 100 * rng.standard_normal((40, 60))
LABELS = rng.integers(1, 20, (16, 30))


def slope(lib, function, x, dtype, *more):
    """The value in float64, and the gradient of a weighted sum of it."""
    x = lib.tensor(x, dtype=getattr(lib, dtype), requires_grad=True)
    y = function(x, *more)
    g = lib.tensor(np.random.default_rng(1).standard_normal(tuple(y.shape)), dtype=x.dtype)
    (found,) = lib.autograd.grad(y, x, g)
    return y.detach().numpy().astype(float), found.numpy().astype(float)


def ctc(functions, lib):
    lengths = lib.tensor([50] * 16), lib.tensor([30, 12] * 8)
    return lambda x: functions.ctc_loss(
        functions.log_softmax(x, 2), lib.tensor(LABELS), *lengths, reduction="none", zero_infinity=True
    )


CASES = {
    "logcumsumexp": (lambda x: tinydl.logcumsumexp(x, 1), lambda x: torch.logcumsumexp(x, 1), FAR),
    "ctc_loss": (ctc(F, tinydl), ctc(TF, torch), 5 * rng.standard_normal((50, 16, 20))),
}


@pytest.mark.parametrize("name", CASES)
def test_nearer_to_float64_than_pytorch(name):
    ours, theirs, x = CASES[name]
    x = x.astype("float32")
    exact = slope(torch, theirs, x.astype(float), "float64")
    errors = [
        [abs(a - b).max() / abs(b).max() for a, b in zip(slope(lib, function, x, "float32"), exact)]
        for lib, function in ((tinydl, ours), (torch, theirs))
    ]
    (value, gradient), (their_value, their_gradient) = errors
    assert value <= max(2 * their_value, 3e-7)
    assert gradient < their_gradient / 3 and gradient < 1e-4


def test_they_agree_in_float64():
    for ours, theirs, x in CASES.values():
        for a, b in zip(slope(tinydl, ours, x, "float64"), slope(torch, theirs, x, "float64")):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
