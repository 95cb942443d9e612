"""How a tensor looks when printed: its values, then what is not the default of dtype, device and gradient."""

from __future__ import annotations

import numpy as np

from . import dtype as dtypes
from .device import CPU

_WIDTH, _MOST, _EDGE = 80, 1000, 3  # of a line; elements shown in full; of longer dimensions, shown at each end
_PREFIX = "tensor("


def describe(t) -> str:
    """tensor([1., 2.], requires_grad=True), as PyTorch writes it; long tensors abbreviated."""
    array = t.device.to_host(t.array)
    short = array.size > _MOST
    notes = []
    if array.size:
        body = _text(array, _formatter(_ends(array) if short else array), len(_PREFIX), short)
    else:
        body = "[]"
        if array.ndim != 1:
            notes.append(f"size={tuple(array.shape)}")
    usual = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if array.dtype not in (usual if array.size else usual[:1]):
        notes.append(f"dtype={array.dtype.name}")
    if t.device is not CPU:
        notes.append(f"device='{t.device}'")
    if t.grad_fn is not None:
        notes.append(f"grad_fn={t.grad_fn!r}")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    text = _PREFIX + ", ".join([body, *notes]) + ")"
    kind = type(t).__name__
    return text if kind == "Tensor" else f"{kind} containing:\n{text}"


def _ends(array):
    """The elements that are shown where the rest is not."""
    for dim, n in enumerate(array.shape):
        if n > 2 * _EDGE:
            array = array.take([*range(_EDGE), *range(n - _EDGE, n)], dim)
    return array


def _formatter(array):
    """The function from an element to its text: all of one width, whole numbers as `1.`, very uneven ones as 1e-05."""
    if not dtypes.is_floating(array.dtype):
        width = max(len(str(v)) for v in array.ravel().tolist())
        return lambda v: str(v).rjust(width)
    values = array[np.isfinite(array) & (array != 0)].astype(np.float64)
    least, most = (np.abs(values).min(), np.abs(values).max()) if values.size else (1.0, 1.0)
    whole = bool((values == np.ceil(values)).all())
    if most / least > 1000 or most > 1e8 or (least < 1e-4 and not whole):
        text = "{:.4e}".format
    elif whole:
        text = lambda v: f"{v:.0f}." if np.isfinite(v) else str(v)
    else:
        text = "{:.4f}".format
    width = max((len(text(v)) for v in values.tolist()), default=1)
    return lambda v: text(v).rjust(width)


def _text(array, element, indent, short):
    """Nested brackets, the lines after the first indented to stand below it."""
    if not array.ndim:
        return element(array.item())
    cut = short and len(array) > 2 * _EDGE
    shown = [*array[:_EDGE], *array[-_EDGE:]] if cut else list(array)
    if array.ndim > 1:
        parts = [_text(row, element, indent + 1, short) for row in shown]
        if cut:
            parts.insert(_EDGE, "...")
        return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"
    words = [element(v.item()) for v in shown]
    a_line = max(1, (_WIDTH - indent) // (max(map(len, words), default=0) + 2))
    if cut:
        words.insert(_EDGE, " ...")
    lines = [", ".join(words[i : i + a_line]) for i in range(0, len(words), a_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
