"""Convolution and its two adjoints: implicit matrix products on tensor cores (csrc/conv.cu), and plain sums where a
group has so few channels that a tile of a product would be mostly empty (csrc/conv_direct.cu).
"""

from functools import lru_cache
from math import prod

import numpy as np

from .arrays import instance, instances, plain
from .launch import backend_of, elementwise, launch
from .precision import arithmetic
from .source import NAMES, Source
from .tiles import STEP, shared_bytes, threads

GEOMETRY = np.dtype(
    [(name, "i4") for name in ("images", "groups", "channels", "rows")]
    + [(name, "i4", 3) for name in ("from", "to", "size", "stride", "padding", "dilation")]
    + [(name, "i4") for name in ("transposed", "aligned", "plain", "splits")]
)
# rows and columns of a block's tile, and of a warp's
TILES = ((16, 256, 16, 32), (64, 64, 32, 32), (64, 256, 64, 32), (128, 128, 64, 32))
# arithmetic -> the number that is read, the sum, the number of a word
ARITHMETIC = {"Tf32": ("float", "float"), "Ieee": ("float", "float"), "Half": ("__half", "float"),
              "Brain": ("__nv_bfloat16", "float"), "Double": ("double", "double")}  # fmt: skip
TYPES = tuple(dict.fromkeys(ARITHMETIC.values()))
MULTIPROCESSORS = 132  # of an H200: what work is cut for.  A constant, so that results are the same everywhere.
MOST_TAPS, MOST_PLACES = 2048, 63  # their table lies in shared memory; of all dimensions, each has a bit


def _product(kernel, name, tile):
    number, total = ARITHMETIC[name]
    types = (number, total) if kernel == "conv_weights" else (number,)
    return f"{kernel}<{', '.join(map(str, (*types, name, *tile)))}>"


CONV = Source(
    "conv.cu",
    *(_product(k, name, tile) for k in ("conv_pixels", "conv_weights") for name in ARITHMETIC for tile in TILES),
    *(f"pack_weights<{number}>" for number, _ in TYPES),
    *(f"sum_splits<{total}, {number}>" for number, total in TYPES),
    structs={"Geometry": GEOMETRY}, apart=True,
)  # fmt: skip
DIRECT = Source(
    "conv_direct.cu", *instances("direct_pixels"), *instances("direct_weights"), structs={"Geometry": GEOMETRY}
)


def conv(x, w, b, window):
    """x (N, C, *image), w (O, C / groups, *size), b (O,) or None -> (N, O, *out)."""
    return _pixels(x, w, b, window, transposed=False)


def conv_transpose(u, w, b, window):
    """u (N, O, *out), w (O, C / groups, *size), b (C,) or None -> (N, C, *image): the adjoint in x."""
    return _pixels(u, w, b, window, transposed=True)


def conv_weight(x, u, window):
    """x (N, C, *image), u (N, O, *out) -> (O, C / groups, *size): the adjoint in w."""
    name, G = arithmetic(x.dtype, "conv"), window.groups
    if not _served(name, window, x, u):
        return NotImplemented
    backend, (number, total) = backend_of(x), ARITHMETIC[name]
    w = backend.empty((u.shape[1], x.shape[1] // G, *window.size), x.dtype)
    if not w.size:
        return w
    if not (x.size and u.size):
        w[...] = 0
        return w
    x, u = plain(x), plain(u)
    rows, width, pixels = len(w) // G, w.size // len(w), len(x) * prod(window.out)
    if _few(x.shape[1] // G, rows, G):
        geometry = _geometry(window, False, len(x), x.shape[1] // G, rows)
        grid = len(w) * w.shape[1], -(-prod(window.size) // 9)
        launch(DIRECT, instance("direct_weights", x), grid, 256, x, u, w, geometry)
        return w
    tile = _tile(rows, width, G)
    steps = -(-pixels * x.itemsize // STEP)
    grid = -(-rows // tile[0]), -(-width // tile[1])
    splits = max(1, min(steps // 4, 2 * MULTIPROCESSORS // (prod(grid) * G)))
    geometry = _geometry(
        window, False, len(x), x.shape[1] // G, rows,
        aligned=prod(window.out) * x.itemsize % 16 == 0 and backend.address(u) % 16 == 0, splits=splits,
    )  # fmt: skip
    direct = splits == 1 and number == total
    parts = w if direct else backend.empty((splits, *w.shape), "float32" if total == "float" else "float64")
    shared = tile[1] * 16 + shared_bytes(tile, x.itemsize, True, True)
    launch(CONV, _product("conv_weights", name, tile), (*grid, G * splits), threads(tile), x, u, parts, geometry,
           shared=shared)  # fmt: skip
    if not direct:
        elementwise(CONV, f"sum_splits<{total}, {number}>", w.size, parts, w, w.size, splits)
    return w


def _pixels(x, w, b, window, transposed):
    """Either of the two that make an image: `x` is what they read."""
    name, G = arithmetic(x.dtype, "conv"), window.groups
    if not _served(name, window, x, w, *([] if b is None else [b])):
        return NotImplemented
    to, rows = (window.image, w.shape[1]) if transposed else (window.out, len(w) // G)
    backend = backend_of(x)
    y = backend.empty((len(x), rows * G, *to), x.dtype)
    if not y.size:
        return y
    if not (x.size and w.size):
        y[...] = 0 if b is None else b.reshape(-1, *(1,) * len(to))
        return y
    x, w, b = plain(x), plain(w), None if b is None else plain(b)
    channels, phases = x.shape[1] // G, prod(window.stride) if transposed else 1
    if _few(channels, rows, G):
        geometry, block = _geometry(window, transposed, len(x), channels, rows), min(256, -(-prod(to) // 32) * 32)
        blocks = len(x) * G * rows * -(-prod(to) // block)
        launch(DIRECT, instance("direct_pixels", x), blocks, block, x, w, b, y, geometry)
        return y
    per_word, taps = 16 // x.itemsize, prod(window.size)
    same = taps == 1 == phases and set(window.stride) == {1} and not any(window.padding) and window.image == window.out
    direct = same and x.itemsize > 2 and prod(to) % per_word == 0 and backend.address(x) % 16 == 0
    geometry = _geometry(window, transposed, len(x), channels, rows, plain=direct)
    if transposed or channels * taps % per_word or backend.address(w) % 16:
        each, times = (channels, taps) if transposed else (channels * taps, 1)
        length = -(-each // per_word) * per_word * times
        packed = backend.empty((G, rows, length), w.dtype)
        blocks = -(-rows * length // phases // 256)
        launch(CONV, f"pack_weights<{NAMES[w.dtype.name]}>", (blocks, phases, G), 256, w, packed, geometry)
        w = packed
    pixels = len(x) * prod(-(-n // (s if transposed else 1)) for n, s in zip(to, window.stride))
    tile = _tile(rows, pixels, G * phases)
    grid = -(-rows // tile[0]) * -(-pixels // tile[1]), 1, G * phases
    # places of pixels, taps and what is read beyond them, tiles
    table = taps + STEP // x.itemsize * tile[1] // threads(tile)
    shared = tile[1] * 8 + table * 16 + shared_bytes(tile, x.itemsize, True, False)
    launch(CONV, _product("conv_pixels", name, tile), grid, threads(tile), x, w, b, y, geometry, shared=shared)
    return y


def _served(name, window, *arrays):
    """Whether the kernels take these: positions in one image fit an int, the tables fit shared memory."""
    sizes = [a.size // max(1, len(a)) for a in arrays] + [len(arrays[0]) * prod(window.image), arrays[1].size]
    tables = prod(window.size) <= MOST_TAPS and sum(window.size) + 2 <= MOST_PLACES
    fits = max(sizes) < 2**30 and window.groups * prod(window.stride) < 2**16
    return name is not None and len({a.dtype for a in arrays}) == 1 and len(window.size) <= 3 and tables and fits


def _few(channels, rows, groups):
    """Whether groups are so small that plain sums cost less."""
    return groups >= 8 and channels * rows <= 8


def _tile(rows, columns, times):
    """The tile that suits a product of so many rows and columns, made `times` times."""
    if rows <= 16:
        return TILES[0]
    large = TILES[2] if rows <= 64 else TILES[3]
    blocks = -(-rows // large[0]) * -(-columns // large[1]) * times
    return large if blocks >= MULTIPROCESSORS else TILES[1]


@lru_cache(maxsize=1024)
def _geometry(window, transposed, images, channels, rows, aligned=False, plain=False, splits=1):
    """The struct that kernels take: three dimensions, those that there are not of size 1."""
    g, missing = np.zeros(1, GEOMETRY), 3 - len(window.size)
    read, written = (window.out, window.image) if transposed else (window.image, window.out)
    for key, sizes, none in (
        ("from", read, 1), ("to", written, 1), ("size", window.size, 1), ("stride", window.stride, 1),
        ("padding", window.padding, 0), ("dilation", window.dilation, 1),
    ):  # fmt: skip
        g[key] = (none,) * missing + tuple(sizes)
    for key, value in (
        ("images", images), ("groups", window.groups), ("channels", channels), ("rows", rows),
        ("transposed", transposed), ("aligned", aligned), ("plain", plain), ("splits", splits),
    ):  # fmt: skip
        g[key] = value
    g.flags.writeable = False
    return g
