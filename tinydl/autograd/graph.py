"""The graph of recorded operations, and the walk that sends gradients back through it.

An edge is a pair (node, number of its output), never a tensor: a tensor can be overwritten, and then
stands for something else, while the node that made its old value stays as it was.  Nodes are numbered
as they are made, and an edge leads only to a lower number: descending order is a topological order.
"""

from __future__ import annotations

import itertools
import operator
import sys
import weakref

import numpy as np

from ..device import of_array
from ..dtype import is_floating
from ..kernels.cpu.arrays import sole_owner
from ..kernels.gpu import recording
from ..tensor import Tensor, wrap
from .hooks import run as run_hooks
from .mode import state, walking_back

next_number = itertools.count().__next__
OPS: dict = {}  # every declared operation by its name


class Like:
    """Shape, dtype and device of an array that is not kept: what a rule names as `x_like`."""

    __slots__ = ("shape", "dtype", "device")

    def __init__(self, array):
        self.shape, self.dtype, self.device = array.shape, array.dtype, of_array(array)

    @property
    def ndim(self):
        return len(self.shape)

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def zeros(self):
        """A tensor of zeros like it."""
        return wrap(self.device.xp.zeros(self.shape, self.dtype))


class Node:
    """One recorded step.  `edges` lead to what made its inputs, `outs` are its outputs' (shape, dtype)."""

    name = "node"
    hooks = None  # [(slot, function)]
    line = None  # in anomaly mode: where the forward ran

    def __init__(self, edges, outs):
        self.number = next_number()
        self.edges = edges
        self.outs = outs

    def backward(self, gs, wanted):
        """Gradients for the inputs whose edge is wanted, from those of the outputs (None: unused)."""
        raise NotImplementedError

    def release(self):
        """Forget the operands: they are not needed a second time."""

    @property
    def next_functions(self):
        """The edges, under PyTorch's name."""
        return tuple((None, 0) if e is None else e for e in self.edges)

    def __repr__(self):
        return f"<{self.name}>"


class Leaf(Node):
    """The end of the way: gradients that arrive are added up in the tensor's `grad`."""

    name = "leaf"
    after = None  # hooks that run when the gradient is complete

    def __init__(self, tensor):
        super().__init__((), None)
        self.tensor = weakref.ref(tensor)  # the tensor owns the node; a strong reference would be a cycle
        self.outs = ((tensor.array.shape, tensor.array.dtype),)

    def accumulate(self, g):
        """Add `g` to the tensor's grad, and tell the hooks."""
        tensor = self.tensor()
        if tensor is not None:
            add_to_grad(tensor, g)
            for hook in tuple(self.after or ()):
                hook(tensor)


def add_to_grad(tensor, g):
    """Add `g` to the tensor's grad, which never shares memory with anything else of the graph."""
    if recording.now.step is not None:
        recording.now.step.adds_to_grad(tensor)
    if tensor.grad is None:
        tensor.grad = g if not state.recording and _sole_owner(g) else OPS["clone"](g)
    elif state.recording:
        tensor.grad = tensor.grad + g
    else:
        tensor.grad.add_(g)


def _references(t):
    return max(sys.getrefcount(t), sys.getrefcount(t.array))


def _sole_owner(t):
    """Whether nobody else holds the tensor's memory, so that it can be taken without a copy."""
    a = t.array
    own = sole_owner(a) and a.flags.c_contiguous
    del a
    return own and _references(t) <= _ALONE


def _count_alone():
    """References that `_references` sees of a tensor in the hands of the walk alone."""

    def add(g):
        return (lambda t: _references(t))(g)

    def accumulate(g):
        return add(g)

    def step(gs):
        return accumulate(gs.pop())

    return step([wrap(np.empty(1))])


_ALONE = _count_alone()


def leaf_edge(tensor):
    """The edge of a tensor that requires grad and was not computed."""
    return (Leaf(tensor), 0)


_number = operator.attrgetter("number")


def _reachable(roots, lowest):
    """All nodes below the roots, from number `lowest` on, in ascending order."""
    seen = set()
    stack = [node for node, _, _ in roots]
    while stack:
        node = stack.pop()
        if node not in seen and node.number >= lowest:
            seen.add(node)
            stack.extend([e[0] for e in node.edges if e is not None])
    return sorted(seen, key=_number)


def walk(roots, targets=None, create_graph=False, retain_graph=False):
    """Send the cotangents of `roots` [(node, slot, g)] back.

    With `targets` {(node, slot)} returns their gradients, and visits only what lies on a path to them;
    without, every leaf accumulates into its tensor's `grad`.
    """
    nodes = _reachable(roots, min((node.number for node, _ in targets), default=0) if targets else 0)
    needed = None if targets is None else _on_path(nodes, targets)
    found = {}
    pending = {}
    with walking_back(create_graph), recording.on_host():  # rules compute on constants there
        for node, slot, g in roots:
            _deposit(pending, (node, slot), g)
        del roots
        while nodes:
            node = nodes.pop()
            gs = pending.pop(node, None)
            if gs is None or (needed is not None and node not in needed):
                continue
            if node.hooks:
                run_hooks(node, gs)
            if targets is not None:
                found |= {(node, s): g for s, g in enumerate(gs) if (node, s) in targets}
            if isinstance(node, Leaf):
                if targets is None:
                    node.accumulate(gs.pop())
                continue
            wanted = [e is not None and (needed is None or e[0] in needed) for e in node.edges]
            if True not in wanted:
                continue
            if state.anomaly:
                results = _watched(node, gs, wanted)
            else:
                results = node.backward(gs, wanted)
            gs = g = None
            if not retain_graph:
                node.release()
            for i, edge in enumerate(node.edges):
                if wanted[i] and results[i] is not None:
                    result, results[i] = results[i], None
                    _deposit(pending, edge, result, node)
                    result = None
    return found


def _on_path(nodes, targets):
    """Of `nodes` (ascending), those from which a target can be reached."""
    needed = {node for node, _ in targets}
    for node in nodes:
        if node not in needed and any(e is not None and e[0] in needed for e in node.edges):
            needed.add(node)
    return needed


def _deposit(pending, edge, g, source=None):
    """Add `g` to what has arrived at `edge`, in the shape, dtype and device that the output there had."""
    node, slot = edge
    shape, dtype = node.outs[slot]
    a = g.array
    if a.shape != shape:
        g = _undo_broadcast(g, shape, source)
    if a.dtype != dtype:
        g = OPS["cast"](g, dtype)
    device = node.device if isinstance(node, RecordedNode) else None
    if device is not None and not isinstance(a, device.array_type):
        g = g.to(device)
    del a
    gs = pending.get(node)
    if gs is None:
        gs = pending[node] = [None] * len(node.outs)
    gs[slot] = g if gs[slot] is None else gs[slot] + g


def _undo_broadcast(g, shape, source):
    """A gradient in the broadcast shape, summed back to the argument's."""
    lead = g.array.ndim - len(shape)
    fits = lead >= 0 and all(n in (1, m) for n, m in zip(shape, g.array.shape[lead:]))
    if not fits:
        raise RuntimeError(
            f"{source.name if source else 'backward'}: a gradient has shape {tuple(g.array.shape)}, the argument "
            f"{shape}; a rule must give the argument's shape or one that it broadcasts to"
        )
    return OPS["sum_to"](g, shape)


def _watched(node, gs, wanted):
    """The node's backward, refused if it makes NaN of numbers."""

    def has_nan(gs):
        return any(g is not None and is_floating(g.array.dtype) and bool((g.array != g.array).any()) for g in gs)

    before, state.walking = state.walking, True
    try:
        results = node.backward(gs, wanted)
    finally:
        state.walking = before
    if has_nan(results) and not has_nan(gs):
        raise RuntimeError(f"{node.name}: its gradient has NaN.{made_at(node)}")
    return results


def made_at(node):
    """Where the node was recorded, for messages."""
    if node.line is None:
        return " Run within autograd.detect_anomaly() to learn the line of its forward"
    return f" Its forward ran here:\n{node.line}"


class RecordedNode(Node):
    """A node that keeps operands.

    Each is (array, edge, storage, version): enough to make the tensor again, for any order of derivative,
    and to notice that somebody has overwritten it since.
    """

    saved: tuple | None = ()

    def __init__(self, edges, outs, device):
        self.number = next_number()
        self.edges = edges
        self.outs = outs
        self.device = device

    def keep(self, saved):
        self.saved = saved if state.packing is None else state.packing.pack(self, saved)

    def kept(self):
        """The operands as tensors."""
        if self.saved is None:
            raise RuntimeError(
                f"{self.name}: backward a second time, but its operands were freed by the first; "
                "give retain_graph=True to the first call, or compute the forward again"
            )
        saved = self.saved if isinstance(self.saved, tuple) else self.saved.unpack(self)
        return [self._restore(*operand) for operand in saved]

    def _restore(self, array, edge, storage, version):
        if array is None:
            return None
        if storage is not None and storage.version != version:
            raise RuntimeError(
                f"{self.name}: an operand of shape {tuple(array.shape)} that its gradient needs was overwritten "
                f"in place{storage.where()} (version {storage.version}, expected {version}). Write out of place, "
                f"or on a clone().{made_at(self)}"
            )
        t = wrap(np.asarray(array) if isinstance(array, np.generic) else array)
        if storage is not None:
            t._storage = storage
        t._edge = (self, edge) if type(edge) is int else edge  # an int: the node's own output
        return t

    def release(self):
        saved = self.saved
        if saved.__class__ is tuple and all(a is None or isinstance(a, np.generic) for a, *_ in saved):
            return  # what keeps no tensor can run again
        self.saved = None


def operand(x: Tensor):
    """What a node keeps of the tensor `x`."""
    return (x.array, x.edge(), x._storage, x._storage.version)
