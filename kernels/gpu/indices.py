"""Whether indices lie inside of their dimension (csrc/indices.cu): CuPy, and kernels that add or put, would wrap them
or leave them out without a word.
"""

from .arrays import plain
from .faults import GATHER, INDEX, SCATTER, note
from .launch import backend_of, elementwise
from .source import NAMES, Source

INDICES = Source("indices.cu", "check<int>", "check<i64>")


def check_index(name, index, size, negative):
    """Note for the next synchronisation an index, int32 or int64, outside of a dimension of `size`.

    name: of the operation.  negative: one below 0 counts from the end.
    """
    kind = {"gather": GATHER, "scatter": SCATTER}.get(name.partition("_")[0], INDEX)
    given = plain(index), note(backend_of(index)), -size if negative else 0, size, kind, index.size
    elementwise(INDICES, f"check<{NAMES[index.dtype.name]}>", index.size, *given)
