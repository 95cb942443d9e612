"""Other shapes of the same elements: views, which share memory, so that a write to one is seen by all.

reshape, transpose and expand undo themselves.  Every other view picks some of the elements, each at most once, and
its adjoint `embed` puts them back among zeros:  <view(x), g> = <x, embed(g)>, each the other's gradient.
"""

from __future__ import annotations

import math
import operator

from ..autograd.engine import Array, mark_view, op
from ..autograd.graph import OPS
from ..tensor import Tensor
from .elementwise import clone
from .reduce import normalize_dim, normalize_dims

ALL = slice(None)


# ---------------------------------------------------------------- the operations
@op(view=True)
def reshape_(xp, x: Array, shape):
    """x in another shape with as many elements, as a view where memory allows, else a copy."""
    return x.reshape(shape)


@op(view=True)
def transpose_(xp, x: Array, dims):
    """x with its dimensions in the order `dims`."""
    return x.transpose(dims)


@op(view=True)
def expand_(xp, x: Array, shape):
    """x repeated without copying to a shape that it broadcasts to."""
    lead = len(shape) - x.ndim
    kept = [s if n == m else 0 for s, n, m in zip(x.strides, x.shape, shape[lead:])]
    return xp.lib.stride_tricks.as_strided(x, shape, [0] * lead + kept)


@op(view=True)
def slice_(xp, x: Array, index):
    """x[index], the index made of integers, slices and None, with an Ellipsis at its end."""
    return x[index]


@op(view=True)
def diagonal_(xp, x: Array, offset, dim1, dim2):
    """The diagonals of the matrices in dim1 and dim2, as a new last dimension."""
    rows, cols = x.shape[dim1], x.shape[dim2]
    length = max(0, min(rows, cols - offset) if offset >= 0 else min(rows + offset, cols))
    start = [ALL] * x.ndim
    if length:  # an empty diagonal starts nowhere
        start[dim1 if offset < 0 else dim2] = slice(abs(offset), None)
    x = x[tuple(start)]
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    strides = [*(x.strides[d] for d in rest), x.strides[dim1] + x.strides[dim2]]
    return xp.lib.stride_tricks.as_strided(x, [*(x.shape[d] for d in rest), length], strides)


@op(view=True)
def windows(xp, x: Array, dim, size, step):
    """Windows of `size` elements along `dim`, `step` apart, their elements in a new last dimension."""
    shape, strides = list(x.shape), list(x.strides)
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] *= step
    return xp.lib.stride_tricks.as_strided(x, [*shape, size], [*strides, x.strides[dim]])


@op
def windows_sum(xp, x: Array, shape, dim, size, step):
    """Zeros of `shape` to which every window is added in its place."""
    out = xp.zeros(shape, x.dtype)
    index = [ALL] * len(shape)
    for i in range(size):
        index[dim] = slice(i, i + (x.shape[dim] - 1) * step + 1, step)
        out[tuple(index)] += x[..., i]
    return out


@op
def embed(xp, x: Array, shape, view, constants):
    """Zeros of `shape`, except that the part to which the operation `view` leads is x."""
    out = xp.zeros(shape, x.dtype)
    OPS[view].op.body(xp, out, *constants)[...] = x
    return out


@op
def pieces_(xp, x: Array, indices):
    """x[index] for each index; no element is in two of them."""
    return tuple(x[index] for index in indices)


@op
def assemble(xp, xs: list[Array], shape, indices):
    """Zeros of `shape` with one of the tensors, all of one dtype, at each index."""
    out = xp.zeros(shape, xs[0].dtype)
    for x, index in zip(xs, indices):
        out[index] = x
    return out


def _inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def _put_together(g, x_like, indices):
    gs = g if isinstance(g, tuple) else (g,)
    used = [(piece, index) for piece, index in zip(gs, indices) if piece is not None]
    return assemble([piece for piece, _ in used], x_like.shape, tuple(index for _, index in used))


reshape_.grads(lambda g, x_like: reshape_(g, x_like.shape))
transpose_.grads(lambda g, dims: transpose_(g, _inverse(dims)))
expand_.grads(lambda g: g)  # the engine sums it back
slice_.grads(lambda g, x_like, index: embed(g, x_like.shape, "slice", (index,)))
diagonal_.grads(
    lambda g, x_like, offset, dim1, dim2: embed(g, x_like.shape, "diagonal", (offset, dim1, dim2))
)
embed.grads(lambda g, view, constants: OPS[view](g, *constants))
windows.grads(lambda g, x_like, dim, size, step: windows_sum(g, x_like.shape, dim, size, step))
windows_sum.grads(lambda g, dim, size, step: windows(g, dim, size, step))
pieces_.grads(_put_together)
assemble.grads(lambda g, indices: pieces(g, indices))


def pieces(x, indices):
    """The views x[index], recorded as one operation: their gradients are put together at once."""
    parts = pieces_(x, indices)
    parts = parts if isinstance(parts, tuple) else (parts,)
    for part, index in zip(parts, indices):
        mark_view(part, slice_.op, x, (index,))
    return parts


# ---------------------------------------------------------------- sizes
def flat_sizes(size):
    """Sizes given as separate numbers or as one sequence."""
    return tuple(size[0]) if len(size) == 1 and not hasattr(size[0], "__index__") else tuple(size)


def complete(name, count, shape):
    """`shape` for `count` elements, with its -1, if any, worked out."""
    shape = tuple(map(operator.index, shape))
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or any(n < -1 for n in shape):
        raise RuntimeError(f"{name}: one size may be -1 and none may be less, got {shape}")
    open_size = -1 in shape
    if (open_size and (known == 0 or count % known)) or (not open_size and known != count):
        raise RuntimeError(f"{name}: {count} elements do not fit shape {shape}")
    return tuple(count // known if n == -1 else n for n in shape)


def broadcast_shape(name, *shapes, error=RuntimeError):
    """The shape to which all shapes broadcast."""
    longest = max(map(len, shapes), default=0)
    result = [1] * longest
    for shape in shapes:
        for i, n in enumerate(shape, longest - len(shape)):
            if n != 1 and result[i] not in (1, n):
                got = " and ".join(str(tuple(s)) for s in shapes)
                raise error(f"{name}: shapes {got} do not broadcast: sizes must be equal, or one of them 1")
            result[i] = result[i] if n == 1 else n
    return tuple(result)


def at(dim, what):
    """The index that applies `what` to dimension `dim`."""
    return (*(ALL,) * dim, what, ...)


def refuse_scalar(name, x):
    """Refuse a 0-d tensor where a dimension is needed."""
    if not x.ndim:
        raise RuntimeError(f"{name}: expected a tensor with a dimension, got a 0-d one; unsqueeze(0) gives it one")


# ---------------------------------------------------------------- shapes
def reshape(x: Tensor, *shape) -> Tensor:
    """x in another shape with as many elements; one size may be -1.  A view where memory allows, else a copy."""
    return reshape_(x, complete("reshape", x.array.size, flat_sizes(shape)))


def view(x: Tensor, *shape) -> Tensor:
    """x in another shape with as many elements, always as a view; refused where memory does not allow one."""
    if len(shape) == 1 and not hasattr(shape[0], "__index__") and not isinstance(shape[0], (tuple, list)):
        raise TypeError(f"view: expected sizes, got {shape[0]!r}; x.to(dtype) gives another type")
    y = reshape_(x, complete("view", x.array.size, flat_sizes(shape)))
    if y._base is None and x.array.size:
        raise RuntimeError(
            f"view: memory of shape {tuple(x.shape)} and strides {x.stride()} cannot be seen in shape {tuple(y.shape)} "
            "without a copy; use reshape(...), or contiguous().view(...)"
        )
    return y


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """x as a view in the shape of `other`."""
    return view(x, other.shape)


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """x in the shape of `other`."""
    return reshape(x, other.shape)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the dimensions from start_dim to end_dim (included) as one."""
    first, last = (normalize_dim("flatten", d, x.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = x.array.shape
    return reshape_(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(x: Tensor) -> Tensor:
    """x as one dimension."""
    return reshape_(x, (x.array.size,))


def unflatten(x: Tensor, dim: int, sizes) -> Tensor:
    """x with dimension `dim` as several of the given sizes; one may be -1."""
    refuse_scalar("unflatten", x)
    dim = normalize_dim("unflatten", dim, x.ndim)
    if len(sizes) == 0:
        raise RuntimeError("unflatten: sizes must not be empty")
    shape = x.array.shape
    return reshape_(x, (*shape[:dim], *complete("unflatten", shape[dim], sizes), *shape[dim + 1 :]))


def squeeze(x: Tensor, dim=None) -> Tensor:
    """x without its dimensions of size 1: without all of them, or those among `dim` (one or several)."""
    dims = range(x.ndim) if dim is None else normalize_dims("squeeze", dim, x.ndim) if dim != () else ()
    shape = x.array.shape
    return reshape_(x, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a new dimension of size 1 at `dim`."""
    dim = normalize_dim("unsqueeze", dim, x.ndim + 1)
    shape = x.array.shape
    return reshape_(x, (*shape[:dim], 1, *shape[dim:]))


# ---------------------------------------------------------------- order of dimensions
def permute(x: Tensor, *dims) -> Tensor:
    """x with its dimensions in the order `dims`: a view."""
    dims = tuple(normalize_dim("permute", d, x.ndim) for d in flat_sizes(dims))
    if sorted(dims) != list(range(x.ndim)):
        raise RuntimeError(f"permute: expected each of {x.ndim} dimensions once, got {dims}")
    return transpose_(x, dims)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dimensions exchanged: a view."""
    a, b = normalize_dim("transpose", dim0, x.ndim), normalize_dim("transpose", dim1, x.ndim)
    dims = list(range(x.ndim))
    if dims:
        dims[a], dims[b] = b, a
    return transpose_(x, tuple(dims))


def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """x with two dimensions exchanged: a view."""
    return transpose(x, axis0, axis1)


swapdims = swapaxes


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; a tensor of fewer dimensions as it is.  A view."""
    if x.ndim > 2:
        raise RuntimeError(f"t: expected at most 2 dimensions, got shape {tuple(x.shape)}; use transpose or mT")
    return transpose_(x, tuple(range(x.ndim))[::-1])


def movedim(x: Tensor, source, destination) -> Tensor:
    """x with the dimensions `source` (one or several) at the places `destination`: a view."""
    given = [(d,) if hasattr(d, "__index__") else tuple(d) for d in (source, destination)]
    source, destination = ([normalize_dim("movedim", d, x.ndim) for d in dims] for dims in given)
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: {len(source)} dimensions cannot move to {len(destination)} places")
    for dims in (source, destination):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: {dims} names a dimension twice")
    if not x.ndim:
        return transpose_(x, ())
    order = [d for d in range(x.ndim) if d not in source]
    for place, d in sorted(zip(destination, source)):
        order.insert(place, d)
    return transpose_(x, tuple(order))


moveaxis = movedim


# ---------------------------------------------------------------- repetition without copying
def expand(x: Tensor, *sizes) -> Tensor:
    """x repeated without copying: dimensions of size 1 take any size, -1 keeps one, new ones come in front."""
    sizes = flat_sizes(sizes)
    lead = len(sizes) - x.ndim
    if lead < 0:
        raise RuntimeError(f"expand: {sizes} has fewer dimensions than the tensor, shape {tuple(x.shape)}")
    shape = tuple(x.shape[i - lead] if n == -1 and i >= lead else operator.index(n) for i, n in enumerate(sizes))
    if any(n < 0 for n in shape) or any(m not in (1, n) for m, n in zip(x.shape, shape[lead:])):
        raise RuntimeError(f"expand: shape {tuple(x.shape)} does not expand to {sizes}; only sizes 1 can grow")
    return expand_(x, shape)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """x expanded to the shape of `other`."""
    return expand(x, other.shape)


def broadcast_to(x: Tensor, size) -> Tensor:
    """x expanded to `size`."""
    return expand(x, size)


def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """The tensors, expanded to the shape to which all of them broadcast."""
    shape = broadcast_shape("broadcast_tensors", *(t.shape for t in tensors))
    return tuple(expand_(t, shape) for t in tensors)


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The shape to which all shapes (or sizes of one dimension) broadcast."""
    return broadcast_shape("broadcast_shapes", *((s,) if hasattr(s, "__index__") else tuple(s) for s in shapes))


# ---------------------------------------------------------------- parts
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """x at one place of dimension `dim`, which is dropped: a view."""
    if not x.ndim:
        raise IndexError("select: a 0-d tensor has no dimension to select from")
    dim, index = normalize_dim("select", dim, x.ndim), operator.index(index)
    n = x.array.shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select: index {index} is out of range for dimension {dim} of size {n}")
    return slice_(x, at(dim, index))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """x from `start` on for `length` places of dimension `dim`: a view."""
    refuse_scalar("narrow", x)
    dim, start = normalize_dim("narrow", dim, x.ndim), operator.index(start)
    n = x.array.shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"narrow: start {start} is out of range for dimension {dim} of size {n}")
    first = start + n if start < 0 else start
    if length < 0 or first + length > n:
        raise RuntimeError(f"narrow: start {start} and length {length} exceed dimension {dim} of size {n}")
    return slice_(x, at(dim, slice(first, first + length)))


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """x at each place of dimension `dim`: views."""
    refuse_scalar("unbind", x)
    dim = normalize_dim("unbind", dim, x.ndim)
    return pieces(x, tuple(at(dim, i) for i in range(x.array.shape[dim])))


def split(x: Tensor, split_size_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into views of one size (the last may be smaller), or of the sizes in a sequence."""
    if not hasattr(split_size_or_sections, "__index__"):
        return split_with_sizes(x, split_size_or_sections, dim)
    refuse_scalar("split", x)
    size, n = operator.index(split_size_or_sections), x.array.shape[normalize_dim("split", dim, x.ndim)]
    if size < 0 or (size == 0 and n):
        raise RuntimeError(f"split: the size of a piece must be positive, got {size} (dimension {dim} has size {n})")
    whole, rest = divmod(n, size) if n else (0, 0)
    return split_with_sizes(x, [size] * whole + [rest] * (rest > 0 or not n), dim)


def split_with_sizes(x: Tensor, split_sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into views of the given sizes, which must add up to the whole."""
    refuse_scalar("split", x)
    dim = normalize_dim("split", dim, x.ndim)
    sizes, n = [operator.index(s) for s in split_sizes], x.array.shape[dim]
    if sum(sizes) != n or any(s < 0 for s in sizes):
        raise RuntimeError(f"split: sizes {sizes} must not be negative and must add up to {n}, the size of dimension {dim}")
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return pieces(x, tuple(at(dim, slice(end - s, end)) for s, end in zip(sizes, ends)))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` into at most `chunks` views of one size (the last may be smaller)."""
    refuse_scalar("chunk", x)
    if chunks <= 0:
        raise RuntimeError(f"chunk: the number of chunks must be positive, got {chunks}")
    n = x.array.shape[normalize_dim("chunk", dim, x.ndim)]
    return split(x, -(-n // chunks), dim) if n else split_with_sizes(x, [0] * chunks, dim)


def tensor_split(x: Tensor, indices_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along `dim` before each index of a sequence, or into a number of views as equal as can be."""
    refuse_scalar("tensor_split", x)
    dim = normalize_dim("tensor_split", dim, x.ndim)
    cuts, n = indices_or_sections, x.array.shape[dim]
    if isinstance(cuts, Tensor):
        if cuts.dtype != "int64" or cuts.ndim > 1:
            raise RuntimeError(f"tensor_split: expected int64 of at most 1 dimension, got {cuts.dtype} {tuple(cuts.shape)}")
        cuts = cuts.tolist()
    if hasattr(cuts, "__index__"):
        if cuts <= 0:
            raise RuntimeError(f"tensor_split: the number of sections must be positive, got {cuts}")
        size, longer = divmod(n, cuts)
        return split_with_sizes(x, [size + 1] * longer + [size] * (cuts - longer), dim)
    cuts = [0, *map(operator.index, cuts), n]
    return tuple(slice_(x, at(dim, slice(*ends))) for ends in zip(cuts, cuts[1:]))


def _splitter(name, least, dim_of):
    def cut(x: Tensor, indices_or_sections) -> tuple[Tensor, ...]:
        if x.ndim < least:
            raise RuntimeError(f"{name}: expected at least {least} dimensions, got shape {tuple(x.shape)}")
        dim, cuts = dim_of(x), indices_or_sections
        if hasattr(cuts, "__index__") and (cuts <= 0 or x.shape[dim] % cuts):
            raise RuntimeError(f"{name}: {cuts} sections do not divide dimension {dim} of size {x.shape[dim]}")
        return tensor_split(x, cuts, dim)

    cut.__name__ = cut.__qualname__ = name
    cut.__doc__ = "As tensor_split along {}; a number of sections must divide it.".format(
        {"hsplit": "columns (of a vector, its only dimension)", "vsplit": "rows", "dsplit": "dimension 2"}[name]
    )
    return cut


hsplit = _splitter("hsplit", 1, lambda x: min(1, x.ndim - 1))
vsplit = _splitter("vsplit", 2, lambda x: 0)
dsplit = _splitter("dsplit", 3, lambda x: 2)


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices in dim1 and dim2, as a new last dimension: a view."""
    a, b = normalize_dim("diagonal", dim1, x.ndim), normalize_dim("diagonal", dim2, x.ndim)
    if a == b or x.ndim < 2:
        raise RuntimeError(f"diagonal: expected two different dimensions, got {dim1} and {dim2} of {tuple(x.shape)}")
    return diagonal_(x, operator.index(offset), a, b)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements along a dimension, `step` apart, in a new last dimension: a view."""
    dim = normalize_dim("unfold", dimension, x.ndim)
    if not x.ndim:
        return select(unfold(reshape_(x, (1,)), 0, size, step), 0, 0)
    n = x.array.shape[dim]
    if not 0 <= size <= n or step <= 0:
        raise RuntimeError(
            f"unfold: size must lie in [0, {n}] (dimension {dim}) and step be positive, got size {size}, step {step}"
        )
    return windows(x, dim, size, step)


def contiguous(x: Tensor) -> Tensor:
    """x itself if its elements lie in memory one after another, else a copy in which they do."""
    return x if x.array.flags.c_contiguous else clone(x)


__all__ = [
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "chunk", "contiguous", "diagonal", "dsplit", "expand",
    "expand_as", "flatten", "hsplit", "moveaxis", "movedim", "narrow", "permute", "ravel", "reshape", "reshape_as",
    "select", "split", "split_with_sizes", "squeeze", "swapaxes", "swapdims", "t", "tensor_split", "transpose", "unbind",
    "unflatten", "unfold", "unsqueeze", "view", "view_as", "vsplit",
]  # fmt: skip
