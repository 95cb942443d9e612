"""PyTorch's own samples of its operations in bfloat16, where TINYDL_CONFORMANCE names the folder with opinfo.py.

A value is right that is as near to PyTorch's result in bfloat16, or to that of the same numbers in float32, as
PyTorch's tolerances ask; where PyTorch itself is farther from float32, it may be off by as much.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
from oracle import oracle

import tinydl

torch = oracle()
RTOL, ATOL = 1.6e-2, 1e-5  # of torch.testing.assert_close
ULP = 2.0**-8  # of the largest number of a result: what any intermediate rounding may cost


def database(names=None):
    """(opinfo, entries of PyTorch's database in scope that have bfloat16)."""
    folder = Path(os.environ["TINYDL_CONFORMANCE"])
    spec = importlib.util.spec_from_file_location("opinfo", folder / "opinfo.py")
    opinfo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(opinfo)
    opinfo.translate = _translating(opinfo.translate)
    scope = {line.split("#")[0].strip() for line in (folder / "scope.txt").read_text().splitlines()}
    entries = [e for e in opinfo.op_db if e.name in scope and torch.bfloat16 in e.dtypes]
    return opinfo, [e for e in entries if names is None or e.name in names]


def _translating(translate):
    def with_bfloat16(lib, value, leaves):
        if value is torch.bfloat16:
            return lib.bfloat16
        if not isinstance(value, torch.Tensor) or value.dtype != torch.bfloat16:
            return translate(lib, value, leaves)
        bits = value.detach().view(torch.int16).numpy(force=True).copy()
        mine = lib.tensor(bits.view(lib.bfloat16), requires_grad=value.requires_grad)
        leaves += [(value, mine)] * value.requires_grad
        return mine

    return with_bfloat16


def _wide(value):
    """A sample's value with float32 in place of bfloat16."""
    if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
        return value.detach().float().requires_grad_(value.requires_grad)
    if type(value) in (list, tuple):
        return type(value)(map(_wide, value))
    if isinstance(value, dict):
        return {k: _wide(v) for k, v in value.items()}
    return torch.float32 if value is torch.bfloat16 else value


def _leaves(value):
    if isinstance(value, torch.Tensor):
        return [value] * value.requires_grad
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [leaf for part in parts for leaf in _leaves(part)]


def _numbers(x):
    if isinstance(x, torch.Tensor):
        return x.detach().double().numpy(force=True)
    return np.asarray(x.detach().numpy() if isinstance(x, tinydl.Tensor) else x).astype(np.float64)


def _judge(what, mine, theirs, exact):
    """AssertionError unless `mine` is near PyTorch's result, or to that in float32."""
    mine, theirs, exact = map(_numbers, (mine, theirs, exact))
    assert mine.shape == theirs.shape, f"{what}: shape {mine.shape}, PyTorch {theirs.shape}"
    finite = exact[np.isfinite(exact)]
    atol = ATOL + ULP * np.abs(finite).max(initial=0)
    with np.errstate(all="ignore"):
        near = np.isclose(mine, theirs, RTOL, atol, True) | np.isclose(mine, exact, RTOL, atol, True)
        near |= np.abs(mine - exact) <= np.abs(theirs - exact)
    if not near.all():
        i = tuple(np.argwhere(~near)[0])
        raise AssertionError(
            f"{what}: {int((~near).sum())} of {near.size} are far, the first at {i}: got {mine[i]:.5g}, "
            f"PyTorch {theirs[i]:.5g}, in float32 {exact[i]:.5g}"
        )


def check(opinfo, entry, sample):
    """The outputs of one sample, their types, and the gradients with random cotangents."""
    leaves, given = [], (sample.input, *sample.args)
    args = [opinfo.translate(tinydl, v, leaves) for v in given]
    kwargs = opinfo.translate(tinydl, sample.kwargs, leaves)
    wide, options = _wide(given), _wide(sample.kwargs)
    mine = opinfo.flat(opinfo.find(tinydl, entry.name)(*args, **kwargs))
    theirs, exact = opinfo.flat(entry(*given, **sample.kwargs)), opinfo.flat(entry(*wide, **options))
    for a, b, c in zip(mine, theirs, exact, strict=True):
        if isinstance(b, torch.Tensor):
            assert str(b.dtype) == f"torch.{a.dtype}", f"dtype {a.dtype}, PyTorch {b.dtype}"
        if not isinstance(b, torch.Tensor) or b.is_floating_point() or torch.equal(b, c):  # no index among equal ones
            _judge("output", a, b, c)
    slots = [i for i, b in enumerate(theirs) if isinstance(b, torch.Tensor) and b.requires_grad]
    if not (slots and leaves):
        return
    rng = np.random.default_rng(0)
    gs = [torch.tensor(rng.standard_normal(tuple(theirs[i].shape))).bfloat16() for i in slots]

    def differentiate(lib, outs, inputs, cast):
        return lib.autograd.grad([outs[i] for i in slots], inputs, list(map(cast, gs, slots)), allow_unused=True)

    g = differentiate(tinydl, mine, [m for _, m in leaves], lambda g, i: tinydl.tensor(_numbers(g)).to(mine[i].dtype))
    g_theirs = differentiate(torch, theirs, [t for t, _ in leaves], lambda g, i: g.to(theirs[i].dtype))
    g_exact = differentiate(torch, exact, _leaves((wide, options)), lambda g, i: g.to(exact[i].dtype))
    for (leaf, _), *three in zip(leaves, g, g_theirs, g_exact):
        assert three[0] is None or str(leaf.dtype) == f"torch.{three[0].dtype}"
        _judge("gradient", *[np.zeros(tuple(leaf.shape)) if x is None else x for x in three])
