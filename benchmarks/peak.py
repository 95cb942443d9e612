"""What this machine can do at most: multiplications and additions a second, bytes a second to and from memory."""

import time

import numpy as np


def flops(threads: int) -> float:
    """Operations a second of the micro-kernel on operands in the first-level cache, all threads together."""
    from numba import njit, prange

    from tinydl.kernels.cpu.microkernel import MR, STRIP_BYTES, address, outer_tile

    depth, strips, times = 128, STRIP_BYTES // 4, 20_000

    @njit(parallel=True)
    def run(a, b, c, n):
        for t in prange(threads):
            for _ in range(n):
                outer_tile(depth, address(a[t], 0), address(b[t], 0), address(c[t], 0))

    a, b = np.ones((threads, depth * MR), np.float32), np.ones((threads, depth * strips), np.float32)
    c = np.empty((threads, MR * strips), np.float32)
    run(a, b, c, 1)
    return 2 * depth * MR * strips * times * threads / best(lambda: run(a, b, c, times))


def bandwidth(threads: int) -> float:
    """Bytes read and written a second, adding 1 to an array far larger than the caches."""
    from numba import njit, prange

    @njit(parallel=True)
    def run(x):
        for i in prange(x.shape[0]):
            for j in range(x.shape[1]):
                x[i, j] += 1

    x = np.zeros((4096, 1 << 13), np.float32)
    run(x)
    return 2 * x.nbytes / best(lambda: run(x))


def best(function, rounds=7) -> float:
    """Seconds of the quickest of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(threads: int) -> dict:
    """Both, with as many threads."""
    import numba

    import tinydl  # noqa: F401 (it makes tinydl.kernels importable)

    numba.set_num_threads(threads)
    return {"flops": flops(threads), "bytes": bandwidth(threads)}
