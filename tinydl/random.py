"""Random numbers: the generator, and the state of the default one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .ops.generator import Generator, default_generator, default_generators, manual_seed
from .tensor import Tensor

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip


def seed() -> int:
    """Seed all default generators by the operating system, and return the seed."""
    number = Generator().seed()
    manual_seed(number)
    return number


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's default generator, as bytes."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Go on from a state of the CPU's default generator."""
    default_generator.set_state(state)


@contextmanager
def fork_rng(devices=None, enabled: bool = True) -> Iterator[None]:
    """Inside, draws from the default generators leave no trace: their states are restored after."""
    states = [(generator, generator.get_state()) for generator in default_generators()]
    try:
        yield
    finally:
        for generator, state in states if enabled else ():
            generator.set_state(state)
