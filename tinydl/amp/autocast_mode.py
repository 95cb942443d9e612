"""Contexts within which operations choose the type of their operands."""

from __future__ import annotations

import functools

from .. import dtype as dtypes
from ..autograd.autocast import Casting
from ..autograd.mode import autocasting, state
from ..device import known_types


class autocast:
    """Within it operations choose the type of their operands: a context manager, and a decorator.

    device_type   'cpu' or 'cuda': of tensors there; contexts of the two may be nested
    dtype         the narrow type: float16, the default on a GPU, or bfloat16, the default on the CPU
    enabled       False: an island within which operands keep their types
    cache_enabled whether the cast of a weight serves until the outermost context ends (default: as around it, True)

    Matrix products, convolutions, recurrent layers and attention run in the narrow type; powers, logarithms, sums,
    norms, softmax and losses in float32; mixtures in the widest type; all else in the type that comes (the lists stand
    in `tinydl.autograd.autocast`, and are PyTorch's for CUDA on every device).  float64 is left alone, and so are
    methods that write in place.  Gradients have the types of the forward, whether or not `backward` is called
    within the context.

    RuntimeError for an unknown device; TypeError for a dtype that is no narrow one.
    """

    def __init__(self, device_type: str, dtype=None, enabled: bool = True, cache_enabled: bool | None = None):
        self.device, self.enabled, self.cache_enabled = _known("autocast", device_type), enabled, cache_enabled
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else _narrow(dtype, enabled)
        self.before: list[Casting | None] = []

    def __enter__(self):
        outer = state.autocast
        self.before.append(outer)
        types = {} if outer is None else outer.types
        types = {name: dtype for name, dtype in types.items() if name != self.device}
        if self.enabled:
            types[self.device] = self.fast_dtype
        kept = {} if outer is None else outer.kept
        if self.cache_enabled is not None:
            kept = None if not self.cache_enabled else {} if kept is None else kept
        state.autocast = Casting(types, kept)
        return self

    def __exit__(self, *exc):
        state.autocast = self.before.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def within(*args, **kwargs):
            with autocast(self.device, self.fast_dtype, self.enabled, self.cache_enabled):  # threads may share it
                return function(*args, **kwargs)

        return within


def _known(name, device_type):
    if device_type not in known_types():
        wanted = " or ".join(map(repr, known_types()))
        raise RuntimeError(f"{name}: device_type must be {wanted} (without a number), got {device_type!r}")
    return device_type


def _narrow(dtype, enabled):
    found = dtypes.as_dtype(dtype)
    if enabled and found not in dtypes.NARROW:
        names = " or ".join(sorted(t.name for t in dtypes.NARROW))
        raise TypeError(
            f"autocast: dtype must be a narrow type, {names}, got {found}; enabled=False leaves types alone"
        )
    return found


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether operations on tensors of `device_type` choose the type of their operands."""
    return state.autocast is not None and _known("is_autocast_enabled", device_type) in state.autocast.types


def get_autocast_dtype(device_type: str):
    """The narrow type in force, or the one that `autocast` would take: on the CPU bfloat16, on a GPU float16."""
    types = {} if state.autocast is None else state.autocast.types
    usual = dtypes.bfloat16 if _known("get_autocast_dtype", device_type) == "cpu" else dtypes.float16
    return types.get(device_type, usual)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows `device_type`."""
    return device_type in known_types()


# ---------------------------------------------------------------- for operations of one's own
def custom_fwd(fwd=None, *, device_type: str, cast_inputs=None):
    """Decorates the forward of an `autograd.Function`: how it behaves within `autocast`.

    cast_inputs: a type to which floating tensors on `device_type` (but float64) are cast; forward and backward then
    run with autocast off.  None: both run as forward was called.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    _known("custom_fwd", device_type)

    @functools.wraps(fwd)
    def forward(ctx, *args, **kwargs):
        casting, ctx._autocast = state.autocast, None
        if casting is None or device_type not in casting.types:
            return fwd(ctx, *args, **kwargs)
        if cast_inputs is None:
            ctx._autocast = casting.apart()
            return fwd(ctx, *args, **kwargs)
        to = {device_type: dtypes.as_dtype(cast_inputs)}
        return casting.run(fwd.__name__, lambda *_: to, fwd, ctx, *args, **kwargs)

    return forward


def custom_bwd(bwd=None, *, device_type: str):
    """Decorates the backward that belongs to a forward decorated by `custom_fwd`."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    _known("custom_bwd", device_type)

    @functools.wraps(bwd)
    def backward(ctx, *gs):
        with autocasting(ctx._autocast):
            return bwd(ctx, *gs)

    return backward
