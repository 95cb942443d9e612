"""What is done around an adversarial game to keep it going: each a Trick, given to Adversarial as `tricks=`.

Others are arguments of the losses (one-sided label smoothing), layers (nn.MinibatchDiscrimination,
nn.VirtualBatchNorm2d, nn.utils.spectral_norm), or an argument of Adversarial (average=).
"""

from __future__ import annotations

from typing import Any

from ..autograd import no_grad
from ..ops.joining import cat
from ..ops.random import randn_like, randperm
from ..tensor import Tensor


class Trick:
    """Base of tricks.  `step` is the Adversarial; one with state_dict and load_state_dict is part of checkpoints."""

    def look(self, x: Tensor) -> Tensor:
        """What the discriminator is shown for a real or generated x."""
        return x

    def fakes(self, *made: Tensor) -> tuple[Tensor, ...]:
        """What the discriminator, and it alone, learns from as generated: samples, and their conditions if any."""
        return made

    def cost(self, name: str, player) -> Tensor | float:
        """Added to the loss of a player, the "discriminator" or the "generator"."""
        return 0.0

    def after(self, step) -> None:
        """Done after each batch."""


class InstanceNoise(Trick):
    """Normal noise on all that the discriminator sees, fading linearly from `sigma` to 0 over `steps` batches.

    With it the two distributions overlap, so that the best discriminator has a slope.  (Sonderby et al. 2017)
    """

    def __init__(self, sigma: float = 0.1, steps: int = 1000):
        if steps < 1 or sigma < 0:
            raise ValueError(f"InstanceNoise: expected sigma >= 0 and steps >= 1, got {sigma} and {steps}")
        self.first, self.steps, self.done = sigma, steps, 0

    @property
    def sigma(self) -> float:
        """The noise's standard deviation now."""
        return self.first * max(0.0, 1 - self.done / self.steps)

    def look(self, x):
        return x + self.sigma * randn_like(x) if self.sigma else x

    def after(self, step):
        self.done += 1

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


class Replay(Trick):
    """The discriminator learns from samples of earlier generators also: half of each batch comes from a store.

    capacity: samples kept; when it is full, new ones overwrite some drawn at random.  (Shrivastava et al. 2017, 2.3)
    """

    def __init__(self, capacity: int = 1024):
        if capacity < 1:
            raise ValueError(f"Replay: capacity must be at least 1, got {capacity}")
        self.capacity, self.past = capacity, None

    def fakes(self, *made):
        if self.past is None:
            self.past = [t[: self.capacity].clone() for t in made]
            return made
        n, stored, device = len(made[0]), len(self.past[0]), made[0].device
        half = min(n // 2, stored)
        new, old = randperm(n, device=device)[: n - half], randperm(stored, device=device)[:half]
        new = [t[new] for t in made]
        mixed = tuple(cat([t, past[old]]) for t, past in zip(new, self.past))
        self._keep(new)
        return mixed

    def _keep(self, new):
        free = self.capacity - len(self.past[0])
        self.past = [cat([past, t[:free]]) for past, t in zip(self.past, new)]
        late = [t[free:][: self.capacity] for t in new]
        if len(late[0]):
            places = randperm(self.capacity, device=late[0].device)[: len(late[0])]
            for past, t in zip(self.past, late):
                past[places] = t

    def state_dict(self) -> dict[str, Any]:
        return {"past": self.past}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        past = state["past"]
        self.past = None if past is None else [t.clone() for t in past]


class HistoricalAverage(Trick):
    """Each player pays weight * |p - mean of p's past values|^2 for its parameters p: orbits are damped.

    (Salimans et al. 2016, section 3.3)
    """

    def __init__(self, weight: float = 1.0):
        self.weight, self.count = weight, 0
        self.means: dict[str, list[Tensor]] = {}

    def cost(self, name, player):
        means = self.means.get(name, ())
        return self.weight * sum((p - m).square().sum() for p, m in zip(player.parameters(), means))

    @no_grad()
    def after(self, step):
        self.count += 1
        for name in ("generator", "discriminator"):
            player = getattr(step, name)
            means = self.means.setdefault(name, [p.detach().clone() for p in player.parameters()])
            for m, p in zip(means, player.parameters()):
                m.add_((p - m) / self.count)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        self.means = {name: [m.clone() for m in means] for name, means in state["means"].items()}


class Tricks(Trick):
    """Several tricks as one, each applied to what the one before it made."""

    def __init__(self, *tricks: Trick):
        for trick in tricks:
            if not isinstance(trick, Trick):
                raise TypeError(f"tricks: expected Trick objects, got {type(trick).__name__}")
        self.tricks = tricks

    def look(self, x):
        for trick in self.tricks:
            x = trick.look(x)
        return x

    def fakes(self, *made):
        for trick in self.tricks:
            made = trick.fakes(*made)
        return made

    def cost(self, name, player):
        return sum(trick.cost(name, player) for trick in self.tricks)

    def after(self, step):
        for trick in self.tricks:
            trick.after(step)

    def _stateful(self):
        return {f"{i}-{type(t).__name__}": t for i, t in enumerate(self.tricks) if hasattr(t, "state_dict")}

    def state_dict(self) -> dict[str, Any]:
        return {name: trick.state_dict() for name, trick in self._stateful().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """ValueError for the states of other tricks."""
        mine = self._stateful()
        if mine.keys() != state.keys():
            raise ValueError(f"tricks: expected states of {sorted(mine)}, got {sorted(state)}")
        for name, trick in mine.items():
            trick.load_state_dict(state[name])


@no_grad()
def follow(average, model, decay: float) -> None:
    """Move the parameters of `average` towards the model's: a <- decay a + (1 - decay) p; buffers are copied.

    Generators are better on average than at any moment.  (Yazici et al. 2019)
    """
    for a, p in zip(average.parameters(), model.parameters()):
        a.lerp_(p, 1 - decay)
    for a, b in zip(average.buffers(), model.buffers()):
        a.copy_(b)
