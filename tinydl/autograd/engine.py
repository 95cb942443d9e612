"""How an operation is declared (`@op`, `@fused`), run, and recorded.

    @op
    def mul(xp, a: Array, b: Array):
        return a * b

    mul.grads(lambda g, b: g * b,
              lambda g, a: g * a)

The body is the meaning, on arrays of the library `xp`.  A kernel of the same name on the device, where there is
one that serves the case, runs in its place.  One rule for each array argument gives its gradient, written in
operations on tensors, and so differentiable again.  A rule's parameters say what it needs, and only that is kept:

    g                 the gradient of the output (of several outputs a tuple; None for one nobody used)
    y                 the output (of several a tuple)
    an argument       the tensor, or the constant (None if it is `only_for` a gradient that is not wanted)
    x_like            shape, dtype and device of argument x
    a hidden output   an output of the body that callers do not see; g_NAME is its gradient
    needed            for each array argument whether its gradient is wanted (rules given by `grads_together`)
"""

from __future__ import annotations

from .. import dtype as dtypes
from ..device import _BY_ARRAY
from ..dtype import FLOATING, NARROW
from ..tensor import Tensor, wrap
from .declaration import Array, Op
from .dispatch import execute, observed, observers, place
from .graph import OPS, Like, RecordedNode, next_number
from .mode import state
from .narrow import widened
from .promotion import NUMBERS, by_category, equal, floating, promoting, typed

__all__ = ["Array", "by_category", "equal", "floating", "op", "promoting"]


def op(body=None, *, promote=None, hidden=(), view=False, exact=False):
    """Declare an operation by its body `f(xp, ...)`.

    promote: how the array arguments' types are brought together: None (each keeps its own), `by_category`,
    `floating` (integers become the default floating type), `equal` (a mixture is refused).
    hidden: names of trailing outputs that only rules see.  view: the output shares the (first) input's memory.
    exact: the body takes narrow types (float16, bfloat16) as they are, since it moves elements or minds their type;
    others, as their rules, run in float32 where a device does not compute in narrow types, and are rounded once.
    """
    if body is None:
        return lambda body: op(body, promote=promote, hidden=hidden, view=view, exact=exact)
    declared = Op(body, promote, hidden, view, exact=exact)
    if declared.name in OPS:
        raise TypeError(f"op {declared.name}: declared twice")
    OPS[declared.name] = function = declared.public(apply)
    return function


def apply(op, inputs, constants):
    """Run `op`, and record it where a gradient may be wanted."""
    if state.autocast is not None and op.policy is not None:
        return state.autocast.run(op.name, op.policy, apply, op, inputs, constants)
    device, arrays = place(op, inputs)
    if op.promote is not None:
        arrays = op.promote(op, arrays)
    elif not NUMBERS.isdisjoint(map(type, arrays)):
        arrays = [typed(a, dtypes.of_number(a)) if a.__class__ in NUMBERS else a for a in arrays]
    out = (observed if observers else execute)(op, device, arrays, constants)
    kind = device.array_type
    if out.__class__ is tuple:
        made = [wrap(a if a.__class__ is kind else device.xp.asarray(a)) for a in out]
    elif out.__class__ is kind or out.__class__ in _BY_ARRAY:  # to_device leads to another
        made = [wrap(out)]
    else:
        made = [wrap(device.xp.asarray(out))]
    if op.view:
        mark_view(made[0], op, inputs[0], constants)
    if op.rules and state.recording:
        record(op, inputs, arrays, constants, made, device, OpNode)
    if state.anomaly:
        watch(op, arrays, made)
    if op.hidden:
        made = made[: -len(op.hidden)]
    return made[0] if len(made) == 1 else tuple(made)


def record(op, inputs, arrays, constants, made, device, node_class):
    """Give the tensors `made` a node, if an input that has a rule requires grad."""
    for x in inputs:
        if isinstance(x, Tensor) and (x._edge is not None or x._base is not None):
            break
    else:  # as of all operations on data: soon told
        return
    rules = op.rules
    mask = 0
    edges = []
    last = len(rules) - 1
    for i, x in enumerate(inputs):
        edge = None
        if isinstance(x, Tensor):
            edge = x._edge if x._base is None else x.edge()
            if edge is not None:
                if rules[i if i < last else last] is None:
                    edge = None
                else:
                    mask |= 1 << i
        edges.append(edge)
    if not mask:
        return
    outs = [(t.array.shape, t.array.dtype) for t in made]
    plan = op.plans.get((mask, len(edges))) or op.plan(mask, len(edges))
    node = node_class(op, plan, edges, outs, device, constants)
    saved = []
    for i in plan.inputs:
        x, a = inputs[i], arrays[i]
        if not isinstance(x, Tensor):
            saved.append((a, None, None, 0))
        elif a is x.array:
            saved.append((a, x._edge, x._storage, x._storage.version))
        else:  # a copy of another type: nobody can overwrite it
            saved.append((a, x._edge, None, 0))
    if plan.like_inputs:
        node.likes = [Like(arrays[i]) for i in plan.like_inputs]
    if plan.wants_y:
        visible = made[: len(made) - len(op.hidden)] if op.hidden else made
        saved += [(t.array, s, t._storage, t._storage.version) for s, t in enumerate(visible)]
    for name in plan.hidden:
        s = len(made) - len(op.hidden) + op.hidden.index(name)
        saved.append((made[s].array, s if dtypes.is_floating(outs[s][1]) else None, None, 0))
    node.saved = tuple(saved) if state.packing is None else state.packing.pack(node, tuple(saved))
    for s, t in enumerate(made):
        if outs[s][1] in FLOATING:
            t._edge = (node, s)


class OpNode(RecordedNode):
    """A recorded operation, and the operands that its rules name."""

    likes = ()

    def __init__(self, op, plan, edges, outs, device, constants):
        self.number, self.edges, self.outs, self.device = next_number(), edges, outs, device
        self.op, self.plan, self.constants = op, plan, constants

    @property
    def name(self):
        return self.op.name

    def _values(self, gs, wanted):
        """What rules may name, in the order that the plan counts by."""
        op, plan = self.op, self.plan
        visible = len(gs) - len(op.hidden)
        values = [gs[0] if visible == 1 else tuple(gs[:visible])]
        kept = self.kept()
        if self.outs[0][1] in NARROW and not (self.device.narrow or op.exact):  # its gradients, too, in float32
            values = [widened(values[0])]
            kept = list(map(widened, kept))
        _grouped(values, plan.arguments, kept, op, plan)
        _grouped(values, plan.likes, list(self.likes), op, plan)
        if plan.wants_y:
            values.append(kept.pop(0) if visible == 1 else tuple(kept[:visible]))
            if visible > 1:
                del kept[:visible]
        values += kept
        if op.hidden:
            for name, g in zip(op.hidden, gs[visible:]):
                if g is not None and name not in plan.takes:
                    raise RuntimeError(f"{op.name}: its rules are not differentiable through '{name}'")
            values += gs[visible:]
        values.append(wanted if plan.many is None else [*wanted[: plan.fixed], True in wanted[plan.fixed :]])
        values += self.constants
        if plan.spared:
            values += [None] * len(plan.spared)
        return values

    def backward(self, gs, wanted):
        op, plan = self.op, self.plan
        values = self._values(gs, wanted)
        if op.joint is not None:
            results = list(op.joint(*[values[k] for k in plan.joint_picks]))
            if len(results) != len(op.arrays):
                names = ", ".join(op.arrays)
                raise RuntimeError(f"{op.name}: its rule gave {len(results)} gradients for the arguments {names}")
            return results if plan.many is None else [*results[:-1], *(results[-1] or [None] * plan.many)]
        results = [
            plan.rules[i](*[values[k] for k in plan.picks[i]]) if want else None
            for i, want in enumerate(wanted[: plan.fixed])
        ]
        if plan.many is not None:  # the rule of a variadic argument gives the gradients of all its tensors
            first = next((i for i in range(plan.fixed, len(wanted)) if wanted[i]), None)
            results += (
                [None] * plan.many if first is None else plan.rules[first](*[values[k] for k in plan.picks[first]])
            )
        return results


def _grouped(values, names, items, op, plan):
    """Move `items` to `values`: one for each name, for the variadic argument a list."""
    for name in names:
        if plan.many is not None and name == op.arrays[-1]:
            values.append(items[: plan.many])
            del items[: plan.many]
        else:
            values.append(items.pop(0))


def mark_view(y, op, x, constants):
    """Make `y` a view of `x`'s base: shared versions, and the way that leads there."""
    if not isinstance(x, Tensor):
        return
    a, b = y.array, x.array
    shared = a.base is not None and (a.base is b or a.base is b.base)  # as nearly always, at a tenth of the cost
    if not (shared or y.device.xp.may_share_memory(a, b)):
        return
    y._base = x if x._base is None else x._base
    y._chain = (x._chain, op, constants)
    y._storage = x._storage
    y._rewrites = x._storage.rewrites
    y._unrecorded_view = x._unrecorded_view or not state.recording


def watch(op, arrays, made):
    """In anomaly mode: remember the line that runs, and refuse a result with NaN of operands without."""
    from .anomaly import forward_line

    line = forward_line()
    for t in made:
        if t._edge is not None:
            t._edge[0].line = line
    if state.walking:  # whether it reaches a gradient, the walk will see
        return

    def has_nan(a):
        return hasattr(a, "dtype") and dtypes.is_floating(a.dtype) and bool((a != a).any())

    if any(has_nan(t.array) for t in made) and not any(has_nan(a) for a in arrays if a is not None):
        raise RuntimeError(f"{op.name}: its result has NaN, its operands have none. It ran here:\n{line}")
