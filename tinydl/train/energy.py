"""Learning models that are known up to a constant: restricted Boltzmann machines and stacks of them.

Sources: Hinton 2002, Training products of experts by minimizing contrastive divergence; Tieleman 2008, Training
restricted Boltzmann machines using approximations to the likelihood gradient; Hinton 2010, A practical guide to
training restricted Boltzmann machines; Hinton, Osindero and Teh 2006, A fast learning algorithm for deep belief nets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import no_grad
from ..models.rbm import RBM
from ..ops.creation import full
from ..ops.generator import Generator
from ..ops.joining import cat
from ..ops.random import coin
from ..optim import SGD
from ..tensor import Tensor
from .loop import Callback, Trainer
from .steps import Step, to_device_of


class Sampled(Step):
    """Base: the gradient of F(data) - F(sample), F the free energy, from the statistics of both.

    rbm, optimizer  see `hintons_sgd`
    k               steps of Gibbs sampling
    below           what a batch goes through first: the layers below of a deep belief network
    sparsity        how often hidden units should be on; `sparsity_cost` pulls their biases there (Lee et al. 2008;
                    Hinton 2010, section 11)
    generator       where random numbers come from
    Batches are tensors (N, ...), or lists that begin with one.
    """

    def __init__(
        self, rbm: RBM, optimizer, k: int = 1, *, below: Callable[[Tensor], Tensor] | None = None,
        sparsity: float | None = None, sparsity_cost: float = 0.1, generator: Generator | None = None,
    ):  # fmt: skip
        if k < 1:
            raise ValueError(f"{type(self).__name__}: k must be at least 1, got {k}")
        if sparsity is not None and not 0 < sparsity < 1:
            raise ValueError(f"{type(self).__name__}: sparsity is a probability in (0, 1), got {sparsity}")
        self.rbm, self.optimizer, self.k, self.generator = rbm, optimizer, k, generator
        self._below, self.sparsity, self.sparsity_cost = below, sparsity, sparsity_cost
        self.kept: dict[str, Tensor] = {}  # tensors that go on from step to step
        if sparsity is not None:
            self.kept["activity"] = full((rbm.hidden,), sparsity, dtype=rbm.weight.dtype, device=rbm.weight.device)

    def visible(self, batch) -> Tensor:
        """The batch as visible units, (N, V)."""
        (v, *_) = to_device_of(self.rbm, [batch] if isinstance(batch, Tensor) else batch[:1])
        v = v.flatten(1)
        return v if self._below is None else self._below(v)

    def walk(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """k steps of Gibbs sampling from binary h: v, the mean it was drawn with, and prob_hidden(v)."""
        for left in reversed(range(self.k)):
            mean = self.rbm.prob_visible(h)
            v = self.rbm.draw_visible(mean, self.generator)
            p = self.rbm.prob_hidden(v)
            if left:
                h = coin(p, self.generator)
        return v, mean, p

    def descend(self, v: Tensor, h: Tensor, sample: Tensor, h_sample: Tensor) -> None:
        """One step down the gradient of F(v) - F(sample), given the probabilities of the hidden units."""
        like = {"dtype": v.dtype, "device": v.device}
        rows = cat([full((n,), sign / n, **like) for n, sign in ((len(v), 1), (len(sample), -1))])
        gradients = self.rbm.gradients(cat([v, sample]), cat([h, h_sample]), rows)  # one product for both
        for name, p in self.rbm.named_parameters():
            p.grad = gradients[name]
        if self.sparsity is not None:
            activity = self.kept["activity"].mul_(0.9).add_(h.mean(0), alpha=0.1)
            self.rbm.hbias.grad.add_(activity - self.sparsity, alpha=self.sparsity_cost)
        self.optimizer.step()


class ContrastiveDivergence(Sampled):
    """CD-k (Hinton 2002): the sample is where the data are after k steps of Gibbs sampling.

    Figures: loss, the mean squared error of the reconstruction.
    """

    @no_grad()
    def __call__(self, batch) -> dict[str, float]:
        v = self.visible(batch)
        h = self.rbm.prob_hidden(v)
        sample, mean, h_sample = self.walk(coin(h, self.generator))
        self.descend(v, h, sample, h_sample)
        return {"loss": (v - mean).square().mean().item()}


class PersistentContrastiveDivergence(Sampled):
    """PCD (Tieleman 2008): the sample goes on from step to step, so that it comes from the model and not near the data.

    chains: how many samples; their hidden units are part of checkpoints.  Other arguments as of `Sampled`.
    Figures: loss, the mean of F(data) - F(sample).
    """

    def __init__(self, rbm: RBM, optimizer, k: int = 1, *, chains: int = 100, **options):
        super().__init__(rbm, optimizer, k, **options)
        if chains < 1:
            raise ValueError(f"PersistentContrastiveDivergence: chains must be at least 1, got {chains}")
        half = full((chains, rbm.hidden), 0.5, dtype=rbm.weight.dtype, device=rbm.weight.device)
        self.kept["chains"] = coin(half, self.generator)

    @no_grad()
    def __call__(self, batch) -> dict[str, float]:
        v = self.visible(batch)
        sample, _, h_sample = self.walk(self.kept["chains"])
        self.kept["chains"] = coin(h_sample, self.generator)
        gap = self.rbm.free_energy(v).mean() - self.rbm.free_energy(sample).mean()
        self.descend(v, self.rbm.prob_hidden(v), sample, h_sample)
        return {"loss": gap.item()}


def hintons_sgd(rbm: RBM, lr: float = 0.1, momentum: float = 0.5, weight_decay: float = 2e-4) -> SGD:
    """Gradient descent as Hinton's guide has it: the decay is of the weights alone.  (Hinton 2010, sections 7, 9, 10)

    Gaussian visible units want an lr a hundred times smaller.
    """
    biases = [p for name, p in rbm.named_parameters() if name != "weight"]
    groups = [{"params": [rbm.weight], "weight_decay": weight_decay}, {"params": biases}]
    return SGD(groups, lr, momentum)


class RaiseMomentum(Callback):
    """From its epoch `epoch` on, every optimizer given has this momentum.  (Hinton 2010, section 9)"""

    def __init__(self, *optimizers, epoch: int = 5, momentum: float = 0.9):
        self.optimizers, self.epoch, self.momentum = optimizers, epoch, momentum

    def on_epoch_begin(self, run: Trainer) -> None:
        if run.epoch >= self.epoch:
            for group in (g for optimizer in self.optimizers for g in optimizer.param_groups):
                group["momentum"] = self.momentum


class Greedy(Step):
    """One layer after another: `steps[layer]` learns, and those below it stay as they are.

    NextLayer moves on.  For a deep belief network see `greedy_dbn`.
    """

    def __init__(self, steps: Sequence[Step]):
        self.steps, self.layer = list(steps), 0

    def __call__(self, batch) -> dict[str, float]:
        return self.steps[self.layer](batch)

    def state_dict(self) -> dict[str, Any]:
        """The states of all layers' steps."""
        return {"layer": self.layer, "steps": [step.state_dict() for step in self.steps]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; ValueError for another number of layers."""
        if len(state["steps"]) != len(self.steps):
            raise ValueError(
                f"Greedy.load_state_dict: the state is of {len(state['steps'])} layers, this is of {len(self.steps)}"
            )
        for step, saved in zip(self.steps, state["steps"]):
            step.load_state_dict(saved)
        self.layer = state["layer"]


class NextLayer(Callback):
    """Goes to the next layer of a Greedy step after every `epochs` epochs; fit(epochs * layers) trains all."""

    def __init__(self, epochs: int):
        if epochs < 1:
            raise ValueError(f"NextLayer: epochs must be at least 1, got {epochs}")
        self.epochs = epochs

    def on_epoch_begin(self, run: Trainer) -> None:
        run.step.layer = min(run.epoch // self.epochs, len(run.step.steps) - 1)


def greedy_dbn(
    dbn, k: int = 1, lr: float = 0.1, momentum: float = 0.5, weight_decay: float = 2e-4, **options
) -> Greedy:
    """A ContrastiveDivergence for each layer of a deep belief network, fed by those below.

    options: as of ContrastiveDivergence.
    """

    def step(i):
        def below(v):
            return dbn.up(v, i)

        optimizer = hintons_sgd(dbn.layers[i], lr, momentum, weight_decay)
        return ContrastiveDivergence(dbn.layers[i], optimizer, k, below=below if i else None, **options)

    return Greedy([step(i) for i in range(len(dbn.layers))])
