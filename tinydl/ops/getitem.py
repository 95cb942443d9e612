"""x[index], read and written, by PyTorch's rules.

An index is taken apart into a basic one (integers, slices, None: a view) and tensors of integers in
some dimensions of that view.  So an integer beside a tensor selects first, where NumPy joins it to
the tensor: x[0, :, [0, 1]] is x[0][:, [0, 1]].
"""

from __future__ import annotations

import operator
import sys

from ..autograd.mode import state
from ..autograd.views import writable, write
from ..dtype import is_floating
from ..tensor import Tensor, wrap
from . import creation
from .elementwise import clone, overwritten
from .gathering import INTEGERS
from .picking import check_index, key_at, picked_shape, put_at, take_at
from .views import ALL, broadcast_shape, expand_, reshape_, slice_


# ---------------------------------------------------------------- taking an index apart
def _item(item):
    """One item as an int, a slice of ints, None, Ellipsis, a bool, or a tensor with a dimension."""
    if item is None or item is ... or isinstance(item, (bool, int)):
        return item
    if isinstance(item, slice):
        parts = (item.start, item.stop, item.step)
        return slice(*(None if p is None else operator.index(p) for p in parts))
    if hasattr(item, "dtype") or isinstance(item, (list, tuple, range)):
        t = item if isinstance(item, Tensor) else _tensor(item)
        if t.array.size == 0 and not hasattr(item, "dtype"):
            t = t.to("int64")
        if is_floating(t.dtype):
            raise IndexError(f"index: expected integers or bools, got a tensor of {t.dtype}")
        return t if t.ndim else t.item() if t.dtype != "uint8" else bool(t.item())
    if hasattr(item, "__index__"):
        return operator.index(item)
    raise IndexError(f"index: expected integers, slices, None, ... or tensors, got {type(item).__name__}")


def _tensor(item):
    try:
        return creation.tensor(item)
    except (TypeError, ValueError) as e:
        raise IndexError(
            f"index: {item!r} is not a tensor of integers or bools ({e}); "
            "an index for several dimensions is a tuple, as in x[0, 1:]"
        ) from None


def width(item):
    """How many dimensions of the tensor an item uses up."""
    if isinstance(item, Tensor):
        return item.ndim if _is_mask(item) else 1
    return 0 if item is None or item is ... or isinstance(item, bool) else 1


def _is_mask(t):
    return t.dtype == "bool" or t.dtype == "uint8"


def as_picks(name, index, shape, dim):
    """An index into dimensions `shape`, the first of them `dim`, as one integer tensor for each."""
    index = index if index.ndim else reshape_(index, (1,))
    if not _is_mask(index):
        if str(index.dtype) not in INTEGERS:
            raise IndexError(f"{name}: expected an index of int64, int32 or bool, got {index.dtype}")
        check_index(name, index, shape[0], dim)
        return [index]
    if index.array.shape != shape[: index.ndim]:
        raise IndexError(f"{name}: a mask of shape {tuple(index.shape)} does not fit dimensions {tuple(shape)}")
    return list(map(wrap, index.array.nonzero()))


def _taken_apart(x, index):
    """The basic index, and the integer tensors by dimensions of what it gives: {dim: tensor}."""
    items = [_item(i) for i in (index if isinstance(index, tuple) else (index,))]
    shape = x.array.shape
    free = len(shape) - sum(map(width, items))
    if free < 0:
        raise IndexError(f"index: {len(shape) - free} indices for a tensor of shape {tuple(shape)}")
    basic, picks, used, made = [], {}, 0, 0
    for item in items:
        if item is ...:
            steps, item, free = free, ALL, 0
            basic += [ALL] * steps
            used, made = used + steps, made + steps
        elif isinstance(item, Tensor):
            item = item if item.device is x.device else item.to(x.device)
            found = as_picks("index", item, shape[used:], used)
            basic += [ALL] * len(found)
            picks |= {made + k: pick for k, pick in enumerate(found)}
            used, made = used + len(found), made + len(found)
        elif item is None or isinstance(item, bool):
            if item is not None:
                picks[made] = wrap(x.device.xp.zeros(int(item), "int64"))
            basic.append(None)
            made += 1
        else:
            if isinstance(item, int) and not -shape[used] <= item < shape[used]:
                raise IndexError(f"index: {item} is out of range for dimension {used} of size {shape[used]}")
            basic.append(item)
            used, made = used + 1, made + isinstance(item, slice)
    return (*basic, ...), picks


def meeting(picks):
    """The indices, their dimensions, and the shape to which they broadcast."""
    shapes = [i.array.shape for i in picks.values()]
    return list(picks.values()), tuple(picks), broadcast_shape("index", *shapes, error=IndexError)


def _basic_part(x, basic):
    """The view that a basic index selects; x itself where that is everything."""
    return x if all(item is ... or item == ALL for item in basic) else slice_(x, basic)


def get_item(x: Tensor, index) -> Tensor:
    """x[index]: a view for integers, slices, None and ..., a copy for masks, tensors and lists."""
    if type(index) is int and x.array.ndim and -len(x.array) <= index < len(x.array):
        return slice_(x, (index, ...))
    basic, picks = _taken_apart(x, index)
    if not picks:
        return slice_(x, basic)
    indices, dims, _ = meeting(picks)
    return take_at(_basic_part(x, basic), indices, dims)


def set_item(x: Tensor, index, value) -> None:
    """x[index] = value, recorded.  The value (number, tensor, array) broadcasts to the selection.

    Where indices repeat, the last value stays.
    """
    basic, picks = _taken_apart(x, index)
    if isinstance(value, (int, float)):
        value = wrap(x.device.xp.full((), value, x.dtype))
    elif not isinstance(value, Tensor):
        value = creation.tensor(value, dtype=x.dtype, device=x.device)
    elif picks and value.ndim and value.dtype != x.dtype:
        raise RuntimeError(f"setitem: expected values of dtype {x.dtype}, got {value.dtype}; use .to")
    elif value.dtype != x.dtype or value.device is not x.device:
        value = value.to(x.device, x.dtype)
    part = _basic_part(x, basic)
    if not picks:
        value = fitted("setitem", value, part.array.shape)
        write(part, "setitem", lambda before: overwritten(before, value))
        return
    indices, dims, block = meeting(picks)
    value = fitted("setitem", value, picked_shape(part.array.shape, dims, block))
    if state.recording and (part.requires_grad or value.requires_grad):
        write(part, "setitem", lambda before: put_at(before, value, indices, dims))
        return
    writable(part, "setitem")
    source = clone(value) if x.device.xp.may_share_memory(value.array, x.array) else value
    part.array[key_at(dims, part.ndim, [i.array for i in indices])] = source.array
    part._storage.written("setitem", sys._getframe(1))


def fitted(name, value, shape):
    """The values expanded to `shape`; leading dimensions of size 1 that it lacks are dropped."""
    mine = value.array.shape
    while len(mine) > len(shape) and mine[0] == 1:
        mine = mine[1:]
    lead = len(shape) - len(mine)
    if lead < 0 or any(n not in (1, m) for n, m in zip(mine, shape[lead:])):
        raise RuntimeError(
            f"{name}: values of shape {tuple(value.shape)} do not broadcast to {tuple(shape)}, "
            "the shape of what is selected"
        )
    value = value if mine == value.array.shape else reshape_(value, mine)
    return value if mine == shape else expand_(value, shape)
