"""Programs of views and writes in place: a gradient is right or refused, never wrong.

Two judges: a model without aliasing, in which a tensor is a list of places in a vector and a write
makes a new vector, says what is right; PyTorch says what must be answered.
"""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle

import tinydl

torch = oracle()
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError)


class Model:
    """The program without aliasing: tensors are places in a base, whose value is never overwritten.

    Bases on the same memory (a tensor and its detach()) have values in common, but no gradients.
    """

    def __init__(self, value):
        self.bases, self.memory = [], []
        self.pool = []
        for k in range(3):
            self.add(value(k))

    def add(self, value):
        places = np.arange(value.numel()).reshape(tuple(value.shape))
        self.pool.append((self._base(value.reshape(-1), len(self.bases)), places, True))

    def _base(self, value, memory):
        self.bases.append(value)
        self.memory.append(memory)
        return len(self.bases) - 1

    def read(self, k):
        base, places, recorded = self.pool[k]
        value = self.bases[base][torch.tensor(places)]
        return value if recorded else value.detach()

    def view(self, k, function, detached, recorded):
        base, places, tracked = self.pool[k]
        if detached:
            base = self._base(self.bases[base].detach(), self.memory[base])
        self.pool.append((base, function(torch.tensor(places)).numpy(), detached or (recorded and tracked)))

    def write(self, k, value, recorded):
        base, places, _ = self.pool[k]
        old = self.bases[base]
        new = old.index_put((torch.tensor(places),), value.broadcast_to(places.shape))
        for b, memory in enumerate(self.memory):
            if b == base and recorded:
                self.bases[b] = new
            elif memory == self.memory[base]:
                # what is not recorded moves the values and leaves the gradient as it was
                self.bases[b] = self.bases[b] + (new - old).detach()


class Program:
    """The same program in a library that has views."""

    def __init__(self, lib, value):
        self.lib = lib
        self.pool = [value(k) for k in range(3)]

    def read(self, k):
        return self.pool[k]

    def view(self, k, function, detached):
        self.pool.append(function(self.pool[k].detach() if detached else self.pool[k]))

    def add(self, value):
        self.pool.append(value)


def seen(x, *shape):
    """x.view(shape); the model's places have no memory that could forbid it."""
    return x.reshape(*shape) if isinstance(x, torch.Tensor) and x.dtype == torch.int64 else x.view(*shape)


VIEWS = {
    "select": lambda n, i: lambda x: x.select(i % n, i % x.shape[i % n]),
    "slice": lambda n, i: lambda x: x[i % 2 :],
    "every second": lambda n, i: lambda x: x[..., ::2],
    "narrow": lambda n, i: lambda x: x.narrow(i % n, 0, max(1, x.shape[i % n] - 1)),
    "transpose": lambda n, i: lambda x: x.transpose(0, i % n),
    "unsqueeze": lambda n, i: lambda x: x.unsqueeze(i % (n + 1)),
    "squeeze": lambda n, i: lambda x: x.squeeze(),
    "view": lambda n, i: lambda x: seen(x, -1),
    "view as rows": lambda n, i: lambda x: seen(x, -1, x.shape[-1]),
    "expand": lambda n, i: lambda x: x.unsqueeze(0).expand(2, *x.shape),
    "diagonal": lambda n, i: lambda x: x.diagonal(i % 3 - 1),
    "unfold": lambda n, i: lambda x: x.unfold(i % n, 2, 1 + i % 2),
    "movedim": lambda n, i: lambda x: x.movedim(0, -1),
    "a piece of split": lambda n, i: lambda x: x.split(2, i % n)[0],
    "one of unbind": lambda n, i: lambda x: x.unbind(i % n)[-1],
    "detach": lambda n, i: None,
}

# name -> what is written, from the old value x, another value v (broadcastable), and the library
WRITES = {
    "add_": (lambda x, v: x.add_(v), lambda x, v: x + v),
    "mul_": (lambda x, v: x.mul_(v), lambda x, v: x * v),
    "copy_": (lambda x, v: x.copy_(v), lambda x, v: v),
    "zero_": (lambda x, v: x.zero_(), lambda x, v: x * 0),
    "tanh_": (lambda x, v: x.tanh_(), lambda x, v: torch.tanh(x)),
    "x[...] = v": (lambda x, v: x.__setitem__(..., v), lambda x, v: v),
    "x[[0]] = v": (lambda x, v: x.__setitem__([0], v), lambda x, v: _with_row(x, v)),
}


def _with_row(x, v):
    return torch.cat([v.broadcast_to(x[:1].shape), x[1:]])


def start(lib):
    """Two leaves that require grad, and a tensor that does not."""

    def value(k):
        array = np.linspace(-1.0, 1.5 + k, 9).reshape(3, 3)
        return lib.tensor(array, requires_grad=True) if k < 2 else lib.tensor(array)

    return value


def ran(function):
    """Whether the function ran; False if it was refused."""
    try:
        function()
    except REFUSALS:
        return False
    return True


class Lockstep:
    """The model, PyTorch and tinydl, one instruction after another."""

    def __init__(self):
        leaves = {lib: [start(lib)(k) for k in range(3)] for lib in (torch, tinydl)}
        right = [start(torch)(k) for k in range(3)]
        self.leaves = (right[:2], leaves[torch][:2], leaves[tinydl][:2])
        self.model = Model(right.__getitem__)
        self.theirs = Program(torch, leaves[torch].__getitem__)
        self.mine = Program(tinydl, leaves[tinydl].__getitem__)
        self.torch_alive = True
        self.log = []

    def agreed(self, name, theirs, mine, may_refuse=False):
        """Whether tinydl ran the instruction, as it must where PyTorch does.

        Where only one of them ran it, PyTorch takes no further part.
        """
        self.log.append(name)
        answered = self.torch_alive and ran(theirs)
        ok = ran(mine)
        assert ok or not answered or may_refuse, f"refused what PyTorch answers: {self.log}"
        self.torch_alive = self.torch_alive and ok == answered
        return ok

    def view(self, k, name, number, unrecorded):
        n = len(self.model.pool[k][1].shape)
        function = VIEWS[name](n, number) if n else (lambda x: seen(x, 1))
        detached = name == "detach" and n > 0
        function = function or (lambda x: x)

        def run(program, lib):
            with lib.no_grad() if unrecorded else contextlib.nullcontext():
                program.view(k, function, detached)

        if self.agreed(
            f"{len(self.model.pool)} = {name}{number} of {k}{' unrecorded' * unrecorded}",
            lambda: run(self.theirs, torch),
            lambda: run(self.mine, tinydl),
        ):
            self.model.view(k, function, detached, not unrecorded)

    def write(self, k, name, j, recorded):
        """Write to tensor k with the sum of tensor j, or with j itself where that has the shape."""
        in_place, twin = WRITES[name]
        places = self.model.pool[k][1]
        same = places.shape == self.model.pool[j][1].shape

        def value(program):
            v = program.read(j)
            return v if same and name != "x[[0]] = v" else v.sum()

        def run(program, lib):
            with lib.enable_grad() if recorded else lib.no_grad():
                in_place(program.read(k), value(program))

        if self.agreed(
            f"{name}({k}, {j}){'' if recorded else ' unrecorded'}",
            lambda: run(self.theirs, torch),
            lambda: run(self.mine, tinydl),
            # PyTorch writes to windows that overlap, and gives an arbitrary result
            may_refuse=len(np.unique(places)) < places.size,
        ):
            self.model.write(k, twin(self.model.read(k), value(self.model)), recorded)

    def multiply(self, k, j):
        def run(program):
            a, b = program.read(k), program.read(j)
            program.add(a * b if a.shape == b.shape else a * b.sum())

        if self.agreed(
            f"{len(self.model.pool)} = {k} * {j}",
            lambda: run(self.theirs),
            lambda: run(self.mine),
        ):
            run(self.model)

    def check(self):
        """Values and gradients are the model's; refused only where PyTorch refuses."""
        count = len(self.model.pool)
        for k in range(count):
            np.testing.assert_allclose(
                self.mine.read(k).detach().numpy(),
                self.model.read(k).detach().numpy(),
                err_msg=str(self.log),
            )
        grads = []
        for program, leaves in zip((self.model, self.theirs, self.mine), self.leaves):
            alive = program is not self.theirs or self.torch_alive
            grads.append(self._gradients(program, leaves, count) if alive else None)
        right, theirs, mine = grads
        assert mine is not None or theirs is None, f"refused what PyTorch answers: {self.log}"
        if mine is not None:
            for a, b in zip(mine, right):
                np.testing.assert_allclose(a, b, err_msg=str(self.log))
        return mine is not None

    def _gradients(self, program, leaves, count):
        try:
            total = 0
            for k in range(count):
                total = total + (program.read(k) * (k + 1.0)).sum()
            total.backward()
        except REFUSALS:
            return None
        return [0.0 if x.grad is None else x.grad.numpy() for x in leaves]


@st.composite
def programs(draw):
    run = Lockstep()
    run.multiply(0, 2)  # something computed, which may be written
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["view", "view", "write", "write", "multiply"]))
        k, j = (draw(st.integers(0, len(run.model.pool) - 1)) for _ in range(2))
        if kind == "view":
            number = draw(st.integers(0, 5))
            run.view(k, draw(st.sampled_from(sorted(VIEWS))), number, draw(st.integers(0, 7)) == 0)
        elif kind == "write":
            run.write(k, draw(st.sampled_from(sorted(WRITES))), j, draw(st.integers(0, 5)) > 0)
        else:
            run.multiply(k, j)
    return run


@settings(max_examples=1000)
@given(programs())
def test_programs_of_views_and_writes(run):
    run.check()


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
