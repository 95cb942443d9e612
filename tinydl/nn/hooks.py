"""What happens around a module's forward: hooks, and the note that says where it failed."""

from __future__ import annotations

from collections.abc import Callable

from ..autograd import Function
from ..tensor import Tensor


class Identity(Function):
    """Tensors as they are; their gradients, all together, go through the function `seen`."""

    @staticmethod
    def forward(ctx, seen, *tensors):
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx, *gs):
        return (None, *ctx.seen(gs))


class BackwardWatch:
    """Calls a module's backward hooks as gradients enter at its outputs and leave at its inputs."""

    def __init__(self, module, before: list[Callable], after: list[Callable]):
        self.module, self.before, self.after = module, before, after
        self.grad_output = ()

    def call(self, run: Callable, args: tuple, kwargs: dict):
        """`run(*args, **kwargs)` with both ends watched."""
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.width, self.places = len(args), places
        self.outermost = not any(args[i].requires_grad for i in places)
        args = _through(self._leaving, args, places)
        out = run(*args, **kwargs)
        outs = (out,) if isinstance(out, Tensor) else out
        if not isinstance(outs, tuple | list):
            raise TypeError(
                f"{type(self.module).__name__}: backward hooks need a tensor or a tuple as output, "
                f"got {type(out).__name__}"
            )
        self.slots, self.outs = [i for i, o in enumerate(outs) if isinstance(o, Tensor)], len(outs)
        outs = _through(self._entering, outs, self.slots)
        return outs[0] if isinstance(out, Tensor) else type(out)(outs)

    def _entering(self, gs):
        for hook in self.before:
            gs = _replaced(hook(self.module, _spread(gs, self.slots, self.outs)), gs, self.slots)
        self.grad_output = _spread(gs, self.slots, self.outs)
        if self.outermost:  # no gradient will leave: the hooks learn of it here
            for hook in self.after:
                hook(self.module, (None,) * self.width, self.grad_output)
        return gs

    def _leaving(self, gs):
        for hook in self.after:
            result = hook(self.module, _spread(gs, self.places, self.width), self.grad_output)
            gs = _replaced(result, gs, self.places)
        return gs


def _through(seen, values, places):
    """`values` with the tensors at `places` led through an identity whose gradients `seen` gets."""
    values = list(values)
    if places:
        for i, t in zip(places, Identity.apply(seen, *[values[i] for i in places])):
            values[i] = t
    return values


def _spread(gs, places, width):
    """Gradients as a tuple over all arguments: None for those that are no tensors."""
    found = dict(zip(places, gs))
    return tuple(found.get(i) for i in range(width))


def _replaced(result, gs, places):
    """The gradients that a hook returned, if it returned any."""
    if result is None:
        return gs
    result = (result,) if isinstance(result, Tensor) else tuple(result)
    return tuple(result[i] for i in places)


def note_place(error: Exception, module) -> None:
    """Note on `error` in which module it was raised: the path grows as the error passes outward."""
    inner = getattr(error, "_raised_in", None)
    if inner is None:
        label, path = f"({_one_line(module)})", ()
        error.add_note("")
        place = len(error.__notes__) - 1
    else:
        child, path, label, place = inner
        name = next((name for name, m in module.named_modules() if m is child), None)
        if not name:  # not one of its submodules: what was said stays
            return
        path = (name, *path)
    error._raised_in = (module, path, label, place)
    error.__notes__[place] = f"in {'.'.join(path)} {label}" if path else f"in {label[1:-1]}"


def _one_line(module):
    text = repr(module).split("\n")
    return text[0] if len(text) == 1 else text[0] + "...)"
