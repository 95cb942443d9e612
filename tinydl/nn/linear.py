"""Linear and bilinear maps."""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Identity(Module):
    """The input itself, whatever the constructor was given."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> same shape."""
        return input


class Linear(Module):
    """x @ weight.T + bias.  (*, in_features) -> (*, out_features).

    weight (out, in) and bias (out,) begin uniform in +-1 / sqrt(in_features).
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        new = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((out_features, in_features), **new))
        self.register_parameter("bias", Parameter(empty((out_features,), **new)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        uniform_bias(self.bias, self.in_features)

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) -> (*, out_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        """The sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Maxout(Module):
    """The largest of `pieces` linear maps, for each output (Goodfellow et al. 2013, Maxout networks).

    (*, in_features) -> (*, out_features).  `linear` has the rows of one output side by side.
    """

    def __init__(
        self, in_features: int, out_features: int, pieces: int = 2, bias: bool = True, device=None, dtype=None
    ):
        super().__init__()
        if pieces < 1:
            raise ValueError(f"Maxout: pieces must be positive, got {pieces}")
        self.out_features, self.pieces = out_features, pieces
        self.linear = Linear(in_features, out_features * pieces, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) -> (*, out_features)."""
        z = self.linear(input)
        return z.reshape(*z.shape[:-1], self.out_features, self.pieces).max(-1).values

    def extra_repr(self):
        """What the linear map does not say."""
        return f"out_features={self.out_features}, pieces={self.pieces}"


class Bilinear(Module):
    """x1 @ weight[o] @ x2 + bias[o] for each output o.  (*, in1), (*, in2) -> (*, out)."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features must be positive, got {in1_features}")
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        new = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((out_features, in1_features, in2_features), **new))
        self.register_parameter("bias", Parameter(empty((out_features,), **new)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        uniform_bias(self.bias, self.in1_features)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(*, in1_features), (*, in2_features) -> (*, out_features)."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        """The sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


def uniform_bias(bias: Tensor | None, fan_in: int) -> None:
    """Draw a bias, if there is one, uniform in +-1 / sqrt(fan_in)."""
    if bias is not None:
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        init.uniform_(bias, -bound, bound)
