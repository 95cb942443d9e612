"""The variational autoencoder.  Source: Kingma and Welling 2014, Auto-encoding variational Bayes."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import nn
from ..autograd import no_grad
from ..distributions import Bernoulli, Distribution, Normal, kl_divergence
from ..ops.creation import zeros
from ..ops.joining import stack
from ..ops.random import randn
from ..tensor import Tensor
from .autoencoder import check_sizes, linear_layers

LIKELIHOODS = ("bernoulli", "gaussian")


class VAE(nn.Module):
    """z is standard normal, x given z has independent dimensions; q(z | x) = N(loc, exp(log_var)) stands for p(z | x).

    sizes       V numbers in an input, the widths of hidden layers, D of z; the decoder has them in reverse
    activation  of hidden layers: a class as nn.ReLU
    likelihood  of x: "bernoulli" for bits (grey values in [0, 1] are taken as probabilities) or "gaussian"
    std         of the Gaussian likelihood; None: one for all dimensions is learned
    Inputs are (N, ...), flattened to (N, V).
    """

    def __init__(
        self, *sizes: int, activation: Callable[[], nn.Module] = nn.ReLU, likelihood: str = "bernoulli",
        std: float | None = 1.0,
    ):  # fmt: skip
        super().__init__()
        check_sizes("VAE", sizes)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"VAE: likelihood must be one of {', '.join(LIKELIHOODS)}, got {likelihood!r}")
        if std is not None and not std > 0:
            raise ValueError(f"VAE: std must be positive, or None to be learned, got {std}")
        *hidden, latent = sizes
        self.latent, self.likelihood = latent, likelihood
        self.encoder = linear_layers(hidden, activation, activation)
        self.loc, self.log_var = nn.Linear(hidden[-1], latent), nn.Linear(hidden[-1], latent)
        self.decoder = linear_layers(sizes[::-1], activation, None)
        if likelihood == "gaussian":
            log_std = zeros(()) if std is None else zeros(()).fill_(math.log(std))
            self.log_std = nn.Parameter(log_std, requires_grad=std is None)

    def encode(self, x: Tensor) -> Normal:
        """q(z | x), of (N, D)."""
        h = self.encoder(x.flatten(1))
        return Normal(self.loc(h), (self.log_var(h) / 2).exp())

    def reparameterise(self, q: Normal) -> Tensor:
        """z = loc + scale * noise, so that z has a gradient in both: (N, D)."""
        return q.rsample()

    def decode(self, z: Tensor) -> Distribution:
        """p(x | z), of (N, V)."""
        scores = self.decoder(z)
        if self.likelihood == "bernoulli":
            return Bernoulli(logits=scores, validate_args=False)
        return Normal(scores, self.log_std.exp())

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z) with one z of q(z | x), and KL(q(z | x) || p(z)) in closed form: nats, (N,) each."""
        q = self.encode(x)
        fit = self.decode(self.reparameterise(q)).log_prob(x.flatten(1)).sum(1)
        return fit, kl_divergence(q, self._prior(q)).sum(1)

    def elbo(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """A lower bound on log p(x) on average over z, in nats: (N, ...) -> (N,).  beta: Higgins et al. 2017"""
        fit, kl = self.terms(x)
        return fit - beta * kl

    @no_grad()
    def log_likelihood(self, x: Tensor, samples: int = 100) -> Tensor:
        """log p(x) from below by `samples` z of q(z | x), weighed: (N, ...) -> (N,) nats.  (Burda et al. 2016)"""
        if samples < 1:
            raise ValueError(f"VAE.log_likelihood: samples must be at least 1, got {samples}")
        q, x = self.encode(x), x.flatten(1)
        weights = []
        for _ in range(samples):
            z = q.sample()
            weights.append(self.decode(z).log_prob(x).sum(1) + self._prior(q).log_prob(z).sum(1) - q.log_prob(z).sum(1))
        return stack(weights).logsumexp(0) - math.log(samples)

    @no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean of x given the mean of q(z | x): (N, ...) -> (N, V)."""
        return self.decode(self.encode(x).mean).mean

    @no_grad()
    def sample(self, n: int, z: Tensor | None = None) -> Tensor:
        """Means of x given n draws of z, or given `z` (n, D): (n, V)."""
        if z is None:
            w = self.loc.weight
            z = randn(n, self.latent, dtype=w.dtype, device=w.device)
        return self.decode(z).mean

    def forward(self, x: Tensor) -> Tensor:
        """The mean of x given one z of q(z | x): (N, ...) -> (N, V)."""
        return self.decode(self.reparameterise(self.encode(x))).mean

    @staticmethod
    def _prior(q: Normal) -> Normal:
        zero = q.loc.new_zeros(())
        return Normal(zero, zero + 1)

    def extra_repr(self):
        """The size of z and the likelihood."""
        return f"latent={self.latent}, likelihood={self.likelihood!r}"
