"""Sparse matrices against SciPy's, values and gradients."""

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import sparse
from tinydl.testing import gradcheck, gradgradcheck


def random(n=5, m=4, density=0.4):
    return oracle("scipy.sparse").random(n, m, density, format="coo", random_state=np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(3,), (3, 0)])
def test_of_no_rows_or_columns(shape):
    A = sparse.CSR([], np.zeros(0, int), [0, 0, 0], (2, 3))
    np.testing.assert_array_equal((A @ tinydl.ones(shape)).numpy(), np.zeros((2, *shape[1:])))


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_product_is_scipys(format, dtype):
    a = random().asformat(format).astype(dtype)
    A = sparse.CSR.from_scipy(a)
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(dtype)
    for mine, theirs, v in ((A, a, x), (A.T, a.T, x[[0, 1, 2, 3, 0]]), (A, a, x[:, 0])):
        y = sparse.mm(mine, tinydl.tensor(v))
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), theirs @ v, rtol=1e-6)
    np.testing.assert_array_equal(A.to_dense().numpy(), a.toarray())
    assert A.nnz == a.nnz and repr(A) == f"CSR(5 x 4, {a.nnz} values, dtype={dtype})"


def test_edges_that_repeat_are_added():
    rows, columns, values = [2, 0, 2, 2], [1, 0, 1, 0], np.array([1.0, 2.0, 3.0, 4.0])
    A = sparse.CSR.from_edges(rows, columns, values, (3, 2))
    dense = [[2, 0], [0, 0], [4, 4]]
    np.testing.assert_array_equal(A.to_dense().numpy(), dense)
    np.testing.assert_array_equal((A @ tinydl.eye(2, dtype=tinydl.float64)).numpy(), dense)


def test_gradients_of_values_and_operand():
    a = random()

    def product(values, x):
        return sparse.CSR.from_edges(a.row, a.col, values, a.shape) @ x

    values = tinydl.tensor(a.data, requires_grad=True)
    x = tinydl.tensor(np.random.default_rng(1).standard_normal((4, 3)), requires_grad=True)
    assert gradcheck(product, (values, x)) and gradgradcheck(product, (values, x))
    product(values, x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.broadcast_to(a.toarray().sum(0)[:, None], (4, 3)))
    np.testing.assert_allclose(values.grad.numpy(), x.detach().numpy().sum(1)[a.col])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([1.0], [0], [0, 1], (2, 2)), "starts must be 3 numbers"),
        (([1.0], [0], [0, 1, 0], (2, 2)), "that ascend from 0"),
        (([1.0], [0], [0, 1, 2], (2, 2)), "starts end at 2, but there are 1 values and 1 columns"),
        (([1.0], [2], [0, 1, 1], (2, 2)), r"columns must lie in \[0, 1\], got 2 to 2"),
        (([1.0], [-1], [0, 1, 1], (2, 2)), "got -1 to -1"),
        (([1.0], [0.5], [0, 1, 1], (2, 2)), "vectors of integers"),
    ],
)
def test_what_is_no_matrix_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sparse.CSR(*arguments)


def test_products_that_do_not_fit_are_refused():
    A = sparse.CSR([1.0], [0], [0, 1, 1], (2, 3))
    with pytest.raises(RuntimeError, match=r"a matrix \(2, 3\) takes x \(3, D\), got \(2, 2\)"):
        A @ tinydl.ones(2, 2)
    with pytest.raises(RuntimeError, match="expected x of dtype float32, got float64"):
        A @ tinydl.ones(3, 2, dtype=tinydl.float64)
    with pytest.raises(TypeError, match="expected a CSR and a tensor, got Tensor and Tensor"):
        sparse.mm(tinydl.ones(2), tinydl.ones(2))
    with pytest.raises(ValueError, match=r"rows must lie in \[0, 1\], got 2 to 2"):
        sparse.CSR.from_edges([2], [0], [1.0], (2, 2))
