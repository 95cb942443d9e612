"""Reverse-mode differentiation of any order."""

from __future__ import annotations

from functools import partial

from ..tensor import Tensor, wrap
from .anomaly import detect_anomaly, set_detect_anomaly
from .checkpoint import checkpoint
from .function import Function
from .graph import Like, add_to_grad, walk
from .mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "backward",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None) -> None:
    """Add the gradients of `tensors` to `grad` of the leaves they depend on, or of `inputs` alone.

    grad_tensors: a cotangent for each tensor, of its shape; None stands for 1, for scalars only.
    retain_graph: keep operands for another backward (default: as create_graph).
    create_graph: record this computation too, so that gradients can be differentiated.
    """
    roots = _roots("backward", tensors, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        walk(roots, None, create_graph, keep)
        return
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    edges = [_edge_of("backward", i, x) for i, x in enumerate(inputs)]
    found = walk(roots, set(edges), create_graph, keep)
    with enable_grad() if create_graph else no_grad():
        for edge, x in dict(zip(edges, inputs)).items():
            if edge in found:
                add = edge[0].accumulate if x.is_leaf else partial(add_to_grad, x)
                add(found.pop(edge))


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None,
    materialize_grads=False,
):  # fmt: skip
    """The gradients of `outputs` with respect to each of `inputs`, as a tuple; nothing is accumulated.

    An input on which no output depends is refused, unless allow_unused (its gradient is then None) or
    materialize_grads (zeros).  The other arguments are those of `backward`.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    roots = _roots("grad", outputs, grad_outputs)
    edges = [_edge_of("grad", i, x) for i, x in enumerate(inputs)]
    keep = create_graph if retain_graph is None else retain_graph
    found = walk(roots, set(edges), create_graph, keep)
    results = [found.get(edge) for edge in edges]
    for i, g in enumerate(results):
        if g is None and materialize_grads:
            results[i] = Like(inputs[i].array).zeros()
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: no output depends on input {i} (shape {tuple(inputs[i].shape)}); "
                "give allow_unused=True to get None for it, or materialize_grads=True for zeros"
            )
    return tuple(results)


def _edge_of(name, i, x):
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: input {i} must be a tensor, got {type(x).__name__}")
    edge = x.edge()
    if edge is None:
        raise RuntimeError(f"{name}: input {i} (shape {tuple(x.shape)}) does not require grad")
    return edge


def _roots(name, tensors, cotangents):
    """[(node, slot, cotangent)] of the outputs, checked."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if cotangents is None or isinstance(cotangents, Tensor):
        cotangents = [cotangents] if len(tensors) == 1 or cotangents is not None else [None] * len(tensors)
    if not isinstance(cotangents, (list, tuple)):
        raise TypeError(f"{name}: a cotangent must be a tensor, got {type(cotangents).__name__}")
    if len(cotangents) != len(tensors):
        raise RuntimeError(f"{name}: {len(tensors)} outputs need as many cotangents, got {len(cotangents)}")
    roots = []
    for i, (t, g) in enumerate(zip(tensors, cotangents)):
        edge = t.edge()
        if edge is None:
            raise RuntimeError(
                f"{name}: output {i} (shape {tuple(t.shape)}) does not require grad: nothing it was computed from "
                "does, or it was computed within no_grad"
            )
        if g is None:
            if t.numel() != 1:
                raise RuntimeError(
                    f"{name}: output {i} has shape {tuple(t.shape)}; only a scalar needs no cotangent. "
                    "Reduce it (.sum(), .mean()) or give a cotangent of its shape"
                )
            g = wrap(t.device.xp.ones(t.array.shape, t.dtype))
        elif not isinstance(g, Tensor):
            raise TypeError(f"{name}: cotangent {i} must be a tensor, got {type(g).__name__}")
        elif g.array.shape != t.array.shape:
            raise RuntimeError(f"{name}: cotangent {i} has shape {tuple(g.shape)}, its output {tuple(t.shape)}")
        roots.append((*edge, g))
    return roots


from . import functional  # noqa: E402  (it needs `grad`)
