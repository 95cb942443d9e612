"""Linear algebra: against NumPy and PyTorch, in every shape, to the second derivative."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import oracle

import tinydl
from tinydl import autograd, linalg
from tinydl.nn.functional import scaled_dot_product_attention
from tinydl.testing import gradcheck

torch = oracle()


def normal(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def leaf(*shape, seed=0):
    return tinydl.tensor(normal(*shape, seed=seed), requires_grad=True)


def close(mine, expected, rtol=1e-9, atol=1e-9):
    expected = expected.detach().numpy() if hasattr(expected, "detach") else expected
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=rtol, atol=atol)


def against_torch(function, *arrays):
    """Values, and first and second derivatives, of function(library, *tensors)."""
    found = {}
    for lib in (tinydl, torch):
        xs = [lib.tensor(a, requires_grad=True) for a in arrays]
        y = function(lib, *xs)
        g = lib.autograd.grad((y * y).sum() + y.sum(), xs, create_graph=True)
        h = lib.autograd.grad(sum((a * a).sum() for a in g), xs)
        found[lib] = [y, *g, *h]
    for mine, theirs in zip(found[tinydl], found[torch]):
        assert mine.shape == tuple(theirs.shape)
        close(mine, theirs)


# ---------------------------------------------------------------- products
SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)),
    ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
    ((1, 2, 3), (5, 3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((4, 2, 0), (0, 3)), ((0, 2, 3), (3, 4)),
    ((1,), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("a, b", SHAPES)
def test_matmul(a, b):
    against_torch(lambda lib, x, y: x @ y, normal(*a), normal(*b, seed=1))


@pytest.mark.parametrize("a, b", SHAPES)
def test_matmul_of_what_is_not_contiguous(a, b):
    x, y = leaf(*a[::-1]), leaf(*b[::-1], seed=1)
    x, y = (t.permute(*range(t.ndim)[::-1]) for t in (x, y))
    close(x @ y, x.detach().numpy() @ y.detach().numpy())


def test_matmul_keeps_types():
    for dtype in (tinydl.float32, tinydl.float64, tinydl.int64, tinydl.int32):
        x = tinydl.tensor(np.arange(6).reshape(2, 3), dtype=dtype)
        assert (x @ x.T).dtype == dtype
        assert (x @ x.T).tolist() == [[5, 14], [14, 50]]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda t: t.ones(2, 3) @ t.ones(4, 2), r"matmul: .* 3, .* 4 \(shapes \(2, 3\) and \(4, 2\)\)"),
        (lambda t: t.ones(3) @ t.tensor(1.0), "at least one dimension"),
        (lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64), "matmul: expected tensors of one dtype"),
        (lambda t: t.ones(2, 2, 2) @ t.ones(3, 2, 2), "matmul: shapes .* do not broadcast"),
        (lambda t: t.mm(t.ones(2), t.ones(2, 2)), "mm: expected tensors of 2, 2 dimensions"),
        (lambda t: t.bmm(t.ones(2, 2, 2), t.ones(3, 2, 2)), "bmm: batches of 2 and 3"),
        (lambda t: t.dot(t.ones(2), 3.0), "dot: tensor must be a tensor, got float"),
        (lambda t: t.addmm(t.ones(7), t.ones(2, 2), t.ones(2, 2)), "addmm: x of shape .* does not broadcast"),
        (lambda t: t.einsum("ij,jk", t.ones(2, 3), t.ones(2, 3)), "einsum: label 'j' has sizes 3 and 2"),
        (lambda t: t.einsum("ij->k", t.ones(2, 3)), "einsum: label 'k' of the output occurs in no operand"),
        (lambda t: t.einsum("ij->ii", t.ones(2, 3)), "einsum: label 'i' of the output occurs twice"),
        (lambda t: t.einsum("ii", t.ones(2, 3)), "einsum: label 'i' is repeated, but has sizes 2 and 3"),
        (lambda t: t.einsum("ijk", t.ones(2, 3)), r"einsum: operand 0 of shape \(2, 3\) has 2 dimensions, but 3"),
        (lambda t: t.einsum("i,i", t.ones(2)), "einsum: labels for 2 operands, but 1 tensors"),
        (lambda t: t.einsum("i%", t.ones(2, 2)), "einsum: labels are letters"),
        (lambda t: t.tensordot(t.ones(2, 3), t.ones(2, 3), 1), "tensordot: dimension 1 of x has size 3"),
        (lambda t: t.cross(t.ones(2), t.ones(2)), "cross: no dimension has size 3"),
        (lambda t: t.linalg.inv(t.ones(2, 3)), "linalg.inv: expected square matrices"),
        (lambda t: t.linalg.inv(t.zeros(2, 2)), "linalg.inv: .*[Ss]ingular"),
        (lambda t: t.linalg.cholesky(-t.eye(2)), "linalg.cholesky: .*positive definite"),
        (lambda t: t.linalg.det(t.ones(2, 2, dtype=t.int64)), "linalg.det: expected float32 or float64, got int64"),
        (lambda t: t.linalg.norm(t.ones(2, 2), "nope"), "matrix_norm: ord must be"),
        (lambda t: t.linalg.multi_dot([t.ones(2, 2)]), "multi_dot: expected two or more"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, text):
    with pytest.raises((RuntimeError, ValueError, TypeError), match=text):
        call(tinydl)


def test_scaled_sums():
    x, a, b = normal(2, 4), normal(2, 3, seed=1), normal(3, 4, seed=2)
    against_torch(lambda lib, x, a, b: lib.addmm(x, a, b, beta=0.5, alpha=2), x, a, b)
    against_torch(lambda lib, x, a, b: lib.baddbmm(x, a, b), x, normal(3, 2, 3), normal(3, 3, 4, seed=1))
    nothing = tinydl.full((2, 4), float("nan"), dtype=tinydl.float64)
    close(tinydl.addmm(nothing, tinydl.tensor(a), tinydl.tensor(b), beta=0), a @ b)


EQUATIONS = [
    "ij,jk->ik", "ij,jk", "ij->ji", "ii->i", "ii", "i,j->ij", "bij,bjk->bik", "ij,ij->", "ijk->", "...ij,...jk->...ik",
    "i...,i...->...", "ab,bc,cd->ad", "ab,ab,ab->b", "abc,cd,de,ef->af", "a,b,c->abc", "aab,b->a", "ij,k->i",
    "b...->...b",
    "ii,jj->ij", "i,->i", "ij,j->i", "abi,abi->ab",
]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation):
    sizes = {n: 2 + k % 3 for k, n in enumerate("abcdefijk")}
    operands = []
    for k, part in enumerate(equation.split("->")[0].split(",")):
        before, _, after = part.partition("...")
        dots = (3, 2) if "..." in part else ()
        shape = [sizes[n] for n in before] + list(dots) + [sizes[n] for n in after]
        operands.append(normal(*shape, seed=k))
    close(tinydl.einsum(equation, *map(tinydl.tensor, operands)), np.einsum(equation, *operands))
    against_torch(lambda lib, *xs: lib.einsum(equation, *xs), *operands)


def test_einsum_in_lists_and_with_broadcasting():
    a, b = normal(2, 3), normal(3, 4, seed=1)
    x, y = tinydl.tensor(a), tinydl.tensor(b)
    close(tinydl.einsum(x, [0, 1], y, [1, 2], [2, 0]), (a @ b).T)
    close(tinydl.einsum(x, [..., 1], y, [1, 2]), a @ b)
    close(tinydl.einsum("ij,jk", [x, y]), a @ b)
    against_torch(lambda lib, a, b: lib.einsum("...i,...i->...", a, b), normal(4, 1, 3), normal(5, 3))
    against_torch(lambda lib, a, b: lib.einsum("ij,ij->ij", a, b), normal(1, 3), normal(2, 1))


@given(st.data())
def test_any_einsum_is_numpys(data):
    letters = "abcd"
    size = dict(zip(letters, data.draw(st.tuples(*[st.integers(0, 3)] * 4))))
    inputs = data.draw(st.lists(st.text(letters, max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(inputs)))
    output = "".join(data.draw(st.permutations(used))[: data.draw(st.integers(0, len(used)))])
    operands = [normal(*[size[n] for n in part], seed=k) for k, part in enumerate(inputs)]
    equation = ",".join(inputs) + "->" + output
    close(tinydl.einsum(equation, *map(tinydl.tensor, operands)), np.einsum(equation, *operands))


def test_tensordot_kron_cross_inner():
    a, b = normal(2, 3, 4), normal(4, 3, 5, seed=1)
    close(tinydl.tensordot(tinydl.tensor(a), tinydl.tensor(b), ([1, 2], [1, 0])), np.tensordot(a, b, ([1, 2], [1, 0])))
    assert tinydl.tensordot(tinydl.ones(2), tinydl.ones(3), 0).shape == (2, 3)
    against_torch(lambda lib, a, b: lib.kron(a, b), normal(2, 3), normal(2, 1, 2, seed=1))
    against_torch(lambda lib, a, b: lib.linalg.cross(a, b), normal(4, 3), normal(4, 3, seed=1))
    against_torch(lambda lib, a, b: lib.inner(a, b), normal(2, 3), normal(4, 3, seed=1))


def test_multi_dot_takes_the_cheapest_order():
    from tinydl.ops.linalg import _cheapest

    sizes = [30, 35, 15, 5, 10, 20, 25]  # Cormen et al., 15.2: ((A1 (A2 A3)) ((A4 A5) A6)), 15125 multiplications
    cut = _cheapest(sizes)

    def cost(i, j):
        if i == j:
            return 0
        k = cut[i, j]
        return cost(i, k) + cost(k + 1, j) + sizes[i] * sizes[k + 1] * sizes[j + 1]

    assert cost(0, 5) == 15125
    against_torch(lambda lib, *xs: lib.linalg.multi_dot(xs), normal(3), normal(3, 2), normal(2, 4), normal(4))


# ---------------------------------------------------------------- distances and norms
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf"), -1.0])
def test_vector_norm(p):
    x = normal(3, 4)
    y = linalg.vector_norm(tinydl.tensor(x), p, dim=1)
    close(y, np.linalg.norm(x, p, axis=1))
    if p:
        assert gradcheck(lambda x: linalg.vector_norm(x, p, 1), (leaf(3, 4),), order=2)


def test_the_slope_of_a_norm_at_zero_is_zero():
    x = tinydl.zeros(3, requires_grad=True)
    linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norm(ord):
    x = normal(2, 3, 4)
    close(linalg.matrix_norm(tinydl.tensor(x), ord), [np.linalg.norm(m, ord) for m in x])
    moved = linalg.matrix_norm(tinydl.tensor(x.transpose(1, 2, 0)), ord, dim=(0, 1), keepdim=True)
    assert moved.shape == (1, 1, 2)
    assert gradcheck(lambda x: linalg.matrix_norm(x, ord), (leaf(3, 4),), order=2)


def test_cdist():
    for p in (1.0, 2.0, 3.0, float("inf")):
        x, y = normal(2, 4, 3), normal(5, 3, seed=1)
        loops = [[[np.linalg.norm(a - b, p) for b in y] for a in batch] for batch in x]
        close(tinydl.cdist(tinydl.tensor(x), tinydl.tensor(y), p), loops)
    assert gradcheck(lambda x, y: tinydl.cdist(x, y, 2.0), (leaf(4, 3), leaf(5, 3, seed=1)), order=2)


# ---------------------------------------------------------------- inverses and determinants
def regular(*shape, seed=0):
    n = shape[-1]
    return normal(*shape, seed=seed) + 3 * np.eye(n)


@pytest.mark.parametrize("name", ["inv", "det"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 3, 3)])
def test_inv_and_det(name, shape):
    against_torch(lambda lib, x: getattr(lib.linalg, name)(x), regular(*shape))


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_inv_and_det_of_nothing(shape):
    x = leaf(*shape)
    close(linalg.inv(x), np.zeros(shape))
    y = linalg.det(x)
    close(y, np.ones(shape[:-2]))
    y.sum().backward()
    assert x.grad.shape == shape


def test_det_of_singular_matrices():
    """The gradient is the matrix of cofactors, which needs no inverse."""
    for x in (
        normal(3, 1) @ normal(1, 3, seed=1),
        normal(3, 2) @ normal(2, 3, seed=1),
        np.zeros((2, 2)),
        np.ones((1, 1)) * 0,
    ):
        cofactors = np.empty_like(x)
        for i, j in itertools.product(range(len(x)), repeat=2):
            minor = np.delete(np.delete(x, i, 0), j, 1)
            cofactors[i, j] = (-1) ** (i + j) * (np.linalg.det(minor) if len(minor) else 1)
        t = tinydl.tensor(x, requires_grad=True)
        linalg.det(t).backward()
        close(t.grad, cofactors)


def test_a_second_derivative_of_det_at_a_singular_matrix_is_refused():
    x = tinydl.zeros(3, 3, dtype=tinydl.float64, requires_grad=True)
    (g,) = autograd.grad(linalg.det(x), x, create_graph=True)
    with pytest.raises(linalg.LinAlgError):
        autograd.grad(g.sum(), x)


def test_slogdet():
    x = regular(2, 3, 3)
    x[0, 0] *= -1
    sign, log = linalg.slogdet(tinydl.tensor(x))
    close(sign, np.linalg.slogdet(x)[0])
    against_torch(lambda lib, x: lib.linalg.slogdet(x)[1], x)


@pytest.mark.parametrize("b", [(3,), (3, 2), (2, 3), (4, 2, 3, 1)])
def test_solve(b):
    against_torch(lambda lib, a, b: lib.linalg.solve(a, b), regular(2, 3, 3), normal(*b, seed=1))


def test_solve_from_the_right_and_triangular():
    against_torch(lambda lib, a, b: lib.linalg.solve(a, b, left=False), regular(3, 3), normal(2, 3))
    for upper, unit, left in itertools.product((True, False), repeat=3):
        how = {"upper": upper, "left": left, "unitriangular": unit}
        against_torch(
            lambda lib, a, b, how=how: lib.linalg.solve_triangular(a, b, **how), regular(3, 3), normal(3, 3, seed=1)
        )


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
def test_pinv(shape):
    x = normal(*shape)
    close(linalg.pinv(tinydl.tensor(x)), np.linalg.pinv(x))
    against_torch(lambda lib, x: lib.linalg.pinv(x), x)


def test_pinv_and_rank_of_what_lacks_rank():
    x = normal(4, 2) @ normal(2, 3, seed=1)
    close(linalg.pinv(tinydl.tensor(x)), np.linalg.pinv(x))
    assert linalg.matrix_rank(tinydl.tensor(x)).item() == 2


def test_lstsq():
    a, b = normal(5, 3), normal(5, 2, seed=1)
    close(linalg.lstsq(tinydl.tensor(a), tinydl.tensor(b)), np.linalg.lstsq(a, b)[0])


@pytest.mark.parametrize("n", [0, 1, 2, 5, -2])
def test_matrix_power(n):
    x = regular(2, 3, 3)
    close(linalg.matrix_power(tinydl.tensor(x), n), np.linalg.matrix_power(x, n))


# ---------------------------------------------------------------- decompositions
# Their factors are right up to signs: what is compared does not depend on them.
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 3), (3, 0)])
@pytest.mark.parametrize("full", [False, True])
def test_svd(shape, full):
    x = leaf(*shape)
    u, s, vh = linalg.svd(x, full_matrices=full)
    k = min(shape[-2:])
    close(u[..., :k] * s.unsqueeze(-2) @ vh[..., :k, :], x)
    for q in (u, vh.mT):
        close(q.mT @ q, np.broadcast_to(np.eye(q.shape[-1]), (q.mT @ q).shape))
    close(s, np.linalg.svd(x.detach().numpy(), compute_uv=False))

    def invariant(x):
        u, s, vh = linalg.svd(x, full_matrices=full)
        u, vh = u[..., :k], vh[..., :k, :]
        return (u**2).cumsum(-2), s, (vh**2).cumsum(-1), (u / (1 + s.unsqueeze(-2))) @ vh

    if k:
        assert gradcheck(invariant, (x,), order=2)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (1, 1), (0, 0)])
@pytest.mark.parametrize("UPLO", ["L", "U"])
def test_eigh(shape, UPLO):
    a = leaf(*shape)
    half = (a + a.mT) / 2
    w, v = linalg.eigh(half, UPLO)
    close(v * w.unsqueeze(-2) @ v.mT, half)
    close(w, np.linalg.eigvalsh(half.detach().numpy()))
    seen = a.tril() if UPLO == "L" else a.triu()
    close(linalg.eigvalsh(seen, UPLO), np.linalg.eigvalsh(a.detach().numpy(), UPLO))

    def invariant(a):
        w, v = linalg.eigh((a + a.mT) / 2, UPLO)
        return w, (v**2).cumsum(-2)

    if shape[-1]:
        assert gradcheck(invariant, (a,), order=2)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_qr(shape):
    x = leaf(*shape)
    q, r = linalg.qr(x)
    close(q @ r, x)
    close(r, r.triu())
    close(q.mT @ q, np.broadcast_to(np.eye(q.shape[-1]), (q.mT @ q).shape))
    assert gradcheck(lambda x: tuple(linalg.qr(x)), (x,), order=2)
    close(linalg.qr(x, "complete")[0] @ linalg.qr(x, "complete")[1], x)
    close(linalg.qr(x, "r").R, r)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(upper):
    a = leaf(2, 3, 3)

    def factor(a):
        return linalg.cholesky(a @ a.mT + tinydl.eye(3, dtype=tinydl.float64), upper=upper)

    y = factor(a)
    x = a @ a.mT + tinydl.eye(3, dtype=tinydl.float64)
    close(y.mT @ y if upper else y @ y.mT, x)
    assert gradcheck(factor, (a,), order=2)


# ---------------------------------------------------------------- attention
def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_attention():
    q, k, v = normal(2, 4, 3), normal(2, 5, 3, seed=1), normal(2, 5, 6, seed=2)
    weights = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(3))
    close(scaled_dot_product_attention(*map(tinydl.tensor, (q, k, v))), weights @ v)
    tensors = [tinydl.tensor(a, requires_grad=True) for a in (q, k, v)]
    assert gradcheck(scaled_dot_product_attention, tensors, order=2)
    assert gradcheck(lambda x: scaled_dot_product_attention(x, x, x, is_causal=True), (leaf(1, 3, 2),), order=2)


def test_a_causal_position_does_not_see_the_future():
    x = leaf(1, 4, 3)
    y = scaled_dot_product_attention(x, x, x, is_causal=True)
    (g,) = autograd.grad(y[0, 1].sum(), x)
    assert np.all(g.numpy()[0, 2:] == 0) and np.all(g.numpy()[0, :2] != 0)


def test_masks():
    q, k, v = (tinydl.tensor(normal(2, 4, 3, seed=s)) for s in range(3))
    seen = np.random.default_rng(3).uniform(size=(4, 4)) < 0.5
    seen[0], seen[1] = False, True
    by_bool = scaled_dot_product_attention(q, k, v, tinydl.tensor(seen))
    by_number = scaled_dot_product_attention(q, k, v, tinydl.tensor(np.where(seen, 0.0, -np.inf)))
    close(by_bool, by_number)
    assert np.all(by_bool.numpy()[:, 0] == 0)  # who sees nothing gets nothing
    theirs = torch.nn.functional.scaled_dot_product_attention(
        *(torch.tensor(t.numpy()) for t in (q, k, v)), torch.tensor(seen)
    )
    close(by_bool, theirs)


def test_attention_with_fewer_heads_and_dropout():
    q, k, v = (tinydl.tensor(normal(2, h, 4, 3, seed=h)) for h in (6, 2, 3))
    with pytest.raises(ValueError, match="do not broadcast"):
        scaled_dot_product_attention(q, k, v)
    one = scaled_dot_product_attention(q, k, k, enable_gqa=True)
    close(one[:, 4], scaled_dot_product_attention(q[:, 4], k[:, 1], k[:, 1]))
    tinydl.manual_seed(0)
    x = tinydl.tensor(normal(1, 200, 8))
    dropped = scaled_dot_product_attention(x, x, tinydl.ones(1, 200, 8, dtype=tinydl.float64), dropout_p=0.5)
    assert abs(dropped.numpy().mean() - 1) < 0.1 and dropped.numpy().std() > 0.01


def test_attention_refuses_what_does_not_fit():
    x = tinydl.ones(2, 4, 3)
    for args, text in [
        ((x, tinydl.ones(2, 4, 5), x), "agree in the last size"),
        ((x, x, tinydl.ones(2, 5, 3)), "agree"),
        ((x, x, x.to(tinydl.float64)), "one dtype"),
        ((x, x, x, tinydl.ones(4, 4) > 0, 0.0, True), "not both"),
    ]:
        with pytest.raises(RuntimeError, match=f"scaled_dot_product_attention: .*{text}"):
            scaled_dot_product_attention(*args)
