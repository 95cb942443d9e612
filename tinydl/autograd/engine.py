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
    an argument       the tensor, or the constant
    x_like            shape, dtype and device of argument x
    a hidden output   an output of the body that callers do not see; g_NAME is its gradient
    needed            for each array argument whether its gradient is wanted (rules given by `grads_together`)
"""

from __future__ import annotations

import inspect
import typing

import numpy as np

from .. import dtype as dtypes
from ..device import _BY_ARRAY, CPU
from ..tensor import Tensor, wrap
from .graph import OPS, Like, RecordedNode, operand, walk
from .mode import enable_grad, state

observers: list = []  # profilers: each is told of every operation that ran


class Array:
    """Annotation of an argument that is a tensor: `x: Array`, `x: Array | None`, `xs: list[Array]`, `*xs: Array`."""


# ---------------------------------------------------------------- declaration
class Op:
    """An operation: its body, its rules, and how its arguments are split into tensors and constants."""

    def __init__(self, body, promote=None, hidden=(), view=False, fused=False):
        self.name = body.__name__.strip("_")
        self.body = body
        self.promote = promote
        self.hidden = tuple(hidden)
        self.view = view
        self.fused = fused
        self.rules = ()
        self.joint = None
        self._plans = {}
        self._split(body)

    def _split(self, body):
        hints = typing.get_type_hints(body)
        parameters = list(inspect.signature(body).parameters.values())
        self.parameters = parameters if self.fused else parameters[1:]
        self.arrays, self.constants, self.variadic = [], [], False
        for p in self.parameters:
            hint = hints.get(p.name)
            if hint == list[Array] or (hint is Array and p.kind is p.VAR_POSITIONAL):
                self.variadic = True
            elif hint is not Array and Array not in typing.get_args(hint):
                self.constants.append(p.name)
                continue
            self.arrays.append(p.name)

    def public(self, enter):
        """The function that users call: it sorts its arguments into tensors and constants, once and for all."""
        taken, sorted_in, passed = [], [], []
        for p in self.parameters:
            star = "*" if p.kind is p.VAR_POSITIONAL else ""
            if p.kind is p.KEYWORD_ONLY and "*" not in "".join(taken):
                taken.append("*")
            taken.append(star + p.name + ("" if p.default is p.empty else f"=_{p.name}"))
            if p.name in self.arrays:
                i = self.arrays.index(p.name)
                last = self.variadic and i == len(self.arrays) - 1
                sorted_in.append(("*" if last else "") + p.name)
                slot = f"a[{i}:]" if last else f"a[{i}]"
                passed.append(star + slot)
            else:
                slot = f"c[{self.constants.index(p.name)}]"
                passed.append(f"{p.name}={slot}" if p.kind is p.KEYWORD_ONLY else slot)
        arrays = sorted(sorted_in, key=lambda s: self.arrays.index(s.strip("*")))
        names = {f"_{p.name}": p.default for p in self.parameters if p.default is not p.empty}
        name = self.body.__name__
        source = (
            f"def {name}({', '.join(taken)}):\n"
            f"    return _enter(_op, ({''.join(a + ', ' for a in arrays)}), ({''.join(c + ', ' for c in self.constants)}))\n"
            f"def _with_kernel(f, a, c):\n    return f({', '.join(passed)})\n"
            f"def _with_body(f, xp, a, c):\n    return f({', '.join(['xp', *passed])})\n"
        )
        exec(source, names := names | {"_enter": enter, "_op": self})
        self.with_kernel, self.with_body = names["_with_kernel"], names["_with_body"]
        function = names[name]
        function.__doc__, function.__module__ = self.body.__doc__, self.body.__module__
        function.__qualname__ = self.body.__qualname__
        function.__signature__ = inspect.Signature(
            [p.replace(annotation=_PUBLIC_HINT.get(str(p.annotation), p.annotation)) for p in self.parameters],
            return_annotation="Tensor",
        )
        function.op, function.grads, function.grads_together = self, self.grads, self.grads_together
        return function

    def grads(self, *rules):
        """One rule for each array argument, in order; None for one that has no gradient."""
        if self.variadic and len(rules) != len(self.arrays):
            raise TypeError(f"{self.name}.grads: expected {len(self.arrays)} rules, got {len(rules)}")
        if len(rules) != len(self.arrays):
            raise TypeError(
                f"{self.name}.grads: expected one rule for each of {', '.join(self.arrays)}, got {len(rules)}"
            )
        self.rules = rules
        self._check_names(*[r for r in rules if r is not None])

    def grads_together(self, rule):
        """One rule that returns the gradients of all array arguments, where they share work."""
        self.joint = rule
        self.rules = (rule,) * len(self.arrays)
        self._check_names(rule)

    def _check_names(self, *rules):
        known = {"g", "y", "needed", *self.arrays, *self.constants, *self.hidden}
        known |= {f"{a}_like" for a in self.arrays} | {f"g_{h}" for h in self.hidden}
        for rule in rules:
            strange = set(inspect.signature(rule).parameters) - known
            if strange:
                raise TypeError(f"{self.name}: a rule names {sorted(strange)}; it may name {sorted(known)}")

    def plan(self, mask, count):
        """What to keep, and how to call the rules, when the inputs of `mask` (of `count`) require grad."""
        found = self._plans.get((mask, count))
        if found is None:
            found = self._plans[mask, count] = Plan(self, mask, count)
        return found

    def __repr__(self):
        return f"<op {self.name}>"


_PUBLIC_HINT = {"Array": "Tensor", "Array | None": "Tensor | None", "list[Array]": "list[Tensor]"}


class Plan:
    """For one operation and one set of inputs that require grad: what is kept, and which rules run on what.

    What rules may name comes in one list: g, then `arguments`, `likes`, y, `hidden`, the gradients of hidden
    outputs, `needed`, the constants.  `picks` holds for each rule the positions of what it names.
    """

    def __init__(self, op, mask, count):
        last = len(op.arrays) - 1
        owner = [min(i, last) for i in range(count)]  # the argument to which each input belongs
        self.rules = [op.rules[owner[i]] if mask >> i & 1 else None for i in range(count)]
        named = [name for rule in self.rules if rule for name in inspect.signature(rule).parameters]
        if op.fused:  # for orders that its gradient kernel does not have, the body needs the inputs
            named += [*op.arrays, *op.hidden]

        def inputs_of(name):
            return [i for i in range(count) if op.arrays[owner[i]] == name]

        self.arguments = [n for n in op.arrays if n in named]
        self.likes = [n for n in op.arrays if f"{n}_like" in named]
        self.hidden = [n for n in op.hidden if n in named]
        self.inputs = [i for n in self.arguments for i in inputs_of(n)]
        self.like_inputs = [i for n in self.likes for i in inputs_of(n)]
        self.wants_y = "y" in named
        self.takes = {n.removeprefix("g_") for n in named if n.startswith("g_")}  # hidden outputs that may have g
        order = ["g", *self.arguments, *(f"{n}_like" for n in self.likes), *["y"] * self.wants_y, *self.hidden]
        order += [*(f"g_{h}" for h in op.hidden), "needed", *op.constants]
        self.picks = [
            [order.index(n) for n in inspect.signature(rule).parameters] if rule else None for rule in self.rules
        ]
        self.many = len(inputs_of(op.arrays[-1])) if op.variadic else None
        self.fixed = count - (self.many or 0)
        self.joint_picks = op.joint and [order.index(n) for n in inspect.signature(op.joint).parameters]


def op(body=None, *, promote=None, hidden=(), view=False):
    """Declare an operation by its body `f(xp, ...)`.

    promote: how the array arguments' types are brought together: None (each keeps its own), `by_category`,
    `floating` (integers become the default floating type), `equal` (a mixture is refused).
    hidden: names of trailing outputs that only rules see.  view: the output shares the (first) input's memory.
    """
    if body is None:
        return lambda body: op(body, promote=promote, hidden=hidden, view=view)
    declared = Op(body, promote, hidden, view)
    if declared.name in OPS:
        raise TypeError(f"op {declared.name}: declared twice")
    OPS[declared.name] = function = declared.public(apply)
    return function


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


# ---------------------------------------------------------------- types
def by_category(op, arrays):
    """PyTorch's promotion: categories bool < int < float; numbers and 0-d tensors only lift the category."""
    if len(arrays) == 2:  # the usual cases, quickly
        a, b = arrays
        if a.__class__ is np.ndarray:
            if b.__class__ is np.ndarray:
                if a.dtype is b.dtype:
                    return arrays
            elif b.__class__ in _NUMBERS and a.dtype.kind == "f":
                return [a, a.dtype.type(b)]
    elif len(arrays) == 1 and arrays[0].__class__ is np.ndarray:
        return arrays
    return _cast(arrays, dtypes.result_of([a for a in arrays if a is not None]))


def floating(op, arrays):
    """As `by_category`; integers then become the default floating type."""
    arrays = by_category(op, arrays)
    if next(a for a in arrays if a is not None).dtype.kind == "f":
        return arrays
    return _cast(arrays, dtypes.get_default_dtype())


def equal(op, arrays):
    """All of one type; a mixture is refused."""
    found = {a.dtype for a in arrays if hasattr(a, "dtype")}
    if len(found) > 1:
        got = ", ".join(f"{n} {a.dtype}" for n, a in zip(op.arrays, arrays) if hasattr(a, "dtype"))
        raise RuntimeError(f"{op.name}: expected tensors of one dtype, got {got}; convert with .to(dtype)")
    return _cast(arrays, found.pop()) if found else by_category(op, arrays)


def promoting(*positions, to=by_category):
    """Promotion among some of the arguments only: the condition of `where` takes no part, say."""

    def promote(op, arrays):
        among = to(op, [arrays[i] for i in positions])
        arrays = list(arrays)
        for i, a in zip(positions, among):
            arrays[i] = a
        return arrays

    return promote


def _cast(arrays, dtype):
    return [
        a
        if a is None or (a.__class__ is np.ndarray and a.dtype is dtype)
        else _typed(a, dtype)
        for a in arrays
    ]


def _typed(a, dtype):
    if hasattr(a, "dtype"):
        return a if a.dtype == dtype else a.astype(dtype)
    try:
        return dtype.type(a)
    except OverflowError:
        if dtype.kind == "u" or isinstance(a, float):
            return np.asarray(a).astype(dtype)[()]
        raise


# ---------------------------------------------------------------- running
def _place(op, inputs):
    """The device that the inputs lie on, and their arrays; numbers stay numbers."""
    device = None
    arrays = []
    for x in inputs:
        if isinstance(x, Tensor):
            x = x.array
            found = _BY_ARRAY[x.__class__]
            if device is None:
                device = found
            elif found is not device:
                return _place_mixed(op, inputs)
        elif not (x is None or x.__class__ in _NUMBERS):
            return _place_mixed(op, inputs)
        arrays.append(x)
    return device or CPU, arrays


_NUMBERS = frozenset((int, float, bool))


def _place_mixed(op, inputs):
    """As `_place` for what is less common: NumPy's arrays and scalars, 0-d CPU tensors among CUDA ones."""
    arrays = [_as_array(op, i, x) for i, x in enumerate(inputs)]
    devices = {_BY_ARRAY[type(a)] for a in arrays if type(a) in _BY_ARRAY}
    if len(devices) > 1:
        other = [d for d in devices if d is not CPU]
        if len(other) > 1 or any(type(a) is np.ndarray and a.ndim for a in arrays):
            names = " and ".join(sorted(map(str, devices)))
            raise RuntimeError(f"{op.name}: tensors on {names}; call .to('{other[0]}')")
        return other[0], [a[()] if type(a) is np.ndarray else a for a in arrays]
    return devices.pop() if devices else CPU, arrays


def _as_array(op, i, x):
    if isinstance(x, Tensor):
        return x.array
    if x is None or isinstance(x, (int, float)):
        return x
    if isinstance(x, np.generic):
        return x.item()
    if type(x) in _BY_ARRAY:
        dtypes.as_dtype(x.dtype)
        return x
    name = op.arrays[min(i, len(op.arrays) - 1)]
    raise TypeError(f"{op.name}: argument '{name}' must be a tensor or a number, got {type(x).__name__}")


def _execute(op, device, arrays, constants):
    """The output array or arrays, by the device's kernel where it serves, else by the body."""
    kernel = device.kernels[op.name]
    if kernel is not None:
        out = op.with_kernel(kernel, arrays, constants)
        if out is not NotImplemented:
            return out
    try:
        return op.with_body(op.body, device.xp, arrays, constants)
    except ValueError as e:
        if str(e).startswith(op.name):
            raise
        raise ValueError(f"{op.name}: {_explain(op, arrays, e)}") from None


def _explain(op, arrays, e):
    shapes = [tuple(a.shape) for a in arrays if hasattr(a, "shape")]
    if "broadcast" in str(e):
        return f"shapes {' and '.join(map(str, shapes))} do not broadcast: sizes must be equal, or one of them 1"
    return f"{e} (shapes {', '.join(map(str, shapes))})"


def apply(op, inputs, constants):
    """Run `op`, and record it where a gradient may be wanted."""
    device, arrays = _place(op, inputs)
    if op.promote is not None:
        arrays = op.promote(op, arrays)
    elif not _NUMBERS.isdisjoint(map(type, arrays)):
        arrays = [_typed(a, dtypes.of_number(a)) if a.__class__ in _NUMBERS else a for a in arrays]
    out = (_observed if observers else _execute)(op, device, arrays, constants)
    kind = device.array_type
    if out.__class__ is tuple:
        made = [wrap(a if a.__class__ is kind else device.xp.asarray(a)) for a in out]
    else:
        made = [wrap(out if out.__class__ is kind else device.xp.asarray(out))]
    if op.view:
        mark_view(made[0], op, inputs[0], constants)
    if op.rules and state.recording:
        record(op, inputs, arrays, constants, made, device, OpNode)
    if state.anomaly:
        _refuse_new_nan(op, arrays, made)
    if op.hidden:
        made = made[: -len(op.hidden)]
    return made[0] if len(made) == 1 else tuple(made)


def record(op, inputs, arrays, constants, made, device, node_class):
    """Give the tensors `made` a node, if an input that has a rule requires grad."""
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
    plan = op.plan(mask, len(edges))
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
        saved.append((made[s].array, s if outs[s][1].kind == "f" else None, None, 0))
    node.keep(tuple(saved))
    if state.anomaly:
        from .anomaly import forward_line

        node.line = forward_line()
    for s, t in enumerate(made):
        if outs[s][1].kind == "f":
            t._edge = (node, s)


class OpNode(RecordedNode):
    """A recorded operation, and the operands that its rules name."""

    likes = ()

    def __init__(self, op, plan, edges, outs, device, constants):
        super().__init__(edges, outs, device)
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
    if not (isinstance(x, Tensor) and y.device.xp.may_share_memory(y.array, x.array)):
        return
    y._base = x if x._base is None else x._base
    y._chain = (*x._chain, (op, constants))
    y._storage = x._storage
    y._rewrites = x._storage.rewrites
    y._unrecorded_view = x._unrecorded_view or not state.recording


# ---------------------------------------------------------------- fused composites
def apply_fused(op, inputs, constants):
    """Run a composite by its kernel, if the device has one that serves; else run its body."""
    device, arrays = _place(op, inputs)
    kernel = device.kernels[op.name]
    types = {a.dtype for a in arrays if hasattr(a, "dtype") and a.dtype.kind == "f"}
    if kernel is None or len(types) != 1 or any(a.__class__ in _NUMBERS for a in arrays):
        return op.with_kernel(op.body, inputs, constants)
    out = _observed(op, device, arrays, constants) if observers else op.with_kernel(kernel, arrays, constants)
    if out is NotImplemented:
        return op.with_kernel(op.body, inputs, constants)
    outs = out if isinstance(out, tuple) else (out,)
    made = [wrap(a if isinstance(a, device.array_type) else device.xp.asarray(a)) for a in outs]
    if state.recording:
        if not op.rules:
            op.rules = (_gradient_of_fused,) * len(op.arrays)
        record(op, inputs, arrays, constants, made, device, FusedNode)
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
        op = self.op
        g = gs[0].array if len(gs) == 1 else tuple(None if g is None else g.array for g in gs)
        arrays = [None if x is None else x.array for x in inputs]
        fixed = len(op.arrays) - op.variadic
        named = dict(zip(op.arrays, arrays[:fixed]))
        if op.variadic:
            named[op.arrays[-1]] = arrays[fixed:]
        out = kernel(
            g, **named, **dict(zip(op.constants, self.constants)),
            **dict(zip(op.hidden, [h.array for h in hidden])), needed=tuple(wanted),
        )  # fmt: skip
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


# ---------------------------------------------------------------- watching
def _observed(op, device, arrays, constants):
    """As `_execute`, telling the observers what ran, by what, and how long it took."""
    import time

    device.synchronize()
    start = time.perf_counter()
    kernel = device.kernels[op.name]
    out = NotImplemented if kernel is None else op.with_kernel(kernel, arrays, constants)
    served = out is not NotImplemented
    if not served and not op.fused:
        out = op.with_body(op.body, device.xp, arrays, constants)
    device.synchronize()
    spent = time.perf_counter() - start
    for observer in observers:
        observer.ran(op.name, device, arrays, out, spent, served, declined=kernel is not None and not served)
    return out


def _refuse_new_nan(op, arrays, made):
    def has_nan(a):
        return hasattr(a, "dtype") and a.dtype.kind == "f" and bool((a != a).any())

    if any(has_nan(t.array) for t in made) and not any(has_nan(a) for a in arrays if a is not None):
        from .anomaly import forward_line

        raise RuntimeError(f"{op.name}: its result has NaN, its operands have none. It ran here:\n{forward_line()}")
