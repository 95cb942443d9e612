"""What a sample is, and the makers of its inputs and of its judges.  The same numbers at every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from oracle import oracle

rng = np.random.default_rng(0)


class Sample:
    """Arguments of an operation in its order: arrays (float64, integers, bool) become tensors, all else are constants.

    kernel: the CPU's kernel must serve it.  order: to which order gradients are checked.
    fixed: positions of arrays that have no gradient.  typed: the result's dtype and numbers follow the input's dtype.
    through: what is compared of the outputs, where they are determined only up to a sign.
    symmetric: a matrix of which one triangle is read: differences keep it symmetric.
    """

    def __init__(
        self, *args, kernel=False, order=2, fixed=(), typed=True, through: Callable | None = None, symmetric=False,
        **constants,
    ):  # fmt: skip
        self.args, self.constants, self.kernel, self.order = args, constants, kernel, order
        self.fixed, self.typed, self.through, self.symmetric = fixed, typed, through, symmetric

    def map(self, function) -> list:
        """The arguments, `function` applied to each array."""

        def apply(v):
            return [apply(w) for w in v] if isinstance(v, list) else function(v) if isinstance(v, np.ndarray) else v

        return [apply(v) for v in self.args]

    @property
    def arrays(self) -> list[np.ndarray]:
        found = []
        self.map(lambda a: found.append(a) or a)
        return found


# ---------------------------------------------------------------- inputs
def normal(*shape):
    return np.asarray(rng.standard_normal(shape))


def between(low, high, *shape):
    return np.asarray(rng.uniform(low, high, shape))


def positive(*shape):
    return between(0.3, 3, *shape)


def distinct(*shape):
    """No two alike, none of them a whole number; neighbours differ by at least 0.3."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n // 2) * 0.3 + 0.07).reshape(shape)


def integers(high, *shape):
    return np.asarray(rng.integers(0, high, shape))


def booleans(*shape):
    return np.asarray(rng.random(shape) > 0.5)


def definite(n, *batch):
    """Symmetric positive definite matrices with distinct eigenvalues."""
    q = np.linalg.qr(rng.standard_normal((*batch, n, n)))[0]
    return (q * np.arange(1.0, n + 1)) @ q.swapaxes(-2, -1)


# ---------------------------------------------------------------- judges
def by_torch(function) -> Callable:
    """The judge function(torch, ...), given tensors for arrays."""

    def judge(*args, **constants):
        torch = oracle()

        def to(v):
            if isinstance(v, list):
                return [to(w) for w in v]
            return torch.tensor(v) if isinstance(v, np.ndarray) else v

        out = function(torch, *map(to, args), **constants)
        return tuple(t.numpy() for t in out) if isinstance(out, tuple) else out.numpy()

    return judge


def same_name(name) -> Callable:
    """PyTorch's function of an operation's name."""

    def function(torch, *args, **constants):
        for space in (torch, torch.special, torch.nn.functional, torch.linalg):
            if hasattr(space, name):
                return getattr(space, name)(*args, **constants)
        raise LookupError(f"{name}: PyTorch has no function of this name; give the samples an oracle")

    return by_torch(function)
