"""Training steps: one algorithm each, a callable `batch -> {"loss": float, ...}`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from .. import metrics
from ..amp import GradScaler
from ..autograd import no_grad
from ..nn import functional as F
from ..nn.module import Module, evaluating
from ..ops.generator import Generator
from ..tensor import Tensor
from .loop import Means, batch_length


class Step:
    """Base of steps.  Its attributes make up `state_dict()`: models, optimizers, schedulers, random generators,
    tensors, and lists and dicts of them.  Of plain numbers that change a step keeps account itself.
    """

    def __call__(self, batch) -> dict[str, float]:
        raise NotImplementedError(f"{type(self).__name__} needs __call__(self, batch)")

    def state_dict(self) -> dict[str, Any]:
        """The states of all attributes that have one."""
        return state_of(vars(self)) or {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the attributes their states back; ValueError if there are others."""
        restore(vars(self), state, type(self).__name__)

    def to(self, device) -> Step:
        """Move the models to a device (before the optimizers are made)."""
        for module in modules_of(self).values():
            module.to(device)
        return self


def state_of(part) -> Any:
    """What a checkpoint keeps of a part of a step; None of one that has no state."""
    if isinstance(part, Tensor):
        return part.detach().clone()
    if isinstance(part, Generator):
        return part.get_state()
    if hasattr(part, "state_dict"):
        return part.state_dict()
    states = {str(name): state_of(p) for name, p in _inside(part)}
    return {name: s for name, s in states.items() if s is not None} or None


def restore(part, state, where: str) -> None:
    """Give a part its state back, in place.  ValueError that says where for another shape or other parts."""
    if isinstance(part, Tensor):
        if part.shape != state.shape:
            raise ValueError(f"{where}: the state has shape {tuple(state.shape)}, here it is {tuple(part.shape)}")
        with no_grad():
            part.copy_(state)
    elif isinstance(part, Generator):
        part.set_state(state)
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    else:
        parts = {str(name): p for name, p in _inside(part) if state_of(p) is not None}
        if set(parts) != set(state):
            raise ValueError(f"{where}.load_state_dict: expected states of {sorted(parts)}, got {sorted(state)}")
        for name, p in parts.items():
            restore(p, state[name], f"{where}.{name}")


def modules_of(part, name: str = "") -> dict[str, Module]:
    """The models of a step by the names of their places: generator, steps.0.rbm, ..."""
    if isinstance(part, Module):
        return {name: part}
    found: dict[str, Module] = {}
    for key, p in _inside(vars(part) if isinstance(part, Step) else part):
        found |= modules_of(p, f"{name}.{key}" if name else str(key))
    return found


def _inside(part) -> Iterable[tuple[Any, Any]]:
    """What stands in a dict, list or tuple, by name."""
    return part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, (list, tuple)) else ()


class _Scaling(threading.local):
    scaler: GradScaler | None = None  # of the MixedPrecision within which a step runs


scaling = _Scaling()


def minimize(loss: Tensor, optimizer) -> None:
    """One step of the optimizer down the gradient of `loss`, which within `MixedPrecision` is scaled."""
    optimizer.zero_grad()
    if scaling.scaler is None:
        loss.backward()
        optimizer.step()
    else:
        scaling.scaler.scale(loss).backward()
        scaling.scaler.step(optimizer)
        scaling.scaler.update()


class Classify(Step):
    """Supervised classification: the model's scores (N, C) against class numbers (N,)."""

    def __init__(self, model, optimizer, loss: Callable = F.cross_entropy):
        self.model, self.optimizer, self.loss = model, optimizer, loss

    def __call__(self, batch) -> dict[str, float]:
        x, target = to_device_of(self.model, batch)
        scores = self.model(x)
        loss = self.loss(scores, target)
        minimize(loss, self.optimizer)
        return {"loss": loss.item(), "accuracy": metrics.accuracy(scores, target)}


def to_device_of(model, batch) -> list[Tensor]:
    """The batch's tensors where the model's parameters lie; pinned ones may still be under way there."""
    device = next(iter(model.parameters())).device
    return [t.to(device, non_blocking=True) for t in batch]


@no_grad()
def predict(model, batches: Iterable) -> tuple[Tensor, Tensor]:
    """The model's scores for all batches, in evaluation mode, and the targets: (N, C) and (N,) on the CPU."""
    import tinydl

    with evaluating(model):
        pairs = [(model(x).cpu(), t.cpu()) for x, t in (to_device_of(model, b) for b in batches)]
    return tuple(tinydl.cat(parts) for parts in zip(*pairs))


@no_grad()
def evaluate(model, batches: Iterable, loss: Callable = F.cross_entropy) -> dict[str, float]:
    """Mean loss and accuracy of a classifier on batches it does not learn from."""
    totals = Means()
    with evaluating(model):
        for batch in batches:
            x, target = to_device_of(model, batch)
            scores = model(x)
            figures = {"loss": loss(scores, target).item(), "accuracy": metrics.accuracy(scores, target)}
            totals.add(figures, batch_length(batch))
    return totals.means()
