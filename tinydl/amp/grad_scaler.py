"""The loss made larger, so that small gradients do not vanish in float16."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import no_grad
from ..dtype import float16, float32
from ..ops.creation import tensor
from ..ops.elementwise import isfinite, where
from ..ops.shape import stack
from ..tensor import Tensor


class GradScaler:
    """Multiplies the loss by a scale, divides gradients by it, and skips steps whose gradients are not finite.

        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)          # only where gradients are looked at: clip_grad_norm_, say
        scaler.step(optimizer)              # in place of optimizer.step()
        scaler.update()                     # once after all optimizers

    device           accepted for PyTorch's sake: the scale lies where the first loss does
    init_scale       the first scale
    growth_factor    the scale is multiplied by it after growth_interval steps in a row with finite gradients
    backoff_factor   the scale is multiplied by it after a step with others
    enabled          False: everything passes through

    Scale and checks stay on the device; `step` waits for one number, whether to update, and `get_scale` for another.
    Source: Micikevicius et al. 2018, section 3.2; the rule for the scale is PyTorch's.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ):  # fmt: skip
        if growth_factor <= 1 or not 0 < backoff_factor < 1:
            raise ValueError(
                f"GradScaler: growth_factor must be above 1 and backoff_factor between 0 and 1, got {growth_factor} "
                f"and {backoff_factor}"
            )
        self._enabled = enabled
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._scale: Tensor | None = None  # float32 (), made where the first loss lies
        self._growth_tracker: Tensor | None = None  # int32 (): steps in a row with finite gradients
        self._found: dict[Any, Tensor] = {}  # by optimizer unscaled since the last update: bool (), some not finite
        self._stepped: set = set()

    # ---- the loss and the gradients
    def scale(self, outputs):
        """`outputs`, a tensor or lists and tuples of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._place(outputs.device)
            return outputs * self._scale.to(outputs.device)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        raise TypeError(
            f"GradScaler.scale: expected a tensor, or a list or tuple of them, got {type(outputs).__name__}"
        )

    def _place(self, device):
        """Make the scale, if there is none, on `device`."""
        if self._scale is None:
            self._scale = tensor(float(self._init_scale), dtype=float32, device=device)
            self._growth_tracker = tensor(self._init_growth_tracker, dtype="int32", device=device)

    def _placed(self, name):
        if self._scale is None:
            raise RuntimeError(f"GradScaler.{name}: nothing was scaled yet; call scale(loss).backward() before")

    def unscale_(self, optimizer) -> None:
        """In place: the gradients of the optimizer's parameters divided by the scale.

        RuntimeError if they were divided already, or updated, since the last `update`; ValueError for float16.
        """
        if not self._enabled:
            return
        if optimizer in self._stepped:
            raise RuntimeError("GradScaler.unscale_: called after step(); divide before, or call update() first")
        if optimizer in self._found:
            raise RuntimeError("GradScaler.unscale_: called twice for this optimizer since the last update()")
        self._placed("unscale_")
        self._found[optimizer] = self._unscale(optimizer)

    @no_grad()
    def _unscale(self, optimizer) -> Tensor:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype == float16 for g in gradients):
            raise ValueError(
                "GradScaler.unscale_: a gradient is float16, in which small ones are lost when they are divided; keep "
                "parameters in float32 and let autocast cast them"
            )
        inverse = self._scale.double().reciprocal().float()
        finite = []
        for g in gradients:
            finite.append(isfinite(g).all().to(self._scale.device))
            g.mul_(inverse.to(g.device, g.dtype))
        return ~stack(finite).all() if finite else tensor(False, device=self._scale.device)

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step(*args, **kwargs)`, and what it returns; nothing and None where a gradient is not finite.

        Gradients are divided by the scale before, unless `unscale_` did.  RuntimeError for a closure, for a second
        call before `update`, and for an optimizer without gradients.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or (args and callable(args[0])):
            raise RuntimeError("GradScaler.step: a closure would compute gradients anew, unscaled; give none")
        self._placed("step")
        if optimizer in self._stepped:
            raise RuntimeError("GradScaler.step: called twice for this optimizer since the last update()")
        if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
            raise RuntimeError("GradScaler.step: no parameter of the optimizer has a gradient; call backward() before")
        if optimizer not in self._found:
            self.unscale_(optimizer)
        self._stepped.add(optimizer)
        if self._found[optimizer].item():  # the one read from the device
            return None
        return optimizer.step(*args, **kwargs)

    # ---- the scale
    @no_grad()
    def update(self, new_scale: float | Tensor | None = None) -> None:
        """The scale for the next iteration: new_scale, if given; else grown or lessened as the gradients were.

        On the device, without waiting for it.
        """
        if not self._enabled:
            return
        self._placed("update")
        if new_scale is not None:
            self._scale.copy_(new_scale if isinstance(new_scale, Tensor) else tensor(float(new_scale)))
        elif not self._found:
            raise RuntimeError("GradScaler.update: no gradients were looked at; call step(optimizer) before")
        else:
            self._follow(stack(list(self._found.values())).any())
        self._found, self._stepped = {}, set()

    def _follow(self, bad: Tensor):
        """One step of the rule."""
        count = where(bad, 0, self._growth_tracker + 1)
        full = count == self._growth_interval
        grown = self._scale * self._growth_factor
        grown = where(full & isfinite(grown), grown, self._scale)
        self._scale = where(bad, self._scale * self._backoff_factor, grown)
        self._growth_tracker = where(full, 0, count).to("int32")

    def get_scale(self) -> float:
        """The scale, read from the device; 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return float(self._init_scale) if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Let the scale grow by new_factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale is multiplied after gradients that are not finite."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Let the scale be multiplied by new_factor after gradients that are not finite."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps in a row with finite gradients the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Let the scale grow after new_interval steps in a row with finite gradients."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled at all."""
        return self._enabled

    # ---- saving and loading
    def _get_growth_tracker(self):
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors and interval, and the steps since the scale last changed: PyTorch's keys; {} if disabled.

        Take it between `update` and the next `scale`.
        """
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a `state_dict`, of PyTorch's scaler too.  RuntimeError for an empty one: of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is empty, as of a scaler with enabled=False")
        self._init_scale = float(np.float32(state_dict["scale"]))
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = int(state_dict["_growth_tracker"])
        if self._scale is not None:
            device, self._scale = self._scale.device, None
            self._place(device)
