"""Bad values that only kernels see: they are noted on the device, as looking would be waiting, and raised later."""

from __future__ import annotations

# as in csrc/faults.cuh
KINDS = (
    "", "indexing: an index lies outside of its dimension", "gather: an index lies outside of its dimension",
    "scatter: an index lies outside of its dimension", "cross_entropy: a target is none of the classes",
    "max_unpool: an index lies outside of the output",
)  # fmt: skip
INDEX, GATHER, SCATTER = 1, 2, 3
_notes: dict = {}  # of each backend, an array of one number
_unread: set = set()


def note(backend):
    """Where kernels of a backend note a fault."""
    if backend not in _notes:
        _notes[backend] = backend.xp.zeros(1, "int32")
    _unread.add(backend)
    return _notes[backend]


def noted(backend) -> bool:
    """Whether kernels that ran or were captured since the last look could have noted a fault."""
    return backend in _unread


def raise_faults(every: bool = False) -> None:
    """IndexError if a kernel noted a fault since the last call; waits for the device if any could have.

    every: look also where the last look came before kernels on other streams were done.
    """
    if every:
        _unread.update(_notes)
    while _unread:
        backend = _unread.pop()
        kind = int(backend.unwrap(_notes[backend])[0])
        if kind:
            _notes[backend][...] = 0
            raise IndexError(
                f"{KINDS[kind]}; it was found on the GPU, later than its call: TINYDL_SYNC=1 raises at once"
            )
