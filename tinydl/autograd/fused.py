"""Composites of operations that may have a kernel of their own.

The body, an expression in operations, stays the meaning, and the derivative of every order but the first.
"""

from __future__ import annotations

from ..dtype import FLOATING, NARROW
from ..tensor import wrap
from .declaration import Op
from .dispatch import observed, observers, place
from .engine import OpNode, record, watch
from .graph import OPS, walk
from .mode import enable_grad, state
from .narrow import in_float32
from .promotion import NUMBERS


def fused(body=None, *, hidden=()):
    """Declare a composite of operations that may have a kernel of its own, and one (NAME_grad) for its gradient.

    hidden: names of outputs beyond the visible that its kernel returns for the gradient kernel.
    """
    if body is None:
        return lambda body: fused(body, hidden=hidden)
    declared = Op(body, hidden=hidden, fused=True)
    if declared.name in OPS:
        raise TypeError(f"op {declared.name}: declared twice")
    OPS[declared.name] = function = declared.public(apply_fused)
    return function


def apply_fused(op, inputs, constants):
    """Run a composite by its kernel, if the device has one that serves; else run its body."""
    if state.autocast is not None:  # also without a policy: to its callers it is one operation
        return state.autocast.run(op.name, op.policy, apply_fused, op, inputs, constants)
    device, arrays = place(op, inputs)
    floats = [a.dtype for a in arrays if hasattr(a, "dtype") and a.dtype in FLOATING]
    if not (device.narrow or NARROW.isdisjoint(floats)):
        return in_float32(lambda *inputs: apply_fused(op, inputs, constants), *inputs)
    kernel = device.kernels[op.name]
    if kernel is None or len(set(floats)) != 1 or not NUMBERS.isdisjoint(map(type, arrays)):
        return op.with_kernel(op.body, inputs, constants)
    out = observed(op, device, arrays, constants) if observers else op.with_kernel(kernel, arrays, constants)
    if out is NotImplemented:
        return op.with_kernel(op.body, inputs, constants)
    outs, kind = out if out.__class__ is tuple else (out,), device.array_type
    made = [wrap(a if a.__class__ is kind else device.xp.asarray(a)) for a in outs]
    if state.recording:
        if not op.rules:
            op.rules = (_gradient_of_fused,) * len(op.arrays)
        record(op, inputs, arrays, constants, made, device, FusedNode)
    if state.anomaly:
        watch(op, arrays, made)
    made = made[: len(made) - len(op.hidden)]
    return made[0] if len(made) == 1 else tuple(made)


def _gradient_of_fused(g):
    """Stands for the gradient kernel or the body in a fused operation's plan."""


class FusedNode(OpNode):
    """A recorded composite.  First-order gradients come from its gradient kernel; others from its body."""

    def backward(self, gs, wanted):
        visible = len(gs) - len(self.op.hidden)
        kept = self.kept()
        inputs, hidden = kept[: len(wanted)], kept[len(wanted) :]
        if not state.recording:
            results = self._by_kernel(gs[:visible], inputs, hidden, wanted)
            if results is not NotImplemented:
                return results
        return self._by_body(gs[:visible], inputs, wanted)

    def _by_kernel(self, gs, inputs, hidden, wanted):
        kernel = self.device.kernels[self.op.name + "_grad"]
        if kernel is None:
            return NotImplemented
        g = gs[0].array if len(gs) == 1 else tuple(None if g is None else g.array for g in gs)
        arrays = [None if x is None else x.array for x in inputs]
        kept = [h.array for h in hidden]
        out = self.op.with_gradient(kernel, g, arrays, self.constants, kept, tuple(wanted))
        if out is NotImplemented:
            return out
        return [None if a is None else wrap(a) for a in out]

    def _by_body(self, gs, inputs, wanted):
        """Differentiate the body, once, for all inputs together.

        It runs on aliases of the inputs, at which the inner gradient stops: what the inputs have to do with each
        other is the outer graph's affair.
        """
        again = state.recording
        with enable_grad():
            aliases = [_alias(x, again) if w else x for x, w in zip(inputs, wanted)]
            out = self.op.with_kernel(self.op.body, aliases, self.constants)
            outs = out if isinstance(out, tuple) else (out,)
        roots = [(*t.edge(), g) for t, g in zip(outs, gs) if g is not None and t.requires_grad]
        goals = [a.edge() if w else None for a, w in zip(aliases, wanted)]
        found = walk(roots, {e for e in goals if e}, create_graph=again, retain_graph=again)
        return [found.get(e) for e in goals]


def _alias(x, connected):
    """A stand-in for `x` that a gradient can stop at: tied to x's own graph, or free."""
    if connected and x.requires_grad:
        return OPS["alias"](x)
    return x.detach().requires_grad_()
