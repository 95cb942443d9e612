"""x[index] by PyTorch's rules: read, assigned, differentiated; against PyTorch and plain loops."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl

torch = oracle()
shapes = st.lists(st.sampled_from([1, 2, 3, 3, 4, 0]), min_size=1, max_size=4).map(tuple)


@st.composite
def indices(draw, shape, advanced=True, steps=(1, 2, 3)):
    """An index into `shape`, of NumPy's arrays and Python's objects."""
    block = draw(st.sampled_from([(2,), (3,), (1,), (2, 3), (2, 1)]))
    items, used, kinds = [], 0, ["int", "slice", "slice"]
    if advanced:
        kinds += ["array", "list", "mask", "0-d array"]
    while used < len(shape):
        extra = draw(st.sampled_from(["no"] * 8 + ["None"] + ["bool"] * advanced))
        if extra != "no":
            items.append(None if extra == "None" else draw(st.booleans()))
        if not any(i is ... for i in items) and draw(st.integers(0, 7)) == 0:
            items.append(...)
            used += draw(st.integers(0, len(shape) - used))
            continue
        n, kind = shape[used], draw(st.sampled_from(kinds))
        number = st.integers(-n, n - 1) if n else st.integers(-1, 1)  # of an empty dimension: wrong
        if kind == "int":
            items.append(draw(number))
        elif kind == "0-d array":
            items.append(np.array(draw(number)))
        elif kind == "slice":
            ends = st.none() | st.integers(-n - 1, n + 1)
            items.append(slice(draw(ends), draw(ends), draw(st.none() | st.sampled_from(steps))))
        elif kind == "mask":
            width = draw(st.integers(1, len(shape) - used))
            size = shape[used : used + width]
            flat = draw(st.lists(st.booleans(), min_size=int(np.prod(size)), max_size=int(np.prod(size))))
            items.append(np.array(flat, bool).reshape(size))
            used += width - 1
        else:
            mine = tuple(draw(st.sampled_from([m, m, 1])) for m in block[draw(st.integers(0, len(block) - 1)) :])
            count = int(np.prod(mine))
            array = np.array(draw(st.lists(number, min_size=count, max_size=count))).reshape(mine)
            items.append(array if kind == "array" else array.tolist())
        used += 1
        if draw(st.integers(0, 5)) == 0:
            break
    return tuple(items)


def made_by(tensor, index):
    """The index with its arrays as tensors of one of the two libraries."""
    return tuple(tensor(i) if isinstance(i, np.ndarray) else i for i in index)


def attempt(function, *args):
    """What the function returns, or None where it raises what PyTorch's users expect."""
    try:
        return function(*args)
    except (IndexError, RuntimeError, TypeError, ValueError):
        return None


def values(shape, start=1):
    return np.arange(start, start + int(np.prod(shape)), dtype=np.float64).reshape(shape)


@settings(max_examples=400)
@given(st.data())
def test_reading_and_its_gradient(data):
    shape = data.draw(shapes)
    index = data.draw(indices(shape))
    x, t = (
        tinydl.tensor(values(shape), requires_grad=True),
        torch.tensor(values(shape), requires_grad=True),
    )
    theirs = attempt(lambda: t[made_by(torch.tensor, index)])
    mine = attempt(lambda: x[made_by(tinydl.tensor, index)])
    if theirs is not None and mine is None:
        assert theirs.numel() == 0  # there PyTorch lets a wrong index pass
    assume(mine is not None)
    assert theirs is not None
    np.testing.assert_array_equal(mine.detach().numpy(), theirs.detach().numpy())
    if theirs.numel():
        assert (mine._base is not None) == theirs._is_view()
    g = values(tuple(theirs.shape), 3)
    mine.backward(tinydl.tensor(g))
    theirs.backward(torch.tensor(g))
    np.testing.assert_array_equal(x.grad.numpy(), t.grad.numpy())


@settings(max_examples=400)
@given(st.data())
def test_assigning_and_its_gradients(data):
    """Against a loop over places: of several values for one the last stays, with the gradient."""
    shape = data.draw(shapes)
    index = data.draw(indices(shape))
    start = values(shape)
    place = attempt(lambda: torch.arange(start.size).reshape(shape)[made_by(torch.tensor, index)])
    x = tinydl.tensor(start, requires_grad=True)
    if place is None:
        with pytest.raises((IndexError, ValueError, TypeError, RuntimeError)):
            x.clone()[made_by(tinydl.tensor, index)] = 1.0
        return
    place = place.numpy()
    dropped = data.draw(st.integers(0, place.ndim))
    size = tuple(data.draw(st.sampled_from([n, n, 1])) for n in place.shape[dropped:])
    v = tinydl.tensor(values(size, 100), requires_grad=data.draw(st.booleans()))
    y = x * 1 if data.draw(st.booleans()) else x.detach().clone()
    try:
        y[made_by(tinydl.tensor, index)] = v
    except IndexError:
        assert place.size == 0  # there PyTorch lets a wrong index pass
        return

    expected, gx = start.reshape(-1).copy(), values(shape, 7).reshape(-1)
    gv, writer = np.zeros(place.shape), {}
    for at, p in np.ndenumerate(place):
        expected[p] = np.broadcast_to(values(size, 100), place.shape)[at]
        writer[p] = at
    for p, at in writer.items():
        gv[at], gx[p] = gx[p], 0
    np.testing.assert_array_equal(y.detach().numpy().reshape(-1), expected)
    if y.requires_grad and start.size:
        y.backward(tinydl.tensor(values(shape, 7)))
        if x.grad is not None:
            np.testing.assert_array_equal(x.grad.numpy().reshape(-1), gx)
        if v.grad is not None:
            own = torch.tensor(gv).sum_to_size(size).numpy()
            np.testing.assert_array_equal(v.grad.numpy(), own)


@given(st.data())
def test_negative_steps_are_numpys(data):
    shape = data.draw(shapes)
    index = data.draw(indices(shape, advanced=False, steps=(1, -1, -2, 2)))
    x = tinydl.tensor(values(shape), requires_grad=True)
    expected = attempt(lambda: values(shape)[index])
    mine = attempt(lambda: x[index])
    assert (mine is None) == (expected is None)
    assume(mine is not None)
    np.testing.assert_array_equal(mine.detach().numpy(), expected)
    mine.backward(tinydl.ones(mine.shape, dtype="float64"))
    counted, written = np.zeros(shape), values(shape)
    counted[index], written[index] = 1, -5
    np.testing.assert_array_equal(x.grad.numpy(), counted)
    y = x.detach().clone()
    y[index] = -5
    np.testing.assert_array_equal(y.numpy(), written)


# ---------------------------------------------------------------- what is particular
@pytest.mark.parametrize(
    "index",
    [
        [True, False],
        [],
        range(2),
        (0, slice(None), [0, 1]),
        ([0, 1], slice(None), [0, 1]),
        ([0, 1], None, [0, 1]),
        (slice(None), True, [0, 1]),
        (0, True),
        ((0, 1),),
        (..., ...),
    ],
    ids=str,
)
def test_forms_of_an_index(index):
    x = values((2, 3, 4))
    np.testing.assert_array_equal(tinydl.tensor(x)[index].numpy(), torch.tensor(x)[index].numpy())


def test_a_list_is_a_tensor():
    x, rows = tinydl.arange(6).reshape(3, 2), [[0, 1], [2, 0]]
    assert x[rows].tolist() == x[tinydl.tensor(rows)].tolist() == values((3, 2), 0)[rows].tolist()
    with pytest.raises(IndexError, match="a tuple"):
        x[[slice(1), 0]]


def test_a_uint8_tensor_is_a_mask():
    x, mask = tinydl.arange(3), tinydl.tensor([1, 0, 1], dtype="uint8")
    assert x[mask].tolist() == [0, 2]


def test_an_element_of_a_vector_is_a_view():
    x = tinydl.zeros(3)
    x[1].fill_(5)
    x[[2]] += 7
    assert x.tolist() == [0, 5, 7]


@pytest.mark.parametrize(
    "index, error, text",
    [
        (2, IndexError, "2 is out of range for dimension 0 of size 2"),
        ((0, [0, 3]), IndexError, "index 3 is out of range for dimension 1 of size 3"),
        ((0, 0, 0), IndexError, "3 indices for a tensor of shape (2, 3)"),
        (([0, 1], [0, 1, 2]), IndexError, "(2,) and (3,) do not broadcast"),
        (1.0, IndexError, "expected integers, slices"),
        ([True, False, True], IndexError, "a mask of shape (3,)"),
        (np.ones(2), IndexError, "float64"),
    ],
    ids=str,
)
def test_a_wrong_index_is_named(index, error, text):
    x = tinydl.zeros(2, 3)
    with pytest.raises(error) as caught:
        x[index]
    assert text in str(caught.value)
    with pytest.raises(error):
        x[index] = 1.0
    assert x._storage.version == 0


def test_assignments_that_are_refused():
    x = tinydl.zeros(2, 3)
    with pytest.raises(RuntimeError, match=r"values of shape \(4,\) do not broadcast to \(3,\)"):
        x[0] = tinydl.ones(4)
    with pytest.raises(RuntimeError, match="expected values of dtype float32, got float64"):
        x[[0]] = tinydl.ones(3, dtype="float64")
    with pytest.raises(RuntimeError, match="share one place in memory"):
        x[:, :1].expand(2, 3)[0] = 1
    leaf = tinydl.zeros(3, requires_grad=True)
    for index in (0, [0]):
        with pytest.raises(RuntimeError, match="leaf"):
            leaf[index] = 1
    assert x.tolist() == [[0] * 3] * 2 and leaf.tolist() == [0] * 3


def test_an_index_that_is_overwritten_before_backward_is_noticed():
    x, index = tinydl.ones(3, requires_grad=True), tinydl.tensor([0, 1])
    y = x[index]
    index.fill_(2)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.sum().backward()


def test_assigning_within_no_grad_leaves_the_graph_as_it_was():
    x = tinydl.ones(3, requires_grad=True)
    y = x * 2
    with tinydl.no_grad():
        y[[0, 0]] = 5
        y[1] = 7
    assert y.tolist() == [5, 7, 2]
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_overlapping_values_are_read_before_they_are_written():
    x = tinydl.arange(5)
    x[[1, 2, 3, 4]] = x[:4]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 0, 1, 2]


# ---------------------------------------------------------------- functions
numbers = st.integers(-3, 3).map(float)


@st.composite
def scattered(draw):
    """x, dim, an index that may repeat, and src, which may be larger than the index."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    dim = draw(st.integers(0, len(shape) - 1))
    size = tuple(draw(st.integers(1, 4 if d == dim else n)) for d, n in enumerate(shape))
    count = int(np.prod(size))
    places = st.integers(0, shape[dim] - 1)
    index = np.array(draw(st.lists(places, min_size=count, max_size=count))).reshape(size)
    larger = tuple(n + draw(st.integers(0, 1)) for n in size)
    arrays = []
    for s in (shape, larger):
        flat = draw(st.lists(numbers, min_size=int(np.prod(s)), max_size=int(np.prod(s))))
        arrays.append(np.array(flat).reshape(s))
    return arrays[0], dim, index, arrays[1]


def along(shape, dim, index):
    """For each place of the index where it leads."""
    return {at: (*at[:dim], int(i), *at[dim + 1 :]) for at, i in np.ndenumerate(index)}


@given(scattered())
def test_scatter_keeps_the_last_and_its_gradient(case):
    x, dim, index, src = case
    leads = along(x.shape, dim, index)
    expected, gx, gs = x.copy(), values(x.shape), np.zeros(src.shape)
    for at, to in leads.items():
        expected[to] = src[at]
    for at in {to: at for at, to in leads.items()}.values():
        gs[at] = gx[leads[at]]
    for to in leads.values():
        gx[to] = 0
    a, b = (tinydl.tensor(v, requires_grad=True) for v in (x, src))
    y = tinydl.scatter(a, dim, tinydl.tensor(index), b)
    y.backward(tinydl.tensor(values(x.shape)))
    for mine, right in ((y.detach(), expected), (a.grad, gx), (b.grad, gs)):
        np.testing.assert_array_equal(mine.numpy(), right)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@given(case=scattered())
@example(case=(np.array([2.0]), 0, np.array([0, 0, 0]), np.array([0.0, 0.0, 3.0])))
def test_scatter_reduce_to_second_order(reduce, include_self, case):
    """Against reductions of the columns that a loop collects, differentiated twice by PyTorch."""
    x, dim, index, src = case
    a, b = (torch.tensor(v, requires_grad=True) for v in (x, src))
    columns = {}
    for at, to in along(x.shape, dim, index).items():
        columns.setdefault(to, [a[to]] if include_self else []).append(b[at])
    join = {"sum": torch.sum, "prod": torch.prod, "mean": torch.mean}
    join |= {"amax": torch.amax, "amin": torch.amin}
    cells = [join[reduce](torch.stack(columns[at]), 0) if at in columns else a[at] for at in np.ndindex(x.shape)]
    right = torch.stack(cells).reshape(x.shape)
    p, q = (tinydl.tensor(v, requires_grad=True) for v in (x, src))
    mine = tinydl.scatter_reduce(p, dim, tinydl.tensor(index), q, reduce, include_self=include_self)
    np.testing.assert_allclose(mine.detach().numpy(), right.detach().numpy())
    results = []
    for lib, y, inputs in ((torch, right, (a, b)), (tinydl, mine, (p, q))):
        weights = lib.tensor(values(x.shape))
        first = lib.autograd.grad((y * weights).sum(), inputs, create_graph=True, allow_unused=True)
        total = sum((g * g).sum() for g in first if g is not None)
        second = [None] * 2
        if total.requires_grad:
            second = lib.autograd.grad(total, inputs, allow_unused=True)
        results.append([0.0 if g is None else g.detach().numpy() for g in (*first, *second)])
    for theirs, ours, of in zip(*results, (x, src, x, src)):
        zero = np.zeros(of.shape)
        np.testing.assert_allclose(ours + zero, theirs + zero, atol=1e-9)


@pytest.mark.parametrize("name", ["index_copy", "index_put"])
def test_of_repeated_indices_the_last_has_the_gradient(name):
    x = tinydl.zeros(3, 2, dtype="float64", requires_grad=True)
    v = tinydl.tensor(values((3, 2)), requires_grad=True)
    index = tinydl.tensor([1, 0, 1])
    y = x.index_copy(0, index, v) if name == "index_copy" else x.index_put((index,), v)
    assert y.tolist() == [[3, 4], [5, 6], [0, 0]]
    y.sum().backward()
    assert v.grad.tolist() == [[0, 0], [1, 1], [1, 1]] and x.grad.tolist() == [
        [0, 0],
        [0, 0],
        [1, 1],
    ]


def test_index_put_adds_what_meets():
    x, v = tinydl.zeros(3, requires_grad=True), tinydl.tensor([1.0, 2.0, 4.0], requires_grad=True)
    y = x.index_put((tinydl.tensor([1, 0, 1]),), v, accumulate=True)
    assert y.tolist() == [2, 5, 0]
    y.sum().backward()
    assert v.grad.tolist() == [1, 1, 1] and x.grad.tolist() == [1, 1, 1]


def test_in_place_forms_write_the_tensor():
    x = tinydl.zeros(3)
    x.index_add_(0, tinydl.tensor([0, 0]), tinydl.tensor([1.0, 2.0])).masked_fill_(x == 0, -1)
    x.scatter_(0, tinydl.tensor([2]), 9.0).index_fill_(0, tinydl.tensor([1]), 4)
    assert x.tolist() == [3, 4, 9]


def test_gather_takes_no_index_below_zero():
    with pytest.raises(IndexError, match="gather: index -1 is out of range for dimension 0 of size 3"):
        tinydl.gather(tinydl.ones(3), 0, tinydl.tensor([-1]))


def test_float32_stays():
    x, i = tinydl.ones(3, 3), tinydl.tensor([[0, 1, 2]])
    for y in (
        x.gather(0, i),
        x.scatter_add(0, i, x),
        x.scatter_reduce(0, i, x, "mean"),
        x[[0]],
        x.take(i),
    ):
        assert y.dtype == tinydl.float32
