"""Any step, in mixed precision."""

from __future__ import annotations

from ..amp import GradScaler, autocast
from .steps import Step, scaling


class MixedPrecision(Step):
    """Another step within `autocast`, its losses scaled wherever it calls `minimize`.

        Trainer(MixedPrecision(Classify(model, optimizer), "cuda"), batches).fit(epochs=10)

    device_type, dtype   as of `amp.autocast`
    scaler               a GradScaler; one with its defaults unless given.  It is part of the checkpoint.
    """

    def __init__(self, step: Step, device_type: str = "cuda", dtype=None, scaler: GradScaler | None = None):
        self.step, self.scaler = step, scaler or GradScaler(device_type)
        self.context = autocast(device_type, dtype)

    def __call__(self, batch) -> dict[str, float]:
        before, scaling.scaler = scaling.scaler, self.scaler
        try:
            with self.context:
                return self.step(batch)
        finally:
            scaling.scaler = before
