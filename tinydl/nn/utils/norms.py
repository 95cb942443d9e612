"""Weights given by other parameters: a direction and a length, or divided by the largest singular value.

The module keeps those parameters; its weight is computed from them before each forward.
"""

from __future__ import annotations

from ...autograd import no_grad
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .parametrizations import norm_except


class _Computed:
    """A forward-pre-hook that sets the attribute `name` of its module to what `compute` gives."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, module, args):
        setattr(module, self.name, self.compute(module))

    def replace(self, module, parts: dict[str, Parameter]) -> None:
        """Put `parts` (suffix -> parameter) in the parameter's place; compute it before each forward."""
        del module._parameters[self.name]
        for suffix, part in parts.items():
            module.register_parameter(self.name + suffix, part)
        self.handle = module.register_forward_pre_hook(self)

    def remove(self, module, suffixes):
        """Make the weight a parameter again, with its present value."""
        with no_grad():
            weight = self.compute(module)
        self.handle.remove()
        for suffix in suffixes:
            delattr(module, self.name + suffix)
        module.__dict__.pop(self.name, None)
        module.register_parameter(self.name, Parameter(weight.detach()))


def _take(module, name, kind):
    """The parameter `name`, unless it is computed already."""
    if _find(module, name, _Computed) is not None:
        raise RuntimeError(f"{kind}: {name!r} of {type(module).__name__} is computed already")
    weight = module._parameters.get(name)
    if weight is None:
        raise AttributeError(f"{kind}: {type(module).__name__} has no parameter {name!r}")
    return weight


def _find(module, name, kind):
    for hook in module._hooks_at("forward_pre"):
        if isinstance(hook, kind) and hook.name == name:
            return hook
    return None


def _found(module, name, kind):
    hook = _find(module, name, kind)
    if hook is None:
        raise ValueError(f"{type(module).__name__} has no {name!r} computed by {kind.__name__}")
    return hook


class WeightNorm(_Computed):
    """weight = g * v / |v|, the norm over all dimensions but `dim` (None: over all)."""

    def __init__(self, name, dim):
        super().__init__(name)
        self.dim = dim

    def norm(self, v: Tensor) -> Tensor:
        """|v|, of size 1 in all dimensions but `dim`."""
        return norm_except(v, self.dim)

    def compute(self, module):
        """The weight of the module's present g and v."""
        v = getattr(module, self.name + "_v")
        return v * (getattr(module, self.name + "_g") / self.norm(v))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train length `name_g` and direction `name_v` of a weight apart (Salimans and Kingma 2016).

    dim: the dimension along which each slice has a length of its own; None: one length.
    """
    weight = _take(module, name, "weight_norm")
    hook = WeightNorm(name, dim)
    with no_grad():
        parts = {"_g": Parameter(hook.norm(weight)), "_v": Parameter(weight.detach())}
    hook.replace(module, parts)
    hook(module, ())
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again."""
    _found(module, name, WeightNorm).remove(module, ("_g", "_v"))
    return module


class SpectralNorm(_Computed):
    """weight = orig / sigma, sigma its largest singular value, followed by power iteration."""

    def __init__(self, name, steps, eps, dim):
        super().__init__(name)
        self.steps, self.eps, self.dim = steps, eps, dim

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix whose rows are the slices along `dim`."""
        return weight.movedim(self.dim, 0).reshape(weight.shape[self.dim], -1)

    def iterate(self, module, steps):
        """Move the singular vectors, buffers of the module, `steps` on."""
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        with no_grad():
            matrix = self.matrix(getattr(module, self.name + "_orig"))
            for _ in range(steps):
                v.copy_(F.normalize(matrix.T @ u, dim=0, eps=self.eps))
                u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
        return u.clone(), v.clone()  # backward may come after the next iteration

    def compute(self, module):
        """The weight of the module's present state; in training the vectors are moved first."""
        weight = getattr(module, self.name + "_orig")
        u, v = self.iterate(module, self.steps if module.training else 0)
        return weight / (u * (self.matrix(weight) @ v)).sum()


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, for a layer of slope 1 (Miyato et al. 2018).

    dim: that of the outputs (None: 1 for transposed convolutions, else 0).
    """
    if n_power_iterations <= 0:
        raise ValueError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
    weight = _take(module, name, "spectral_norm")
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    hook = SpectralNorm(name, n_power_iterations, eps, dim)
    for suffix, size in zip(("_u", "_v"), hook.matrix(weight.detach()).shape):
        start = weight.new_empty(size).normal_()
        module.register_buffer(name + suffix, F.normalize(start, dim=0, eps=eps))
    hook.replace(module, {"_orig": weight})
    setattr(module, name, weight.detach())
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight, as it is computed, an ordinary parameter again."""
    _found(module, name, SpectralNorm).remove(module, ("_orig", "_u", "_v"))
    return module
