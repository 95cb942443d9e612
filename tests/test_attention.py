"""Attention and the Transformer: against plain loops and PyTorch, masks, second derivatives, refusals."""

import copy
import math

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn
from tinydl.nn import functional as F
from tinydl.testing import gradcheck
from tinydl.testing.strict import strict_device

torch = oracle()
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def leaf(array):
    return tinydl.tensor(array, requires_grad=True)


def numbers(t):
    return t.detach().numpy()


def twins(kind, *args, **kwargs):
    """PyTorch's layer and tinydl's with the same parameters, in float64."""
    theirs = getattr(torch.nn, kind)(*args, **kwargs).double()
    mine = getattr(nn, kind)(*args, **kwargs).double()
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, mine


def by_loops(q, k, v, look):
    """For each position the average of the values it may look at, weighted by exp(q.k / sqrt E)."""
    y = np.zeros((len(q), v.shape[1]))
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if look[i, j]]
        if seen:
            scores = np.array([math.exp(q[i] @ k[j] / math.sqrt(q.shape[1])) for j in seen])
            y[i] = scores / scores.sum() @ v[seen]
    return y


# ---------------------------------------------------------------- scaled dot products
def test_attention_is_an_average_of_what_one_sees():
    q, k, v = normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 2)
    look = rng.random((4, 5)) < 0.5
    look[2] = False  # sees nothing: gives 0, not NaN
    got = F.scaled_dot_product_attention(*map(tinydl.tensor, (q, k, v)), tinydl.tensor(look)).numpy()
    causal = F.scaled_dot_product_attention(*map(tinydl.tensor, (q, k, v)), is_causal=True).numpy()
    for n in range(2):
        np.testing.assert_allclose(got[n], by_loops(q[n], k[n], v[n], look), rtol=1e-12)
        np.testing.assert_allclose(causal[n], by_loops(q[n], k[n], v[n], np.tri(4, 5)), rtol=1e-12)


MASKS = {
    "none": (None, False),
    "causal": (None, True),
    "bool": (np.tri(3, 4, -1, dtype=bool), False),  # the first position sees nothing
    "numbers": (normal(2, 3, 4), False),
}


@pytest.mark.parametrize("mask, causal", MASKS.values(), ids=MASKS)
def test_gradients_of_both_orders(mask, causal):
    inputs = [leaf(normal(2, 3, 2)), leaf(normal(2, 4, 2)), leaf(normal(2, 4, 3))]
    if mask is not None and mask.dtype.kind == "f":
        run, inputs = F.scaled_dot_product_attention, [*inputs, leaf(mask)]
    else:
        mask = None if mask is None else tinydl.tensor(mask)
        run = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    assert gradcheck(run, inputs, order=2, fast_mode=True)


def test_attention_to_oneself_counts_each_path():
    """Query, key and value are functions of one tensor, at second order too."""
    run = lambda x: F.scaled_dot_product_attention(x, x.sin(), x * x)
    assert gradcheck(run, [leaf(normal(3, 2))], order=2)


def test_dropout_drops_weights():
    q = k = tinydl.tensor(normal(200, 4).astype("float32"))
    v = tinydl.eye(200)  # so that the outputs are the weights
    tinydl.manual_seed(0)
    whole, some = (F.scaled_dot_product_attention(q, k, v, dropout_p=p).numpy() for p in (0.0, 0.25))
    assert abs((some == 0).mean() - 0.25) < 0.01
    np.testing.assert_allclose(some[some > 0], whole[some > 0] / 0.75, rtol=1e-5)


# ---------------------------------------------------------------- many heads
OPTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "more positions": {"add_bias_kv": True, "add_zero_attn": True},
    "other sizes": {"kdim": 3, "vdim": 5},
}
PADDING = np.array([[False, False, True, True], [False, False, False, True]])
HIDDEN = np.triu(np.ones((3, 4), bool), 2)
PAIRS = {
    "no mask": (None, None),
    "padding": (PADDING, None),
    "hidden": (None, HIDDEN),
    "both": (PADDING, HIDDEN),
    "each head": (None, normal(4, 3, 4)),
}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_heads_are_pytorchs(options, masks, need_weights):
    theirs, mine = twins("MultiheadAttention", 4, 2, **options)
    assert list(theirs.state_dict()) == list(mine.state_dict())
    arrays = [normal(3, 2, 4), normal(4, 2, options.get("kdim", 4)), normal(4, 2, options.get("vdim", 4))]
    a, b = [torch.tensor(x, requires_grad=True) for x in arrays], [leaf(x) for x in arrays]
    names = ("key_padding_mask", "attn_mask")
    given = lambda lib: {n: lib.tensor(m) for n, m in zip(names, masks) if m is not None}
    y, w = theirs(*a, need_weights=need_weights, average_attn_weights=False, **given(torch))
    mine_y, mine_w = mine(*b, need_weights=need_weights, average_attn_weights=False, **given(tinydl))
    np.testing.assert_allclose(numbers(mine_y), numbers(y), rtol=1e-9, atol=1e-12)
    assert (w is None) == (mine_w is None) == (not need_weights)
    if need_weights:
        np.testing.assert_allclose(numbers(mine_w), numbers(w), rtol=1e-9)
    g = normal(*y.shape)
    (y * torch.tensor(g)).sum().backward()
    (mine_y * tinydl.tensor(g)).sum().backward()
    for p, q in [*zip(a, b), *zip(theirs.parameters(), mine.parameters())]:
        np.testing.assert_allclose(numbers(q.grad), numbers(p.grad), rtol=1e-8, atol=1e-10)


def test_batch_first_and_without_a_batch():
    layer = nn.MultiheadAttention(4, 2).double()
    x = tinydl.tensor(normal(3, 2, 4))
    y, w = layer(x, x, x)
    layer.batch_first = True
    t = x.transpose(0, 1)
    first, same = layer(t, t, t)
    np.testing.assert_allclose(numbers(first.transpose(0, 1)), numbers(y), rtol=1e-12)
    np.testing.assert_allclose(numbers(same), numbers(w), rtol=1e-12)
    one, share = layer(t[0], t[0], t[0])
    np.testing.assert_allclose(numbers(one), numbers(y[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(numbers(share), numbers(w[0]), rtol=1e-12)
    np.testing.assert_allclose(w.sum(-1).detach().numpy(), 1, rtol=1e-12)


def test_static_keys_and_values():
    """They stand in place of the projected ones."""
    arrays = [normal(*s) for s in [(3, 2, 4), (5, 2, 4), (5, 2, 4), (12, 4), (12,), (4, 4), (4,), (4, 6, 2), (4, 6, 2)]]

    def run(lib, functional):
        q, k, v, w, b, out, bias, static_k, static_v = map(lib.tensor, arrays)
        fixed = (None, None, False, 0.0, out, bias)
        return functional.multi_head_attention_forward(
            q, k, v, 4, 2, w, b, *fixed, static_k=static_k, static_v=static_v
        )

    for a, b in zip(run(torch, torch.nn.functional), run(tinydl, F), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-9)


def test_second_derivatives_of_heads():
    """Of the input, which is query, key and value at once, and of all parameters."""
    hidden = tinydl.tensor(HIDDEN[:, :3])

    def run(x, w, b, bias_k, bias_v, out, out_bias):
        more = bias_k, bias_v, True, 0.0, out, out_bias
        return F.multi_head_attention_forward(x, x, x, 4, 2, w, b, *more, attn_mask=hidden)

    shapes = [(3, 2, 4), (12, 4), (12,), (1, 1, 4), (1, 1, 4), (4, 4), (4,)]
    assert gradcheck(run, [leaf(normal(*s)) for s in shapes], order=2, fast_mode=True)


# ---------------------------------------------------------------- the Transformer
@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_is_pytorchs(norm_first):
    options = dict(dropout=0.0, activation="gelu", norm_first=norm_first, batch_first=True)
    theirs, mine = twins("Transformer", 4, 2, 2, 2, 8, **options)
    assert list(theirs.state_dict()) == list(mine.state_dict())
    causal = {"tgt_mask": nn.Transformer.generate_square_subsequent_mask(3, dtype="float64"), "tgt_is_causal": True}
    np.testing.assert_array_equal(causal["tgt_mask"].numpy(), np.triu(np.full((3, 3), -np.inf), 1))
    pads = {"src_key_padding_mask": PADDING, "memory_key_padding_mask": PADDING}
    src, tgt = normal(2, 4, 4), normal(2, 3, 4)
    a = [torch.tensor(v, requires_grad=True) for v in (src, tgt)]
    b = [leaf(v) for v in (src, tgt)]
    masks = {"tgt_mask": torch.tensor(causal["tgt_mask"].numpy()), "tgt_is_causal": True}
    y = theirs(*a, **masks, **{k: torch.tensor(v) for k, v in pads.items()})
    mine_y = mine(*b, **causal, **{k: tinydl.tensor(v) for k, v in pads.items()})
    np.testing.assert_allclose(numbers(mine_y), numbers(y), rtol=1e-8, atol=1e-10)
    g = normal(*y.shape)
    (y * torch.tensor(g)).sum().backward()
    (mine_y * tinydl.tensor(g)).sum().backward()
    for p, q in [*zip(a, b), *zip(theirs.parameters(), mine.parameters())]:
        np.testing.assert_allclose(numbers(q.grad), numbers(p.grad), rtol=1e-6, atol=1e-9)


def test_a_causal_mask_hides_the_future():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    x = leaf(normal(1, 5, 4).astype("float32"))
    y = layer(x, mask, is_causal=True)
    assert y.dtype == "float32"
    (y[0, 2] * tinydl.arange(4)).sum().backward()  # the sum alone is fixed by the norm
    seen = np.abs(x.grad.numpy()[0]).sum(-1) > 0
    assert seen.tolist() == [True, True, True, False, False]


def test_layers_of_a_stack_are_copies():
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    stack = nn.TransformerEncoder(layer, 3)
    found = [id(p) for p in (*layer.parameters(), *stack.parameters())]
    assert len(set(found)) == 4 * len(list(layer.parameters()))
    x = tinydl.tensor(normal(3, 2, 4).astype("float32"))
    stack.eval()
    np.testing.assert_array_equal(numbers(copy.deepcopy(stack)(x)), numbers(stack(x)))
    assert (stack.train()(x) != stack(x)).any()  # dropout 0.1


def test_another_encoder():
    model = nn.Transformer(4, 2, 1, 1, 8, custom_encoder=Flip(), dropout=0.0)
    src, tgt = (tinydl.tensor(normal(3, 2, 4).astype("float32")) for _ in range(2))
    np.testing.assert_array_equal(numbers(model(src, tgt)), numbers(model.decoder(tgt, src.flip(0))))


class Flip(nn.Module):
    def forward(self, src, mask, src_key_padding_mask, is_causal):
        return src.flip(0)


def test_heads_run_on_a_strict_device():
    """Nothing in them assumes NumPy."""
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True).double()
    x = normal(3, 2, 4)
    wanted = numbers(layer(*[tinydl.tensor(x)] * 3)[0])
    with strict_device() as device:
        layer.to(device)
        q = tinydl.tensor(x, device=device, requires_grad=True)
        y, _ = layer(q, q, q, attn_mask=tinydl.tensor(HIDDEN[:, :3] & False, device=device))
        y.sum().backward()
        np.testing.assert_allclose(numbers(y.cpu()), wanted, rtol=1e-12)


# ---------------------------------------------------------------- refusals
def zeros(*shape, dtype="float32"):
    return tinydl.zeros(*shape, dtype=dtype)


def heads(*shapes, **more):
    return nn.MultiheadAttention(4, 2)(*(zeros(*s) for s in shapes), **more)


Q = (3, 2, 4)
CALLS = [
    (lambda: nn.MultiheadAttention(5, 2), ValueError, "positive multiple of num_heads, got embed_dim=5, num_heads=2"),
    (lambda: heads(Q, (4, 2, 4), (5, 2, 4)), ValueError, r"agree in length, .* value \(5, 2, 4\)"),
    (lambda: heads(Q, (4, 3, 4), (4, 3, 4)), ValueError, r"all in batch size; got query \(3, 2, 4\), key \(4, 3, 4\)"),
    (lambda: heads((3, 4), Q, Q), ValueError, r"all \(T, N, E\) or all \(T, E\), got query \(3, 4\)"),
    (lambda: heads((3, 2, 5), Q, Q), ValueError, "query must end in embed_dim = 4, which 2 heads divide"),
    (lambda: heads(Q, Q, Q, attn_mask=zeros(3, 4)), RuntimeError, r"attn_mask of shape \(3, 3\) or \(4, 3, 3\), got"),
    (lambda: heads(Q, Q, Q, key_padding_mask=zeros(3, 2)), RuntimeError, r"key_padding_mask of shape \(2, 3\), got"),
    (lambda: heads(Q, Q, Q, attn_mask=zeros(3, 3, dtype="int64")), TypeError, "bool or floating, got int64"),
    (lambda: heads(Q, Q, Q, is_causal=True), RuntimeError, "is_causal is a hint about attn_mask; give the mask too"),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="tan"), RuntimeError, "'gelu' or a function, got 'tan'"),
    (lambda: nn.Transformer(4, 2, 1, 1)(zeros(3, 2, 4), zeros(3, 1, 4)), RuntimeError, "their batch, dimension 1"),
    (lambda: nn.Transformer(4, 2, 1, 1)(zeros(3, 2, 5), zeros(3, 2, 5)), RuntimeError, "end in d_model = 4, got src"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", CALLS, ids=[text[:40] for *_, text in CALLS])
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
