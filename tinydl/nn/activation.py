"""Activations: functions of each element, or over one dimension."""

from __future__ import annotations

import warnings

from ..ops.creation import full
from . import functional as F
from .layer import Layer
from .module import Module
from .parameter import Parameter


class ReLU(Layer, function="relu"):
    """max(x, 0).  Any shape -> same shape."""

    inplace: bool = False


class ReLU6(Layer, function="relu6"):
    """min(max(x, 0), 6).  Any shape -> same shape."""

    inplace: bool = False


class RReLU(Layer, function="rrelu", by_mode=True, shown="lower upper"):
    """x where positive, else slope * x, drawn from [lower, upper); outside training their mean.

    Any shape -> same shape.  (Xu et al. 2015)
    """

    lower: float = 1 / 8
    upper: float = 1 / 3
    inplace: bool = False


class LeakyReLU(Layer, function="leaky_relu"):
    """x where positive, else negative_slope * x.  Any shape -> same shape."""

    negative_slope: float = 0.01
    inplace: bool = False


class ELU(Layer, function="elu"):
    """x where positive, else alpha * (exp(x) - 1).  Any shape -> same.  (Clevert et al. 2016)"""

    alpha: float = 1.0
    inplace: bool = False


class CELU(Layer, function="celu"):
    """x where positive, else alpha * (exp(x / alpha) - 1).  Any shape -> same.  (Barron 2017)"""

    alpha: float = 1.0
    inplace: bool = False


class SELU(Layer, function="selu"):
    """ELU scaled to keep mean 0 and variance 1.  Any shape -> same.  (Klambauer et al. 2017)"""

    inplace: bool = False


class GELU(Layer, function="gelu"):
    """x times the normal distribution function of x, exactly ('none') or by 'tanh'.

    Any shape -> same shape.  (Hendrycks and Gimpel 2016)
    """

    approximate: str = "none"


class SiLU(Layer, function="silu"):
    """x * sigmoid(x).  Any shape -> same shape."""

    inplace: bool = False


class Mish(Layer, function="mish"):
    """x * tanh(softplus(x)).  Any shape -> same shape.  (Misra 2019)"""

    inplace: bool = False


class Hardtanh(Layer, function="hardtanh"):
    """x clamped to [min_val, max_val].  Any shape -> same shape.  ValueError in disorder."""

    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False

    def __post_init__(self):
        if not self.max_val > self.min_val:
            raise ValueError(f"Hardtanh: max_val {self.max_val} is not above min_val {self.min_val}")
        super().__post_init__()


class Hardsigmoid(Layer, function="hardsigmoid", shown=""):
    """x / 6 + 1/2 clamped to [0, 1].  Any shape -> same shape."""

    inplace: bool = False


class Hardswish(Layer, function="hardswish", shown=""):
    """x * hardsigmoid(x).  Any shape -> same shape.  (Howard et al. 2019)"""

    inplace: bool = False


class Hardshrink(Layer, function="hardshrink", shown="*lambd"):
    """x where |x| > lambd, else 0.  Any shape -> same shape."""

    lambd: float = 0.5


class Softshrink(Layer, function="softshrink", shown="*lambd"):
    """x moved towards 0 by lambd, and not beyond.  Any shape -> same shape."""

    lambd: float = 0.5


class Softplus(Layer, function="softplus"):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.  Any shape -> same."""

    beta: float = 1.0
    threshold: float = 20.0


class Threshold(Layer, function="threshold"):
    """x where x > threshold, else value.  Any shape -> same shape."""

    threshold: float
    value: float
    inplace: bool = False


class Sigmoid(Layer, function="sigmoid"):
    """1 / (1 + exp(-x)).  Any shape -> same shape."""


class LogSigmoid(Layer, function="logsigmoid"):
    """log(sigmoid(x)), without overflow.  Any shape -> same shape."""


class Tanh(Layer, function="tanh"):
    """Hyperbolic tangent.  Any shape -> same shape."""


class Tanhshrink(Layer, function="tanhshrink"):
    """x - tanh(x).  Any shape -> same shape."""


class Softsign(Layer, function="softsign"):
    """x / (1 + |x|).  Any shape -> same shape."""


class GLU(Layer, function="glu"):
    """The first half of `dim` times the sigmoid of the second (Dauphin et al. 2017)."""

    dim: int = -1


class _OverDim(Layer, function=""):
    dim: int | None = None

    def forward(self, input):
        """Any shape -> same shape."""
        if self.dim is None:
            warnings.warn(f"{type(self).__name__}: give dim; it is chosen by an old rule", stacklevel=4)
        return super().forward(input)


class Softmax(_OverDim, function="softmax"):
    """exp(x) / sum of exp(x) over `dim`.  Any shape -> same shape."""


class LogSoftmax(_OverDim, function="log_softmax"):
    """log(softmax(x)) over `dim`, without overflow.  Any shape -> same shape."""


class Softmin(_OverDim, function="softmin"):
    """softmax(-x) over `dim`.  Any shape -> same shape."""


class Softmax2d(Layer, function="softmax"):
    """Softmax over the channels.  (N, C, H, W) or (C, H, W) -> same shape."""

    def forward(self, input):
        """Any other number of dimensions is a ValueError."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected (N, C, H, W) or (C, H, W), got {tuple(input.shape)}")
        return super().forward(input, dim=-3)


class PReLU(Module):
    """x where positive, else a learned slope times x: one slope, or one for each channel.

    (N, C, *) -> same shape.  (He et al. 2015)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def forward(self, input):
        """(N, C, *) -> same shape."""
        return F.prelu(input, self.weight)

    def extra_repr(self):
        """num_parameters=..."""
        return f"num_parameters={self.num_parameters}"
