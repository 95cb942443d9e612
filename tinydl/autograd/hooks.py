"""Hooks on gradients: functions called as a gradient passes an edge or has arrived at a leaf."""

from __future__ import annotations

import weakref


class Handle:
    """What registering a hook returns; `remove()` takes the hook off again.  Also a context manager."""

    def __init__(self, hooks, entry):
        self.hooks, self.entry = hooks, entry

    def remove(self):
        if self.entry in self.hooks:
            self.hooks.remove(self.entry)

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
    node.hooks.append((slot, hook))
    return Handle(node.hooks, (slot, hook))


def after_accumulation(tensor, hook):
    """Call `hook(tensor)` when its `grad` has been added to."""
    node, _ = _edge(tensor, "register_post_accumulate_grad_hook")
    if node.name != "leaf":
        raise RuntimeError("register_post_accumulate_grad_hook: only leaves accumulate; this tensor was computed")
    if node.after is None:
        node.after = []
    node.after.append(hook)
    return Handle(node.after, hook)


def retain(tensor):
    """Copy the gradient that passes a computed tensor into its `grad`."""
    _edge(tensor, "retain_grad")
    if tensor.is_leaf or tensor.retains_grad:
        return
    tensor._retained = True
    target = weakref.ref(tensor)

    def keep(g):
        if (t := target()) is not None:
            t.grad = g if t.grad is None else t.grad + g

    on_edge(tensor, keep)
