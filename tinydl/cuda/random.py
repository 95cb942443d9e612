"""Random numbers of the GPU: the state of its default generator."""

from __future__ import annotations

from ..ops.generator import default_of
from ..tensor import Tensor
from .devices import gpu, is_available

__all__ = ["get_rng_state", "initial_seed", "manual_seed", "manual_seed_all", "seed", "set_rng_state"]


def manual_seed(seed: int) -> None:
    """Begin the stream of `seed` on the GPU.  Without a GPU nothing happens, so that a program need not ask."""
    if is_available():
        default_of(gpu()).manual_seed(seed)


manual_seed_all = manual_seed  # there is one GPU


def seed() -> None:
    """Begin the stream of a seed drawn by the operating system.  Without a GPU nothing happens."""
    if is_available():
        default_of(gpu()).seed()


def initial_seed() -> int:
    """The seed of the GPU's generator."""
    return default_of(gpu()).initial_seed()


def get_rng_state(device=None) -> Tensor:
    """The state of the GPU's generator, as bytes on the CPU."""
    return default_of(gpu(device)).get_state()


def set_rng_state(new_state: Tensor, device=None) -> None:
    """Go on from a state of the GPU's generator."""
    default_of(gpu(device)).set_state(new_state)
