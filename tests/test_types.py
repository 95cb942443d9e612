"""Which type comes of which: promotion as PyTorch's, and float32 in, float32 out."""

import itertools

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import dtype as dtypes
from tinydl.ops import elementwise

torch = oracle()
NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
KINDS = [(name, shape) for name in NAMES for shape in ((2,), ())]
NUMBERS = [True, 3, 2.5]


def theirs(kind):
    return kind if not isinstance(kind, tuple) else torch.ones(kind[1], dtype=getattr(torch, kind[0]))


def ours(kind):
    return kind if not isinstance(kind, tuple) else np.ones(kind[1], kind[0])


def name_of(torch_dtype):
    return str(torch_dtype).removeprefix("torch.")


@pytest.mark.parametrize("a", KINDS, ids=str)
def test_result_type_of_two(a):
    for b in KINDS + NUMBERS:
        expected = name_of(torch.result_type(theirs(a), theirs(b)))
        for pair in ((a, b), (b, a)):
            got = dtypes.result_of([ours(v) for v in pair])
            assert got == expected, f"{pair}: {got}, PyTorch {expected}"


def test_result_type_of_three_does_not_depend_on_the_order():
    for three in itertools.combinations([("int32", (2,)), ("float32", ()), ("float16", (2,)), 2.5], 3):
        found = {dtypes.result_of([ours(v) for v in order]) for order in itertools.permutations(three)}
        assert len(found) == 1, f"{three}: {found}"


@pytest.mark.parametrize("a, b", list(itertools.product(NAMES, NAMES)))
def test_promote_types(a, b):
    expected = torch.promote_types(getattr(torch, a), getattr(torch, b))
    assert tinydl.promote_types(a, b) == name_of(expected)


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_the_default_type_is_what_numbers_become(default):
    before = tinydl.get_default_dtype()
    try:
        tinydl.set_default_dtype(default)
        x = tinydl.tensor([1, 2])
        assert (x + 0.5).dtype == (x / 2).dtype == tinydl.exp(x).dtype == default
        assert tinydl.tensor([0.5]).dtype == default
    finally:
        tinydl.set_default_dtype(before)


# ---------------------------------------------------------------- operations
UNARY = """
abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac
isfinite isinf isnan isneginf isposinf lgamma log log10 log1p log2 logical_not logit nan_to_num neg positive
rad2deg reciprocal round rsqrt sgn sigmoid sign sin sinc sinh sqrt square tan tanh trunc
""".split()
BINARY = """
add atan2 copysign div eq floor_divide fmax fmin fmod ge gt hypot isclose ldexp le logaddexp
logical_and logical_or logical_xor lt maximum minimum mul ne pow remainder rsub sub true_divide
xlogy
""".split()
OTHER = """
addcdiv addcmul allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
bitwise_xor clamp clamp_max clamp_min clone equal float_power lerp polygamma where
""".split()
SAME_AS = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "divide": "div",
    "fix": "trunc", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le",
    "multiply": "mul", "negative": "neg", "not_equal": "ne", "subtract": "sub",
}  # fmt: skip


def test_every_elementwise_operation_is_on_a_list_here():
    assert sorted(UNARY + BINARY + OTHER + list(SAME_AS)) == sorted(elementwise.__all__)
    for name, other in SAME_AS.items():
        assert getattr(tinydl, name) is getattr(tinydl, other)


def same_type_as_theirs(name, *values):
    """Call both libraries on arrays and numbers; compare the result's type, or that both refuse."""
    try:
        expected = getattr(torch, name)(
            *[torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for v in values]
        )
    except (RuntimeError, TypeError) as refusal:
        if "not implemented for" in str(refusal):  # a kernel that PyTorch lacks is no rule
            return
        with pytest.raises((RuntimeError, TypeError)):
            getattr(tinydl, name)(*[as_ours(v) for v in values])
        return
    got = getattr(tinydl, name)(*[as_ours(v) for v in values])
    shown = [v.dtype.name if isinstance(v, np.ndarray) else v for v in values]
    assert got.dtype == name_of(expected.dtype), f"{name} of {shown}"


def as_ours(value):
    return tinydl.tensor(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("name", UNARY)
def test_type_of_one_operand(name, dtype):
    same_type_as_theirs(name, np.array([0.25, 0.5]).astype(dtype))


@pytest.mark.parametrize("other", ["float32", "float16", "int32", "bool", 2, 0.5])
@pytest.mark.parametrize("name", BINARY)
def test_type_of_two_operands(name, other):
    b = np.ones(2, other) if isinstance(other, str) else other
    for dtype in ("float32", "int64"):
        same_type_as_theirs(name, np.array([1, 2]).astype(dtype), b)


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_float32_in_float32_out_gradients_too(name):
    x = tinydl.tensor([0.25, 0.5], requires_grad=True)
    other = tinydl.tensor([0.75, 0.5], requires_grad=True)
    operands = (x,) if name in UNARY else (x, other)
    y = getattr(tinydl, name)(*operands)
    assert y.dtype in (tinydl.float32, tinydl.bool_)
    if y.requires_grad:
        grads = tinydl.autograd.grad(y.sum(), operands, create_graph=True)
        assert all(g.dtype == tinydl.float32 for g in grads)
        second = tinydl.autograd.grad(
            sum(g.sum() for g in grads if g.requires_grad) + 0 * x.sum(),
            operands,
            allow_unused=True,
        )
        assert all(g is None or g.dtype == tinydl.float32 for g in second)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "fmod"])
@pytest.mark.parametrize("number", [np.float64(1.5), np.sqrt(2), np.float32(2), np.int64(3)], ids=repr)
def test_numbers_of_numpy_do_not_widen(name, number):
    """np.float64 is weak, as a float is; recorded or not, also in place and in gradients."""
    for recorded in (True, False):
        x = tinydl.tensor([0.25, 0.5], requires_grad=recorded)
        with tinydl.set_grad_enabled(recorded):
            y = getattr(tinydl, name)(x, number)
        assert y.dtype == tinydl.float32
        if recorded and y.requires_grad:
            assert tinydl.autograd.grad(y.sum() * number, x, allow_unused=True)[0].dtype == tinydl.float32
    assert (number * x).dtype == (number + x).dtype == (number - x).dtype == (number / x).dtype == tinydl.float32
    x += number
    assert x.dtype == tinydl.float32


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Rprop", "ASGD"]
)
def test_rates_of_numpy_do_not_widen(name):
    w = tinydl.ones(3, requires_grad=True)
    optimizer = getattr(tinydl.optim, name)([w], lr=np.float64(0.1))
    for _ in range(2):
        w.grad = tinydl.ones(3)
        optimizer.step()
    assert w.dtype == w.array.dtype == np.float32
    assert all(v.dtype == np.float32 for v in optimizer.state[w].values())


REDUCTIONS = {
    "sum": (0,), "mean": (0,), "var": (0,), "std": (0,), "amax": (0,), "logsumexp": (0,),
    "prod": (0,), "norm": (2, 0), "nansum": (0,), "nanmean": (0,), "cumsum": (0,), "cumprod": (0,),
    "logcumsumexp": (0,), "quantile": (0.3, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_keep_float32(name):
    x = tinydl.tensor([[0.5, 2.0], [0.25, 1.0]], requires_grad=True)
    y = getattr(tinydl, name)(x, *REDUCTIONS[name])
    assert y.dtype == tinydl.float32
    (g,) = tinydl.autograd.grad(y.sum(), x)
    assert g.dtype == tinydl.float32


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "all", "any", "amax"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
def test_integers_and_bools_reduce_to_pytorchs_type(name, dtype):
    same_type_as_theirs(name, np.array([[1, 0], [1, 1]]).astype(dtype), 0)


def test_float16_sums_are_gathered_in_float32():
    x = tinydl.ones(5000, dtype=tinydl.float16)
    assert x.sum().item() == 5000 and x.sum().dtype == tinydl.float16


def test_numbers_where_pytorch_wants_tensors_are_refused():
    x = tinydl.tensor([1.0, 2.0])
    for call in (
        lambda: tinydl.maximum(x, 2), lambda: tinydl.eq(2, x), lambda: tinydl.fmod(2, x),
        lambda: tinydl.logical_and(x, 1), lambda: tinydl.atan2(1.0, x), lambda: tinydl.pow(2, 3),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="must be a tensor"):
            call()
