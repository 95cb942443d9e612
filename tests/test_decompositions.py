"""Eigenvectors and singular vectors held against PyTorch's, on PyTorch's own samples.

LAPACK leaves their signs open, and the libraries behind NumPy (OpenBLAS) and PyTorch (MKL) choose differently:
by how each turns its plane rotations, not by a rule about the result, so that no choice made afterwards can
follow.  Here the signs are brought into agreement first; after that all must be equal, gradients of both orders
included, for what is a constant sign does not disturb them.
"""

import numpy as np
import pytest
from oracle import oracle

import tinydl

torch = oracle()
oracle("expecttest")
op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db
TOLERANCES = {"float64": (1e-6, 1e-8), "float32": (2e-4, 2e-4)}


def samples(name, dtype):
    torch.manual_seed(0)
    (info,) = (info for info in op_db if info.name == name)
    return list(info.sample_inputs("cpu", getattr(torch, dtype), requires_grad=True))


def columns(name, factors):
    """The vectors as columns, those beyond the rank left out, and the values."""
    if name == "linalg.eigh":
        values, vectors = factors
        return [vectors], values
    u, s, vh = factors
    return [u[..., : s.shape[-1]], vh[..., : s.shape[-1], :].mT], s


def results(lib, function, name, sample, signs, cotangents):
    """Values, vectors with `signs`, and the first and second derivatives of their product with the cotangents."""
    x = lib.tensor(sample.input.detach().numpy(), requires_grad=True)
    vectors, values = columns(name, function(x, *sample.args, **sample.kwargs))
    vectors = [v * lib.tensor(s) for v, s in zip(vectors, signs)]
    found = [values, *vectors]
    loss = sum((y * lib.tensor(c)).sum() for y, c in zip(found, cotangents))
    (g,) = lib.autograd.grad(loss, x, create_graph=True)
    (h,) = lib.autograd.grad((g * g).sum(), x)
    return [t.detach().numpy() for t in (*found, g, h)]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ["linalg.eigh", "linalg.svd"])
def test_pytorchs_but_for_signs(name, dtype):
    functions = {lib: getattr(lib.linalg, name.removeprefix("linalg.")) for lib in (torch, tinydl)}
    rtol, atol = TOLERANCES[dtype]
    rng = np.random.default_rng(0)
    given = samples(name, dtype)
    assert len(given) >= 8
    for sample in given:
        plain = []
        for lib, function in functions.items():
            x = lib.tensor(sample.input.detach().numpy())
            vectors, values = columns(name, function(x, *sample.args, **sample.kwargs))
            plain.append([*(v.numpy() for v in vectors), values.numpy()])
        *vectors, values = plain[0]
        # one sign for each column, the same for left and right vectors
        agreement = np.where((plain[0][0] * plain[1][0]).sum(-2, keepdims=True) < 0, -1, 1).astype(dtype)
        cotangents = [rng.standard_normal(a.shape).astype(dtype) for a in (values, *vectors)]
        for_both = [agreement] * len(vectors)
        none = [np.ones_like(agreement)] * len(vectors)
        theirs = results(torch, functions[torch], name, sample, none, cotangents)
        mine = results(tinydl, functions[tinydl], name, sample, for_both, cotangents)
        for a, b in zip(theirs, mine, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=rtol, atol=atol * max(1, abs(a).max(initial=0)))
