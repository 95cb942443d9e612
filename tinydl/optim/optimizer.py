"""What all optimizers share: groups of parameters, state for each, checks, saving and loading."""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from numbers import Real
from typing import Any

from ..autograd import enable_grad, set_grad_enabled
from ..autograd.hooks import Handle
from ..device import of_array
from ..dtype import float32
from ..kernels.gpu import recording
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor, caller
from . import captured, differentiable
from .update import Update


def number(value) -> float:
    """An option as a Python number; it may be a tensor with one element."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise ValueError(f"optim: a tensor option must have one element, got shape {tuple(value.shape)}")
    return value.item()


# option -> (how many numbers, test, what it must be)
_NOT_NEGATIVE = 1, lambda v: v >= 0, "at least 0"
_ANY = 1, lambda v: v == v, "a number"
_COUNT = 1, lambda n: isinstance(n, int) and n > 0, "a positive integer"
_LIMITS = dict.fromkeys(
    ("lr", "eps", "weight_decay", "momentum", "alpha", "lr_decay", "momentum_decay",
     "initial_accumulator_value"),
    _NOT_NEGATIVE,
) | dict.fromkeys(("dampening", "lambd", "t0", "tolerance_grad", "tolerance_change"), _ANY) | dict.fromkeys(
    ("max_iter", "max_eval", "history_size"), _COUNT
) | {
    "rho": (1, lambda v: 0 <= v <= 1, "between 0 and 1"),
    "betas": (2, lambda a, b: 0 <= a < 1 and 0 <= b < 1, "two numbers in [0, 1)"),
    "etas": (2, lambda a, b: 0 < a < 1 < b, "two numbers, 0 < first < 1 < second"),
    "step_sizes": (2, lambda a, b: 0 <= a <= b, "two numbers, 0 <= smallest <= largest"),
}  # fmt: skip
# PyTorch's options about implementation rather than mathematics, which make no difference here
_IMPLEMENTATION = ("foreach", "fused", "capturable")


class Optimizer:
    """Base of all optimizers: updates tensors by their `grad`, in groups with their own options.

    params: tensors; or (name, tensor) pairs; or dicts with 'params' and options that differ from
    `defaults`.  An algorithm is an `update` on arrays, `_begin` (its first state), and `_advance`
    (the numbers of a step).

    differentiable=True: steps are recorded.  The parameters, which must be computed tensors (clones,
    say), become the step's results, and gradients flow through it to their first values, to
    gradients made with create_graph, and to options that are tensors.
    """

    update: Update
    has_stepped = False

    def __init__(self, params: Iterable, defaults: dict[str, Any], implementation: dict | None = None):
        implementation = implementation or {}
        for name in implementation:
            if name not in (*_IMPLEMENTATION, "differentiable"):
                raise TypeError(f"{self._name}: unexpected argument {name!r}")
        self.differentiable = bool(implementation.get("differentiable"))
        if isinstance(params, Tensor | dict | str) or not isinstance(params, Iterable):
            advice = "give its parameters()" if hasattr(params, "parameters") else "write [params] for a single one"
            raise TypeError(
                f"{self._name}: expected an iterable of tensors or of groups (dicts), "
                f"got {type(params).__name__}; {advice}"
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._hooks: dict[str, list] = defaultdict(list)
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got no parameters to optimize")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def _name(self):
        return type(self).__name__

    # ---- groups
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; others are the optimizer's defaults.

        ValueError for an option out of range, a computed tensor, or one that another group has.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"{self._name}: a group must be a dict, got {type(param_group).__name__}")
        group = self.defaults | param_group
        given = group["params"]
        if isinstance(given, set):
            raise TypeError(f"{self._name}: a set has no order that could be saved; give a list of parameters")
        given = [given] if isinstance(given, Tensor) else list(given)
        names = [item[0] for item in given if isinstance(item, tuple)]
        group["params"] = [item[1] if isinstance(item, tuple) else item for item in given]
        if names:
            group["param_names"] = names
        self._check_names(group)
        self._check_params(group["params"])
        self._check_options(group)
        self.param_groups.append(group)

    def _check_names(self, group):
        named = "param_names" in group
        partly = named and len(group["param_names"]) != len(group["params"])
        if partly or any(("param_names" in other) != named for other in self.param_groups):
            raise ValueError(f"{self._name}: either all parameters come with names or none")

    def _check_params(self, params):
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: can only optimize tensors, got {type(p).__name__}")
            if not (p.is_leaf or p.retains_grad or self.differentiable):
                raise ValueError(f"{self._name}: can only optimize leaves; shape {tuple(p.shape)} was computed")
        if len(set(params)) != len(params):
            warnings.warn(
                f"{self._name}: a group has duplicate parameters; they are updated more than once",
                stacklevel=4,
            )
        if not {p for g in self.param_groups for p in g["params"]}.isdisjoint(params):
            raise ValueError(f"{self._name}: some parameters appear in more than one parameter group")

    def _check_options(self, group):
        for name in _LIMITS.keys() & group:
            self._check_option(name, group[name])

    def _check_option(self, name, given):
        count, allows, wanted = _LIMITS[name]
        values = given if count > 1 and isinstance(given, tuple | list) else [given]
        if len({isinstance(v, Tensor) for v in values}) > 1:
            raise ValueError(f"{self._name}: {name} must be either all numbers or all tensors")
        if not all(isinstance(number(v), Real) for v in values):
            raise TypeError(f"{self._name}: {name} must be {wanted}, got {given!r} ({type(given).__name__})")
        if len(values) != count or not allows(*map(number, values)):
            raise ValueError(f"{self._name}: {name} must be {wanted}, got {given}")

    # ---- the step
    def _begin(self, p: Tensor, group: dict) -> dict:
        """The state of a parameter that is updated for the first time."""
        return {}

    def _advance(self, p: Tensor, state: dict, group: dict) -> dict:
        """Constants of the coming update that differ from parameter to parameter."""
        return {}

    def step(self, closure: Callable | None = None):
        """Update every parameter that has a gradient.  Returns what `closure`, if given, returned.

        closure: computes the loss again, gradients included.
        RuntimeError, with nothing changed, if a gradient does not fit its parameter.
        """
        for hook in tuple(self._hooks["step_pre"]):
            hook(self, (closure,), {})
        self.has_stepped = True
        with set_grad_enabled(self.differentiable):
            loss = self._step(closure and enable_grad()(closure))
        for hook in tuple(self._hooks["step_post"]):
            hook(self, (closure,), {})
        return loss

    def _step(self, closure):
        loss = closure() if closure else None
        for group in self.param_groups:
            for p in group["params"]:
                self._check_gradient(p)
        if recording.now.step is not None and recording.now.step.capturing:
            captured.update(self, recording.now.step)
        else:
            self._update_groups()
        return loss

    def _update_groups(self):
        """Update all groups; for each whether kernels did it."""
        return [self._update_group(group) for group in self.param_groups]

    def _check_gradient(self, p):
        g = p.grad
        if g is None:
            return
        a, b = p.array, g.array
        if a.shape != b.shape or a.dtype != b.dtype or a.__class__ is not b.__class__:
            raise RuntimeError(
                f"{self._name}: a gradient is {tuple(g.shape)} {g.dtype} on {g.device}, its "
                f"parameter {tuple(p.shape)} {p.dtype} on {p.device}; no parameter was updated"
            )
        if self.differentiable and (p.requires_grad and p.is_leaf or p._base is not None):
            raise RuntimeError(
                f"{self._name}: differentiable=True replaces parameters by computed ones, and a parameter of shape "
                f"{tuple(p.shape)} is a {'view' if p._base is not None else 'leaf'}; optimize clones, p.clone(), and "
                "run a module on them by tinydl.func.functional_call"
            )

    def _update_group(self, group):
        jobs = defaultdict(list)
        writer = caller(f"{self._name}.step", sys._getframe(1))
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            state = self.state[p]
            if not state:
                state |= self._begin(p, group)
            own = self._advance(p, state, group)
            if self.differentiable:
                differentiable.run(self.update, p, state, self._shared(group, own) | own)
                continue
            array, kept = p.array, [state.get(name) for name in self.update.state]
            arrays = array, grad.array, *[None if a is None else a.array for a in kept]
            jobs[array.__class__].append((arrays, own))
            p._storage.written_by(writer)
        served = True
        for found in jobs.values():
            arrays, own = found[0]
            served &= self.update.run(of_array(arrays[0]), found, self._shared(group, own))
        return served

    def _shared(self, group, own):
        """The constants of an update that are options, the same for all parameters of the group."""
        return {n: self._plain(group[n]) for n in self.update.constants if n not in own}

    def _plain(self, value):
        """An option with Python numbers for its tensors, but for those that a recorded step differentiates."""
        if isinstance(value, tuple | list):
            return tuple(map(self._plain, value))
        if self.differentiable and isinstance(value, Tensor) and value.requires_grad:
            return value.reshape(())
        return number(value)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else zeros_like(p.grad)

    # ---- hooks
    def _hook(self, kind, hook):
        self._hooks[kind].append(hook)
        return Handle(self._hooks[kind], hook)

    def register_step_pre_hook(self, hook: Callable) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step."""
        return self._hook("step_pre", hook)

    def register_step_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return self._hook("step_post", hook)

    # ---- saving and loading
    def state_dict(self) -> dict[str, Any]:
        """{'state': {number of parameter: its state}, 'param_groups': options, with numbers}."""
        numbers = {}
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(p, len(numbers))
        groups = [g | {"params": [numbers[p] for p in g["params"]]} for g in self.param_groups]
        return {"state": {numbers[p]: s for p, s in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state (copied; floating state in the parameters' dtype and place).

        ValueError, with nothing changed, if groups or shapes do not fit.
        """
        saved = state_dict["param_groups"]
        sizes = [len(g["params"]) for g in self.param_groups], [len(g["params"]) for g in saved]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"{self._name}: the state has groups of {sizes[1]} parameters, the optimizer of {sizes[0]}"
            )
        params = {i: p for mine, its in zip(self.param_groups, saved) for p, i in zip(mine["params"], its["params"])}
        state = defaultdict(dict)
        arrays = self.update.state if self.update else ()
        for i, values in state_dict["state"].items():
            if i not in params:
                raise ValueError(f"{self._name}: the state is for a parameter {i} that no group has")
            p = params[i]
            for name in arrays:
                if values.get(name) is not None and values[name].shape != p.shape:
                    raise ValueError(
                        f"{self._name}: state {name!r} of parameter {i} has shape "
                        f"{tuple(values[name].shape)}, the parameter {tuple(p.shape)}"
                    )
            state[p] = {
                name: _adopted(value, p) if name in arrays or not self.update else counter(number(value))
                for name, value in values.items()
            }
        groups = [
            mine | {k: deepcopy(v) for k, v in its.items() if k != "params"}
            for mine, its in zip(self.param_groups, saved)
        ]
        self.param_groups, self.state = groups, state

    def __repr__(self):
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])


def _adopted(value, p):
    """A copy of saved state with the parameter's place and type."""
    if isinstance(value, list | tuple):
        return type(value)(_adopted(v, p) for v in value)
    if not isinstance(value, Tensor):
        return deepcopy(value)
    return value.detach().to(p.device, p.dtype if value.is_floating_point() else None, copy=True)


def counter(start: float | Tensor = 0.0) -> Tensor:
    """A number of the state that changes from step to step, on the CPU."""
    if isinstance(start, Tensor):  # of a recorded step
        return start.to(float32)
    return tensor(float(start), dtype="float32", device="cpu")


def count(state: dict) -> float:
    """One step more: its number, from 1."""
    step = state["step"].array
    step += 1
    return step.item()
