"""What all distributions share: shapes, checks, and expansion."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from .. import dtype as dtypes
from ..autograd import no_grad
from ..ops.creation import tensor
from ..ops.shape import broadcast_tensors
from ..tensor import Size, Tensor
from .constraints import Constraint


class Distribution:
    """A batch of distributions, of shape `batch_shape`, each of events of shape `event_shape`.

    A sample has the shape sample_shape + batch_shape + event_shape.  validate_args: check arguments
    (ValueError), which on a GPU waits for them.
    """

    arg_constraints: dict[str, Constraint] = {}
    support: Constraint
    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _tensors: tuple[str, ...] = ()  # attributes, of shape batch_shape + something, that `expand` expands

    def __init__(self, batch_shape=(), event_shape=(), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name in self._given():
                self._require(f"parameter {name}", self.arg_constraints[name], getattr(self, name))

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected True or False, got {value!r}")
        Distribution._validate_args = value

    def _given(self) -> list[str]:
        """Names of the parameters that it was made from."""
        return list(self.arg_constraints)

    def _require(self, what, constraint, value):
        if not constraint.check(value).all().item():
            raise ValueError(
                f"{type(self).__name__}: {what} (shape {tuple(value.shape)}) must satisfy {constraint}; "
                f"got invalid values among {value}"
            )

    # ---- shapes
    @property
    def batch_shape(self) -> Size:
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event."""
        return self._event_shape

    def _extended_shape(self, sample_shape=()) -> Size:
        return Size(tuple(sample_shape) + self._batch_shape + self._event_shape)

    def expand(self, batch_shape: Sequence[int]) -> Distribution:
        """The same distribution for a larger batch, without copying parameters."""
        new = copy.copy(self)
        new._batch_shape = Size(batch_shape)
        for name in self._tensors:
            x = getattr(self, name)
            setattr(new, name, x.expand((*batch_shape, *x.shape[len(self._batch_shape) :])))
        return new

    # ---- what a family defines
    def _missing(self, name):
        return NotImplementedError(f"{type(self).__name__} has no {name}")

    @property
    def mean(self) -> Tensor:
        """The mean, of shape batch_shape + event_shape."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The likeliest event, of shape batch_shape + event_shape."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The variance, of shape batch_shape + event_shape."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, of shape batch_shape + event_shape."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = (), *, generator=None) -> Tensor:
        """Events, of shape sample_shape + batch_shape + event_shape, outside the graph."""
        with no_grad():
            return self.rsample(sample_shape, generator=generator)

    def rsample(self, sample_shape: Sequence[int] = (), *, generator=None) -> Tensor:
        """As `sample`, differentiable with respect to the parameters (Kingma and Welling 2014)."""
        raise self._missing("differentiable samples (rsample)")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, of events: shape without event_shape."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of events up to `value`."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The event up to which the probability is `value`."""
        raise self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All K possible events: (K, *batch_shape, *event_shape), or with ones for batch_shape."""
        raise self._missing("finite support")

    def entropy(self) -> Tensor:
        """The entropy in nats, of shape batch_shape."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """The exponential of the entropy, of shape batch_shape."""
        return self.entropy().exp()

    # ---- helpers
    def _validate_sample(self, value):
        """ValueError for a value of the wrong shape or outside the support, where arguments are checked."""
        if not self._validate_args:
            return
        name = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: the value must be a tensor, got {type(value).__name__}")
        expected, got = self._extended_shape(), value.shape
        events = len(self._event_shape)
        fits = all(1 in (i, j) or i == j for i, j in zip(reversed(got), reversed(expected)))
        if not fits or tuple(got[len(got) - events :]) != tuple(self._event_shape):
            raise ValueError(
                f"{name}: a value of shape {tuple(got)} does not fit batch_shape {tuple(self._batch_shape)} and "
                f"event_shape {tuple(self._event_shape)}"
            )
        self._require("the value", self.support, value)

    def __repr__(self):
        shown = ((name, getattr(self, name)) for name in self._given())
        inside = ", ".join(f"{name}: {x.item() if x.numel() == 1 else x.shape}" for name, x in shown)
        return f"{type(self).__name__}({inside})"


def parameters(name: str, *values) -> list[Tensor]:
    """Numbers and floating tensors as tensors of one shape and type."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    for v in values:
        if not isinstance(v, (Tensor, int, float)) or (isinstance(v, Tensor) and not dtypes.is_floating(v.dtype)):
            what = v.dtype if isinstance(v, Tensor) else type(v).__name__
            raise TypeError(f"{name}: a parameter must be a number or a floating tensor, got {what}")
    like = (
        {"dtype": tensors[0].dtype, "device": tensors[0].device} if tensors else {"dtype": dtypes.get_default_dtype()}
    )
    return list(broadcast_tensors(*(v if isinstance(v, Tensor) else tensor(float(v), **like) for v in values)))


def one_of(name: str, probs, logits) -> str:
    """Which of the two was given."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: give either probs or logits, not {'both' if probs is not None else 'neither'}")
    return "logits" if probs is None else "probs"


def inside(probs: Tensor) -> Tensor:
    """Probabilities moved off 0 and 1 by a rounding error, so that their logarithms are finite."""
    eps = float(dtypes.finfo(probs.dtype).eps)
    return probs.clamp(eps, 1 - eps)


def sum_rightmost(x: Tensor, n: int) -> Tensor:
    """x summed over its last n dimensions."""
    return x.flatten(-n).sum(-1) if n else x
