"""CPU kernels, compiled by Numba at first use.

Looking a name up imports nothing for names that have no kernel, and the family's module (thus Numba) for
those that have: a program of small elementwise operations never pays for Numba.
"""

from collections.abc import Callable
from importlib import import_module

FAMILIES = {
    "conv": ("conv", "conv_transpose", "conv_weight"),
    "matmul": ("matmul", "linear"),
    "optim": ("adam_update", "sgd_update"),
    "pool": (
        "max_pool",
        "max_pool_winners",
        "max_pool_gather",
        "max_pool_scatter",
        "max_unpool",
        "avg_pool",
        "avg_pool_spread",
    ),
    "random": ("philox_bits", "philox_uniform", "philox_normal", "dropout"),
}
KERNELS = {name: family for family, names in FAMILIES.items() for name in names}


def load(name: str) -> Callable | None:
    """The kernel of the operation `name`, or None where it has none on the CPU."""
    family = KERNELS.get(name)
    return family and getattr(import_module(f".{family}", __name__), name)
