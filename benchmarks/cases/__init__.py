"""What is measured: for each case a function that builds a step from a library, tinydl or PyTorch alike.

The names are the same in both, so one text serves both.  A step is what is timed; what it carries as `between`
runs before each timing, untimed: there the weights change, as in training, so that nothing kept from an earlier
step can serve again.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

# The files of this folder, in the order of the table.
FILES = (
    "conv", "pool", "recurrent", "norm", "pointwise", "attention", "resample", "embedding", "optim", "breadth", "small",
    "models",
)  # fmt: skip


class Case(NamedTuple):
    family: str
    at_most: float  # the ratio to PyTorch that is aimed at
    build: Callable  # (library, **arguments) -> step
    arguments: dict


CASES: dict[str, Case] = {}


def cases(family: str, at_most: float, **rows: dict):
    """Declare a builder's cases: for each row its label and the arguments that it builds with."""

    def declare(build):
        for label, arguments in (rows or {"": {}}).items():
            CASES[f"{build.__name__} {label}".strip()] = Case(family, at_most, build, arguments)
        return build

    return declare


def forward_and_gradients(lib, function, x, *weights, multiplications=0):
    """The step `function(x, *weights)` and the gradients of x (if of floats) and all weights, of a fixed cotangent.

    It carries as `bytes` what it must move at least, each operand, result and gradient once; and as `flops`, where
    the forward's multiplications are told, twice as many for it and for each of two gradients.
    """
    tensors = [t.requires_grad_() for t in (x, *weights) if t.is_floating_point()]
    with lib.no_grad():
        g = lib.randn(function(x, *weights).shape)

    def step():
        for t in tensors:
            t.grad = None
        function(x, *weights).backward(g)

    def between():
        with lib.no_grad():
            for w in weights:
                w.mul_(0.999)

    step.between = between
    step.bytes = 4 * (2 * g.numel() + sum(t.numel() * (2 if t.is_floating_point() else 1) for t in (x, *weights)))
    if multiplications:
        step.flops = 6 * multiplications
    return step


def load() -> dict[str, Case]:
    """All cases of all files."""
    for file in FILES:
        import_module(f".{file}", __name__)
    return CASES
