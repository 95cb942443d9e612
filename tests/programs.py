"""Random programs of views and writes in place, run by tinydl, by PyTorch and by a model without aliasing.

The model, in which a tensor is a list of places in a vector and a write makes a new vector, says what is
right; PyTorch says what must be answered.

    python tests/programs.py COUNT [SEED]      runs COUNT programs and prints what was refused

Of 172,000 programs one was wrong, a write into a detached window that overlaps others, refused since.  In 0.7 %
(of the last 52,000) tinydl refused what PyTorch answers, for one reason: writes to windows that overlap, where
PyTorch's result is arbitrary.  PyTorch itself is wrong, and so is not asked further, about
views of a base that as_strided_ has changed: elements that the base no longer has lose their gradients.
"""

import contextlib
import random
import sys
import time
from collections import Counter

import numpy as np
from oracle import oracle

import tinydl

torch = oracle()
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError)


class _Unrecorded(torch.autograd.Function):
    """New values, and the gradient as it was."""

    @staticmethod
    def forward(ctx, old, new):
        return new.clone()

    @staticmethod
    def backward(ctx, g):
        return g, None


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
        made = function(torch.tensor(places))
        for piece in made if isinstance(made, tuple) else (made,):
            self.pool.append((base, piece.numpy(), detached or (recorded and tracked)))

    def reform(self, k, function):
        base, places, tracked = self.pool[k]
        self.pool[k] = (base, function(torch.tensor(places)).numpy(), tracked)

    def write(self, k, value, recorded, rows=None):
        base, places, _ = self.pool[k]
        places = places if rows is None else places[:rows]
        old = self.bases[base]
        new = old.index_put((torch.tensor(places),), value.broadcast_to(places.shape))
        for b, memory in enumerate(self.memory):
            if b == base and recorded:
                self.bases[b] = new
            elif memory == self.memory[base]:
                self.bases[b] = _Unrecorded.apply(self.bases[b], new.detach())


class Program:
    """The same program in a library that has views."""

    def __init__(self, lib, value):
        self.lib = lib
        self.pool = [value(k) for k in range(3)]

    def read(self, k):
        return self.pool[k]

    def view(self, k, function, detached):
        made = function(self.pool[k].detach() if detached else self.pool[k])
        self.pool += made if isinstance(made, tuple) else (made,)

    def add(self, value):
        self.pool.append(value)


def seen(x, *shape):
    """x.view(shape); the model's places have no memory that could forbid it."""
    return x.reshape(*shape) if isinstance(x, torch.Tensor) and x.dtype == torch.int64 else x.view(*shape)


def strided(x, i, in_place=False):
    """Every second element, or overlapping rows, or all as a column, by steps in memory."""
    x = x.contiguous() if isinstance(x, torch.Tensor) and x.dtype == torch.int64 else x
    m = x.numel()
    size, stride = [((m // 2,), (2,)), ((max(0, m - 2), 2), (1, 1)), ((m, 1), (1, m))][i % 3]
    offset = x.storage_offset() + (m > 1 and i % 3 == 0)
    return (x.as_strided_ if in_place else x.as_strided)(size, stride, offset)


# name -> the view of x, of n dimensions, that a number i selects
VIEWS = {
    "select": lambda n, i: lambda x: x.select(i % n, i % max(1, x.shape[i % n])),
    "slice": lambda n, i: lambda x: x[i % 2 :],
    "last": lambda n, i: lambda x: x[-1:, None],
    "every second": lambda n, i: lambda x: x[..., ::2],
    "narrow": lambda n, i: lambda x: x.narrow(i % n, 0, max(1, x.shape[i % n] - 1)),
    "transpose": lambda n, i: lambda x: x.transpose(0, i % n),
    "t": lambda n, i: lambda x: x.t(),
    "permute": lambda n, i: lambda x: x.permute(*range(1, n), 0),
    "unsqueeze": lambda n, i: lambda x: x.unsqueeze(i % (n + 1)),
    "squeeze": lambda n, i: lambda x: x.squeeze(),
    "view": lambda n, i: lambda x: seen(x, -1),
    "view as rows": lambda n, i: lambda x: seen(x, -1, x.shape[-1]),
    "unflatten": lambda n, i: lambda x: x.unflatten(i % n, (-1, 1)),
    "expand": lambda n, i: lambda x: x.unsqueeze(0).expand(2, *x.shape),
    "diagonal": lambda n, i: lambda x: x.diagonal(i % 3 - 1),
    "unfold": lambda n, i: lambda x: x.unfold(i % n, 2, 1 + i % 2),
    "movedim": lambda n, i: lambda x: x.movedim(0, -1),
    "a piece of split": lambda n, i: lambda x: x.split(2, i % n)[0],
    "pieces of chunk": lambda n, i: lambda x: tuple(x.chunk(2, i % n)),
    "one of unbind": lambda n, i: lambda x: x.unbind(i % n)[-1],
    "as_strided": lambda n, i: lambda x: strided(x, i),
    "detach": lambda n, i: None,
}

# name -> what the tensor becomes in place, and the same of the model's places
RESHAPES = {
    "unsqueeze_": lambda n, i: (lambda x: x.unsqueeze_(i % (n + 1)), lambda x: x.unsqueeze(i % (n + 1))),
    "squeeze_": lambda n, i: (lambda x: x.squeeze_(), lambda x: x.squeeze()),
    "t_": lambda n, i: (lambda x: x.t_(), lambda x: x.t()),
    "transpose_": lambda n, i: (lambda x: x.transpose_(0, i % n), lambda x: x.transpose(0, i % n)),
    "swapaxes_": lambda n, i: (lambda x: x.swapaxes_(-1, i % n), lambda x: x.swapaxes(-1, i % n)),
    "as_strided_": lambda n, i: (lambda x: strided(x, i, in_place=True), lambda x: strided(x, i)),
    "resize_": lambda n, i: (lambda x: x.resize_(x.numel() // 2, 1), lambda x: x.reshape(-1, 1)[: x.numel() // 2]),
}


def _row(x, v):
    """What the first row becomes, and only that is written."""
    return v.broadcast_to(x[:1].shape)


# name -> what is written, from the old value x, another value v (broadcastable), and the library
WRITES = {
    "add_": (lambda x, v: x.add_(v), lambda x, v: x + v),
    "mul_": (lambda x, v: x.mul_(v), lambda x, v: x * v),
    "copy_": (lambda x, v: x.copy_(v), lambda x, v: v),
    "zero_": (lambda x, v: x.zero_(), lambda x, v: x * 0),
    "fill_": (lambda x, v: x.fill_(v), lambda x, v: v),
    "tanh_": (lambda x, v: x.tanh_(), lambda x, v: torch.tanh(x)),
    "sigmoid_": (lambda x, v: x.sigmoid_(), lambda x, v: torch.sigmoid(x)),
    "clamp_": (lambda x, v: x.clamp_(-0.6, 0.7), lambda x, v: x.clamp(-0.6, 0.7)),
    "x += v": (lambda x, v: x.__iadd__(v), lambda x, v: x + v),
    "x[...] = v": (lambda x, v: x.__setitem__(..., v), lambda x, v: v),
    "x[[0]] = v": (lambda x, v: x.__setitem__([0], v), _row),
    "x[0] = v": (lambda x, v: x.__setitem__(0, v), _row),
    "x[x > 0] = v": (lambda x, v: x.__setitem__(x > 0, v), lambda x, v: torch.where(x > 0, v, x)),
    "masked_fill_": (lambda x, v: x.masked_fill_(x > 0, v), lambda x, v: x.masked_fill(x > 0, v)),
    "index_put_": (lambda x, v: x.index_put_((x < 0,), v), lambda x, v: torch.where(x < 0, v, x)),
}
ONE_NUMBER = {"x[[0]] = v", "x[0] = v", "fill_", "x[x > 0] = v", "masked_fill_", "index_put_"}

# name -> something computed of tensors a and b
COMPUTED = {
    "multiply": lambda a, b: a * b if a.shape == b.shape else a * b.sum(),
    "tanh": lambda a, b: a.tanh(),
    "square": lambda a, b: a**2,
    "outer sum": lambda a, b: a.reshape(-1)[:2] + b.reshape(-1, 1)[:3],
}


def start(lib):
    """Two leaves that require grad, and a tensor that does not."""

    def value(k):
        array = np.linspace(-1.0, 1.5 + k, 9).reshape(3, 3)
        return lib.tensor(array, requires_grad=True) if k < 2 else lib.tensor(array)

    return value


def refusal(function):
    """The error that refused the function; None where it ran."""
    try:
        function()
    except REFUSALS as e:
        return e


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
        self.refused = Counter()

    def agreed(self, name, theirs, mine, may_refuse=False):
        """Whether tinydl ran the instruction, as it must where PyTorch does.

        Where only one of them ran it, PyTorch takes no further part.
        """
        self.log.append(name)
        answered = self.torch_alive and refusal(theirs) is None
        error = refusal(mine)
        if error is not None:
            assert not answered or may_refuse, f"refused what PyTorch answers: {self.log}: {error}"
            self.refused["alone" if answered else "with PyTorch"] += 1
            if answered:
                self.refused[f"alone: {name.split('(')[0]}: {str(error)[:40]}"] += 1
        self.torch_alive = self.torch_alive and (error is None) == answered
        return error is None

    def dims(self, k):
        return len(self.model.pool[k][1].shape)

    def in_order(self, k):
        """Whether memory has the order of the elements, which the model's places do not know."""
        return self.mine.read(k).is_contiguous() and (not self.torch_alive or self.theirs.read(k).is_contiguous())

    def view(self, k, name, number, unrecorded):
        n = self.dims(k)
        name = "slice" if name == "as_strided" and not self.in_order(k) else name
        function = VIEWS[name](n, number) if n else (lambda x: seen(x, 1))
        detached = name == "detach" and n > 0
        function = function or (lambda x: x)

        def run(program, lib):
            with lib.no_grad() if unrecorded else contextlib.nullcontext():
                program.view(k, function, detached)

        if self.agreed(
            f"{len(self.model.pool)} = {name}({number} of {k}){' unrecorded' * unrecorded}",
            lambda: run(self.theirs, torch),
            lambda: run(self.mine, tinydl),
        ):
            self.model.view(k, function, detached, not unrecorded)

    def reform(self, k, name, number):
        """Give tensor k another shape in place."""
        n = self.dims(k)
        if not n or (name in ("as_strided_", "resize_") and not self.in_order(k)):
            name = "unsqueeze_"
        function, twin = RESHAPES[name](n, number)
        if self.agreed(
            f"{name}({number}: {k})",
            lambda: function(self.theirs.read(k)),
            lambda: function(self.mine.read(k)),
        ):
            self.model.reform(k, twin)
            # where a base loses elements or repeats some, PyTorch's gradients of its other views are wrong
            self.torch_alive = self.torch_alive and name != "as_strided_"

    def write(self, k, name, j, recorded):
        """Write to tensor k with the sum of tensor j, or with j itself where that has the shape."""
        in_place, twin = WRITES[name]
        places = self.model.pool[k][1]
        same = places.shape == self.model.pool[j][1].shape

        def value(program):
            v = program.read(j)
            return v if same and name not in ONE_NUMBER else v.sum()

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
            rows = 1 if twin is _row else None
            self.model.write(k, twin(self.model.read(k), value(self.model)), recorded, rows)

    def bits(self, k):
        """Write zeros through a view of another type, which no gradient sees."""

        def run(program, lib):
            program.read(k).view(lib.int64).zero_()

        if len(np.unique(self.model.pool[k][1])) == self.model.pool[k][1].size and self.agreed(
            f"bits({k})", lambda: run(self.theirs, torch), lambda: run(self.mine, tinydl)
        ):
            self.model.write(k, self.model.read(k) * 0, recorded=False)

    def compute(self, name, k, j):
        def run(program):
            program.add(COMPUTED[name](program.read(k), program.read(j)))

        if self.agreed(
            f"{len(self.model.pool)} = {name}({k}, {j})",
            lambda: run(self.theirs),
            lambda: run(self.mine),
        ):
            run(self.model)

    def backward(self, k):
        """Send a gradient back, and keep the graph."""

        def run(program):
            program.read(k).sum().backward(retain_graph=True)

        # (to PyTorch a view of a leaf that was made within no_grad is a leaf of its own)
        if self.model.read(k).requires_grad and self.agreed(
            f"backward({k})", lambda: run(self.theirs), lambda: run(self.mine)
        ):
            run(self.model)

    def check(self):
        """Values and gradients are the model's; refused only where PyTorch refuses."""
        count = len(self.model.pool)
        for k in range(count):
            np.testing.assert_allclose(
                self.mine.read(k).detach().numpy(),
                self.model.read(k).detach().numpy(),
                rtol=1e-7,
                atol=1e-12,
                err_msg=str(self.log),
            )
        grads = []
        for program, leaves in zip((self.model, self.theirs, self.mine), self.leaves):
            alive = program is not self.theirs or self.torch_alive
            grads.append(self._gradients(program, leaves, count) if alive else None)
        right, theirs, mine = grads
        assert mine is not None or theirs is None, f"refused what PyTorch answers: {self.log}"
        self.refused["backward"] += mine is None
        self.refused["PyTorch's part ended"] += theirs is None
        for who, answer in (("tinydl", mine), ("PyTorch", theirs)):
            for a, b in zip(answer or (), right):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, err_msg=f"{who}: {self.log}")

    def _gradients(self, program, leaves, count):
        try:
            total = 0
            for k in range(count):
                total = total + (program.read(k) * (k + 1.0)).sum()
            total.backward()
        except REFUSALS:
            return None
        return [0.0 if x.grad is None else x.grad.numpy() for x in leaves]


KINDS = "view view view write write write compute compute reform bits backward".split()


def program(choose, most=8):
    """A program of up to `most` instructions; `choose` takes one of a sequence."""
    run = Lockstep()
    run.compute("multiply", 0, 2)  # something computed, which may be written
    for _ in range(choose(range(1, most + 1))):
        kind, (k, j) = choose(KINDS), (choose(range(len(run.model.pool))) for _ in range(2))
        if kind == "view":
            run.view(k, choose(sorted(VIEWS)), choose(range(6)), choose(range(8)) == 7)
        elif kind == "write":
            run.write(k, choose(sorted(WRITES)), j, choose(range(6)) < 5)
        elif kind == "reform":
            run.reform(k, choose(sorted(RESHAPES)), choose(range(6)))
        elif kind == "compute":
            run.compute(choose(sorted(COMPUTED)), k, j)
        elif kind == "bits":
            run.bits(k)
        else:
            run.backward(k)
    return run


def main(count, seed=0, most=12):
    torch.set_num_threads(1)
    choose, began, refused, wrong = random.Random(seed).choice, time.perf_counter(), Counter(), 0
    for _ in range(count):
        try:
            run = program(choose, most)
            run.check()
            refused.update(name for name, times in run.refused.items() if times)
        except AssertionError as e:
            wrong += 1
            print(e, flush=True)
            if wrong == 10:
                break
    rate = count / (time.perf_counter() - began)
    print(f"seed {seed}: {count} programs, {rate:.0f} a second, {wrong} wrong; programs with refusals:")
    print(*(f"{n:8d}  {name}" for name, n in refused.most_common()), sep="\n")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
