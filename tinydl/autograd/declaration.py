"""What an operation is: its body, its rules, and how its arguments are split into tensors and constants."""

from __future__ import annotations

import inspect

from .autocast import POLICIES


class Array:
    """Annotation of an argument that is a tensor: `x: Array`, `x: Array | None`, `xs: list[Array]`, `*xs: Array`."""


_PUBLIC_HINT = {"Array": "Tensor", "Array | None": "Tensor | None", "list[Array]": "list[Tensor]"}


class Op:
    """An operation: its body, its rules, and how its arguments are split into tensors and constants."""

    def __init__(self, body, promote=None, hidden=(), view=False, fused=False, exact=False):
        self.name = body.__name__.strip("_")
        self.policy = POLICIES.get(self.name)
        self.body = body
        self.promote = promote
        self.hidden = tuple(hidden)
        self.view, self.exact = view, exact or view
        self.fused = fused
        self.rules = ()
        self.joint = None
        self.only_for = {}
        self.plans = {}
        self._split(body)

    def _split(self, body):
        parameters = list(inspect.signature(body).parameters.values())
        self.parameters = parameters if self.fused else parameters[1:]
        self.arrays, self.constants, self.variadic = [], [], False
        for p in self.parameters:
            hint = _text(p.annotation)
            if hint == "list[Array]" or (hint == "Array" and p.kind is p.VAR_POSITIONAL):
                self.variadic = True
            elif hint not in ("Array", "Array | None"):
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
        constants = "".join(c + ", " for c in self.constants)
        source = (
            f"def {name}({', '.join(taken)}):\n"
            f"    return _enter(_op, ({''.join(a + ', ' for a in arrays)}), ({constants}))\n"
            f"def _with_kernel(f, a, c):\n    return f({', '.join(passed)})\n"
            f"def _with_body(f, xp, a, c):\n    return f({', '.join(['xp', *passed])})\n"
        )
        if self.fused:
            given = f"g, {', '.join(passed)}, *h, needed=needed"
            source += f"def _with_gradient(f, g, a, c, h, needed):\n    return f({given})\n"
        exec(source, names := names | {"_enter": enter, "_op": self, "__name__": __name__})
        self.with_kernel, self.with_body = names["_with_kernel"], names["_with_body"]
        self.with_gradient = names.get("_with_gradient")
        function = names[name]
        function.__doc__, function.__module__ = self.body.__doc__, self.body.__module__
        function.__qualname__ = self.body.__qualname__
        hints = {p.name: _text(p.annotation) for p in self.parameters if p.annotation is not p.empty}
        function.__annotations__ = {n: _PUBLIC_HINT.get(h, h) for n, h in hints.items()} | {"return": "Tensor"}
        function.op, function.grads, function.grads_together = self, self.grads, self.grads_together
        return function

    def grads(self, *rules):
        """One rule for each array argument, in order; None for one that has no gradient."""
        if len(rules) != len(self.arrays):
            raise TypeError(
                f"{self.name}.grads: expected one rule for each of {', '.join(self.arrays)}, got {len(rules)}"
            )
        self.rules = rules
        self._check_names(*[r for r in rules if r is not None])

    def grads_together(self, rule, only_for=None):
        """One rule that returns the gradients of all array arguments, where they share work.

        only_for: {a: b}: the rule uses argument a for the gradient of b alone.  Where b requires none, a is not kept,
        and the rule gets None.
        """
        unknown = {*(only_for or {}), *(only_for or {}).values()} - set(self.arrays)
        if unknown:
            raise TypeError(f"{self.name}: only_for names {sorted(unknown)}; its arrays are {self.arrays}")
        self.joint = rule
        self.only_for = only_for or {}
        self.rules = (rule,) * len(self.arrays)
        self._check_names(rule)

    def _check_names(self, *rules):
        known = {"g", "y", "needed", *self.arrays, *self.constants, *self.hidden}
        known |= {f"{a}_like" for a in self.arrays} | {f"g_{h}" for h in self.hidden}
        for rule in rules:
            strange = set(_names(rule)) - known
            if strange:
                raise TypeError(f"{self.name}: a rule names {sorted(strange)}; it may name {sorted(known)}")

    def plan(self, mask, count):
        """What to keep, and how to call the rules, when the inputs of `mask` (of `count`) require grad."""
        found = self.plans.get((mask, count))
        if found is None:
            found = self.plans[mask, count] = Plan(self, mask, count)
        return found

    def __repr__(self):
        return f"<op {self.name}>"


def _text(annotation) -> str:
    """An annotation as it was written, also where it is text already (`from __future__ import annotations`)."""
    if isinstance(annotation, str):
        return annotation
    return inspect.formatannotation(annotation).replace(f"{__name__}.", "")


def _names(rule) -> tuple[str, ...]:
    """The names of a rule's parameters."""
    code = getattr(rule, "__code__", None)
    if code is None or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return tuple(inspect.signature(rule).parameters)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


class Plan:
    """For one operation and one set of inputs that require grad: what is kept, and which rules run on what.

    What rules may name comes in one list: g, then `arguments`, `likes`, y, `hidden`, the gradients of hidden
    outputs, `needed`, the constants, None for each of the arguments that are `spared`.  `picks` holds for each rule
    the positions of what it names.
    """

    def __init__(self, op, mask, count):
        last = len(op.arrays) - 1
        owner = [min(i, last) for i in range(count)]  # the argument to which each input belongs
        self.rules = [op.rules[owner[i]] if mask >> i & 1 else None for i in range(count)]
        named = [name for rule in self.rules if rule for name in _names(rule)]
        if op.fused:  # for orders that its gradient kernel does not have, the body needs the inputs
            named += [*op.arrays, *op.hidden]

        def inputs_of(name):
            return [i for i in range(count) if op.arrays[owner[i]] == name]

        self.spared = [n for n, other in op.only_for.items() if not mask >> op.arrays.index(other) & 1]
        self.arguments = [n for n in op.arrays if n in named and n not in self.spared]
        self.likes = [n for n in op.arrays if f"{n}_like" in named]
        self.hidden = [n for n in op.hidden if n in named]
        self.inputs = [i for n in self.arguments for i in inputs_of(n)]
        self.like_inputs = [i for n in self.likes for i in inputs_of(n)]
        self.wants_y = "y" in named
        self.takes = {n.removeprefix("g_") for n in named if n.startswith("g_")}  # hidden outputs that may have g
        order = ["g", *self.arguments, *(f"{n}_like" for n in self.likes), *["y"] * self.wants_y, *self.hidden]
        order += [*(f"g_{h}" for h in op.hidden), "needed", *op.constants, *self.spared]
        self.picks = [[order.index(n) for n in _names(rule)] if rule else None for rule in self.rules]
        self.many = len(inputs_of(op.arrays[-1])) if op.variadic else None
        self.fixed = count - (self.many or 0)
        self.joint_picks = op.joint and [order.index(n) for n in _names(op.joint)]
