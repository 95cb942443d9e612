"""The unrolled game: the generator foresees the discriminator's next steps.

Source: Metz, Poole, Pfau, Sohl-Dickstein 2017, Unrolled generative adversarial networks.
"""

from __future__ import annotations

from ..func import functional_call
from ..tensor import Tensor
from .adversarial import Adversarial


class Unrolled(Adversarial):
    """As Adversarial, but the generator's loss is that against the discriminator of `unroll` steps later.

    Its gradient flows through these steps, which the discriminator's own optimizer takes on a copy of the weights,
    with its present state; they are then forgotten.  unroll 0: the plain game.  (Metz et al. 2017, equations 7 to 10)
    """

    def __init__(self, *args, unroll: int = 5, **kwargs):
        super().__init__(*args, **kwargs)
        if unroll < 0:
            raise ValueError(f"Unrolled: expected unroll >= 0, got {unroll}")
        self.unroll = unroll

    def learn_generator(self, real: Tensor, given: list[Tensor]) -> dict[str, float]:
        """One step down the generator's gradient through the discriminator's answers."""
        if not self.unroll:
            return super().learn_generator(real, given)
        samples, made = (real, *given), self.make(len(real), given)
        later = self.foresee(samples, made)
        loss = self.generator_loss(later, samples, made) + self.tricks.cost("generator", self.generator)
        self.g_optimizer.zero_grad()
        loss.backward(inputs=list(self.generator.parameters()))
        self.g_optimizer.step()
        return {"g_loss": loss.item()}

    def foresee(self, real, made):
        """The discriminator after `unroll` recorded steps from where it is, as a function of samples."""
        weights = {name: p.clone() for name, p in self.discriminator.named_parameters()}
        optimizer = twin(self.d_optimizer, weights, dict(self.discriminator.named_parameters()))

        def later(*x):
            return functional_call(self.discriminator, weights, x)

        for _ in range(self.unroll):
            loss, *_ = self.discriminator_loss(later, real, made)
            loss.backward(create_graph=True, inputs=list(weights.values()))
            optimizer.step()
            optimizer.zero_grad()
        return later


def twin(optimizer, weights: dict[str, Tensor], own: dict[str, Tensor]):
    """An optimizer of the same kind, options and state, whose steps on `weights` are recorded.

    weights, own: {name: tensor}; the tensor of the same name in `own` is what `optimizer` updates.
    """
    stand_in = {id(p): weights[name] for name, p in own.items()}
    groups = [{**group, "params": [stand_in[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
    made = type(optimizer)(groups, differentiable=True)
    made.load_state_dict(optimizer.state_dict())
    return made
