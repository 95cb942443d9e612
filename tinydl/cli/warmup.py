"""`tinydl warmup`: compiles all CPU kernels now, so that no training or lesson waits for it later.

Each family is used once with each type, forward and backward, on the smallest input.
"""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

Call = Callable[[object], None]
LARGE = 1 << 16  # elements that no kernel leaves to NumPy


def add_arguments(parser: ArgumentParser) -> None:
    """No options: all kernels, for float32 and float64."""


def run(args: Namespace) -> int:
    """Compiles what the cache lacks, with a progress bar; says how long it took, and where."""
    os.environ.setdefault("TINYDL_QUIET", "1")  # the bar says what is compiling
    from tqdm.auto import tqdm

    import tinydl

    from ..kernels.cpu import jit

    compiled: list[str] = []
    began = time.perf_counter()
    jobs = [(name, call, t) for name, call in calls().items() for t in ("float32", "float64")]
    with tqdm(jobs, unit="family", file=sys.stderr) as bar:

        def show(kernel: str, seconds: float | None) -> None:
            bar.set_postfix_str(f"compiling {kernel}" if seconds is None else "")
            if seconds is not None:
                compiled.append(kernel)

        jit.compile_hooks.append(show)
        try:
            for name, call, dtype in bar:
                bar.set_description(f"{name} {dtype}")
                call(getattr(tinydl, dtype))
        finally:
            jit.compile_hooks.remove(show)
    seconds = time.perf_counter() - began
    done = f"{len(compiled)} functions compiled in {seconds:.0f} s" if compiled else "nothing to do"
    print(f"{done}; kernels are kept in {jit.cache_folder() or 'memory only: no folder is writable'}")
    return 0


def calls() -> dict[str, Call]:
    """For each family of kernels a call that uses them all, given the type."""
    import tinydl

    from .. import nn, optim
    from ..autograd import grad
    from ..autograd.graph import OPS
    from ..kernels import cpu
    from ..nn import functional as F
    from ..ops import conv, pool, random

    def ones(*shape, dtype):
        return tinydl.ones(*shape, dtype=dtype, requires_grad=True)

    def twice(f: Callable, *shape: int) -> Call:
        """Forward, backward, and backward of backward."""

        def call(dtype):
            x = ones(*shape, dtype=dtype)
            y = f(x)
            (g,) = grad((y * y).sum(), x, create_graph=True)
            grad((g * g).sum(), x)

        return call

    def convolve(dtype):
        x, w = ones(1, 2, 4, 4, dtype=dtype), ones(2, 2, 3, 3, dtype=dtype)
        conv.conv2d(x, w).sum().backward()
        conv.conv_transpose2d(x, w).sum().backward()
        x, w = ones(2, 64, 16, 16, dtype=dtype), ones(64, 64, 3, 3, dtype=dtype)
        conv.conv2d(x, w).sum().backward()  # in tiles
        halve = ones(64, 64, 4, 4, dtype=dtype)
        conv.conv2d(x, halve, stride=2, padding=1).sum().backward()  # in tiles of phases
        conv.conv2d(x, w[:, :1], groups=64).sum().backward()  # depthwise

    def multiply(dtype):
        x = ones(72, 72, dtype=dtype)  # smaller ones are left to NumPy
        (x @ x).sum().backward()
        F.linear(x, x, x[0]).sum().backward()

    def unpool(x):
        return pool.max_unpool2d(*pool.max_pool2d(x, 2, return_indices=True), 2)

    def compute(dtype):
        ones(LARGE, dtype=dtype).to(tinydl.float64 if dtype == tinydl.float32 else tinydl.float32)
        for name in (set(cpu.FAMILIES["pointwise"]) & set(OPS)) - {"cast"}:
            op = OPS[name].op
            special = {"condition": tinydl.ones(LARGE, dtype=tinydl.bool), "exponent": 2}
            operands = [special[a] if a in special else ones(LARGE, dtype=dtype) for a in op.arrays]
            operands[1:] = [2] if name in ("fmod", "remainder") else operands[1:]
            constants = {c: "none" if c == "approximate" else 1 for c in op.constants}
            OPS[name](*operands, **constants).sum().backward()

    def classify(dtype):
        x = ones(1024, 64, dtype=dtype)
        (x.softmax(1) * x.log_softmax(1)).sum().backward()
        for loss in (F.cross_entropy, F.nll_loss):
            loss(x, tinydl.zeros(1024, dtype=tinydl.int64)).backward()

    def normalize(dtype):
        x, w = ones(4, 4, 64, 64, dtype=dtype), ones(4, dtype=dtype)
        F.batch_norm(x, None, None, w, w, training=True).sum().backward()
        F.batch_norm(x, w.detach(), w.detach(), w, w).sum().backward()
        F.group_norm(x, 2, w, w).sum().backward()
        rows, v = x.reshape(256, 256), ones(256, dtype=dtype)
        F.layer_norm(rows, (256,), v, v).sum().backward()
        F.rms_norm(rows, (256,), v).sum().backward()

    def enlarge(dtype):
        for mode in ("nearest", "bilinear"):
            F.interpolate(ones(4, 4, 64, 64, dtype=dtype), scale_factor=2, mode=mode).sum().backward()

    def add_up(dtype):
        x = ones(256, 256, dtype=dtype)
        (x.sum() + x.sum(0).sum() + x.sum(1).sum() + x.norm()).backward()

    def scan(dtype):
        x = ones(256, 256, dtype=dtype)
        (x.cumsum(0) + x.cumprod(0) + x.logcumsumexp(0) + x.cummax(0).values + x.prod(0)).sum().backward()

    def order(dtype):
        x = ones(256, 256, dtype=dtype)
        found = x.sort(0), x.topk(1, 0), x.kthvalue(1, 0), x.median(0)
        sum(f.values.sum() for f in found).backward()

    def pick(dtype):
        x = ones(256, 256, dtype=dtype)
        for index in (tinydl.zeros(256, 256, dtype=t) for t in (tinydl.int64, tinydl.int32)):
            (x.gather(0, index) + x.scatter(0, index, x)).sum().backward()

    def attend(dtype):
        q = ones(1, 2, 64, 32, dtype=dtype)
        for causal in (False, True):
            F.scaled_dot_product_attention(q, q, q, is_causal=causal).sum().backward()

    def recur(dtype):
        for layer in (nn.LSTM, nn.GRU, nn.RNN):
            layer(16, 16, dtype=dtype)(ones(4, 2, 16, dtype=dtype))[0].sum().backward()

    def look_up(dtype):
        rows = tinydl.arange(LARGE // 64) % 100
        for count in (100, 8 * len(rows)):  # of few rows, and few of many
            F.embedding(rows, ones(count, 64, dtype=dtype)).sum().backward()

    def descend(dtype):
        w = ones(LARGE, dtype=dtype)
        w.grad = tinydl.ones_like(w)
        for make in (optim.Adam, optim.SGD, lambda p: optim.SGD(p, momentum=0.9)):
            make([w]).step()

    def copy(dtype):
        x = ones(256, 256, dtype=dtype).mT.reshape(-1).clone()
        x.sum().backward()
        x.detach().fill_(2)

    def sample(dtype):
        grid = ones(1, 16, 16, 2, dtype=dtype)
        F.grid_sample(ones(1, 16, 8, 8, dtype=dtype), grid, align_corners=False).sum().backward()

    def draw(dtype):
        tinydl.rand(8, dtype=dtype)
        tinydl.randn(8, dtype=dtype)
        random.philox_bits(tinydl.empty(8, dtype=dtype), 0, 0)
        tinydl.dropout(ones(8, dtype=dtype), 0.5, True).sum().backward()

    images = 1, 2, 4, 4
    return {
        "convolution": convolve,
        "matrix products": multiply,
        "max pooling": twice(lambda x: pool.max_pool2d(x, 2), *images),
        "max unpooling": twice(unpool, *images),
        "average pooling": twice(lambda x: pool.avg_pool2d(x, 2), *images),
        "pointwise functions": compute,
        "softmax and cross-entropy": classify,
        "sums": add_up,
        "running sums and products": scan,
        "sorting and selecting": order,
        "elements by index": pick,
        "normalisation": normalize,
        "interpolation": enlarge,
        "what lies under a grid": sample,
        "copies": copy,
        "attention": attend,
        "recurrent layers": recur,
        "rows by index": look_up,
        "optimizers": descend,
        "random numbers": draw,
    }
