"""Third derivatives, by differences of the second, which are held against differences of the first."""

import numpy as np
import pytest

import tinydl
from tinydl import linalg
from tinydl.nn import functional as F
from tinydl.ops.recurrent import recurrent
from tinydl.testing import GradcheckError, gradcheck

INDEX = tinydl.tensor([[0, 2, 1], [2, 2, 0]])
ROWS = tinydl.tensor([0, 2, 2])
CLASSES = tinydl.tensor([2, 0])
MASK = tinydl.tensor([[True, False, True], [True, True, False]])


def signless(factors):
    """What does not depend on the signs of singular vectors."""
    u, s, vh = factors
    return s, (u / (1 + s)) @ vh


def regular(x):
    return x + 3 * tinydl.eye(x.shape[-1], dtype=x.dtype)


def cell(mode, gates):
    def run(x, h, w, u, *c):
        return recurrent(mode, x, (h, *c), w, u, None, None, None, (2, 2))

    return run, [(4, 2), (2, 2), (gates * 2, 2), (gates * 2, 2), *[(2, 2)] * (mode == "LSTM")]


# name: function, shapes of its variables ("+" makes them positive)
SMOOTH = {
    "mul": (lambda x, y: x * y, [(2, 3), (3,)]),
    "div": (lambda x, y: x / y, [(2, 3), "+", (3,)]),
    "pow": (lambda x, y: x**y, ["+", (2, 3), (2, 3)]),
    "exp": (lambda x: x.exp(), [(4,)]),
    "log": (lambda x: x.log(), ["+", (4,)]),
    "sqrt": (lambda x: x.sqrt(), ["+", (4,)]),
    "rsqrt": (lambda x: x.rsqrt(), ["+", (4,)]),
    "sin": (lambda x: x.sin(), [(4,)]),
    "tan": (lambda x: (x / 3).tan(), [(4,)]),
    "tanh": (lambda x: x.tanh(), [(4,)]),
    "atan2": (lambda x, y: x.atan2(y), [(4,), "+", (4,)]),
    "erf": (lambda x: x.erf(), [(4,)]),
    "sigmoid": (lambda x: x.sigmoid(), [(4,)]),
    "logaddexp": (lambda x, y: x.logaddexp(y), [(4,), (4,)]),
    "xlogy": (lambda x, y: x.xlogy(y), [(4,), "+", (4,)]),
    "softplus": (F.softplus, [(4,)]),
    "gelu": (F.gelu, [(4,)]),
    "mish": (F.mish, [(4,)]),
    "softmax": (lambda x: F.softmax(x, 1), [(2, 3)]),
    "log_softmax": (lambda x: F.log_softmax(x, 1), [(2, 3)]),
    "logsumexp": (lambda x: x.logsumexp(1), [(2, 3)]),
    "logcumsumexp": (lambda x: x.logcumsumexp(1), [(2, 3)]),
    "prod": (lambda x: x.prod(1), [(2, 3)]),
    "cumprod": (lambda x: x.cumprod(1), [(2, 3)]),
    "std": (lambda x: x.std(1), [(2, 4)]),
    "norm": (lambda x: linalg.vector_norm(x, 3, 1), [(2, 3)]),
    "cdist": (tinydl.cdist, [(2, 3), (2, 3)]),
    "cosine": (lambda x, y: F.cosine_similarity(x, y), [(2, 3), (2, 3)]),
    "matmul": (lambda x, y: (x @ y).sin(), [(2, 3), (3, 2)]),
    "einsum": (lambda x, y, z: tinydl.einsum("ij,jk,ki->i", x, y, z), [(2, 3), (3, 2), (2, 2)]),
    "bilinear": (F.bilinear, [(2, 2), (2, 3), (2, 2, 3)]),
    "inv": (lambda x: linalg.inv(regular(x)), [(3, 3)]),
    "solve": (lambda x, y: linalg.solve(regular(x), y), [(3, 3), (3, 2)]),
    "det": (lambda x: linalg.det(regular(x)), [(3, 3)]),
    "logdet": (lambda x: regular(x @ x.mT).logdet(), [(3, 3)]),
    "cholesky": (lambda x: linalg.cholesky(regular(x @ x.mT)), [(2, 2)]),
    "eigh": (lambda x: linalg.eigh((x + x.mT) / 2).eigenvalues, [(3, 3)]),
    "svd": (lambda x: signless(linalg.svd(x, full_matrices=False)), [(3, 2)]),
    "gather": (lambda x: x.gather(1, INDEX).sin() * x, [(2, 3)]),
    "index_add": (lambda x, y: x.index_add(0, ROWS, y).exp(), [(3, 2), (3, 2)]),
    "scatter_reduce": (lambda x, y: x.scatter_reduce(1, INDEX, y, "prod"), [(2, 3), (2, 3)]),
    "where": (lambda x, y: tinydl.where(MASK, x * x * y, x.sin()), [(2, 3), (2, 3)]),
    "sort": (lambda x: (x.sort(1).values ** 3).cumsum(1), [(2, 3)]),
    "embedding": (lambda w: F.embedding(INDEX, w).sin(), [(3, 2)]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1).sin(), [(1, 2, 4), (2, 2, 3), (2,)]),
    "conv2d": (lambda x, w: F.conv2d(x, w, stride=2, padding=1) ** 2, [(1, 2, 4, 3), (2, 2, 3, 3)]),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2) ** 2, [(1, 2, 2, 2), (2, 2, 2, 2)]),
    "conv3d": (lambda x, w: F.conv3d(x, w) ** 2, [(1, 1, 2, 3, 2), (2, 1, 2, 2, 2)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2).exp(), [(1, 2, 4, 4)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2).exp(), [(1, 2, 4, 4)]),
    "lp_pool2d": (lambda x: F.lp_pool2d(x, 3, 2), ["+", (1, 1, 4, 4)]),
    "interpolate": (lambda x: F.interpolate(x, (3, 5), mode="bicubic").sin(), [(1, 1, 4, 4)]),
    "grid_sample": (lambda x, g: F.grid_sample(x, g / 2, align_corners=False), [(1, 1, 3, 3), (1, 2, 2, 2)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(4, 2, 2), (2,), (2,)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (3,), w, b), [(2, 3), (3,), (3,)]),
    "group_norm": (lambda x: F.group_norm(x, 2), [(2, 4, 2)]),
    "instance_norm": (lambda x: F.instance_norm(x), [(2, 2, 3)]),
    "rms_norm": (lambda x: F.rms_norm(x, (3,)), [(2, 3)]),
    "cross_entropy": (lambda x: F.cross_entropy(x, CLASSES, label_smoothing=0.1), [(2, 3)]),
    "bce with logits": (F.binary_cross_entropy_with_logits, [(4,), "+", (4,)]),
    "attention": (F.scaled_dot_product_attention, [(1, 2, 2), (1, 3, 2), (1, 3, 2)]),
    "lstm": cell("LSTM", 4),
    "gru": cell("GRU", 3),
    "rnn": cell("RNN_TANH", 1),
}


def variables(shapes):
    rng, found, positive = np.random.default_rng(0), [], False
    for shape in shapes:
        if shape == "+":
            positive = True
            continue
        x = rng.standard_normal(shape)
        found.append(tinydl.tensor(abs(x) + 0.3 if positive else x, requires_grad=True))
        positive = False
    return found


@pytest.mark.parametrize("name", SMOOTH)
def test_three_orders(name):
    function, shapes = SMOOTH[name]
    assert gradcheck(function, variables(shapes), order=3, fast_mode=True)


def test_a_wrong_third_derivative_is_found():
    """x + (x - x0)^3 has, but for its third, the derivatives of x."""
    wrong = lambda x: x.sin() + (x - x.detach()) ** 3
    (x,) = variables([(3,)])
    assert gradcheck(wrong, x, order=2)
    with pytest.raises(GradcheckError):
        gradcheck(wrong, x, order=3, fast_mode=True)
