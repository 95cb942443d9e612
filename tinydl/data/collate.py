"""Batches of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..dtype import is_floating
from ..tensor import Tensor


def _numeric(data):
    return isinstance(data, np.ndarray | np.generic) and (data.dtype.kind in "fiub" or is_floating(data.dtype))


def default_convert(data):
    """NumPy arrays as tensors, inside mappings and sequences too; everything else as it is."""
    if _numeric(data):
        return Tensor(np.array(data))
    return _inside(data, default_convert)


def default_collate(batch: Sequence):
    """A list of N items as one batch: tensors, arrays and numbers stacked along a new dimension 0.

    Tuples, lists and mappings are gone through: a list of N pairs gives a pair of batches. Strings
    and bytes stay lists. ValueError where shapes or lengths differ, TypeError for other types.
    """
    if not len(batch):
        raise ValueError("default_collate: a batch of no items has no type; give a collate_fn")
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch, lambda: _stack_tensors(batch))
    if _numeric(first):
        return _stack(batch, lambda: Tensor(np.stack(batch)))
    if isinstance(first, bool | int):
        return Tensor(np.array(batch))
    if isinstance(first, float):
        return Tensor(np.array(batch, np.float64))
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if isinstance(first, Sequence):
        if len({len(item) for item in batch}) != 1:
            raise ValueError(
                "default_collate: items of a batch must have the same length, got "
                f"{sorted({len(item) for item in batch})}; give the DataLoader a collate_fn"
            )
        columns = [default_collate(column) for column in zip(*batch)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: expected tensors, arrays, numbers, strings, mappings or sequences, got "
        f"{type(first).__name__}; give the DataLoader a collate_fn"
    )


def _stack(batch, stacked):
    """The stacked batch; an error that shows the shapes where these differ."""
    if not all(hasattr(item, "shape") for item in batch):
        kinds = sorted({type(item).__name__ for item in batch})
        raise TypeError(f"default_collate: items of a batch have different types: {kinds}")
    if len(shapes := {tuple(item.shape) for item in batch}) > 1:
        raise ValueError(
            f"default_collate: items of a batch must have the same shape, got {sorted(shapes)}; "
            "pad or crop them, or give the DataLoader a collate_fn"
        )
    return stacked()


def _stack_tensors(batch):
    if any(t.requires_grad for t in batch):
        from .. import stack  # the operation, which records itself

        return stack(list(batch))
    return Tensor(batch[0].device.xp.stack([t.array for t in batch]))


def pin_memory(data):
    """The tensors of a batch in pinned memory, inside mappings and sequences too, and whatever else can pin itself."""
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    return _inside(data, pin_memory)


def _inside(data, f):
    """`f` of everything inside a mapping or sequence; other data as they are."""
    if isinstance(data, Mapping):
        return _like(data, {key: f(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(f, data))
    if isinstance(data, list | tuple):
        return [f(value) for value in data]
    return data


def _like(mapping: Mapping, values: dict):
    """`values` in a mapping of the same type where that can be built from a dict."""
    try:
        return type(mapping)(values)
    except TypeError:
        return values
