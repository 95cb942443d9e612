"""Gradient checkpointing: forget what a region keeps for backward, and compute it again when it is needed."""

from __future__ import annotations

from ..tensor import Tensor
from .mode import autocasting, enable_grad, state


def checkpoint(function, *args, preserve_rng_state: bool = True, use_reentrant: bool | None = None, **kwargs):
    """`function(*args)` with less memory: operands inside are dropped, and computed again during backward.

    The result, its gradients (of any order, also for parameters that `function` reaches without arguments) are the
    same.  The function must do the same operations when it runs again; random numbers are drawn from the same state
    if preserve_rng_state.  use_reentrant is accepted for PyTorch's sake and changes nothing.

    Source: Chen, Xu, Zhang, Guestrin 2016, Training deep nets with sublinear memory cost.
    """
    if not state.recording:
        return function(*args, **kwargs)
    region = _Region(function, args, kwargs, preserve_rng_state)
    before, state.packing = state.packing, region
    try:
        with region.autocast():
            return function(*args, **kwargs)
    finally:
        state.packing = before


class _Region:
    """The operands of one checkpointed call: numbered in the first run, computed again when one is asked for."""

    def __init__(self, function, args, kwargs, keep_random):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.count = 0
        self.made = []  # (name, shapes and types of outputs) of each node
        self.operands = {}
        self.random = _random_states() if keep_random else None
        self.casting = state.autocast
        self.given = _versions([t for a in (*args, *kwargs.values()) for t in tensors_in(a)])

    def autocast(self):
        """Mixed precision as where the call stands, with casts of weights of its own: both runs make the same."""
        return autocasting(self.casting and self.casting.apart())

    def pack(self, node, saved):
        """Keep of the operands all but the arrays."""
        packed = _Packed(self, self.count, [(id(operand[0]), *operand[1:]) for operand in saved])
        self.made.append((node.name, node.outs))
        leaves = [edge[0].tensor() for edge in node.edges if edge is not None and edge[0].name == "leaf"]
        self.given |= _versions([t for t in leaves if t is not None and id(t._storage) not in self.given])
        self.count += 1
        return packed

    def operands_of(self, number):
        if number not in self.operands:
            self._run_again()
        return self.operands.pop(number)

    def _run_again(self):
        for storage, version in self.given.values():
            if storage.version != version:
                raise RuntimeError(
                    f"checkpoint: an argument or parameter was overwritten in place{storage.where()} after the "
                    "function ran; it cannot run again"
                )
        recorder = _Recorder()
        before, state.packing = state.packing, recorder
        after = _random_states() if self.random else None
        try:
            if self.random:
                _set_random_states(self.random)
            with enable_grad(), self.autocast():
                self.function(*self.args, **self.kwargs)
        finally:
            state.packing = before
            if after:
                _set_random_states(after)
        if recorder.made != self.made:
            k = next((k for k, (a, b) in enumerate(zip(recorder.made, self.made)) if a != b), None)
            what = f"{recorder.made[k]}, not {self.made[k]}" if k is not None else f"{len(recorder.made)} operations"
            raise RuntimeError(
                f"checkpoint: the function did something else when it ran again: {what}; it must not depend on "
                "what has changed since"
            )
        self.operands = {k: node.saved for k, node in enumerate(recorder.nodes)}


class _Packed:
    __slots__ = ("region", "number", "rest")

    def __init__(self, region, number, rest):
        self.region, self.number, self.rest = region, number, rest

    def unpack(self, node):
        """The operands with their arrays, computed again; edges and versions are those of the first run."""
        arrays = self.region.operands_of(self.number)
        return [(array, *rest[1:]) for (array, *_), rest in zip(arrays, self.rest)]

    def forget_version(self, array):
        """`array` is about to be overwritten by the operation that keeps it: the second run will have a copy."""
        self.rest = [
            (key, edge, None, 0) if key == id(array) and storage is not None and version == storage.version
            else (key, edge, storage, version)
            for key, edge, storage, version in self.rest
        ]  # fmt: skip


class _Recorder:
    """Takes the nodes of the second run, in order."""

    def __init__(self):
        self.made, self.nodes = [], []

    def pack(self, node, saved):
        self.made.append((node.name, node.outs))
        self.nodes.append(node)  # not what it keeps now: a write may yet replace it by copies
        return saved


def tensors_in(value):
    """The tensors in an argument: itself, or within lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for v in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(v)


def _versions(tensors):
    return {id(t._storage): (t._storage, t._storage.version) for t in tensors}


def _random_states():
    from ..ops.generator import default_generators

    return [(g, g.get_state()) for g in default_generators()]


def _set_random_states(states):
    from ..ops.generator import default_generators

    saved = dict(states)
    for generator in default_generators():
        if generator in saved:
            generator.set_state(saved[generator])
        else:  # a device's first draw was within the region: its stream began there
            generator.manual_seed(generator.initial_seed())
