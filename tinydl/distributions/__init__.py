"""Probability distributions under PyTorch's names: samples, log-probabilities and entropies, all with gradients."""

from . import constraints
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .exponential import Exponential
from .independent import Independent
from .kl import kl_divergence, register_kl
from .multinomial import Multinomial
from .normal import Normal
from .uniform import Uniform

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Independent",
    "Multinomial",
    "Normal",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
]
