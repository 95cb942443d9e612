"""One update of all parameters."""

from . import cases

SIZES = {"1M": (10, 100_000), "10M": (20, 500_000), "50M": (25, 2_000_000), "400 small": (400, 64)}
ALGORITHMS = {
    "adam": ("Adam", dict(lr=1e-3)),
    "adamw": ("AdamW", dict(lr=1e-3)),
    "sgd": ("SGD", dict(lr=1e-3)),
    "momentum": ("SGD", dict(lr=1e-3, momentum=0.9)),
}
# Arrays read and written: the parameter, the gradient, the state.
MOVED = {"adam": 7, "adamw": 7, "sgd": 3, "momentum": 5}


def step_of(lib, algorithm, sizes, **implementation):
    """A step of the optimizer on fresh gradients: PyTorch's default, or its fused kernel."""
    name, options = ALGORITHMS[algorithm]
    count, n = SIZES[sizes]
    params = [lib.randn(n).requires_grad_() for _ in range(count)]
    for p in params:
        p.grad = lib.randn(n)
    optimizer = getattr(lib.optim, name)(params, **options, **implementation)

    def step():
        optimizer.step()

    step.bytes = 4 * count * n * MOVED[algorithm]
    return step


ROWS = {f"{a} {s}": dict(algorithm=a, sizes=s) for a in ALGORITHMS for s in SIZES if a != "sgd" or s == "10M"}


@cases("optimizers", 0.7, **ROWS)
def optimizer(lib, algorithm, sizes):
    return step_of(lib, algorithm, sizes)


@cases("optimizers, fused", 1.0, **ROWS)
def fused(lib, algorithm, sizes):
    return step_of(lib, algorithm, sizes, fused=True)
