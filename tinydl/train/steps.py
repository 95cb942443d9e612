"""Training steps: one algorithm each, a callable `batch -> {"loss": float, ...}`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import metrics
from ..autograd import no_grad
from ..nn import functional as F
from ..nn.module import evaluating
from ..tensor import Tensor
from .loop import Means, batch_length


class Step:
    """Base of steps.  Models, optimizers and schedulers are attributes, and make up `state_dict()`."""

    def __call__(self, batch) -> dict[str, float]:
        raise NotImplementedError(f"{type(self).__name__} needs __call__(self, batch)")

    def _parts(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if hasattr(v, "state_dict")}

    def state_dict(self) -> dict[str, Any]:
        """The states of all attributes that have one."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the attributes their states back; ValueError if there are others."""
        parts = self._parts()
        if set(parts) != set(state):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected states of {sorted(parts)}, got {sorted(state)}"
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])

    def to(self, device) -> Step:
        """Move the models to a device (before the optimizers are made)."""
        for part in self._parts().values():
            if hasattr(part, "to"):
                part.to(device)
        return self


def minimize(loss: Tensor, optimizer) -> None:
    """One step of the optimizer down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


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
    """The batch's tensors where the model's parameters lie."""
    device = next(iter(model.parameters())).device
    return [t.to(device) for t in batch]


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
