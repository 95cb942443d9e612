"""What an operation costs beside its arithmetic: tensors of 4 x 4, recorded."""

from . import cases

FAMILY, AT_MOST = "small operations", 2.5
OPERATIONS = {
    "product": lambda lib, x, w: x * w,
    "sum of two": lambda lib, x, w: x + w,
    "difference with a number": lambda lib, x, w: x - 1.5,
    "matrix product": lambda lib, x, w: x @ w,
    "sum": lambda lib, x, w: x.sum(),
    "mean": lambda lib, x, w: x.mean(),
    "relu": lambda lib, x, w: x.relu(),
    "exp": lambda lib, x, w: x.exp(),
    "reshape": lambda lib, x, w: x.reshape(2, 8),
    "view": lambda lib, x, w: x.view(16),
    "transpose": lambda lib, x, w: x.transpose(0, 1),
    "row": lambda lib, x, w: x[0],
    "column": lambda lib, x, w: x[:, 1],
    "cat": lambda lib, x, w: lib.cat([x, w]),
    "softmax": lambda lib, x, w: x.softmax(1),
    "linear": lambda lib, x, w: lib.nn.functional.linear(x, w),
    "mse_loss": lambda lib, x, w: lib.nn.functional.mse_loss(x, w),
}


def repeated(once, times=200):
    """The step that does it so many times."""

    def step():
        for _ in range(times):
            once()

    return step


@cases(FAMILY, AT_MOST, **{name: dict(name=name) for name in OPERATIONS})
def small(lib, name):
    """200 of the operation."""
    x, w, f = lib.ones(4, 4).requires_grad_(), lib.ones(4, 4).requires_grad_(), OPERATIONS[name]
    return repeated(lambda: f(lib, x, w))


@cases(FAMILY, AT_MOST, **{name: dict(name=name) for name in ("product", "matrix product", "row", "softmax", "linear")})
def small_and_back(lib, name):
    """200 of the operation and its gradients."""
    x, w, f = lib.ones(4, 4).requires_grad_(), lib.ones(4, 4).requires_grad_(), OPERATIONS[name]
    g = lib.ones(*f(lib, x, w).shape)
    return repeated(lambda: f(lib, x, w).backward(g))


@cases(FAMILY, AT_MOST, adam=dict(name="Adam"), sgd=dict(name="SGD"))
def small_step(lib, name):
    """200 steps of an optimizer on one 4 x 4 parameter."""
    w = lib.ones(4, 4).requires_grad_()
    w.grad = lib.ones(4, 4)
    return repeated(getattr(lib.optim, name)([w], lr=1e-3).step)


@cases(FAMILY, AT_MOST)
def small_training(lib):
    """20 steps of a 4 - 4 - 1 perceptron on 4 examples."""
    nn = lib.nn
    model, x, t = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)), lib.randn(4, 4), lib.randn(4, 1)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1)

    def once():
        loss = nn.functional.mse_loss(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(once, 20)
