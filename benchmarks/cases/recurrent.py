"""Recurrent layers over whole sequences."""

from . import cases, forward_and_gradients

SHAPES = {
    "t28_n64_128": dict(T=28, N=64, D=128, H=128), "t32_n32_256": dict(T=32, N=32, D=256, H=256),
    "t64_n20_256": dict(T=64, N=20, D=256, H=256), "t28_n20_512": dict(T=28, N=20, D=512, H=512),
    "two_layers": dict(T=50, N=32, D=128, H=256, num_layers=2),
    "bidirectional": dict(T=32, N=32, D=128, H=128, bidirectional=True),
}  # fmt: skip


def layer(lib, kind, T, N, D, H, **options):
    rnn = getattr(lib.nn, kind)(D, H, **options)
    multiplications = T * N * sum(p.numel() for p in rnn.parameters() if p.ndim == 2)
    x = lib.randn(T, N, D)
    return forward_and_gradients(
        lib, lambda x, *weights: rnn(x)[0], x, *rnn.parameters(), multiplications=multiplications
    )


@cases("recurrent", 0.85, **SHAPES)
def lstm(lib, **shape):
    return layer(lib, "LSTM", **shape)


@cases("recurrent", 0.85, **SHAPES)
def gru(lib, **shape):
    return layer(lib, "GRU", **shape)


@cases("recurrent", 0.85, **SHAPES)
def rnn(lib, **shape):
    return layer(lib, "RNN", **shape)
