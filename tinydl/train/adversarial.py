"""The adversarial game: a generator learns to make samples that a discriminator cannot tell from data.

Source: Goodfellow et al. 2014, Generative adversarial nets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from ..autograd import no_grad
from ..nn.module import evaluating
from ..ops.random import randn
from ..tensor import Tensor
from .gan_losses import GANLoss, gan_loss
from .gan_tricks import Trick, Tricks, follow
from .steps import Step, minimize, to_device_of


class Adversarial(Step):
    """The game of a generator and a discriminator.  (Goodfellow et al. 2014, algorithm 1)

    generator      z (N, *latent) -> samples (N, ...)
    discriminator  samples (N, ...) -> scores (N, *), before any sigmoid
    loss           a name in gan_losses.LOSSES or a GANLoss: what each player pays
    latent         the shape of one z, drawn from the standard normal; or a callable n -> z
    d_steps        so many batches are the discriminator's before one is also the generator's
    g_steps        steps of the generator then
    conditional    what comes with the samples in a batch (labels, say) is also given to both networks
    tricks         see gan_tricks
    average        decay of the moving average of the generator's weights that `sample` then draws from

    Batches are samples, or lists that begin with them.  Figures: d_loss, g_loss (of batches in which the generator
    stepped), and the mean scores of real and of generated samples, d_real and d_fake.
    """

    def __init__(
        self, generator, discriminator, g_optimizer, d_optimizer, loss: str | GANLoss = "non-saturating", *,
        latent: int | tuple[int, ...] | Callable[[int], Tensor], d_steps: int = 1, g_steps: int = 1,
        conditional: bool = False, tricks: Iterable[Trick] = (), average: float | None = None,
    ):  # fmt: skip
        if d_steps < 1 or g_steps < 1:
            raise ValueError(f"Adversarial: expected d_steps and g_steps of at least 1, got {d_steps} and {g_steps}")
        if average is not None and not 0 <= average < 1:
            raise ValueError(f"Adversarial: average is a decay in [0, 1), got {average}")
        self.generator, self.discriminator = generator, discriminator
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.loss, self.latent, self.conditional = gan_loss(loss), latent, conditional
        self.d_steps, self.g_steps, self.done = d_steps, g_steps, 0
        self.tricks, self.decay = Tricks(*tricks), average
        self.average = None if average is None else deepcopy(generator)

    def __call__(self, batch) -> dict[str, float]:
        real, *given = to_device_of(self.generator, [batch] if isinstance(batch, Tensor) else batch)
        if not self.conditional:
            given = []
        figures = self.learn_discriminator(real, given)
        self.done += 1
        if self.done % self.d_steps == 0:
            for _ in range(self.g_steps):
                figures |= self.learn_generator(real, given)
            if self.average is not None:
                follow(self.average, self.generator, self.decay)
        self.tricks.after(self)
        return figures

    # ---- the players' turns
    def learn_discriminator(self, real: Tensor, given: list[Tensor]) -> dict[str, float]:
        """One step up the discriminator's gradient, the generator held."""
        with no_grad():
            made = self.tricks.fakes(*self.make(len(real), given))
        loss, d_real, d_fake = self.discriminator_loss(self.discriminator, (real, *given), made)
        loss = loss + self.tricks.cost("discriminator", self.discriminator)
        minimize(loss, self.d_optimizer)
        self.loss.constrain(self.discriminator)
        return {"d_loss": loss.item(), "d_real": d_real.mean().item(), "d_fake": d_fake.mean().item()}

    def learn_generator(self, real: Tensor, given: list[Tensor]) -> dict[str, float]:
        """One step down the generator's gradient through the discriminator, which is held."""
        with held(self.discriminator):
            loss = self.generator_loss(self.discriminator, (real, *given), self.make(len(real), given))
            loss = loss + self.tricks.cost("generator", self.generator)
            minimize(loss, self.g_optimizer)
        return {"g_loss": loss.item()}

    # ---- what they pay
    def discriminator_loss(self, discriminator: Callable, real, made) -> tuple[Tensor, Tensor, Tensor]:
        """The discriminator's loss, and the scores of real and generated samples; each comes with its conditions."""
        d_real, d_fake = self.score(discriminator, *real), self.score(discriminator, *made)
        loss = self.loss.discriminator(d_real, d_fake)
        if self.loss.penalty is not None:
            (x, *given), (fake, *_) = real, made
            loss = loss + self.loss.penalty(lambda x: self.score(discriminator, x, *given), x, fake)
        return loss, d_real, d_fake

    def generator_loss(self, discriminator: Callable, real, made) -> Tensor:
        """The generator's loss; real and generated samples each come with their conditions."""
        look = self.loss.features or discriminator
        if not self.loss.relative:
            return self.loss.generator(self.score(look, *made))
        with no_grad():
            seen = self.score(look, *real)
        return self.loss.generator(self.score(look, *made), seen)

    def score(self, discriminator: Callable, x: Tensor, *given: Tensor) -> Tensor:
        """What the discriminator says of x, as the tricks let it see it.  (N, ...) -> (N, *)"""
        return discriminator(self.tricks.look(x), *given)

    # ---- samples
    def draw(self, n: int) -> Tensor:
        """Latent vectors, (n, *latent)."""
        if callable(self.latent):
            return self.latent(n)
        shape = (self.latent,) if isinstance(self.latent, int) else self.latent
        p = next(iter(self.generator.parameters()))
        return randn(n, *shape, dtype=p.dtype, device=p.device)

    def make(self, n: int, given: list[Tensor]) -> tuple[Tensor, ...]:
        """Samples of the generator in its present mode, with its graph, and what comes with them.  (n, ...), ..."""
        return self.generator(self.draw(n), *given), *given

    @no_grad()
    def sample(self, n: int, *given: Tensor, z: Tensor | None = None) -> Tensor:
        """n samples, in evaluation mode, of the averaged generator where there is one.  z: latent vectors to use."""
        generator = self.generator if self.average is None else self.average
        with evaluating(generator):
            return generator(self.draw(n) if z is None else z, *given)

    # ---- checkpoints
    def state_dict(self) -> dict[str, Any]:
        """All that decides how the game goes on."""
        return super().state_dict() | {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; ValueError if it is of other parts."""
        super().load_state_dict({name: value for name, value in state.items() if name != "done"})
        self.done = state["done"]


@contextmanager
def held(module) -> Iterator[None]:
    """Within it the module's parameters are constants."""
    learning = [p for p in module.parameters() if p.requires_grad]
    for p in learning:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in learning:
            p.requires_grad_(True)
