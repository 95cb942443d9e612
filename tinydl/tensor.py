"""The tensor: an array, and where it came from.  Its operations are attached by `tinydl.ops`."""

from __future__ import annotations

import sys

import numpy as np

from . import dtype as dtypes
from .device import CPU, of_array
from .kernels.gpu import recording


def caller(name, frame):
    """What messages say of a write by `name`: it, and the line outside of the package that led to `frame`."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("tinydl."):
        frame = frame.f_back
    return name, frame and frame.f_code.co_filename, frame and frame.f_lineno


class Storage:
    """What tensors on the same memory share: how often it was written, and by whom last."""

    version = 0  # writes; a backward that needs an older one is refused
    rewrites = 0  # of these, how many gave the base another place in the graph
    writer = None

    def written(self, name, frame=None):
        """Count a write by `name`; the first caller outside the package is remembered for messages."""
        self.written_by(caller(name, frame))

    def written_by(self, writer):
        """Count a write by what `caller` gave."""
        self.version += 1
        self.writer = writer
        if recording.now.step is not None:
            recording.now.step.written.add(self)

    def where(self):
        if self.writer is None:
            return ""
        name, file, line = self.writer
        return f" by {name}" + (f" at {file}:{line}" if file else "")


class Tensor:
    """A multi-dimensional array that can take part in differentiation.

    `Tensor(array)` wraps an array of NumPy or CuPy without copying it; `tinydl.tensor(data)` copies.
    The array itself is `.array`.
    """

    _edge = None  # (node, slot) that made it, or its leaf; None: does not require grad
    _base = None  # the tensor of which this is a view
    _chain = ()  # (chain of what it was made from, operation, constants): the way from the base to this view
    _origin = None  # of a view that was detached: the array of its base
    _rewrites = 0  # the base's rewrites when this view's edge was recorded
    _unrecorded_view = False  # made within no_grad
    _grad = None
    _retained = None  # the handle of the hook that `retain_grad` put
    __array_priority__ = 1000

    def __init__(self, array, requires_grad: bool = False):
        if not isinstance(requires_grad, bool):
            raise TypeError(
                f"Tensor: expected an array, got sizes?; tinydl.empty({array}, {requires_grad}, ...) takes sizes"
            )
        shared = array if isinstance(array, Tensor) else None
        if shared is not None:
            array = shared.array
        elif type(array) is not np.ndarray:
            try:
                of_array(array)
            except TypeError:
                array = np.asarray(array)
            if isinstance(array, np.ndarray):
                array = np.asarray(array)  # a plain array, of a memory map or a matrix, too
        if array.dtype not in dtypes._SUPPORTED:
            dtypes.as_dtype(array.dtype)
        self.array = array
        self._storage = Storage() if shared is None else shared._storage
        if requires_grad:
            self.requires_grad_()

    # ---- what it is
    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self.array.dtype

    @property
    def device(self):
        """Where the array lies: cpu or cuda."""
        return of_array(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether the array lies on a GPU."""
        return self.device.type == "cuda"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def size(self, dim: int | None = None):
        """The shape, or the size of dimension `dim`."""
        if dim is None:
            return self.shape
        if not -self.array.ndim <= dim < self.array.ndim:
            raise IndexError(f"size: dim {dim} is out of range for a tensor of {self.array.ndim} dimensions")
        return self.array.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self.array.size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.dtype.itemsize

    def stride(self, dim: int | None = None):
        """Elements to step over for the next index, in each dimension."""
        steps = tuple(s // self.array.dtype.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> int:
        """The address of the first element."""
        a = self.array
        return (getattr(a, "__array_interface__", None) or a.__cuda_array_interface__)["data"][0]

    def storage_offset(self) -> int:
        """How many elements after that of its base its first element lies."""
        origin = self._origin if self._base is None else self._root().array
        return 0 if origin is None else (self.data_ptr() - wrap(origin).data_ptr()) // self.array.itemsize

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory one after another, last index fastest."""
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return dtypes.is_floating(self.array.dtype)

    # ---- its place in the graph
    def edge(self):
        """The (node, slot) that made this tensor, or None; of a stale view, recorded anew."""
        if self._base is not None and self._rewrites != self._storage.rewrites:
            from .autograd.views import refresh

            refresh(self)
        return self._edge

    def _root(self):
        """The tensor of which this is a view, or itself; a base that took another shape is a view of what it was."""
        while self._base is not None:
            self = self._base
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are recorded."""
        return self.edge() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool):
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients with respect to this tensor, in place."""
        from .autograd.graph import leaf_edge

        if not requires_grad:
            if not self.is_leaf:
                raise RuntimeError(
                    "requires_grad_: only a leaf can stop requiring grad; this tensor was computed. Use detach()"
                )
            self._edge = None
        elif self.edge() is None:
            if not dtypes.is_floating(self.array.dtype):
                raise RuntimeError(f"requires_grad_: only floating tensors have gradients, this one is {self.dtype}")
            self._edge = leaf_edge(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than computed from tensors that require grad."""
        edge = self.edge()
        return edge is None or edge[0].name == "leaf"

    @property
    def grad_fn(self):
        """The node of the graph that made this tensor; None for a leaf."""
        return None if self.is_leaf else self._edge[0]

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` it is."""
        return 0 if self._edge is None else self._edge[1]

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up here."""
        return self._grad

    @grad.setter
    def grad(self, g):
        if g is not None:
            if not isinstance(g, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(g).__name__}")
            mine, its = self.array, g.array
            if its.shape != mine.shape or its.dtype != mine.dtype or type(its) is not type(mine):
                raise RuntimeError(
                    f"grad: expected {tuple(mine.shape)} {mine.dtype} on {self.device}, "
                    f"got {tuple(its.shape)} {its.dtype} on {g.device}"
                )
        self._grad = g

    def backward(self, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
        """Add the gradient of this tensor to `grad` of every leaf (or of `inputs`) it depends on.

        gradient: the cotangent, of this tensor's shape; may be left out for a scalar.
        """
        from .autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory outside the graph.  Writes to it are seen by both, and by version checks."""
        t = wrap(self.array)
        t._storage = self._storage
        if self._base is not None:
            t._origin = self._root().array
        return t

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph, in place."""
        if self._base is not None:
            raise RuntimeError("detach_: a view cannot be detached in place; use detach()")
        self._edge = None
        return self

    @property
    def data(self) -> Tensor:
        """The tensor's values outside the graph (`detach`); assigning replaces the array."""
        return self.detach()

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        if self._edge is not None and not dtypes.is_floating(value.array.dtype):
            raise RuntimeError(f"data: a tensor that requires grad must stay floating, got {value.dtype}")
        self.array, self._storage = value.array, value._storage
        self._base, self._chain = None, ()
        if self._edge is not None:
            self._edge[0].outs = ((self.array.shape, self.array.dtype),)

    def register_hook(self, hook):
        """Call `hook(g)` with the gradient of this tensor; what it returns (not None) replaces g.

        Returns a handle whose `remove()` takes the hook off.
        """
        from .autograd.hooks import on_edge

        return on_edge(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` each time a gradient has been added to this leaf's `grad`."""
        from .autograd.hooks import after_accumulation

        return after_accumulation(self, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `grad` too."""
        from .autograd.hooks import retain

        retain(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called."""
        return self._retained is not None

    # ---- other forms of it
    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself, sharing memory (of bfloat16, ml_dtypes').  Writes to it are not seen by version checks.

        Refused for a tensor that requires grad or lies on a GPU, unless `force`, which detaches and copies over.
        """
        if not force and self.requires_grad:
            raise RuntimeError("numpy: this tensor requires grad; call .detach().numpy()")
        device = self.device
        if device is not CPU and not force:
            raise TypeError(f"numpy: this tensor is on {device}; call .cpu().numpy()")
        return device.to_host(self.array)

    def item(self):
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"item: expected a tensor with one element, got shape {tuple(self.shape)}")
        array = self.array
        return array.item() if isinstance(array, np.ndarray) else self.device.to_host(array).item()

    def tolist(self):
        """Nested lists of Python numbers."""
        return self.device.to_host(self.array).tolist()

    def _wrote(self, name):
        """Count a write to the memory by the operation `name`."""
        self._storage.written(name, sys._getframe(1))


class Size(tuple):
    """A shape: a tuple with `numel()`."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self):
        return f"tinydl.Size({list(self)})"

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __getitem__(self, index):
        got = tuple.__getitem__(self, index)
        return Size(got) if isinstance(index, slice) else got


_new = Tensor.__new__


def wrap(array) -> Tensor:
    """The tensor of `array`, without any check: for arrays that the package made itself."""
    t = _new(Tensor)
    t.array = array
    t._storage = Storage()
    return t
