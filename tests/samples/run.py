"""How the samples are run: arrays to tensors, operations forward and backward, results compared."""

import numpy as np

from tinydl.autograd import grad
from tinydl.autograd.graph import OPS
from tinydl.device import CPU
from tinydl.dtype import is_floating
from tinydl.tensor import wrap


def as_type(sample, dtype):
    """The sample's arguments with floating arrays of `dtype`, but for bfloat16, which a sample has on purpose."""
    return sample.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a.copy())


def tensors(args, requires_grad=False, fixed=(), device=CPU):
    """Arguments with tensors for arrays, and of these the ones that may have a gradient."""
    leaves = []

    def to(v, i):
        if isinstance(v, list):
            return [to(w, i) for w in v]
        if not isinstance(v, np.ndarray):
            return v
        t = wrap(device.array(v))
        if is_floating(v.dtype) and i not in fixed:
            leaves.append(t.requires_grad_(requires_grad))
        return t

    return [to(v, i) for i, v in enumerate(args)], leaves


def outputs(out):
    return list(out) if isinstance(out, (tuple, list)) else [out]


def close(got, want, dtype="float64"):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    single = "float32" in (dtype, got.dtype)
    rtol, atol = (2e-4, 2e-5) if single else (1e-10, 1e-12)
    scale = np.abs(want[np.isfinite(want)]).max(initial=1) if is_floating(want.dtype) else 1
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * scale)


def forward_and_gradients(name, args, sample, order=1, device=CPU, create_graph=True):
    """The outputs, and the gradients (for order 2 of these, too) of a weighted sum of those.

    create_graph: of first gradients False lets fused operations take the kernels of these.
    """
    given, leaves = tensors(args, requires_grad=True, fixed=sample.fixed, device=device)
    out = outputs(OPS[name](*given, **sample.constants))
    found = outputs(sample.through(*out)) if sample.through else out
    results, ys = list(found), [y for y in found if y.requires_grad]
    for _ in range(order if ys and sample.order else 0):
        weights = [np.cos(np.arange(y.numel())).astype(y.dtype).reshape(y.shape) for y in ys]
        cotangents = [wrap(device.array(w)) for w in weights]
        gs = [g for g in grad(ys, leaves, cotangents, create_graph=create_graph, allow_unused=True) if g is not None]
        results += gs
        ys = [g for g in gs if g.requires_grad]
        if not ys:
            break
    return results
