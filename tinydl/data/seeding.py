"""Randomness in loading: fixed by (seed, epoch, index), whichever worker loads and in which order.

Counter-based generators (Philox; Salmon et al. 2011) make this free: the place of an item is the
key and the counter of its stream, so that nothing has to be handed from one item to the next.
"""

from __future__ import annotations

import operator
import threading
import zlib
from contextlib import contextmanager

import numpy as np

_ORDER, _ITEM = 0, 1
_here = threading.local()


def _rng(seed: int, epoch: int, stream: int, index: int = 0) -> np.random.Generator:
    words = lambda *values: np.array([v % 2**64 for v in values], np.uint64)
    return np.random.Generator(np.random.Philox(key=words(seed, epoch), counter=words(0, 0, index, stream)))


def draw_seed(generator=None) -> int:
    """A seed drawn from `generator`, a tinydl.Generator; None is the default one."""
    from .. import randint

    return int(randint(0, 2**63 - 1, (1,), generator=generator))


def order_rng(seed: int, epoch: int) -> np.random.Generator:
    """Generator of the order in which an epoch visits the items."""
    return _rng(seed, epoch, _ORDER)


def item_rng() -> np.random.Generator:
    """NumPy generator of the item that is being loaded: draw all randomness of an item from it.

    Inside a DataLoader it depends on (seed, epoch, index of the item) and on nothing else, so that
    a run is the same with any number of workers; elsewhere it follows `tinydl.manual_seed`.
    """
    place = getattr(_here, "place", None)
    if place is None:
        return _rng(draw_seed(), 0, _ITEM)
    if _here.rng is None:
        _here.rng = _rng(*place[:2], _ITEM, place[2])
    return _here.rng


def _as_number(index) -> int:
    """An index as a counter; the keys of a dataset may be anything, names for example."""
    try:
        return operator.index(index)
    except TypeError:
        return zlib.crc32(repr(index).encode())


@contextmanager
def loading(seed: int, epoch: int, index):
    """Inside, `item_rng()` of this thread is that of the item `index`."""
    outer = getattr(_here, "place", None), getattr(_here, "rng", None)
    _here.place, _here.rng = (seed, epoch, _as_number(index)), None
    try:
        yield
    finally:
        _here.place, _here.rng = outer
