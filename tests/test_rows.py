"""What inner loops over rows share, against NumPy's."""

import numba
import numpy as np
import pytest

import tinydl
from tinydl.kernels.cpu.microkernel import address
from tinydl.kernels.cpu.rows import largest


@numba.njit
def of_row(x, n):
    return largest(n, address(x, 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_of_a_row(dtype):
    """In whole vectors and behind them, NaN wherever it stands, and nothing of what lies behind the row."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100):
        x = np.append(rng.normal(size=n), np.full(20, np.inf)).astype(dtype)
        assert of_row(x, n) == x[:n].max()
        assert of_row(-np.abs(x), n) == -np.abs(x[:n]).min()
        for place in range(n):
            for value in (np.nan, -np.nan):
                y = x.copy()
                y[place] = value
                assert np.isnan(of_row(y, n))
    assert of_row(np.full(9, -np.inf, dtype), 9) == -np.inf == of_row(np.ones(3, dtype), 0)


def test_pooling_of_whole_planes_keeps_nan():
    x = tinydl.randn(2, 3, 14, 14)
    x[1, 2, 13, 13] = x[0, 0, 0, 0] = np.nan
    for pool in (tinydl.nn.AdaptiveMaxPool2d(1), tinydl.nn.MaxPool2d(14)):
        assert pool(x).isnan().flatten().tolist() == [True, False, False, False, False, True]
