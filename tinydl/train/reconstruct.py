"""Learning to make the input again: from a code, from a corrupted input, from a random code.

Sources: Ng 2011, Sparse autoencoder (CS294A); Vincent et al. 2010, Stacked denoising autoencoders; Rifai et al. 2011,
Contractive auto-encoders; Bengio et al. 2013, Generalized denoising auto-encoders as generative models; Kingma and
Welling 2014, Auto-encoding variational Bayes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import nn
from ..autograd import grad, no_grad
from ..distributions import Bernoulli, kl_divergence
from ..nn import functional as F
from ..nn.module import evaluating
from ..ops.elementwise import where
from ..ops.joining import stack
from ..ops.random import bernoulli, chances, randn_like
from ..tensor import Tensor
from .energy import Greedy
from .steps import Step, minimize, to_device_of

# What the scores of a model cost (summed over the batch), and what they mean.
RECONSTRUCTION = {
    "squared": (F.mse_loss, lambda scores: scores),
    "cross-entropy": (F.binary_cross_entropy_with_logits, lambda scores: scores.sigmoid()),
}


# ---------------------------------------------------------------- what is done to the input
@dataclass(frozen=True)
class GaussianNoise:
    """x + std * noise, the noise standard normal."""

    std: float

    def __post_init__(self):
        if self.std < 0:
            raise ValueError(f"GaussianNoise: std must not be negative, got {self.std}")

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.std * randn_like(x)


@dataclass(frozen=True)
class Masking:
    """Each number becomes 0 with probability p."""

    p: float

    def __post_init__(self):
        _check_probability(self)

    def __call__(self, x: Tensor) -> Tensor:
        return where(chances(x) < self.p, 0.0, x)


@dataclass(frozen=True)
class SaltAndPepper:
    """Each number becomes, with probability p, either 0 or 1 by the toss of a coin."""

    p: float

    def __post_init__(self):
        _check_probability(self)

    def __call__(self, x: Tensor) -> Tensor:
        u = chances(x)
        return where(u < self.p, (u < self.p / 2).to(x.dtype), x)


def _check_probability(corruption):
    if not 0 <= corruption.p <= 1:
        raise ValueError(f"{type(corruption).__name__}: p must be a probability, got {corruption.p}")


# ---------------------------------------------------------------- what is asked of the code
class Sparse:
    """weight * sum over units of KL(target || activity): on average over the data each unit is to be `target`.

    The average is over past batches, those of long ago forgotten by `decay` a batch.  Of codes in [0, 1].  (Ng 2011)
    """

    def __init__(self, target: float = 0.05, weight: float = 1.0, decay: float = 0.9):
        if not 0 < target < 1 or not 0 <= decay < 1:
            raise ValueError(f"Sparse: expected target in (0, 1) and decay in [0, 1), got {target} and {decay}")
        self.target, self.weight, self.decay = target, weight, decay
        self.activity: Tensor | None = None

    def __call__(self, model, x: Tensor, h: Tensor) -> Tensor:
        now = h.flatten(1).mean(0)
        before = now.detach() if self.activity is None else self.activity
        if now.shape != before.shape or not ((now >= 0) & (now <= 1)).all():
            raise ValueError(
                f"Sparse: expected a code in [0, 1], as a sigmoid gives, of {len(before)} units; got {len(now)} units, "
                f"on average from {now.min().item():.3g} to {now.max().item():.3g}"
            )
        self.activity = self.decay * before + (1 - self.decay) * now.detach()
        # The value is the long average, the gradient that of the batch's average, not 1 - decay of it: an estimate of
        # the average's gradient over the data, whatever the decay.
        activity = self.activity + (now - now.detach())
        target = Bernoulli(probs=activity.new_full(activity.shape, self.target))
        return self.weight * kl_divergence(target, Bernoulli(probs=activity.clamp(1e-6, 1 - 1e-6))).sum()

    def state_dict(self) -> dict[str, Any]:
        """The average so far."""
        return {"activity": None if self.activity is None else self.activity.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from that average."""
        activity = state["activity"]
        self.activity = None if activity is None else activity.clone()


class Contractive:
    """weight * the mean of ||dh/dx||^2, Frobenius' norm of the code's Jacobian.  (Rifai et al. 2011)

    In closed form where the encoder is one sigmoid layer; else exact too, by a walk back for each unit of the code.
    Nothing in the encoder may mix the samples of a batch, as batch normalisation does.
    """

    def __init__(self, weight: float = 0.1):
        self.weight = weight

    def __call__(self, model, x: Tensor, h: Tensor) -> Tensor:
        match list(getattr(model, "encoder", ())):
            case [nn.Linear() as linear, nn.Sigmoid()]:
                norms = sigmoid_jacobian_norm(h, linear.weight)
            case _:
                norms = jacobian_norm(lambda x: _parts(model.encode(x))[0], x)
        return self.weight * norms.mean()


def sigmoid_jacobian_norm(h: Tensor, weight: Tensor) -> Tensor:
    """||dh/dx||^2 of h = sigmoid(weight x + bias) for each sample: h (N, H), weight (H, V) -> (N,)."""
    return (h * (1 - h)).square() @ weight.square().sum(1)


def jacobian_norm(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """||dh/dx||^2 of h = function(x) for each sample, with a graph to differentiate it by: x (N, ...) -> (N,).

    function must take each sample by itself.
    """
    x = x.detach().requires_grad_()
    h = function(x).flatten(1)
    rows = (grad(h[:, j].sum(), x, create_graph=True, materialize_grads=True)[0] for j in range(h.shape[1]))
    return sum(row.square().flatten(1).sum(1) for row in rows)


# ---------------------------------------------------------------- steps
class Inputs(Step):
    """Base: batches are tensors (N, ...), or lists that begin with one."""

    def inputs(self, batch) -> Tensor:
        """What is to be made again, where the model is."""
        (x,) = to_device_of(self.model, [batch] if isinstance(batch, Tensor) else batch[:1])
        return x


class Reconstruct(Inputs):
    """A model makes its input again, from a code (and more of it, as it likes: decode(*encode(x))).

    model      see tinydl.models.Autoencoder
    loss       "squared": ||scores - x||^2; "cross-entropy": of x in [0, 1] with the sigmoid of scores
    corrupt    x -> what the model sees of it: GaussianNoise, Masking, SaltAndPepper, or any function
    penalty    on the code, added to the loss: Sparse, Contractive, or any function (model, what it saw, code) -> ()
    below      what a batch goes through first: the layers below of a stack
    Figures: loss, for each sample and without the penalty; penalty, where there is one.
    """

    def __init__(
        self, model, optimizer, loss: str = "squared", *, corrupt: Callable[[Tensor], Tensor] | None = None,
        penalty: Callable | None = None, below: Callable[[Tensor], Tensor] | None = None,
    ):  # fmt: skip
        if loss not in RECONSTRUCTION:
            raise ValueError(f"Reconstruct: loss must be one of {', '.join(RECONSTRUCTION)}, got {loss!r}")
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.corrupt, self.penalty, self._below = corrupt, penalty, below

    def inputs(self, batch) -> Tensor:
        """What is to be made again: the batch, or its code in the layers below."""
        x = super().inputs(batch)
        if self._below is None:
            return x
        with no_grad():
            return self._below(x)

    def __call__(self, batch) -> dict[str, float]:
        x = self.inputs(batch)
        seen = x if self.corrupt is None else self.corrupt(x)
        h, *more = _parts(self.model.encode(seen))
        loss = self.cost(self.model.decode(h, *more), x)
        figures = {"loss": loss.item()}
        if self.penalty is not None:
            penalty = self.penalty(self.model, seen, h)
            figures["penalty"] = penalty.item()
            loss = loss + penalty
        minimize(loss, self.optimizer)
        return figures

    def cost(self, scores: Tensor, x: Tensor) -> Tensor:
        """The loss, summed over the numbers of a sample, averaged over samples: ()."""
        return RECONSTRUCTION[self.loss][0](scores, x.reshape(scores.shape), reduction="sum") / len(x)

    @no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """What the model, in evaluation mode, makes of x: (N, ...) -> the same shape."""
        with evaluating(self.model):
            return RECONSTRUCTION[self.loss][1](self.model(x)).reshape(x.shape)

    @no_grad()
    def chain(self, x: Tensor, steps: int, std: float = 0.0) -> Tensor:
        """The denoiser as a Markov chain whose states come to be distributed as the data: (N, ...) -> (steps, N, ...).

        Each step corrupts x, and draws the next x from what the model makes of it: bits under the cross-entropy, else
        normal with deviation `std`, that of the model's error.  Returned are the means that were drawn from.
        (Bengio et al. 2013)
        """
        if self.corrupt is None:
            raise ValueError("Reconstruct.chain: it is of denoisers: build the step with corrupt=")
        means = []
        for _ in range(steps):
            means.append(self.reconstruct(self.corrupt(x)))
            x = bernoulli(means[-1]) if self.loss == "cross-entropy" else means[-1] + std * randn_like(x)
        return stack(means)


class Variational(Inputs):
    """Up the evidence lower bound of a VAE.  (Kingma and Welling 2014, algorithm 1)

    beta  weight of the KL term (Higgins et al. 2017)
    Figures, in nats for each sample: loss, reconstruction = -log p(x | z), kl.
    """

    def __init__(self, model, optimizer, beta: float = 1.0):
        self.model, self.optimizer, self.beta = model, optimizer, beta

    def __call__(self, batch) -> dict[str, float]:
        fit, kl = (term.mean() for term in self.model.terms(self.inputs(batch)))
        loss = self.beta * kl - fit
        minimize(loss, self.optimizer)
        return {"loss": loss.item(), "reconstruction": -fit.item(), "kl": kl.item()}


def greedy_autoencoder(model, optimizer: Callable, loss: str = "squared", **options) -> Greedy:
    """A Reconstruct for each layer of a StackedAutoencoder, fed by those below; NextLayer goes up.

    optimizer  parameters -> their optimizer
    loss       of the first layer; the others' inputs are sigmoids, and theirs is the cross-entropy
    options    as of Reconstruct
    """

    def step(i, layer):
        def below(x):
            return model.encode(x, i)

        own = optimizer(layer.parameters())
        return Reconstruct(layer, own, "cross-entropy" if i else loss, below=below if i else None, **options)

    return Greedy([step(i, layer) for i, layer in enumerate(model.layers)])


def _parts(code) -> tuple:
    """The code, and what the decoder wants beside it."""
    return code if isinstance(code, tuple) else (code,)
