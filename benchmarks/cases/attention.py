"""Attention of many heads, over whole sequences, causal and not."""

from . import cases, forward_and_gradients


@cases(
    "attention", 0.8,
    t64=dict(N=32, H=8, T=64, E=64), t64_causal=dict(N=32, H=8, T=64, E=64, causal=True),
    t256=dict(N=8, H=8, T=256, E=64), t256_causal=dict(N=8, H=8, T=256, E=64, causal=True),
    t512=dict(N=8, H=8, T=512, E=32), t512_causal=dict(N=8, H=8, T=512, E=32, causal=True),
    t128_causal=dict(N=16, H=4, T=128, E=32, causal=True), t512_wide_causal=dict(N=8, H=4, T=512, E=64, causal=True),
)  # fmt: skip
def attention(lib, N, H, T, E, causal=False):
    q, k, v = (lib.randn(N, H, T, E) for _ in range(3))

    def attend(q, k, v):
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    return forward_and_gradients(lib, attend, q, k, v)
