"""The deep belief network.

Source: Hinton, Osindero and Teh 2006, A fast learning algorithm for deep belief nets.
"""

from __future__ import annotations

from .. import nn
from ..autograd import no_grad
from ..ops.random import coin
from ..tensor import Tensor
from .rbm import RBM


class DBN(nn.Module):
    """RBMs on top of each other: the hidden units of one are the visible units of the next.

    sizes          numbers of units, from the visible ones up: at least two
    visible_units  of the first RBM: "bernoulli" or "gaussian"
    The RBMs are `layers`; how they are trained, one after another, see train.Greedy.
    """

    def __init__(self, *sizes: int, visible_units: str = "bernoulli", device=None, dtype=None):
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"DBN: expected at least two sizes, visible and hidden units, got {sizes}")
        kinds = [visible_units] + ["bernoulli"] * (len(sizes) - 2)
        self.layers = nn.ModuleList(
            RBM(v, h, kind, device=device, dtype=dtype) for v, h, kind in zip(sizes, sizes[1:], kinds)
        )

    def up(self, v: Tensor, layers: int | None = None) -> Tensor:
        """Probabilities of the hidden units of the last of the first `layers` RBMs (all): (N, V) -> (N, H)."""
        for rbm in self.layers[:layers]:
            v = rbm.prob_hidden(v)
        return v

    def forward(self, v: Tensor) -> Tensor:
        """The features of v: up(v)."""
        return self.up(v)

    @no_grad()
    def down(self, v: Tensor, generator=None) -> Tensor:
        """From visible units of the top RBM to those of the first, each layer drawn given that above.

        (N, V of the top) -> (N, V): probabilities (means of Gaussian units), drawn only in between.
        """
        for i in reversed(range(len(self.layers) - 1)):
            v = self.layers[i].prob_visible(v)
            v = coin(v, generator) if i else v
        return v

    @no_grad()
    def sample(self, v: Tensor, steps: int = 1000, generator=None) -> Tensor:
        """What the model dreams: up from v, `steps` steps of Gibbs sampling in the top RBM, down.  (N, V) -> (N, V)"""
        for rbm in self.layers[:-1]:
            v = rbm.sample_hidden(v, generator)
        top = self.layers[-1]
        h = top.sample_hidden(top.gibbs(v, steps - 1, generator) if steps > 1 else v, generator)
        v = top.prob_visible(h)
        return self.down(coin(v, generator), generator) if len(self.layers) > 1 else v

    @no_grad()
    def to_network(self, classes: int) -> nn.Sequential:
        """A classifier that begins where the RBMs ended: Linear and Sigmoid for each, then a new Linear.

        (N, V) -> scores (N, classes).  Gaussian units: the scale of the inputs is put into the first weights.
        """
        parts: list[nn.Module] = []
        for rbm in self.layers:
            new = {"device": rbm.weight.device, "dtype": rbm.weight.dtype}
            linear = nn.Linear(rbm.visible, rbm.hidden, **new)
            linear.weight.copy_(rbm.weight / rbm.log_var.exp() if rbm.gaussian else rbm.weight)
            linear.bias.copy_(rbm.hbias)
            parts += [linear, nn.Sigmoid()]
        return nn.Sequential(*parts, nn.Linear(rbm.hidden, classes, **new))
