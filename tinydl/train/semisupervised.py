"""A classifier that also learns from pictures without labels, by telling them from generated ones.

Source: Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016, Improved techniques for training GANs, section 5.
"""

from __future__ import annotations

from ..data import TensorDataset
from ..nn import functional as F
from ..tensor import Tensor
from .adversarial import Adversarial


class SemiSupervised(Adversarial):
    """A discriminator of K + 1 classes: K of data, told by few labels, and one of generated samples.

    discriminator  samples (N, ...) -> scores (N, K): the classifier.  The score of the class "generated" is fixed at
                   0, so that p(real | x) = Z / (Z + 1) with Z = sum exp scores, and log Z is the score of being real
    weight         of the game, against the cross-entropy of the labels
    others         as Adversarial's; FeatureMatching is the loss with which the paper's generator learns

    Batches are [x, x of known label, label (class numbers)]; see `beside`.  Figures: Adversarial's, of the score of
    being real, and class_loss.
    """

    def __init__(self, *args, weight: float = 0.5, **options):
        super().__init__(*args, conditional=True, **options)
        self.weight, self.class_loss = weight, 0.0

    def __call__(self, batch) -> dict[str, float]:
        return super().__call__(batch) | {"class_loss": self.class_loss}

    def make(self, n: int, given: list[Tensor]) -> tuple[Tensor, ...]:
        """Samples alone: the generator is not told of labels."""
        return super().make(n, [])

    def discriminator_loss(self, discriminator, real, made):
        """Cross-entropy on what has labels, the game on all else."""
        x, labelled, target = real
        told = F.cross_entropy(self.score(discriminator, labelled), target)
        self.class_loss = told.item()
        game, d_real, d_fake = super().discriminator_loss(realness(discriminator), (x,), made)
        return told + self.weight * game, d_real, d_fake

    def generator_loss(self, discriminator, real, made):
        """As Adversarial's, of the score of being real."""
        return super().generator_loss(realness(discriminator), real[:1], made)


def realness(classifier):
    """The logit of p(real | x) that a classifier's scores imply, a function of x: log sum exp of (N, K) -> (N,)."""
    return lambda x: classifier(x).logsumexp(1)


def beside(x: Tensor, labelled: Tensor, target: Tensor) -> TensorDataset:
    """Items (x, labelled, target) for SemiSupervised: the labelled ones again and again beside all x.

    x: (N, ...), labelled: (n, ...), target: (n,) with 0 < n <= N.
    """
    if not 0 < len(labelled) == len(target) <= len(x):
        raise ValueError(
            f"beside: expected as many labels as labelled samples, and no more than samples, got {len(target)}, "
            f"{len(labelled)} and {len(x)}"
        )
    again = [i % len(target) for i in range(len(x))]
    return TensorDataset(x, labelled[again], target[again])
