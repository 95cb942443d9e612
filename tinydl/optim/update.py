"""The arithmetic of optimizers, as functions on arrays that a device may have kernels for."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from ..dtype import float32, is_narrow
from ..kernels.gpu import recording

UPDATES: dict[str, Update] = {}  # every declared update by its name


class Update:
    """One algorithm's step for one parameter: `body(xp, param, grad, STATE.., *, CONSTANT..)`.

    The body overwrites `param` and the arrays of state and leaves `grad` alone.  A kernel of the
    same name on the device takes all parameters at once: for each array a list, for each constant
    a value, or a list where it differs from parameter to parameter.  It may return NotImplemented;
    the body then runs.
    """

    def __init__(self, body: Callable):
        self.body, self.name, self.__doc__ = body, body.__name__, body.__doc__
        parameters = list(inspect.signature(body).parameters.values())
        self.arrays = [p.name for p in parameters[1:] if p.kind is not p.KEYWORD_ONLY]
        self.state = self.arrays[2:]
        self.constants = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]

    def run(self, device, jobs: list[tuple[tuple, dict]], shared: dict) -> bool:
        """Update the arrays of `jobs`: (its arrays, own constants) of each parameter, on one device.

        Returns whether a kernel did it, that takes in a CUDA graph all constants from the device; a body takes there
        those that differ from step to step.
        """
        kernel = device.kernels[self.name]
        if kernel is not None:
            columns = dict(zip(self.arrays, map(list, zip(*[arrays for arrays, _ in jobs]))))
            columns |= {n: [constants[n] for _, constants in jobs] for n in jobs[0][1]}
            if kernel(**columns, **shared) is not NotImplemented:
                return True
        step = recording.now.step
        for arrays, own in jobs:
            numbers = own | shared
            if step is not None:
                numbers |= _on_device(step, own | ({"lr": shared["lr"]} if "lr" in shared else {}))
            if step is None or not step.refilling:
                self._step(device.xp, arrays, numbers)
        return False

    def _step(self, xp, arrays, numbers):
        """The body on the arrays of one parameter: of narrow types on copies in float32, which are rounded once."""
        wide = [a.astype(float32) if _narrow(a) else a for a in arrays]
        self.body(xp, *wide, **numbers)
        for n, a, b in zip(self.arrays, arrays, wide):
            if a is not b and n != "grad":
                a[...] = b.astype(a.dtype)


def _narrow(a):
    return a is not None and is_narrow(a.dtype)


def _on_device(step, numbers):
    """Numbers that differ from step to step as 0-d float64 arrays, while a graph is captured."""
    found = {n: step.live([v]) for n, v in numbers.items() if not isinstance(v, bool)}
    return {n: a.reshape(()) for n, a in found.items() if a is not None}


def update(body: Callable) -> Update:
    """Declare an algorithm's arithmetic by its body on arrays."""
    UPDATES[body.__name__] = declared = Update(body)
    return declared


def direction(param, grad, maximize, weight_decay):
    """The gradient to follow: negated to maximize, with the penalty weight_decay/2 * |param|**2."""
    if maximize:
        grad = -grad
    return grad + weight_decay * param if weight_decay else grad


def lerp(average, value, weight):
    """In place: average moves towards value by the fraction `weight`."""
    average += weight * (value - average)
