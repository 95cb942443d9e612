"""The arithmetic of optimizers, as functions on arrays that a device may have kernels for."""

from __future__ import annotations

import inspect
from collections.abc import Callable

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
        self.state = [p.name for p in parameters[3:] if p.kind is not p.KEYWORD_ONLY]
        self.constants = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]

    def run(self, device, jobs: list[tuple[dict, dict]], shared: dict) -> None:
        """Update the arrays of `jobs`: (arrays, own constants) of each parameter, on one device."""
        kernel = device.kernels[self.name]
        if kernel is not None:
            names, own = jobs[0]
            columns = {n: [arrays[n] for arrays, _ in jobs] for n in names}
            columns |= {n: [constants[n] for _, constants in jobs] for n in own}
            if kernel(**columns, **shared) is not NotImplemented:
                return
        for arrays, own in jobs:
            self.body(device.xp, **arrays, **own, **shared)


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
