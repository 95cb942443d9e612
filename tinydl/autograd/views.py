"""Writing in place, and what it means for views.

`x.mul_(2)` is recorded as its functional twin, and the tensor takes the result's place in the graph.  A write to a
view is a write to a part of its base: the base takes the place of `overwrite(base, value)`, and other views of it,
whose nodes no longer hold, are recorded anew from the base when they are next looked at.
"""

from __future__ import annotations

import sys

from .. import dtype as dtypes
from ..tensor import Tensor, wrap
from .engine import Array, OpNode, op, record
from .graph import OPS, next_number
from .hooks import move_retained
from .mode import autocasting, enable_grad, state


def _follow(x, chain):
    """The view of `x` to which the chain of view operations leads: (what came before, operation, constants)."""
    steps = []
    while chain:
        chain, *step = chain
        steps.append(step)
    for step, constants in reversed(steps):
        x = OPS[step.name](x, **dict(zip(step.constants, constants)))
    return x


def refresh(view):
    """Record a view whose base was overwritten since: the same view of what the base is now."""
    base = view._root()
    if view._unrecorded_view and base._edge is not None:
        raise RuntimeError(
            "a view was made within no_grad, and its base was written since while gradients were recorded: "
            "whether its gradient counts is unclear; make the view again"
        )
    rewrites = view._storage.rewrites
    view._rewrites = rewrites  # first: the base may itself ask
    packing, state.packing = state.packing, None  # a checkpoint that asks would not do it again
    try:
        with enable_grad():
            view._edge = _follow(base, view._chain)._edge
    finally:
        state.packing = packing


@op(exact=True)
def overwrite(xp, base: Array, value: Array, chain):
    """A copy of `base` in which the part that `chain` (view operations) leads to is `value`."""
    out = base.copy()
    part = _follow(wrap(out), chain).array
    if part.size and not xp.may_share_memory(part, out):
        raise RuntimeError(
            "writing to this view of a tensor that does not lie in memory one element after another cannot be "
            "recorded; start from its contiguous()"
        )
    part[...] = value
    return out


overwrite.grads(
    lambda g, value_like, chain: overwrite(g, value_like.zeros(), chain),
    lambda g, chain: _follow(g, chain),
)


def _overlaps(array):
    """Whether elements of the array may share a place in memory."""
    reach = array.itemsize  # bytes that the dimensions of smaller steps cover
    for step, n in sorted((abs(step), n) for step, n in zip(array.strides, array.shape)):
        if n > 1 and step < reach:
            return True
        reach += step * (n - 1)
    return False


def writable(x, name):
    """Refuse a write to `x` that could not be right."""
    if not getattr(x.array.flags, "writeable", True):  # CuPy's always are
        raise RuntimeError(f"{name}: this tensor lies on a read-only array; clone() it before writing")
    if not x.array.flags.c_contiguous and _overlaps(x.array):
        raise RuntimeError(
            f"{name}: several elements of this tensor (shape {tuple(x.shape)}) share one place in memory, as after "
            "expand() or unfold(); clone() it before writing"
        )
    if not state.recording:
        return
    base = x._root()
    edge = base._edge
    if any(e is not None and e[0].name == "leaf" for e in (edge, x._edge)):
        what = "a view of a leaf" if base is not x and edge is not None else "a leaf"
        raise RuntimeError(
            f"{name}: {what} that requires grad cannot be written in place while gradients are recorded; "
            "write within tinydl.no_grad(), or to a clone()"
        )
    if edge is not None:
        _refuse_unclear(x, name)


def _refuse_unclear(x, name):
    """Refuse a recorded write to a view whose place in the graph, or whose elements, are not its own."""
    base = x._root()
    if base is not x and not base.array.flags.c_contiguous and _overlaps(base.array):
        raise RuntimeError(
            f"{name}: this is a view of a tensor (shape {tuple(base.shape)}) several elements of which share one place "
            "in memory, as after expand() or unfold() and detach(); clone() that before writing"
        )
    if x._unrecorded_view:
        raise RuntimeError(
            f"{name}: this view was made within no_grad and is written while gradients are recorded; "
            "make the view again outside no_grad, or write within it"
        )


LARGE = 1 << 18  # bytes (as STRAIGHT of kernels/cpu/arrays.py) from which a result goes straight to where it is to be
# The kernels by which a function may write straight to the tensor that it is to change: that of its name, or these.
KERNELS = {
    "add": ("add", "add_scaled"), "sub": ("sub", "add_scaled"), "subtract": ("sub", "add_scaled"),
    "multiply": ("mul",), "div": ("true_divide",), "divide": ("true_divide",), "negative": ("neg",),
    "absolute": ("abs",), "lerp": ("between",), "addcmul": ("plus_product",), "addcdiv": ("plus_quotient",),
    "clamp": ("clamped",), "clip": ("clamped",), "clamp_min": ("maximum",), "clamp_max": ("minimum",),
    "pow": ("square", "cube", "sqrt", "reciprocal", "rsqrt"),
}  # fmt: skip


def write(x: Tensor, name: str, compute, kernels=(), operands=()) -> Tensor:
    """Overwrite `x` with `compute(x)`, recorded: the tensor `x` then stands for the result.

    kernels: names of those that may write straight to x where nothing is recorded of it and the other `operands`;
    `compute` runs at most one of them, and nothing after it.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a tensor to write to, got {type(x).__name__}")
    writable(x, name)
    before = wrap(x.array)  # what x is now: the same memory and version, and x's edge, which x will lose
    before._storage, before._edge = x._storage, x.edge() if state.recording else None
    first = next_number()
    with autocasting(None):  # the result must have the type of x
        offer = None
        if kernels and x.array.nbytes >= LARGE and not _is_recorded((x, *operands)):
            offer = x.device.into(kernels, x.array)
        result = compute(before) if offer is None else _computed(x, name, compute, before, offer)
    if result.array.shape != x.array.shape:
        raise RuntimeError(
            f"{name}: the result has shape {tuple(result.shape)}, the tensor to write {tuple(x.shape)}; "
            "other operands must broadcast to the tensor's shape"
        )
    if not dtypes.can_cast(result.dtype, x.dtype):
        raise RuntimeError(f"{name}: the result has dtype {result.dtype}, which {x.dtype} cannot hold")
    if result.dtype != x.dtype:
        result = OPS["cast"](result, x.dtype)
    if result._edge is not None:
        _refuse_unclear(x, name)
        _keep_old(x, result._edge[0], first)
    _store(x, result.array)
    x._storage.written(name, sys._getframe(1))
    _replace(x, result)
    move_retained(x)
    return x


def _is_recorded(operands):
    return state.anomaly or (state.recording and any(isinstance(t, Tensor) and t.requires_grad for t in operands))


def _computed(x, name, compute, before, offer):
    """compute(before), which may write straight to x; where it is interrupted, x counts as written."""
    try:
        with offer:
            return compute(before)
    except BaseException:
        if offer.taken:
            x._storage.written(name, sys._getframe(2))
        raise


def _store(x, value):
    """x.array[...] = value, by threads if there is much of it."""
    if value is x.array:
        return
    copy = x.device.kernels["overwritten"] if x.array.nbytes >= LARGE and x.array.flags.c_contiguous else None
    if copy:
        with x.device.into(("overwritten",), x.array):
            if copy(x.array, value) is x.array:
                return
    x.array[...] = value


def _keep_old(x, node, first):
    """Where rules of the nodes just made, from number `first` on, name what `x` is now, they get a copy."""
    nodes, copy = [node], None
    while nodes:
        node = nodes.pop()
        if node.number < first:
            continue
        nodes += [edge[0] for edge in node.edges if edge is not None]
        if not isinstance(node.saved, tuple):  # a checkpoint's: it keeps copies when it runs again
            node.saved.forget_version(x.array)
            continue
        for k, (array, edge, storage, version) in enumerate(node.saved):
            if array is x.array and storage is not None and version == storage.version:
                copy = array.copy() if copy is None else copy
                node.saved = (*node.saved[:k], (copy, edge, None, 0), *node.saved[k + 1 :])


def _replace(x, result):
    """Give `x` the place of `result` in the graph; where `x` is a view, its base that of a part overwritten."""
    if not state.recording:
        return
    base = x._root()
    if base is x:
        if result._edge is not None or x._edge is not None:
            x._edge = result._edge
            x._storage.rewrites += 1
            x._rewrites = x._storage.rewrites
        return
    if result._edge is None and base._edge is None:
        return
    now = wrap(base.array)
    now._storage, now._edge = base._storage, base._edge
    made = wrap(base.array)
    made._storage = base._storage
    chain = x._chain
    record(overwrite.op, (now, result), (now.array, result.array), (chain,), [made], base.device, OpNode)
    base._edge = made._edge
    base._storage.rewrites += 1


def reform(x: Tensor, name: str, function) -> Tensor:
    """Make `x` the view `function(x)` of itself, recorded: other shape, same memory."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a tensor to reshape, got {type(x).__name__}")
    if x.requires_grad and (x.is_leaf or not state.recording):
        what = "a leaf that requires grad" if x.is_leaf else "within no_grad a tensor that requires grad"
        raise RuntimeError(f"{name}: {what} cannot change its shape in place; use the function without _")
    before = x
    if x._base is None:  # what was its base's becomes that of a tensor nobody else has
        before = wrap(x.array)
        before.__dict__.update(x.__dict__)
    y = function(before)
    for attribute in ("array", "_edge", "_base", "_chain", "_rewrites", "_unrecorded_view"):
        setattr(x, attribute, getattr(y, attribute))
    move_retained(x)
    return x


def in_place(function, name):
    """The method `name` that overwrites its tensor with what `function` gives."""
    kernels = KERNELS.get(function.__name__, (function.__name__,))

    def method(self, *args, **kwargs):
        operands = (*args, *kwargs.values())
        return write(self, name, lambda x: function(x, *args, **kwargs), kernels, operands)

    return _named(method, name, f"In place: the tensor becomes `{function.__name__}` of it.")


def reshaping(function, name):
    """The method `name` that gives its tensor the shape of its view `function`."""

    def method(self, *args, **kwargs):
        return reform(self, name, lambda x: function(x, *args, **kwargs))

    return _named(method, name, f"In place: the tensor takes the shape of its `{function.__name__}`.")


def _named(method, name, what):
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{what}  Returns the tensor."
    return method
