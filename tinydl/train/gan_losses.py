"""What the two players of an adversarial game pay: each a pair of functions of the discriminator's scores.

Scores are numbers without bounds (logits): sigmoid(score) is the probability of being real, where a loss has one.
"""

from __future__ import annotations

from collections.abc import Callable

from ..autograd import grad, no_grad
from ..nn import functional as F
from ..ops.random import rand
from ..tensor import Tensor


class GANLoss:
    """Base of the losses of a game.  Scores: any shape with N first; each loss is the mean over them, ().

    penalty: a callable (score, real, fake) -> () that is added to the discriminator's loss.
    """

    relative = False  # whether `generator` is also given what the discriminator says of real samples
    features: Callable | None = None  # what `generator` is given instead of scores, a function of samples

    def __init__(self, *, penalty: Callable | None = None):
        self.penalty = penalty

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, from the scores of real and of generated samples."""
        raise NotImplementedError(f"{type(self).__name__} needs discriminator(self, real, fake)")

    def generator(self, fake: Tensor) -> Tensor:
        """The generator's loss, from the scores of its samples."""
        raise NotImplementedError(f"{type(self).__name__} needs generator(self, fake)")

    def constrain(self, discriminator) -> None:
        """Done to the discriminator after each of its steps."""


class Minimax(GANLoss):
    """The generator minimises what the discriminator maximises, E log D(x) + E log(1 - D(G(z))).

    real_label: the probability that the discriminator shall give to real samples; below 1 it is one-sided label
    smoothing (Salimans et al. 2016).  (Goodfellow et al. 2014, equation 1)
    """

    def __init__(self, real_label: float = 1.0, *, penalty: Callable | None = None):
        super().__init__(penalty=penalty)
        if not 0 < real_label <= 1:
            raise ValueError(f"{type(self).__name__}: real_label must be a probability above 0, got {real_label}")
        self.real_label = real_label

    def discriminator(self, real, fake):
        return (F.softplus(real) - self.real_label * real).mean() + F.softplus(fake).mean()

    def generator(self, fake):
        return -F.softplus(fake).mean()


class NonSaturating(Minimax):
    """As Minimax, but the generator maximises E log D(G(z)): its gradient is large where it is losing.

    (Goodfellow et al. 2014, section 3)
    """

    def generator(self, fake):
        return F.softplus(-fake).mean()


class LeastSquares(GANLoss):
    """Squared distances to labels: of real samples to b, of fake ones to a; of the generator's to c.

    (Mao et al. 2017, equation 2)
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0, *, penalty: Callable | None = None):
        super().__init__(penalty=penalty)
        self.a, self.b, self.c = a, b, c

    def discriminator(self, real, fake):
        return 0.5 * (real - self.b).square().mean() + 0.5 * (fake - self.a).square().mean()

    def generator(self, fake):
        return 0.5 * (fake - self.c).square().mean()


class Hinge(GANLoss):
    """The discriminator wants scores above 1 and below -1, the generator high ones.  (Lim and Ye 2017)"""

    def discriminator(self, real, fake):
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator(self, fake):
        return -fake.mean()


class Wasserstein(GANLoss):
    """The critic's mean score of real samples less that of fakes: earth mover's distance, if its slope is at most 1.

    clip: the critic's parameters are kept in [-clip, clip] for that; None if something else sees to it (a penalty,
    spectral norms).  (Arjovsky et al. 2017, algorithm 1)
    """

    def __init__(self, clip: float | None = 0.01, *, penalty: Callable | None = None):
        super().__init__(penalty=penalty)
        if clip is not None and not clip > 0:
            raise ValueError(f"Wasserstein: clip must be positive, or None, got {clip}")
        self.clip = clip

    def discriminator(self, real, fake):
        return fake.mean() - real.mean()

    def generator(self, fake):
        return -fake.mean()

    @no_grad()
    def constrain(self, discriminator):
        if self.clip is not None:
            for p in discriminator.parameters():
                p.clamp_(-self.clip, self.clip)


class WassersteinGP(Wasserstein):
    """Wasserstein's loss with a gradient penalty instead of clipping.  (Gulrajani et al. 2017, algorithm 1)"""

    def __init__(self, weight: float = 10.0):
        super().__init__(None, penalty=GradientPenalty(weight))


class RelativisticAverage(GANLoss):
    """How much more real than the mean fake is a real sample, and the other way round, as logits.

    (Jolicoeur-Martineau 2019, RaSGAN)
    """

    relative = True

    def discriminator(self, real, fake):
        return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()

    def generator(self, fake, real):
        return self.discriminator(fake, real)


class FeatureMatching(GANLoss):
    """The generator matches the mean of the discriminator's features on real samples: |E f(x) - E f(G(z))|^2.

    features: samples (N, ...) -> (N, *), a layer inside the discriminator.  loss: the discriminator's, a name or
    a GANLoss.  (Salimans et al. 2016, section 3.1)
    """

    relative = True

    def __init__(self, features: Callable, loss: str | GANLoss = "non-saturating"):
        base = gan_loss(loss)
        super().__init__(penalty=base.penalty)
        self.features, self.discriminator, self.constrain = features, base.discriminator, base.constrain

    def generator(self, fake, real):
        return (fake.mean(0) - real.mean(0)).square().sum()


LOSSES = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "wasserstein-gp": WassersteinGP,
    "relativistic": RelativisticAverage,
}


def gan_loss(loss: str | GANLoss) -> GANLoss:
    """A loss by its name in LOSSES, or itself.  ValueError for an unknown name."""
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"gan_loss: there is no loss {loss!r}; there are {', '.join(LOSSES)}")
    return LOSSES[loss]()


# ---------------------------------------------------------------- penalties
def gradient_norms(score: Callable, x: Tensor) -> Tensor:
    """The length of the gradient of each sample's score, differentiable.  x: (N, ...) -> (N,)"""
    x = x.detach().requires_grad_()
    (slopes,) = grad(score(x).sum(), x, create_graph=True)
    return (slopes.flatten(1).square().sum(1) + 1e-12).sqrt()  # the root has no slope at 0


class GradientPenalty:
    """weight * E (|grad score(x)| - 1)^2 at points drawn between real and fake samples.  (Gulrajani et al. 2017)"""

    def __init__(self, weight: float = 10.0):
        self.weight = weight

    def __call__(self, score: Callable, real: Tensor, fake: Tensor) -> Tensor:
        """score: (N, ...) -> (N, *); real, fake: (N, ...) -> ()."""
        return self.weight * (gradient_norms(score, between(real, fake)) - 1).square().mean()


class R1:
    """weight / 2 * E |grad score(x)|^2 at real samples.  (Mescheder et al. 2018, equation 9)"""

    def __init__(self, weight: float = 10.0):
        self.weight = weight

    def __call__(self, score: Callable, real: Tensor, fake: Tensor) -> Tensor:
        """score: (N, ...) -> (N, *); real: (N, ...) -> ()."""
        return 0.5 * self.weight * gradient_norms(score, real).square().mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """For each pair a point drawn from the line between.  (N, ...), (N, ...) -> (N, ...)"""
    share = rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
    return real + share * (fake - real)
