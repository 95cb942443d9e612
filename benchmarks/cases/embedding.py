"""Rows of a table, looked up and written by index."""

from . import cases, forward_and_gradients

FAMILY, AT_MOST = "embedding", 0.8


@cases(
    FAMILY, AT_MOST, v65=dict(tokens=2048, v=65, d=256), v1000=dict(tokens=2048, v=1000, d=256),
    v10000=dict(tokens=2048, v=10000, d=256), v50000=dict(tokens=2048, v=50000, d=256),
    few=dict(tokens=640, v=10000, d=64),
)  # fmt: skip
def embedding(lib, tokens, v, d):
    index = lib.randint(0, v, (tokens // 64, 64))
    return forward_and_gradients(lib, lambda w: lib.nn.functional.embedding(index, w), lib.randn(v, d))


@cases(FAMILY, AT_MOST, rows=dict(n=8192, v=10000, d=256))
def index_select(lib, n, v, d):
    index = lib.randint(0, v, (n,))
    return forward_and_gradients(lib, lambda w: w.index_select(0, index), lib.randn(v, d))


@cases(FAMILY, AT_MOST, rows=dict(n=8192, v=1000, d=256))
def index_add(lib, n, v, d):
    index = lib.randint(0, v, (n,))
    return forward_and_gradients(lib, lambda x, s: x.index_add(0, index, s), lib.randn(v, d), lib.randn(n, d))
