"""What the host must know of csrc/mma.cuh's tiles (rows, columns of a block, rows, columns of a warp)."""

STAGES, STEP = 3, 128  # steps that are on their way, bytes of k in each


def threads(tile: tuple[int, ...]) -> int:
    """Of a block."""
    return tile[0] // tile[2] * (tile[1] // tile[3]) * 32


def shared_bytes(tile: tuple[int, ...], itemsize: int, a_deep: bool, b_deep: bool) -> int:
    """Shared memory of a block's operands; deep: numbers of k lie next to each other."""
    word = max(4, itemsize)
    depth, pad = STEP // word, 4 if word == 8 else 8
    words = (rows * (depth + 4) if deep else depth * (rows + pad) for rows, deep in zip(tile, (a_deep, b_deep)))
    return STAGES * word * sum(words)
