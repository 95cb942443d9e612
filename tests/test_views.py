"""Programs of views and writes in place: a gradient is right or refused, never wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import VIEWS, program, torch

import tinydl


@settings(max_examples=1000)
@given(st.data())
def test_programs_of_views_and_writes(data):
    """`python tests/programs.py` runs more of them, and longer ones."""
    program(lambda choices: data.draw(st.sampled_from(choices))).check()


# ---------------------------------------------------------------- memory
@given(
    st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4).map(tuple),
    st.data(),
)
def test_view_and_reshape_share_memory_where_pytorch_does(shape, data):
    """Of any layout that transposing, slicing and expanding give."""
    count = int(np.prod(shape))
    base = np.arange(float(count)).reshape(shape)
    x, t = tinydl.tensor(base), torch.tensor(base)
    for _ in range(data.draw(st.integers(0, 3))):
        name = data.draw(st.sampled_from(["transpose", "every second", "slice", "expand", "narrow"]))
        function = VIEWS[name](t.ndim, data.draw(st.integers(0, 5)))
        x, t = function(x), function(t)
    sizes = data.draw(st.sampled_from([(-1,), (-1, t.shape[-1]), (t.shape[0], -1), (2, -1), (-1, 2)]))
    for name in ("view", "reshape"):
        try:
            theirs = getattr(t, name)(sizes)
        except RuntimeError:
            with pytest.raises(RuntimeError, match=name):
                getattr(x, name)(sizes)
            continue
        mine = getattr(x, name)(sizes)
        assert mine.tolist() == theirs.tolist()
        if t.numel():
            shared = np.may_share_memory(mine.array, x.array)
            assert shared == (theirs.untyped_storage().data_ptr() == t.untyped_storage().data_ptr())
            assert shared == (mine._base is not None)


def test_pieces_are_recorded_once():
    x = tinydl.arange(6.0).requires_grad_()
    parts = x.split(2)
    assert len({id(p.grad_fn) for p in parts}) == 1
    (parts[0] * 2 + parts[2]).sum().backward()  # one is not used
    assert x.grad.tolist() == [2, 2, 0, 0, 1, 1]


def test_a_piece_that_is_written_changes_its_base_and_its_sisters_stay():
    x = tinydl.ones(4, requires_grad=True)
    y = x * 1
    a, b = y.chunk(2)
    a.mul_(3)
    (y * y).sum().backward()
    assert b.tolist() == [1, 1] and x.grad.tolist() == [18, 18, 2, 2]


def test_a_view_made_within_no_grad():
    x = tinydl.ones(3, requires_grad=True)
    y, buffer = x * 1, tinydl.zeros(3)
    with tinydl.no_grad():
        v, plain = y[:2], buffer[:2]
        v.add_(1)  # within no_grad: allowed
    plain.add_(1)  # no gradient is concerned
    assert y.tolist() == [2, 2, 1] and buffer.tolist() == [1, 1, 0]
    for write in (lambda: v.add_(1), lambda: plain.add_(x[:2])):
        with pytest.raises(RuntimeError, match="made within no_grad"):
            write()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="made within no_grad"):
        v.sum()
    assert y.tolist() == [4, 4, 2] and buffer.tolist() == [1, 1, 0]


def test_overlapping_windows_are_not_written():
    x = tinydl.zeros(4)
    with pytest.raises(RuntimeError, match="share one place in memory"):
        x.unfold(0, 2, 1).fill_(1)
    x.unfold(0, 2, 2).fill_(1)  # side by side
    assert x.tolist() == [1, 1, 1, 1]


def test_a_detached_tensor_shares_memory_and_versions():
    x = tinydl.ones(3, requires_grad=True)
    y = x * 1
    z = y * y
    y.detach().mul_(2)
    assert y.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="overwritten in place by mul_"):
        z.sum().backward()
