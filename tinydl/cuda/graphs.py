"""CUDA graphs: a whole training step, captured once, and launched again at the cost of one launch.

A small step spends its time in Python and in launching kernels.  A graph holds all its launches and their arguments.
So a replay writes to the same memory, whatever the arguments of the call; `fast(x)` copies x to where the graph reads
it.  Numbers that must go on (the counts and rates of optimizers, streams of random numbers) are sent before each
replay, to where kernels of a captured step read them (kernels/gpu/recording.py).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd import no_grad
from ..autograd.declaration import Op
from ..device import CPU, Device
from ..device import device as find_device
from ..kernels.gpu import faults, recording
from ..kernels.gpu.launch import backend_of
from ..ops.generator import default_of
from ..tensor import Tensor

# where what a step calls is defined
_PUBLIC = tuple(f"tinydl.{name}" for name in ("autograd", "device", "linalg", "nn.utils", "ops", "optim", "tensor"))
# what is said of an error, by a word of CuPy's or CUDA's text for it
_REASONS = {
    "cublas": "needs cuBLAS, of which CuPy lets no call be captured; products of float32 have a kernel of their own",
    "cusolver": "needs cuSOLVER, of which CuPy lets no call be captured",
    "h2d": recording.SENDS,
    "captur": "reads values on the host or waits for the device; a graph holds work of the GPU alone",
}


def graph(step: Callable, *, warmup: int = 3, device=None) -> Graph:
    """`step` as a function that is captured as a CUDA graph and replayed: `fast = graph(step); loss = fast(x, y)`.

    step: a whole training step (forward, backward, optimizer) or any other work of a GPU; it returns tensors, in
    tuples, lists or dicts, or None.  warmup: calls that run as they are before the next is captured; they compile
    kernels and make the optimizer's state.  Each call, those included, is one step: the results are those of `step`,
    to rounding (products that cuBLAS would compute have a kernel of tinydl's instead).  device: where to capture,
    if no argument says it; 'cuda' unless given.

    What is returned, and every gradient, lies in memory of the graph: the next call overwrites it (`clone` what you
    keep).  Sizes, types and devices of the arguments, and whatever else is an argument, must stay those of the first
    call.  A replay runs no Python: prints, hooks, branches and `self.x = ...` do not happen again; state of your own
    must be written in place.  `lr_scheduler.step()` belongs after the call.  Under TINYDL_SYNC=1, which has every
    launch waited for, nothing is captured: the step runs as it is.

    RuntimeError, naming the operation, for what a graph cannot hold: what reads values on the host (item, nonzero,
    boolean masks, unique, repeat_interleave), waits for the device, computes on the CPU, or needs cuBLAS or cuSOLVER.
    The step is then not made, and nothing has changed.
    """
    if not callable(step):
        raise TypeError(f"cuda.graph: expected a function, got {type(step).__name__}")
    if warmup < 1:
        raise ValueError(
            f"cuda.graph: warmup must be at least 1, for the first call makes what later ones keep; got {warmup}"
        )
    return Graph(step, warmup, device)


class Graph:
    """A step that `graph` made: call it as the step."""

    def __init__(self, step: Callable, warmup: int, device):
        self._step, self._warmup, self._device = step, warmup, device
        self._recording: recording.Recording | None = None
        self._shape: Any = None  # the arguments' structure, and what they are beside tensors
        self._inputs: list[Tensor] = []
        self._captured = False

    def __call__(self, *args, **kwargs):
        """One step.  ValueError where arguments are not as those of the first call."""
        if os.environ.get("TINYDL_SYNC", "0") != "0":
            warnings.warn(
                "cuda.graph: TINYDL_SYNC=1 waits for every launch, which a capture cannot: the step runs as it is",
                stacklevel=2,
            )
            return self._step(*args, **kwargs)
        tensors: list[Tensor] = []
        shape = _taken_apart((args, kwargs), tensors)
        if self._recording is None:
            self._begin(shape, tensors)
        self._check(shape, tensors)
        if self._warmup:
            self._recording.leaves.clear()
            with self._recording.during("warm-up"):
                result = self._step(*args, **kwargs)
            self._warmup -= 1
            return result
        first = not self._captured
        if first:
            self._capture(tensors)
        return self._replay(tensors, first)

    def _begin(self, shape, tensors):
        device = tensors[0].device if tensors and self._device is None else find_device(self._device or "cuda")
        if device is CPU:
            raise RuntimeError("cuda.graph: the arguments are on the CPU; move model and data to 'cuda'")
        self._shape, self._like = shape, [(tuple(t.shape), t.dtype) for t in tensors]
        self._device = device
        backend = backend_of(device.xp.zeros(1))
        faults.note(backend), default_of(device)  # what a capture must not make
        self._backend, self._recording = backend, recording.Recording(backend)

    def _check(self, shape, tensors):
        if shape != self._shape:
            raise ValueError(
                f"cuda.graph: the arguments are {shape}, at the first call they were {self._shape}; all but the "
                "values of tensors is part of the graph: make one for each such case"
            )
        for i, (t, (size, dtype)) in enumerate(zip(tensors, self._like)):
            if t.device is not self._device:
                raise ValueError(f"cuda.graph: tensor {i} is on {t.device}; call .to('{self._device}')")
            if tuple(t.shape) != size or t.dtype != dtype:
                raise ValueError(
                    f"cuda.graph: tensor {i} is {tuple(t.shape)} {t.dtype}, at the first call it was {size} {dtype}; "
                    "pad or convert it (drop_last=True for batches), or make a graph for each shape"
                )
            if t.requires_grad:
                raise ValueError(
                    f"cuda.graph: tensor {i} requires grad, but the graph reads a copy of it; "
                    "call x.detach().requires_grad_() inside the step"
                )

    def _capture(self, tensors):
        step, device = self._recording, self._device
        self._inputs = [Tensor(device.xp.empty(t.shape, t.dtype)) for t in tensors]
        args, kwargs = _put_together(self._shape, iter(self._inputs))
        grads = [(leaf, leaf.grad) for leaf, _ in step.leaves.values()]
        step.leaves = {id(leaf): (leaf, g) for leaf, g in grads}
        step.written.clear()
        kernels, CPU.kernels = CPU.kernels, _NoKernels(CPU.kernels, step)
        try:
            with step.during("capture"), step.runtime.capture():
                result = self._step(*args, **kwargs)
                self._outputs: list[Tensor] = []
                self._result = _taken_apart(result, self._outputs)
                _check_result(self._result, self._outputs, device)
        except BaseException as error:
            self._undo(step, grads)
            self._recording = recording.Recording(self._backend)
            self._recording.leaves = {id(leaf): (leaf, g) for leaf, g in grads}
            told = _explained(error)
            if told is None:
                raise
            raise told from error
        finally:
            CPU.kernels = kernels
        step.finish()
        self._outputs = [t.detach() for t in self._outputs]
        self._gradients = step.gradients()
        self._written = step.written | {t._storage for t in self._outputs}
        self._faulty = faults.noted(self._backend)
        self._captured = True

    @staticmethod
    def _undo(step, grads):
        """As if there had been no capture: gradients in memory of the graph, and what the host counted, are gone."""
        for leaf, _ in step.leaves.values():
            leaf.grad = None
        for leaf, g in grads:
            leaf.grad = g
        for undo in reversed(step.undo):
            undo()
        step.rewind()

    def _replay(self, tensors, first):
        step = self._recording
        for leaf, g, fresh in self._gradients:
            if not first and fresh and leaf.grad is not None and g is not None:
                raise RuntimeError(
                    f"cuda.graph: a parameter of shape {tuple(leaf.shape)} has a gradient, when captured it had none "
                    "and the graph overwrites it; call zero_grad() before each call, or inside the step"
                )
        for leaf, g, _ in self._gradients:
            leaf.grad = g
        with no_grad():
            step.fill(first)
        for mine, given in zip(self._inputs, tensors):
            mine.array[...] = given.array
        step.runtime.replay()
        if self._faulty:
            faults.note(self._backend)
        for storage in self._written:
            storage.written("a replay of cuda.graph")
        return _put_together(self._result, iter(self._outputs))


class _NoKernels(dict):
    """Kernels of the CPU during a capture: what asks for one is refused, but for an optimizer's own numbers."""

    def __init__(self, kernels, step):
        super().__init__()
        self._kernels, self._step = kernels, step

    def __missing__(self, name):
        if recording.now.step is not self._step or self._step.host_work:  # another thread's, a loader's say
            return self._kernels[name]
        raise recording.Refused("computes on the CPU, which a replay would not; move its tensors to the GPU")


# ---------------------------------------------------------------- what a call takes and gives
class _Slot:
    """The place of a tensor in a structure."""

    def __repr__(self):
        return "tensor"

    def __eq__(self, other):
        return isinstance(other, _Slot)


def _taken_apart(value, tensors):
    """The structure of tuples, lists and dicts with a slot in place of each tensor, which goes to `tensors`."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return _Slot()
    if isinstance(value, dict):
        return {key: _taken_apart(v, tensors) for key, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_taken_apart(v, tensors) for v in value)
    if hasattr(value, "__array__"):
        raise TypeError(
            f"cuda.graph: got {type(value).__name__}, of which a graph would keep the values; pass a tensor"
        )
    return value


def _put_together(shape, tensors):
    """The reverse."""
    if isinstance(shape, _Slot):
        return next(tensors)
    if isinstance(shape, dict):
        return {key: _put_together(v, tensors) for key, v in shape.items()}
    if type(shape) in (tuple, list):
        return type(shape)(_put_together(v, tensors) for v in shape)
    return shape


def _check_result(shape, tensors, device: Device):
    for t in tensors:
        if t.device is not device:
            raise RuntimeError(f"cuda.graph: the step returns a tensor on {t.device}, which a replay would not change")
    leaves = [shape]
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, dict | tuple | list):
            leaves += leaf.values() if isinstance(leaf, dict) else leaf
        elif leaf is not None and not isinstance(leaf, _Slot):
            raise TypeError(
                f"cuda.graph: the step returns {type(leaf).__name__} {leaf!r}, which would be the same at every "
                "replay; return tensors, and read them after the call"
            )


# ---------------------------------------------------------------- what is said of a failure
def _explained(error):
    """What is raised for an error that says that a graph cannot hold something; None for any other."""
    if isinstance(error, recording.Refused):
        reason = str(error)
    else:
        text = str(error).lower()
        if text.startswith("cuda.graph") or "captur" not in text:
            return None
        reason = next(reason for word, reason in _REASONS.items() if word in text)
    told = RuntimeError(f"cuda.graph: {_culprit(error)} {reason}. The step was not made")
    for note in getattr(error, "__notes__", ()):  # the layer
        told.add_note(note)
    return told


def _culprit(error):
    """What the step called, and the operation or method inside it in which the error arose, by its traceback."""
    called = inside = None
    frame = error.__traceback__
    while frame is not None:
        code, local = frame.tb_frame.f_code, frame.tb_frame.f_locals
        module, name = frame.tb_frame.f_globals.get("__name__", ""), code.co_name.strip("_")
        if not module.startswith("tinydl."):
            called = None  # the step itself, or a layer that the user wrote
        elif called is None and module.startswith(_PUBLIC) and "<locals>" not in code.co_qualname:
            called = f"{type(local['self']).__name__}.{name}" if "optim" in module and "self" in local else name
        if isinstance(local.get("op"), Op):
            inside = local["op"].name
        elif isinstance(local.get("self"), Tensor):
            inside = name
        frame = frame.tb_next
    if inside in (None, called) or called is None:
        return called or inside or "the step"
    return f"{inside}, in {called},"
