"""How a tensor looks when printed: its values, then what is not the default of dtype, device and gradient."""

from __future__ import annotations

import numpy as np

from . import dtype as dtypes
from .device import CPU


def describe(t) -> str:
    """tensor([1., 2.], requires_grad=True), long tensors abbreviated."""
    array = t.device.to_host(t.array)
    kind = type(t).__name__ if type(t).__name__ != "Tensor" else "tensor"
    prefix = "tensor("
    body = np.array2string(
        array, separator=", ", prefix=prefix, threshold=1000, edgeitems=3, precision=4, suppress_small=False, max_line_width=80
    )
    notes = []
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={tuple(array.shape)}")
    if array.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_) or array.size == 0:
        notes.append(f"dtype={array.dtype.name}")
    if t.device is not CPU:
        notes.append(f"device='{t.device}'")
    if t.grad_fn is not None:
        notes.append(f"grad_fn={t.grad_fn!r}")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    text = prefix + ", ".join([body, *notes]) + ")"
    return text if kind == "tensor" else f"{kind} containing:\n{text}"
