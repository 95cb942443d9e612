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
    detached = x.unfold(0, 2, 1).detach()
    with pytest.raises(RuntimeError, match="several elements of which share one place"):
        detached[0].copy_(tinydl.ones(2, requires_grad=True))  # another row would change unseen
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


# ---------------------------------------------------------------- other steps, types and sizes
def test_as_strided_equals_pytorch_and_stays_inside():
    x, t = tinydl.arange(12.0).requires_grad_(), torch.arange(12.0, requires_grad=True)
    mine, theirs = ((a * 1).view(3, 4)[1:].as_strided((2, 3), (3, 1), 5) for a in (x, t))
    assert mine.tolist() == theirs.tolist()
    for y in (mine, theirs):
        (y * y).sum().backward()
    assert x.grad.tolist() == t.grad.tolist()
    y = tinydl.arange(12.0).view(3, 4)
    assert y[1:].storage_offset() == y[1:].detach().storage_offset() == 4 and y.t()[2:].storage_offset() == 2
    assert y.t().as_strided((3,), (4,)).tolist() == [0, 4, 8]  # by places in memory
    with pytest.raises(RuntimeError, match="gaps|one after another"):
        y[:, 1:].as_strided((2,), (1,))
    for size, stride, offset in [((4,), (4,), None), ((2,), (1,), 11), ((2**40, 2**40), (0, 2**20), None)]:
        with pytest.raises(RuntimeError, match="outside of the tensor's 12 elements"):
            y.as_strided(size, stride, offset)
    with pytest.raises(RuntimeError, match="outside"):
        y[1:].as_strided((2,), (1,), 0)  # before its first element
    for size, stride in [((2,), (-1,)), ((2, 2), (1,)), ((-1,), (1,))]:
        with pytest.raises(RuntimeError, match="a step of at least 0 for each size"):
            y.as_strided(size, stride)


def test_a_write_through_steps_of_a_transposed_base_is_refused_where_it_would_be_lost():
    leaf = tinydl.Tensor(np.asfortranarray(np.arange(6.0).reshape(2, 3)), requires_grad=True)
    base = leaf * 1
    base.as_strided((2,), (1,)).copy_(tinydl.ones(2))
    assert not base.is_contiguous() and base.tolist() == [[1, 1, 2], [1, 4, 5]]
    with pytest.raises(RuntimeError, match="start from its contiguous"):
        base.sum().backward()


def test_bits_as_another_type():
    array = np.array([[1.5, -2.0, 0.25], [3.0, 4.0, 5.0]], np.float32)
    x, t = tinydl.tensor(array), torch.tensor(array)
    for dtype in ("int32", "uint8", "int16"):
        mine, theirs = x.view(getattr(tinydl, dtype)), t.view(getattr(torch, dtype))
        assert mine.tolist() == theirs.tolist() and mine.shape == tuple(theirs.shape)
    assert x[:, :2].contiguous().view(tinydl.float64).tolist() == t[:, :2].contiguous().view(torch.float64).tolist()
    x.view(tinydl.int32)[0, 0] = 0
    assert x[0, 0] == 0
    y = tinydl.ones(4, requires_grad=True) * 1
    z = y * y
    y.view(tinydl.int32).zero_()
    assert not y.view(tinydl.int32).requires_grad and y.tolist() == [0, 0, 0, 0]
    with pytest.raises(RuntimeError, match="overwritten in place"):
        z.sum().backward()
    for refused in (x.t(), x[:, ::2], x, x[0, 0]):
        with pytest.raises(RuntimeError, match="cannot be seen as"):
            refused.view(tinydl.float64)


def test_a_shape_that_changes_in_place_keeps_views_and_gradients():
    x = tinydl.arange(6.0).requires_grad_()
    y = (x * 1).reshape(2, 3).clone()
    row = y[1]
    assert y.t_() is y and y.shape == (3, 2)
    y.unsqueeze_(0).squeeze_().mul_(tinydl.tensor([2.0, 5.0]))
    assert row.tolist() == [15, 20, 25]
    (row * tinydl.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 5, 10, 15]
    leaf = tinydl.ones(2, 3, requires_grad=True)
    for refused in (lambda: leaf.t_(), lambda: _within_no_grad((leaf * 1).t_)):
        with pytest.raises(RuntimeError, match="cannot change its shape in place"):
            refused()
    assert leaf.shape == (2, 3)
    plain = tinydl.zeros(2, 3).t_().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        plain.add_(1)
    (plain * 2).sum().backward()
    assert plain.grad.shape == (3, 2)


def _within_no_grad(function):
    with tinydl.no_grad():
        function()


def test_resize():
    x = tinydl.arange(6.0)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]] and x.resize_((3, 1)).shape == (3, 1)
    y = tinydl.arange(3.0)
    assert y.resize_(2, 3).shape == (2, 3) and y.view(-1)[:3].tolist() == [0, 1, 2]
    y[1, 2] = 7  # all of it is its own
    assert y.resize_as_(tinydl.zeros(6)).tolist()[-1] == 7
    shared = tinydl.arange(3.0)
    view, detached = shared[1:], tinydl.arange(3.0)
    other = detached.detach()
    for grown in (shared, view, detached, other):
        with pytest.raises(RuntimeError, match="others .views, detached tensors. share their memory"):
            grown.resize_(9)
    with pytest.raises(RuntimeError, match="requires grad cannot be resized"):
        tinydl.zeros(3, requires_grad=True).resize_(2)
    with pytest.raises(RuntimeError, match="have gaps; use contiguous"):
        tinydl.zeros(3, 2).t().resize_(6)
    with pytest.raises(RuntimeError, match="must not be negative"):
        tinydl.zeros(3).resize_(-1)
    base = tinydl.zeros(6)
    part = base[3:]
    base.resize_(2)
    part.copy_(tinydl.ones(3, requires_grad=True))  # the base's views know what it was
    assert base.tolist() == [0, 0] and part.tolist() == [1, 1, 1]


def test_a_thousand_views_of_views_keep_little():
    import tracemalloc

    x = tinydl.zeros(4)
    tracemalloc.start()
    views = [x]
    for _ in range(3000):
        views.append(views[-1].view(4))
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < 5e6  # a chain of its own for each would be 36 MB
