"""Steps of optimizers: all parameters in one launch, by a table of their addresses (csrc/optim.cu).

What changes from step to step are numbers that the launch passes; the table stays on the device for as long as the
arrays keep their places.
"""

import functools

import numpy as np

from . import recording
from .arrays import FLOATS, instance, instances, keep, plain, upload
from .launch import THREADS, backend_of, launch
from .source import Source

OPTIM = Source("optim.cu", *(i for name in ("adam", "descent") for extra in "01" for i in instances(name, extra)))
PIECE = 1 << 12  # numbers that a block works on


def adam_update(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize,
    step,
):  # fmt: skip
    """As tinydl.optim.adam.adam_update, in place."""
    a, b = betas
    decay, shrink = (0.0, 1 - lr * weight_decay) if decoupled_weight_decay else (weight_decay, 1.0)
    rates = {t: (lr / (1 - a**t), (1 - b**t) ** -0.5) for t in set(step)}
    shared = 1 - a, b, 1 - b, eps, decay, shrink, -1.0 if maximize else 1.0
    columns = param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq
    return _run("adam", columns, [rates[t] + shared for t in step])


def sgd_update(param, grad, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """As tinydl.optim.sgd.sgd_update, in place."""
    shared = lr, weight_decay, -1.0 if maximize else 1.0
    ahead = (momentum, 1.0) if nesterov else (1.0, 0.0)
    start, go_on = (*shared, 0.0, 1.0, *ahead), (*shared, momentum, 1 - dampening, *ahead)
    return _run("descent", (param, grad, momentum_buffer), [start if f else go_on for f in first])


def _run(name, columns, numbers):
    """The kernel `name` on the arrays of `columns`, of which the last may hold None; `numbers` for each parameter."""
    *columns, last = columns
    bare = {a is None for a in last}
    dtype = columns[0][0].dtype
    if len(bare) > 1 or dtype.name not in FLOATS:
        return NotImplemented
    columns = [*columns, *([] if bare == {True} else [last])]
    columns[1] = list(map(plain, columns[1]))
    if not all(a.dtype == dtype and a.flags.c_contiguous for column in columns for a in column):
        return NotImplemented
    backend, step = backend_of(columns[0][0]), recording.now.step
    for own in dict.fromkeys(numbers):  # parameters that joined later have numbers of their own
        live = step and step.live(own)
        if step and step.refilling:
            continue
        rows = [
            (*map(backend.address, arrays), arrays[0].size)
            for arrays, given in zip(zip(*columns), numbers)
            if given == own and arrays[0].size
        ]
        if rows:
            call = instance(name, columns[0][0], "0" if bare == {True} else "1")
            pieces = keep(_pieces(backend, tuple(rows), dtype.itemsize))
            launch(OPTIM, call, len(pieces), THREADS, pieces, live, *own)
    return None


@functools.lru_cache(maxsize=16)
def _pieces(backend, rows, itemsize):
    """The table: for each piece the addresses of its arrays and its size."""
    parts = []
    for *addresses, count in rows:
        starts = np.arange(0, count, PIECE, dtype=np.uint64)[:, None]
        sizes = np.minimum(PIECE, count - starts)
        parts.append(np.hstack([np.array(addresses, np.uint64) + starts * np.uint64(itemsize), sizes]))
    return upload(backend, np.vstack(parts).astype(np.uint64))
