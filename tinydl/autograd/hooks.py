"""Hooks on gradients: functions called as a gradient passes an edge or has arrived at a leaf."""

from __future__ import annotations

import weakref


class Handle:
    """What registering a hook returns; `remove()` takes the hook off again.  Also a context manager."""

    def __init__(self, hooks, entry):
        self.hooks, self.entry = hooks, entry

    def remove(self):
        """Take the hook off; a second time does nothing."""
        for i, entry in enumerate(self.hooks):
            if entry is self.entry:  # an equal one may stand beside it
                del self.hooks[i]
                self.hooks, self.entry = [], None
                return

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def _edge(tensor, name):
    edge = tensor.edge()
    if edge is None:
        raise RuntimeError(f"{name}: this tensor does not require grad, so no gradient will ever pass")
    return edge


def on_edge(tensor, hook):
    """Call `hook(g)` when the gradient of `tensor`, as it is now, is complete."""
    node, slot = _edge(tensor, "register_hook")
    if node.hooks is None:
        node.hooks = []
    entry = (slot, hook)
    node.hooks.append(entry)
    return Handle(node.hooks, entry)


def run(node, gs):
    """Let the hooks see the gradients of the node's outputs, and replace them."""
    for slot, hook in sorted(node.hooks, key=lambda entry: isinstance(entry[1], _Retain)):
        g = gs[slot]
        replaced = None if g is None else hook(g)
        if replaced is None:
            continue
        if not isinstance(replaced, type(g)):
            raise TypeError(f"hook: expected a tensor or None from {hook}, got {type(replaced).__name__}")
        if replaced.array.shape != g.array.shape:
            raise RuntimeError(
                f"hook: {hook} replaced a gradient of shape {tuple(g.shape)} by one of {tuple(replaced.shape)}; "
                "the shape must stay"
            )
        gs[slot] = replaced


def after_accumulation(tensor, hook):
    """Call `hook(tensor)` when its `grad` has been added to."""
    node, _ = _edge(tensor, "register_post_accumulate_grad_hook")
    if node.name != "leaf":
        raise RuntimeError("register_post_accumulate_grad_hook: only leaves accumulate; this tensor was computed")
    if node.after is None:
        node.after = []
    node.after.append(hook)
    return Handle(node.after, hook)


class _Retain:
    """The hook that puts a computed tensor's gradient into its `grad`; it sees what other hooks made of it."""

    def __init__(self, tensor):
        self.tensor = weakref.ref(tensor)

    def __call__(self, g):
        from .graph import add_to_grad

        t = self.tensor()
        if t is not None:
            add_to_grad(t, g)


def retain(tensor):
    """Copy the gradient that passes a computed tensor into its `grad`."""
    _edge(tensor, "retain_grad")
    if not tensor.is_leaf and tensor._retained is None:
        tensor._retained = on_edge(tensor, _Retain(tensor))


def move_retained(tensor):
    """The tensor was written in place: `grad` is to be that of its new value."""
    if tensor._retained is not None:
        tensor._retained.remove()
        tensor._retained = on_edge(tensor, _Retain(tensor)) if tensor.requires_grad else None
