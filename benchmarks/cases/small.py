"""What an operation costs beside its arithmetic."""

from . import cases


@cases("small operations", 2.5)
def small_product(lib):
    """1000 recorded products of 4 x 4 tensors."""
    x, w = lib.ones(4, 4).requires_grad_(), lib.ones(4, 4).requires_grad_()

    def step():
        for _ in range(1000):
            x * w

    return step


@cases("small operations", 2.5)
def small_product_and_back(lib):
    """200 times a product of 4 x 4 tensors and its gradients."""
    x, w, g = lib.ones(4, 4).requires_grad_(), lib.ones(4, 4).requires_grad_(), lib.ones(4, 4)

    def step():
        for _ in range(200):
            (x * w).backward(g)

    return step
