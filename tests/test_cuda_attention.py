"""CUDA kernels of attention, against the operation's body."""

import numpy as np
import pytest
from emulation import check
from samples.make import Sample, normal

pytestmark = pytest.mark.usefixtures("place")
BLIND = np.tril(np.ones((5, 7), bool), 2)
BLIND[1] = False  # one that sees nothing
ADDED = normal(2, 1, 5, 7)
ADDED[0, 0, 3, 2:] = -np.inf
CASES = {
    "plain": ((2, 3), 5, 7, 4, 6, None, False),
    "causal": ((2,), 5, 7, 4, 4, None, True),
    "longer than keys": ((1,), 70, 3, 4, 4, None, True),
    "boolean mask": ((2, 3), 5, 7, 4, 4, BLIND, False),
    "added mask": ((2, 3), 5, 7, 4, 4, ADDED, False),
    "one head": ((), 5, 7, 4, 4, normal(5, 7), False),
    "tiles": ((1,), 66, 130, 5, 3, None, False),
    "causal tiles": ((1,), 130, 70, 3, 5, None, True),
    "wide": ((1,), 5, 9, 70, 128, None, False),
}


EVERY = [(case, "float32") for case in CASES]
EVERY += [(case, dtype) for case in ("plain", "added mask", "wide") for dtype in ("float64", "float16", "bfloat16")]


@pytest.mark.parametrize("case, dtype", EVERY)
def test_attention(case, dtype):
    batch, L, S, E, D, mask, causal = CASES[case]
    given = normal(*batch, L, E), normal(*batch, S, E), normal(*batch, S, D), mask, causal, 0.7
    check("attention", Sample(*given, fixed=(3,)), dtype, served=["attention_grad"], more=4)


def test_large_scores_lose_nothing():
    q, k, v = (normal(1, 6, 4) for _ in range(3))
    check("attention", Sample(q * 30, k * 30, v, None, False, 1.0, order=0), "float32")
    wide = [normal(1, 4, 200) for _ in range(3)]
    check("attention", Sample(*wide, None, False, 1.0), "float32", declined=["attention", "matmul"])
