"""What values a parameter or a sample may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..tensor import Tensor


@dataclass(frozen=True, repr=False)
class Constraint:
    """A set of tensors: `check` says of each event, the last `event_dim` dimensions, whether it belongs."""

    name: str
    check: Callable[[Tensor], Tensor]
    is_discrete: bool = False
    event_dim: int = 0

    def __repr__(self):
        return self.name


def independent(base: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """Events of more dimensions, all of whose parts satisfy `base`."""
    n = reinterpreted_batch_ndims
    return Constraint(
        f"independent({base}, {n})",
        lambda x: base.check(x).flatten(-n).all(-1) if n else base.check(x),
        base.is_discrete,
        base.event_dim + n,
    )


def interval(lower_bound, upper_bound) -> Constraint:
    """Numbers from lower_bound to upper_bound, tensors that broadcast or numbers."""
    name = "interval" if isinstance(lower_bound, Tensor) else f"interval({lower_bound}, {upper_bound})"
    return Constraint(name, lambda x: (lower_bound <= x) & (x <= upper_bound))


def integer_interval(lower_bound: int, upper_bound: int) -> Constraint:
    """Whole numbers from lower_bound to upper_bound."""
    return Constraint(
        f"integer_interval({lower_bound}, {upper_bound})",
        lambda x: (x % 1 == 0) & (lower_bound <= x) & (x <= upper_bound),
        is_discrete=True,
    )


def multinomial(upper_bound: int) -> Constraint:
    """Vectors of counts of sum at most upper_bound."""
    return Constraint(
        f"multinomial({upper_bound})",
        lambda x: ((x % 1 == 0) & (x >= 0)).all(-1) & (x.sum(-1) <= upper_bound),
        is_discrete=True,
        event_dim=1,
    )


real = Constraint("real", lambda x: x == x)
positive = Constraint("positive", lambda x: x > 0)
nonnegative = Constraint("nonnegative", lambda x: x >= 0)
unit_interval = interval(0.0, 1.0)
boolean = Constraint("boolean", lambda x: (x == 0) | (x == 1), is_discrete=True)
real_vector = independent(real, 1)
simplex = Constraint(
    "simplex", lambda x: (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6 * max(1, x.shape[-1])), event_dim=1
)
