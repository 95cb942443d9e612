"""The restricted Boltzmann machine.

Sources: Smolensky 1986, Information processing in dynamical systems; Hinton 2010, A practical guide to training
restricted Boltzmann machines; Cho, Ilin and Raiko 2011, Improved learning of Gaussian-Bernoulli RBMs;
Salakhutdinov and Murray 2008, On the quantitative analysis of deep belief networks (section 4.1).
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import NamedTuple

from .. import nn
from ..autograd import no_grad
from ..nn import functional as F
from ..ops.creation import arange, empty, full, linspace, zeros
from ..ops.joining import stack
from ..ops.random import coin, randint, randn_like
from ..tensor import Tensor

MOST_UNITS = 25  # whose states can be summed over one by one


class RBM(nn.Module):
    """Visible units v (V,) and binary hidden units h (H,), with p(v, h) = exp(-energy(v, h)) / Z.

    visible, hidden  V and H, the numbers of units
    visible_units    "bernoulli":  E = -h.W.v - b.v - c.h
                     "gaussian":   E = sum_i (v_i - b_i)^2 / (2 s_i^2) - h.W.(v / s^2) - c.h
    sigma            s, the standard deviation of Gaussian units given h; learned too with learn_sigma=True

    Parameters: weight W (H, V), hbias c (H,), vbias b (V,), and log_var = log s^2 (V,) of Gaussian units, a buffer
    where it is not learned.  Batches are (N, V) and (N, H); `generator` is where random numbers come from.
    """

    def __init__(
        self, visible: int, hidden: int, visible_units: str = "bernoulli", sigma: float = 1.0,
        learn_sigma: bool = False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if visible < 1 or hidden < 1:
            raise ValueError(f"RBM: expected at least one visible and one hidden unit, got {visible} and {hidden}")
        if visible_units not in ("bernoulli", "gaussian"):
            raise ValueError(f"RBM: visible_units must be 'bernoulli' or 'gaussian', got {visible_units!r}")
        if not sigma > 0:
            raise ValueError(f"RBM: sigma must be positive, got {sigma}")
        if visible_units == "bernoulli" and (learn_sigma or sigma != 1):
            raise ValueError("RBM: only Gaussian visible units have a sigma; give visible_units='gaussian'")
        self.visible, self.hidden, self.visible_units = visible, hidden, visible_units
        new = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(empty((hidden, visible), **new))
        self.hbias = nn.Parameter(empty((hidden,), **new))
        self.vbias = nn.Parameter(empty((visible,), **new))
        if self.gaussian:
            log_var = full((visible,), 2 * math.log(sigma), **new)
            if learn_sigma:
                self.log_var = nn.Parameter(log_var)
            else:
                self.register_buffer("log_var", log_var)
        self.reset_parameters()

    @property
    def gaussian(self) -> bool:
        """Whether the visible units are Gaussian."""
        return self.visible_units == "gaussian"

    def reset_parameters(self) -> None:
        """Weights from a normal distribution of deviation 0.01, biases 0.  (Hinton 2010, section 8)"""
        nn.init.normal_(self.weight, 0.0, 0.01)
        nn.init.zeros_(self.hbias)
        nn.init.zeros_(self.vbias)

    @no_grad()
    def fit_biases(self, v: Tensor) -> RBM:
        """Begin with visible biases that alone give the means of the data v (N, V).  (Hinton 2010, section 8)"""
        self._check("fit_biases", v, self.visible)
        self.vbias.copy_(v.mean(0) if self.gaussian else log_odds(v))
        return self

    def _check(self, name, x, units):
        if x.ndim != 2 or x.shape[1] != units:
            raise ValueError(
                f"RBM.{name}: expected (N, {units}), got {tuple(x.shape)} "
                f"(an RBM of {self.visible} visible and {self.hidden} hidden units)"
            )

    # ---- energies
    def hidden_input(self, v: Tensor) -> Tensor:
        """What each hidden unit receives, (N, V) -> (N, H)."""
        self._check("hidden_input", v, self.visible)
        return F.linear(v / self.log_var.exp() if self.gaussian else v, self.weight, self.hbias)

    def visible_energy(self, v: Tensor, vbias: Tensor | None = None) -> Tensor:
        """The part of the energy in which there is no h, (N, V) -> (N,)."""
        self._check("visible_energy", v, self.visible)
        b = self.vbias if vbias is None else vbias
        return ((v - b).square() / (2 * self.log_var.exp())).sum(1) if self.gaussian else -(v @ b)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h): (N, V), (N, H) -> (N,)."""
        self._check("energy", h, self.hidden)
        return self.visible_energy(v) - (h * self.hidden_input(v)).sum(1)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log sum_h exp(-E(v, h)): (N, V) -> (N,)."""
        return self.visible_energy(v) - F.softplus(self.hidden_input(v)).sum(1)

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        """-log of the sum (Gaussian: integral) of exp(-E(v, h)) over v: (N, H) -> (N,)."""
        self._check("hidden_free_energy", h, self.hidden)
        a = h @ self.weight
        if not self.gaussian:
            return -(h @ self.hbias) - F.softplus(a + self.vbias).sum(1)
        of_one = (a * (a + 2 * self.vbias)) / (2 * self.log_var.exp()) + (self.log_var + math.log(2 * math.pi)) / 2
        return -(h @ self.hbias) - of_one.sum(1)

    @no_grad()
    def gradients(self, v: Tensor, h: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Parameter's name -> sum over n of rows[n] * dE(v[n], h[n]) / dparameter; rows (N,) are 1 / N if not given.

        With h = prob_hidden(v) this is the gradient of (rows * free_energy(v)).sum(), without a walk back.
        """
        rows = full((len(v),), 1 / len(v), dtype=v.dtype, device=v.device) if rows is None else rows
        weighed = h * -rows.unsqueeze(1)
        found = {"hbias": weighed.sum(0)}
        if not self.gaussian:
            return found | {"weight": weighed.T @ v, "vbias": -(rows @ v)}
        var = self.log_var.exp()
        found |= {"weight": weighed.T @ (v / var), "vbias": -(rows @ (v - self.vbias)) / var}
        if isinstance(self.log_var, nn.Parameter):
            found["log_var"] = rows @ (v * (h @ self.weight) - (v - self.vbias).square() / 2) / var
        return found

    # ---- conditional distributions
    def prob_hidden(self, v: Tensor) -> Tensor:
        """p(h = 1 | v): (N, V) -> (N, H)."""
        return self.hidden_input(v).sigmoid()

    def prob_visible(self, h: Tensor) -> Tensor:
        """p(v = 1 | h), of Gaussian units the mean: (N, H) -> (N, V)."""
        self._check("prob_visible", h, self.hidden)
        x = h @ self.weight + self.vbias
        return x if self.gaussian else x.sigmoid()

    def draw_visible(self, mean: Tensor, generator=None) -> Tensor:
        """Visible units of which prob_visible said `mean`."""
        if not self.gaussian:
            return coin(mean, generator)
        return mean + (self.log_var / 2).exp() * randn_like(mean, generator=generator)

    @no_grad()
    def sample_hidden(self, v: Tensor, generator=None) -> Tensor:
        """h drawn given v: (N, V) -> (N, H) of zeros and ones."""
        return coin(self.prob_hidden(v), generator)

    @no_grad()
    def sample_visible(self, h: Tensor, generator=None) -> Tensor:
        """v drawn given h: (N, H) -> (N, V)."""
        return self.draw_visible(self.prob_visible(h), generator)

    def gibbs(self, v: Tensor, steps: int = 1, generator=None) -> Tensor:
        """v after so many steps of block Gibbs sampling, all h given v and then all v given h: (N, V) -> (N, V)."""
        for _ in range(steps):
            v = self.sample_visible(self.sample_hidden(v, generator), generator)
        return v

    def forward(self, v: Tensor) -> Tensor:
        """The features of v: prob_hidden(v)."""
        return self.prob_hidden(v)

    # ---- likelihood
    @no_grad()
    def log_partition(self, chunk: int = 1 << 14) -> float:
        """log Z in float64, summed over all states of the smaller layer (of Gaussian visible units, the hidden one).

        ValueError if that has more than 25 units; use `ais` then.
        """
        over_hidden = self.gaussian or self.hidden <= self.visible
        units = self.hidden if over_hidden else self.visible
        if units > MOST_UNITS:
            raise ValueError(f"RBM.log_partition: 2**{units} states are too many (at most 2**{MOST_UNITS}); use ais()")
        exact = deepcopy(self).double()
        energy = exact.hidden_free_energy if over_hidden else exact.free_energy
        place = 2 ** arange(units, device=self.weight.device)
        sums = []
        for low in range(0, 2**units, chunk):
            numbers = arange(low, min(low + chunk, 2**units), device=self.weight.device)
            states = (numbers.unsqueeze(1) // place) % 2
            sums.append((-energy(states.double())).logsumexp(0))
        return stack(sums).logsumexp(0).item()

    @no_grad()
    def log_likelihood(self, v: Tensor, log_partition: float | None = None) -> Tensor:
        """log p(v) in nats, (N, V) -> (N,).  log_partition: what it or `ais` gave, if known."""
        return -self.free_energy(v) - (self.log_partition() if log_partition is None else log_partition)

    @no_grad()
    def pseudo_likelihood(self, v: Tensor, generator=None) -> Tensor:
        """V log p(v_i | all others), i random for each row: on average the log-pseudo-likelihood (Besag 1975).

        v: (N, V) of zeros and ones -> (N,).  ValueError for Gaussian units.
        """
        if self.gaussian:
            raise ValueError("RBM.pseudo_likelihood: it is of binary visible units; these are Gaussian")
        self._check("pseudo_likelihood", v, self.visible)
        unit = randint(self.visible, (len(v), 1), generator=generator, device=v.device)
        flipped = v.scatter(1, unit, 1 - v.gather(1, unit))
        return self.visible * F.logsigmoid(self.free_energy(flipped) - self.free_energy(v))

    @no_grad()
    def ais(
        self, betas: int | Tensor = 1000, chains: int = 100, base: Tensor | None = None, generator=None
    ) -> LogPartition:
        """log Z by annealed importance sampling (Neal 2001; Salakhutdinov and Murray 2008).

        Chains go from the model without weights whose visible biases are `base` (V,), by default this RBM's, through
        models with beta times the weights, to this one.  betas: how many, or themselves, rising from 0 to 1.
        """
        base = self.vbias if base is None else base
        if not isinstance(betas, Tensor):
            betas = linspace(0.0, 1.0, betas)
        betas = betas.tolist()
        if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or betas != sorted(betas):
            raise ValueError(f"RBM.ais: betas must rise from 0 to 1 (at least two), got {betas[:3]} ...")

        def tempered(v, z, beta):
            return self.visible_energy(v, vbias(beta)) - F.softplus(beta * z).sum(1)

        def vbias(beta):
            return (1 - beta) * base + beta * self.vbias

        def draw(a, beta):
            x = beta * a + vbias(beta)
            return self.draw_visible(x if self.gaussian else x.sigmoid(), generator)

        a = zeros(chains, self.visible, device=self.weight.device, dtype=self.weight.dtype)
        v = draw(a, 0.0)
        log_w = zeros(chains, device=self.weight.device, dtype="float64")
        for before, beta in zip(betas, betas[1:]):
            z = self.hidden_input(v)
            log_w += tempered(v, z, before) - tempered(v, z, beta)
            h = coin((beta * z).sigmoid(), generator)
            v = draw(h @ self.weight, beta)
        weightless = deepcopy(self)
        for p, value in ((weightless.weight, 0.0), (weightless.hbias, 0.0), (weightless.vbias, base)):
            p.copy_(value) if isinstance(value, Tensor) else p.fill_(value)
        no_h = zeros(1, self.hidden, device=a.device, dtype=a.dtype)
        log_z0 = -weightless.hidden_free_energy(no_h).item() + self.hidden * math.log(2)
        return _estimate(log_z0, log_w)

    def extra_repr(self):
        """The sizes."""
        return f"visible={self.visible}, hidden={self.hidden}, visible_units={self.visible_units!r}"


class LogPartition(NamedTuple):
    """An estimate of log Z, and the logarithms of Z three standard errors below and above."""

    value: float
    low: float
    high: float


def _estimate(log_z0, log_w) -> LogPartition:
    top = log_w.max()
    w = (log_w - top).exp()  # the largest is 1
    mean, error = w.mean().item(), w.std().item() / math.sqrt(len(w))
    ends = (mean - 3 * error, mean + 3 * error)
    low, high = (math.log(x) if x > 0 else -math.inf for x in ends)
    start = log_z0 + top.item()
    return LogPartition(start + math.log(mean), start + low, start + high)


def log_odds(v: Tensor) -> Tensor:
    """log p / (1 - p) of each column's mean p in (0, 1), as if one 0 and one 1 had been seen more.  (N, V) -> (V,)"""
    p = (v.sum(0) + 1) / (len(v) + 2)
    return (p / (1 - p)).log()
