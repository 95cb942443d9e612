"""Sums over dimensions that lie together, as those of a bias's gradient do: csrc/reduce.cu."""

from ..shapes import three
from .arrays import instance, instances, plain, served, wide
from .launch import _MOST_INT, backend_of, elementwise, launch
from .source import Source

REDUCE = Source("reduce.cu", *(i for n in ("plane_sums", "column_sums", "sum_parts") for i in instances(n)))
BLOCKS = 1056  # that fill a large device: 8 for each of 132 multiprocessors
PIECE = 2048  # elements that are worth a block


def parts_of(jobs: int, elements: int) -> int:
    """Into how many parts a job of so many elements is cut: the device shall be filled, the parts not be tiny."""
    return max(1, min(64, -(-BLOCKS // jobs), -(-elements // PIECE)))


def sum_to(x, shape):
    """x summed over the dimensions that `shape` lacks or has as 1; declines what is not (A, K, B) -> (K,)."""
    view = three(x.shape, (1,) * (x.ndim - len(shape)) + tuple(shape))
    if view is None or not served(x) or not 0 < x.size <= _MOST_INT:
        return NotImplemented
    backend, (A, K, B) = backend_of(x), view
    x, y = plain(x), backend.empty(shape, x.dtype)
    columns = B == 1 and K > 1
    S = parts_of(-(-K // 32), A * 32) if columns else parts_of(K, A * B)
    parts = backend.empty(S * K, wide(x))
    if columns:
        launch(REDUCE, instance("column_sums", x), (-(-K // 32), S), (32, 8), x, parts, A, K)
    else:
        launch(REDUCE, instance("plane_sums", x), (K, S), 256, x, parts, A, K, B)
    elementwise(REDUCE, instance("sum_parts", x), K, parts, y, S, *((K, 1) if columns else (1, S)), K)
    return y
