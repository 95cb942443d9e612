"""Recurrent layers, over whole sequences and step by step."""

from __future__ import annotations

import math
import warnings

from ..autograd.mode import state
from ..ops.creation import empty, zeros
from ..ops.recurrent import GATES, recurrent
from ..ops.shape import cat, stack
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

State = Tensor | tuple[Tensor, Tensor]  # h; of LSTMs (h, c)


def _reset(module):
    bound = 1 / math.sqrt(module.hidden_size)
    for p in module.parameters():
        init.uniform_(p, -bound, bound)


def _check_options(name, sizes, flags, dropout, proj_size, hidden_size):
    for what, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name}: {what} must be True or False, got {value!r}")
    for what, value in sizes.items():
        if not isinstance(value, int):
            raise TypeError(f"{name}: {what} must be an int, got {value!r}")
        if value <= 0:
            raise ValueError(f"{name}: {what} must be positive, got {value}")
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise ValueError(f"{name}: dropout must be a number in [0, 1], got {dropout!r}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"{name}: proj_size must lie in [0, hidden_size = {hidden_size}), got {proj_size}")


class RNNBase(Module):
    """What RNN, LSTM and GRU share: layers upon layers, in one direction or both, and sequences of all kinds.

    Input (T, N, D); (N, T, D) if batch_first; (T, D) without batch; or a PackedSequence.  States (layers, N, H), in
    two directions twice as many: forward and backward of layer 0, then those of layer 1, ...
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if mode not in GATES:
            raise ValueError(f"{name}: mode must be one of {', '.join(GATES)}, got {mode!r}")
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        flags = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
        _check_options(name, sizes, flags, dropout, proj_size, hidden_size)
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout comes between layers; with one layer there is none", stacklevel=3)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                for kind, shape in self._shapes(layer).items():
                    setattr(self, f"{kind}_{suffix}", Parameter(empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def _suffixes(self, layer):
        return [f"l{layer}", f"l{layer}_reverse"][: 1 + self.bidirectional]

    def _shapes(self, layer):
        """Kind of parameter -> its shape, in one direction of a layer."""
        rows, out = GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        into = out * (1 + self.bidirectional) if layer else self.input_size
        shapes = {"weight_ih": (rows, into), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes |= {"weight_hr": (self.proj_size, self.hidden_size)}
        return shapes

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        return [
            [getattr(self, f"{kind}_{suffix}") for kind in self._shapes(layer)]
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def flatten_parameters(self) -> None:
        """Nothing: here parameters need not lie side by side in memory."""

    def reset_parameters(self) -> None:
        """Draw new parameters, uniform in +-1 / sqrt(hidden_size)."""
        _reset(self)

    def forward(self, input: Tensor | PackedSequence, hx: State | None = None) -> tuple[Tensor | PackedSequence, State]:
        """-> (the last layer's outputs at all steps, in the form of the input; all layers' states after the last).

        hx: the states to begin with, zero unless given.
        """
        if isinstance(input, PackedSequence):
            sizes = tuple(input.batch_sizes.tolist())
            self._check(input.data, 2)
            y, state = self._layers(input.data, self._first(input.data, hx, sizes[0], input.sorted_indices), sizes)
            y = PackedSequence(y, *input[1:])
            return y, self._given(_ordered(state, input.unsorted_indices))
        single = input.ndim == 2
        self._check(input, 2 if single else 3)
        time = 1 if self.batch_first and not single else 0
        x = input.unsqueeze(1) if single else input.transpose(0, time)
        T, N = x.shape[:2]
        if not T:
            raise RuntimeError(f"{type(self).__name__}: expected a sequence of at least one step, got {input.shape}")
        y, state = self._layers(x.reshape(T * N, -1), self._first(x, hx, N, None, single), (N,) * T)
        y = y.reshape(T, N, -1)
        if single:
            return y.squeeze(1), self._given([s.squeeze(1) for s in state])
        return y.transpose(0, time), self._given(state)

    def _layers(self, x, first, sizes):
        """All layers over the rows x: outputs, and states, each stacked."""
        states = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            ys = []
            for backwards, suffix in enumerate(self._suffixes(layer)):
                # weight_ih_l0 is w_ih of `recurrent`, bias_hh_l0 b_hh, ...
                weights = {f"{k[0]}_{k[-2:]}": getattr(self, f"{k}_{suffix}") for k in self._shapes(layer)}
                begin = [s[len(states)] for s in first]
                y, *state = recurrent(self.mode, x, begin, **weights, sizes=sizes, backwards=bool(backwards))
                ys.append(y)
                states.append(state)
            x = cat(ys, 1) if self.bidirectional else ys[0]
        return x, [stack(parts) for parts in zip(*states)]

    # ---- states
    def _given(self, state):
        """A state as callers see it."""
        return tuple(state) if self.mode == "LSTM" else state[0]

    def _first(self, x, hx, N, order, single=False):
        """The states to begin with, checked, in the order of the rows, with a dimension for the batch."""
        count = self.num_layers * (1 + self.bidirectional)
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: 1 + (self.mode == "LSTM")]
        if hx is None:
            return [zeros((count, N, width), dtype=x.dtype, device=x.device) for width in widths]
        hx = tuple(hx) if self.mode == "LSTM" else (hx,)
        wanted = [(count, width) if single else (count, N, width) for width in widths]
        if [tuple(getattr(s, "shape", ())) for s in hx] != wanted:
            got = [tuple(getattr(s, "shape", ())) for s in hx]
            raise RuntimeError(f"{type(self).__name__}: expected hx of shape {_shown(wanted)}, got {_shown(got)}")
        return [s.unsqueeze(1) for s in hx] if single else _ordered(hx, order)

    # ---- refusals, description
    def _check(self, x, ndim):
        name = type(self).__name__
        if x.ndim != ndim:
            raise ValueError(f"{name}: expected input (T, N, D), (T, D), or packed rows, got shape {tuple(x.shape)}")
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input has {x.shape[-1]} features, input_size is {self.input_size} (input {tuple(x.shape)})"
            )
        if x.dtype != self.weight_ih_l0.dtype and state.autocast is None:
            raise ValueError(
                f"{name}: input is {x.dtype}, weights are {self.weight_ih_l0.dtype}; convert one of them by .to(dtype)"
            )

    def extra_repr(self):
        """The sizes, and the options that are not the usual."""
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        usual |= {"bidirectional": False}
        found = [f"{k}={getattr(self, k)}" for k, value in usual.items() if getattr(self, k) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *found])


def _ordered(state, order):
    """States with their batch in another order."""
    return list(state) if order is None else [s.index_select(1, order) for s in state]


def _shown(shapes):
    return " and ".join(map(str, shapes))


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu.  (T, N, D) -> (T, N, H), h (layers, N, H).

    (Elman 1990)
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device=None, dtype=None,
    ):  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory.  (T, N, D) -> (T, N, H), (h (layers, N, H), c (layers, N, H)).

    i, f, o = s(W x_t + U h_(t-1) + b), s the sigmoid, g likewise by tanh; c_t = f c_(t-1) + i g; h_t = o tanh(c_t).
    proj_size P > 0: h_t = W_hr (o tanh(c_t)), P numbers.  The parameters' rows stand in the order i, f, g, o.
    (Hochreiter and Schmidhuber 1997; Sak et al. 2014)
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype,
        )  # fmt: skip


class GRU(RNNBase):
    """Gated recurrent unit.  (T, N, D) -> (T, N, H), h (layers, N, H).

    r, z = s(W x_t + b + U h_(t-1) + d), s the sigmoid; n = tanh(W_n x_t + b_n + r (U_n h_(t-1) + d_n));
    h_t = (1 - z) n + z h_(t-1).  The parameters' rows stand in the order r, z, n.  (Cho et al. 2014)
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip


class RNNCellBase(Module):
    """What the cells share: one step of a recurrent layer.  (N, D) or (D,) -> states (N, H) or (H,)."""

    _mode: str

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = GATES[self._mode] * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            wanted = bias or name.startswith("weight")
            p = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, p)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters, uniform in +-1 / sqrt(hidden_size)."""
        _reset(self)

    def forward(self, input: Tensor, hx: State | None = None) -> State:
        """One step: -> the state after it.  hx: the state before it, zero unless given."""
        single = input.ndim == 1
        state = self._state(input, hx)
        x, *state = [t.unsqueeze(0) for t in (input, *state)] if single else [input, *state]
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        _, *state = recurrent(self._mode, x, state, *weights, sizes=(len(x),))
        state = [s.squeeze(0) for s in state] if single else state
        return tuple(state) if self._mode == "LSTM" else state[0]

    def _state(self, input, hx):
        """The state before the step, checked."""
        name, parts = type(self).__name__, 1 + (self._mode == "LSTM")
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: expected input (N, D) or (D,), got shape {tuple(input.shape)}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input has {input.shape[-1]} features, input_size is {self.input_size} "
                f"(input {tuple(input.shape)})"
            )
        wanted = [(*input.shape[:-1], self.hidden_size)] * parts
        if hx is None:
            return [zeros(shape, dtype=input.dtype, device=input.device) for shape in wanted]
        state = list(hx) if self._mode == "LSTM" else [hx]
        got = [tuple(s.shape) for s in state]
        if any(len(shape) not in (1, 2) for shape in got):
            raise ValueError(f"{name}: expected hx of shape {_shown(wanted)}, got {_shown(got)}")
        if got != wanted:
            raise RuntimeError(f"{name}: expected hx of shape {_shown(wanted)}, got {_shown(got)}")
        return state

    def extra_repr(self):
        """The sizes, and the options that are not the usual."""
        options = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{options}"


class RNNCell(RNNCellBase):
    """One step of RNN.  (N, D), h (N, H) -> h (N, H)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device=None, dtype=None
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self._mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self):
        """The sizes, and the options that are not the usual."""
        tail = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + tail


class LSTMCell(RNNCellBase):
    """One step of LSTM.  (N, D), (h (N, H), c (N, H)) -> (h, c)."""

    _mode = "LSTM"


class GRUCell(RNNCellBase):
    """One step of GRU.  (N, D), h (N, H) -> h (N, H)."""

    _mode = "GRU"
