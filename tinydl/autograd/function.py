"""Operations of one's own: `class Exp(autograd.Function)` with a forward and a backward."""

from __future__ import annotations

import functools
import weakref

from ..dtype import is_floating
from ..tensor import Tensor, wrap
from .graph import RecordedNode, operand
from .mode import no_grad, state


class FunctionNode(RecordedNode):
    """A recorded call of a user's Function."""

    @property
    def name(self):
        return self.function.__name__

    def backward(self, gs, wanted):
        ctx = self.ctx
        ctx.needs_input_grad = tuple(
            wanted[ctx._positions[i]] if i in ctx._positions else False for i in range(ctx._count)
        )
        if ctx._materialize:
            gs = [
                wrap(self.device.xp.zeros(shape, dtype)) if g is None and is_floating(dtype) else g
                for g, (shape, dtype) in zip(gs, self.outs)
            ]
        results = self.function.backward(ctx, *gs)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) < ctx._count or any(r is not None for r in results[ctx._count :]):
            raise RuntimeError(
                f"{self.name}.backward: expected {ctx._count} gradients, one for each argument of forward, "
                f"got {len(results)}"
            )
        for i, r in enumerate(results[: ctx._count]):
            if r is not None and not isinstance(r, Tensor):
                raise TypeError(f"{self.name}.backward: gradient {i} must be a tensor or None, got {type(r).__name__}")
        places = {p: i for i, p in ctx._positions.items()}
        return [results[places[p]] for p in range(len(self.edges))]


class Context:
    """What forward leaves for backward: `save_for_backward(...)`, and any attribute."""

    def __init__(self):
        self._tosave, self._node, self._dirty, self._constant = (), None, (), ()
        self._materialize = True
        self._positions, self._count = {}, 0
        self.needs_input_grad = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (arguments, outputs or others): version-checked, freed after backward."""
        self._tosave = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors kept by `save_for_backward`."""
        return tuple(self._tosave) if self._node is None else tuple(self._node().kept())

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward has written to these arguments and returns them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether outputs nobody used come to backward as zeros (default) or as None."""
        self._materialize = value


class Function:
    """Base of custom operations.

        class Cube(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 3 * x**2 * g

        y = Cube.apply(x)

    backward gives one gradient (or None) for each argument of forward.  Written in operations on tensors, it is
    differentiable again; `@once_differentiable` refuses that instead.  A class may split forward into
    forward(*args) and setup_context(ctx, inputs, output).
    """

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx, *gs):
        raise NotImplementedError("a Function needs a static method backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args):
        """Run forward, and record the call if an argument requires grad."""
        ctx = Context()
        tensors = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx._positions = {i: p for p, (i, _) in enumerate(tensors)}
        ctx._count = len(args)
        edges = [a.edge() for _, a in tensors]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        before = {id(a): a._storage.version for _, a in tensors}
        with no_grad():
            if "setup_context" in {k for c in cls.__mro__ for k in vars(c)}:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
        outs = result if isinstance(result, tuple) else (result,)
        for o in outs:
            if not isinstance(o, Tensor):
                raise TypeError(f"{cls.__name__}.forward: outputs must be tensors, got {type(o).__name__}")
        if not (state.recording and any(edges)):
            return result
        dirty = {id(t) for t in ctx._dirty}
        constant = {id(t) for t in ctx._constant}
        for _, a in tensors:
            if a._storage.version != before[id(a)] and id(a) not in dirty:
                raise RuntimeError(f"{cls.__name__}.forward: wrote to an argument; declare it by ctx.mark_dirty")
        if not dirty <= {id(o) for o in outs}:
            raise RuntimeError(f"{cls.__name__}.forward: a tensor that was marked dirty must be returned")
        outs = tuple(_own(o, tensors, dirty, cls) for o in outs)
        node = FunctionNode(edges, tuple((o.array.shape, o.array.dtype) for o in outs), outs[0].device)
        node.function, node.ctx = cls, ctx
        if state.anomaly:
            from .anomaly import forward_line

            node.line = forward_line()
        slots = {id(o): s for s, o in enumerate(outs)}
        slots |= {id(o): s for s, o in enumerate(result if isinstance(result, tuple) else (result,))}
        node.keep(tuple(_saved(t, slots, dirty) for t in ctx._tosave))
        ctx._tosave, ctx._node = (), weakref.ref(node)
        for s, o in enumerate(outs):
            if is_floating(o.dtype) and id(o) not in constant:
                o._edge = (node, s)
                if id(o) in dirty:  # views of it are to be recorded anew
                    o._storage.rewrites += 1
        return outs if isinstance(result, tuple) else outs[0]


def _saved(t, slots, dirty):
    if t is None:
        return (None, None, None, 0)
    if id(t) in slots:
        return (t.array, slots[id(t)], t._storage, t._storage.version)
    return operand(t)


def _own(o, tensors, dirty, cls):
    """An output on an argument's memory becomes a view that cannot be written, unless it is declared as written."""
    if id(o) in dirty:
        if o.is_leaf and o.requires_grad:
            raise RuntimeError(f"{cls.__name__}.forward: a leaf that requires grad was written in place")
        if o._base is not None:
            raise RuntimeError(f"{cls.__name__}.forward: a view cannot be marked dirty; clone it first")
        return o
    source = next((a for _, a in tensors if a._storage is o._storage), None)
    if source is None:
        o._base, o._chain, o._unrecorded_view = None, (), False  # what it may be a view of, nobody else has
        return o
    own = wrap(o.array)
    own._storage = o._storage
    own._base = source if source._base is None else source._base
    own._rewrites, own._unrecorded_view = o._storage.rewrites, True
    return own


def once_differentiable(backward):
    """Decorator of a backward that must not be differentiated again: doing so raises."""

    @functools.wraps(backward)
    def run(ctx, *gs):
        with no_grad():
            results = backward(ctx, *gs)
        if not state.recording:
            return results
        name, sources = backward.__qualname__, [*gs, *_arguments(ctx._node())]
        several = isinstance(results, tuple)
        refused = tuple(
            None if r is None else _Refuse.apply(name, r, *sources) for r in (results if several else (results,))
        )
        return refused if several else refused[0]

    return run


def _arguments(node):
    """Stand-ins for the arguments of a call: their places in the graph, without their values."""
    xp = node.device.xp
    for edge in node.edges:
        if edge is not None:
            shape, dtype = edge[0].outs[edge[1]]
            t = wrap(xp.broadcast_to(xp.zeros((), dtype), shape))
            t._edge = edge
            yield t


class _Refuse(Function):
    """A gradient as it is, tied to all that it may depend on."""

    @staticmethod
    def forward(ctx, name, r, *gs):
        ctx.name = name
        return r.clone()

    @staticmethod
    def backward(ctx, *gs):
        raise RuntimeError(f"{ctx.name}: is marked once_differentiable, and was differentiated a second time")
