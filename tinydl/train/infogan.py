"""The game with a code: some numbers of z come to mean something, because they must be readable in the sample.

Source: Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel 2016, InfoGAN: interpretable representation learning by
information maximizing generative adversarial nets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..nn import functional as F
from ..ops.joining import cat
from ..ops.random import rand, randint
from ..tensor import Tensor
from .adversarial import Adversarial


class Codes:
    """What a code is made of: choices among some classes, and numbers uniform on [-1, 1].

    categories  the number of classes of each choice, each a one-hot vector in the code
    numbers     how many numbers follow
    """

    def __init__(self, categories: Sequence[int] = (10,), numbers: int = 0):
        if any(K < 2 for K in categories) or numbers < 0 or not (len(categories) or numbers):
            raise ValueError(
                f"Codes: expected categories of at least 2 classes, or numbers, got {tuple(categories)} and {numbers}"
            )
        self.categories, self.numbers = tuple(categories), numbers
        self.sizes = [*self.categories, *[1] * numbers]

    def __len__(self) -> int:
        """How many numbers a code is, and as many the answer about one."""
        return sum(self.sizes)

    def draw(self, n: int, dtype=None, device=None) -> Tensor:
        """n codes: (n, len(codes))."""
        chosen = [F.one_hot(randint(0, K, (n,), device=device), K).to(dtype or "float32") for K in self.categories]
        return cat([*chosen, 2 * rand(n, self.numbers, dtype=dtype, device=device) - 1], 1)

    def surprise(self, answer: Tensor, code: Tensor) -> Tensor:
        """-log Q(code | x) less its constants, the mean over samples: (N, len(codes)) twice -> ().

        A choice's answer is its scores before softmax, a number's the mean of a normal of variance 1.
        """
        if answer.shape != code.shape:
            raise ValueError(
                f"Codes: expected answers {tuple(code.shape)} about the codes, got {tuple(answer.shape)}; "
                f"recognise must give {len(self)} numbers a sample"
            )
        parts, at = [], 0
        for size in self.sizes:
            said, true = answer[:, at : at + size], code[:, at : at + size]
            choice = at < sum(self.categories)
            parts.append(-(true * said.log_softmax(1)).sum(1) if choice else 0.5 * (said - true).square().sum(1))
            at += size
        return sum(parts).mean()


class InfoGAN(Adversarial):
    """As Adversarial, but z is noise and a code, and both players work for the code to be read in the samples.

    recognise  samples (N, ...) -> (N, len(codes)), what Q says of the code; a method of the discriminator as a rule,
               which shares its layers.  Its own parameters are d_optimizer's
    codes      a Codes
    latent     how many standard normal numbers stand before the code in z
    weight     lambda of the paper
    others     as Adversarial's

    Each player's loss grows by weight * E[-log Q(c | G(z, c))]: what is left of the entropy of c is, from below, the
    information that a sample holds on its code.  Figures: Adversarial's, and code_loss.  (Chen et al. 2016, equation 6)
    """

    def __init__(
        self, generator, discriminator, g_optimizer, d_optimizer, loss="non-saturating", *,
        recognise: Callable, codes: Codes, weight: float = 1.0, **options,
    ):  # fmt: skip
        super().__init__(generator, discriminator, g_optimizer, d_optimizer, loss, **options)
        self.recognise, self.codes, self.weight, self.code_loss = recognise, codes, weight, 0.0

    def __call__(self, batch) -> dict[str, float]:
        return super().__call__(batch) | {"code_loss": self.code_loss}

    def draw(self, n: int, code: Tensor | None = None) -> Tensor:
        """Noise and a code, drawn or given as (n, len(codes)): (n, latent + len(codes))."""
        noise = super().draw(n)
        code = self.codes.draw(n, dtype=noise.dtype, device=noise.device) if code is None else code
        return cat([noise, code], 1)

    def make(self, n: int, given: list[Tensor]) -> tuple[Tensor, ...]:
        """Samples, their conditions if any, and their codes."""
        z = self.draw(n)
        return self.generator(z, *given), *given, z[:, -len(self.codes) :]

    def discriminator_loss(self, discriminator, real, made):
        """As Adversarial's, and Q's surprise at the codes."""
        *made, code = made
        loss, d_real, d_fake = super().discriminator_loss(discriminator, real, made)
        surprise = self.codes.surprise(self.score(self.recognise, *made), code)
        self.code_loss = surprise.item()
        return loss + self.weight * surprise, d_real, d_fake

    def generator_loss(self, discriminator, real, made):
        """As Adversarial's, and Q's surprise at the codes."""
        *made, code = made
        surprise = self.codes.surprise(self.score(self.recognise, *made), code)
        return super().generator_loss(discriminator, real, made) + self.weight * surprise
