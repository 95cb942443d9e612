"""Tables looked up by index, singly or in bags; linear and bilinear maps."""

from __future__ import annotations

import math

from ..autograd.autocast import listed
from ..autograd.engine import Array, equal, op
from ..autograd.mode import no_grad
from ..autograd.narrow import rounded_once
from ..tensor import Tensor
from . import shape
from .creation import arange, check_count, zeros
from .elementwise import where
from .linalg import matmul
from .picking import check_index, take_at


def _check_index(name, index):
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}: indices must be int64 or int32, got {index.dtype}")


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class of each element, else 0.  input: int64 (*) -> int64 (*, num_classes).

    num_classes=-1: one more than the largest class.  RuntimeError for a class outside.
    """
    if input.dtype.name != "int64":
        raise RuntimeError(f"one_hot: expected int64 classes, got {input.dtype}")
    if num_classes == -1:
        if not input.numel():
            raise RuntimeError("one_hot: num_classes must be given for a tensor without elements")
        num_classes = int(input.max().item()) + 1
    elif num_classes <= 0 and not (num_classes == 0 and input.numel()):
        raise RuntimeError(f"one_hot: num_classes must be positive, got {num_classes}")
    if input.device.type != "cpu":
        check_index("one_hot", input, num_classes, 0, negative=False)
    elif input.numel():
        low, high = input.min().item(), input.max().item()
        if low < 0 or high >= num_classes:
            raise RuntimeError(f"one_hot: classes must lie in [0, {num_classes - 1}], got {low if low < 0 else high}")
    check_count("one_hot", (*input.shape, num_classes))
    return (input.unsqueeze(-1) == arange(num_classes, device=input.device)).to("int64")


# ---------------------------------------------------------------- embedding
@op
def scaled_gradient(xp, x: Array, scale: Array):
    """x itself; its gradient is multiplied by `scale`."""
    return x


scaled_gradient.grads(lambda g, scale: g * scale, None)


def _renormalise(weight, index, max_norm, norm_type):
    """In place: rows that are looked up and longer than max_norm get that length."""
    with no_grad():
        rows = index.reshape(-1).unique()
        chosen = weight.detach().index_select(0, rows)
        norm = chosen.norm(norm_type, 1, keepdim=True)
        scaled = where(norm > max_norm, chosen * (max_norm / (norm + 1e-7)), chosen)
        weight.index_copy_(0, rows, scaled)


def _occurrences(index, real, count):
    """How often each element of `index` really occurs in it."""
    flat = index.reshape(-1)
    ones = flat * 0 + 1 if real is None else real.reshape(-1).to(index.dtype)
    counts = zeros(count, dtype=index.dtype, device=index.device).index_add(0, flat, ones)
    return take_at(counts, [index], (0,)).clamp_min(1)


def _rows(name, index, weight, padding_idx, scale_grad_by_freq, real=None):
    """Rows of `weight`, (*index.shape, D); those of padding_idx get no gradient."""
    _check_index(name, index)
    if weight.ndim != 2:
        raise RuntimeError(f"{name}: weight must be 2-d, got shape {tuple(weight.shape)}")
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise AssertionError(f"{name}: padding_idx must lie within the {len(weight)} rows of weight, got {padding_idx}")
    check_index(name, index, len(weight), 0, negative=False)
    y = take_at(weight, [index], (0,))
    if weight.requires_grad and (padding_idx is not None or scale_grad_by_freq):
        scale = 1.0
        if padding_idx is not None:
            scale = (index != padding_idx % len(weight)).to(weight.dtype)
        if scale_grad_by_freq:
            scale = scale / _occurrences(index, real, len(weight)).to(weight.dtype)
        y = scaled_gradient(y, scale.unsqueeze(-1))
    return y


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` (V, D) at the indices `input` (*) -> (*, D).  IndexError outside V.

    The row of padding_idx gets no gradient.  max_norm: longer rows are first shortened, in place.
    scale_grad_by_freq: gradients are divided by how often their row occurs.  Gradients are dense,
    also with `sparse`.
    """
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    return _rows("embedding", input, weight, padding_idx, scale_grad_by_freq)


def _as_rows(index, weights, offsets, include_last_offset):
    """Bags of uneven length laid out as a matrix: places in `index`, and which of them are real."""
    _check_index("embedding_bag", offsets)
    n = len(index)
    starts = [*offsets.tolist()]
    if include_last_offset:
        starts, ends = starts[:-1], starts[1:]
    else:
        ends = [*starts[1:], n]
    if starts and starts[0] != 0:
        raise RuntimeError(f"embedding_bag: the first offset must be 0, got {starts[0]}")
    if any(not 0 <= a <= b <= n for a, b in zip(starts, ends)):
        raise RuntimeError(f"embedding_bag: offsets must rise from 0 to at most {n}, got {starts}")
    longest = max((b - a for a, b in zip(starts, ends)), default=0)
    begin, end = offsets[: len(starts)], offsets[1:]
    if not include_last_offset:
        end = shape.cat([end, offsets[:1] * 0 + n])
    place = begin.reshape(-1, 1) + arange(longest, dtype=offsets.dtype, device=index.device)
    real = place < end[: len(starts)].reshape(-1, 1)
    place = where(real, place, 0)
    pick = lambda v: v.index_select(0, place.reshape(-1)).reshape(place.shape)
    return pick(index), None if weights is None else pick(weights), real


@rounded_once
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or max of the rows of each bag.  weight: (V, D) -> (bags, D).

    input: (bags, length), or (n,) with `offsets`, where each bag starts.  Rows of padding_idx take
    no part.
    """
    if input.is_floating_point() and not weight.is_floating_point():
        input, weight = weight, input  # PyTorch's order of old
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights need mode 'sum', got {mode!r}")
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: per_sample_weights {tuple(per_sample_weights.shape)} must have the "
            "shape of input, "
            f"{tuple(input.shape)}"
        )
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("embedding_bag: mode 'max' goes without scale_grad_by_freq and sparse")
    if input.ndim not in (1, 2) or (input.ndim == 1) == (offsets is None):
        raise ValueError(
            "embedding_bag: expected input (bags, length), or input (n,) with offsets; got input "
            f"{tuple(input.shape)} "
            f"{'without' if offsets is None else 'with'} offsets"
        )
    if offsets is not None and offsets.ndim != 1:
        raise ValueError(f"embedding_bag: offsets must be 1-d, got shape {tuple(offsets.shape)}")
    _check_index("embedding_bag", input)
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    if input.ndim == 1:
        input, per_sample_weights, real = _as_rows(input, per_sample_weights, offsets, include_last_offset)
    else:
        real = input == input
    if padding_idx is not None and weight.ndim == 2:
        real = real & (input != padding_idx % len(weight))
    rows = _rows("embedding_bag", input, weight, padding_idx, scale_grad_by_freq, real)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    return _pooled(rows, real.unsqueeze(-1), mode)


def _pooled(rows, real, mode):
    """rows (bags, length, D) brought together where they are real; an empty bag gives 0."""
    if not rows.shape[1]:
        return rows.sum(1)
    if mode == "max":
        y = where(real, rows, float("-inf")).max(1)[0]
        return where(real.any(1), y, 0)
    y = where(real, rows, 0).sum(1)
    return y if mode == "sum" else y / real.sum(1).clamp_min(1).to(rows.dtype)


# ---------------------------------------------------------------- linear maps
@op(promote=equal)
def linear_(xp, input: Array, weight: Array, bias: Array | None):
    """input @ weight^T + bias.  (*, H_in), (H_out, H_in), (H_out,) -> (*, H_out)."""
    y = xp.matmul(_matrix(input, weight.shape[1]), weight.T).reshape(*input.shape[:-1], weight.shape[0])
    return y if bias is None else y + bias


@op(promote=equal)
def linear_grad(xp, u: Array, input: Array, weight: Array):
    """The gradients of linear's input and weight, u W and u^T x, from u (*, H_out), that of its output."""
    rows = _matrix(u, u.shape[-1])
    return matmul.op.body(xp, u, weight), xp.matmul(rows.T, _matrix(input, input.shape[-1]))


def _products(u, input, weight, of_input, of_weight):
    """u W and u^T x, those that are wanted; at once if both are."""
    if of_input and of_weight:
        return linear_grad(u, input, weight)
    by_input = u @ weight if of_input else None
    by_weight = _matrix(u, u.shape[-1]).transpose(0, 1) @ _matrix(input, input.shape[-1]) if of_weight else None
    return by_input, by_weight


def _gradients_of_linear(g, input, weight, needed):
    return *_products(g, input, weight, *needed[:2]), g  # the engine sums it to the bias's shape


def _gradients_of_linear_grad(g, u, input, weight, needed):
    """Both are linear in each operand: products again, of what came for them."""
    for_input, for_weight = g
    by_u = None
    if needed[0]:
        parts = [] if for_input is None else [linear_(for_input, weight, None)]
        parts += [] if for_weight is None else [linear_(input, for_weight, None)]
        by_u = sum(parts[1:], parts[0])
    of_input, of_weight = needed[1] and for_weight is not None, needed[2] and for_input is not None
    return by_u, *_products(u, for_input, for_weight, of_input, of_weight)


linear_.grads_together(_gradients_of_linear, only_for={"weight": "input", "input": "weight"})
linear_grad.grads_together(_gradients_of_linear_grad)


def _matrix(x, size):
    """x (*, size) as a matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), size)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight^T + bias.  (*, H_in), (H_out, H_in), (H_out,) -> (*, H_out)."""
    for argument, t in (("input", input), ("weight", weight)):
        if not isinstance(t, Tensor):
            raise TypeError(f"linear: expected a tensor as {argument}, got {type(t).__name__}; make one by tensor(...)")
    if weight.ndim not in (1, 2) or not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: input {tuple(input.shape)} ends in {tuple(input.shape[-1:])}, weight "
            f"{tuple(weight.shape)} "
            f"expects {tuple(weight.shape[-1:])}"
        )
    if weight.ndim == 1:
        y = input @ weight
        return y if bias is None else y + bias
    if bias is not None and tuple(bias.shape) not in ((weight.shape[0],), (1,), ()):
        raise RuntimeError(f"linear: expected bias of shape ({weight.shape[0]},), got {tuple(bias.shape)}")
    return linear_(input, weight, bias)


@listed
@rounded_once
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1^T W_o input2 + bias_o for each o.  (*, H1), (*, H2), (O, H1, H2) -> (*, O)."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear: inputs must agree but for the last dimension, got {tuple(input1.shape)} "
            "and "
            f"{tuple(input2.shape)}"
        )
    if weight.ndim != 3 or tuple(weight.shape[1:]) != (input1.shape[-1], input2.shape[-1]):
        raise RuntimeError(
            f"bilinear: expected weight (O, {input1.shape[-1]}, {input2.shape[-1]}), got {tuple(weight.shape)}"
        )
    O, H1, H2 = weight.shape
    a, b = input1.reshape(-1, H1), input2.reshape(-1, 1, H2)
    left = (a @ weight.transpose(0, 1).reshape(H1, O * H2)).reshape(-1, O, H2)
    y = (left * b).sum(-1).reshape(*input1.shape[:-1], O)
    return y if bias is None else y + bias


__all__ = ["bilinear", "embedding", "embedding_bag"]
