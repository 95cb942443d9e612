"""An optimizer's step while a CUDA graph is captured: counts and rates are numbers of the host, and go on at replays.

Kernels and bodies read them from the device (kernels/gpu/recording.py); before each replay the host counts again.
"""

from __future__ import annotations

from ..device import CPU
from ..kernels.gpu.recording import Recording, Refused
from ..tensor import Tensor


def update(optimizer, step: Recording) -> None:
    """Update the optimizer's groups in the capture `step`, and have their numbers computed again at each replay."""
    _check(optimizer)
    step.undo.append(_counts(optimizer))
    known = {id(p): set(state) for p, state in optimizer.state.items()}
    with step.on_host():
        served = optimizer._update_groups()
    if any(set(state) - known.get(id(p), set()) for p, state in optimizer.state.items()):
        raise Refused("begins the state of a parameter, which each replay would do again: give it more warm-up")
    step.repeats.append(optimizer._update_groups)
    name = type(optimizer).__name__
    step.holds(f"{name}: a parameter, its gradient or its state", lambda: _arrays(optimizer))
    step.holds(f"{name}: an option other than lr", lambda: _options(optimizer, served))


def _check(optimizer):
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if any(p.device is CPU for p in params):
        raise Refused("updates parameters on the CPU, which a replay would not: move the model to the GPU")
    if optimizer.differentiable:
        raise Refused("with differentiable=True makes new parameters at each step")
    if any(optimizer._hooks.values()):
        raise Refused("calls hooks on the host, which a replay would not: remove them")


def _counts(optimizer):
    """What puts the numbers of the optimizer's state back to what they are now."""
    before = [
        (state, name, value, value.array.copy())
        for state in optimizer.state.values()
        for name, value in state.items()
        if isinstance(value, Tensor) and value.device is CPU
    ]

    def undo():
        for state, name, value, array in before:
            value.array[...] = array
            state[name] = value

    return undo


def _arrays(optimizer):
    found = []
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                state = optimizer.state[p]
                found += [p.array, p.grad.array, *(state[n].array for n in optimizer.update.state if n in state)]
    return found


def _options(optimizer, served):
    """Of groups that no kernel updates the options, which bodies take as plain numbers; all numbers but lr."""
    groups = [group for group, by_kernel in zip(optimizer.param_groups, served) if not by_kernel]
    return [group[n] for group in groups for n in optimizer.update.constants if n in group and n != "lr"]
