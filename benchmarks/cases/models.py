"""Whole training steps."""

from . import cases


def training(lib, model, x, t):
    """One step of Adam on the cross-entropy."""
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        loss = lib.nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@cases("training steps", 0.9)
def lenet(lib, size=28, channels=(6, 16)):
    """LeNet-5 on 64 images of 28 x 28."""
    nn, (a, b) = lib.nn, channels
    model = nn.Sequential(
        *(nn.Conv2d(1, a, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(a, b, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(b * 25, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    return training(lib, model, lib.randn(64, 1, size, size), lib.randint(0, 10, (64,)))


@cases("training steps", 0.9)
def lenet_digits(lib):
    """The demo's network: 32 and 64 channels, 64 images of 8 x 8."""
    nn = lib.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    return training(lib, model, lib.randn(64, 1, 8, 8), lib.randint(0, 10, (64,)))


@cases("training steps", 0.9)
def mlp(lib):
    """784 - 256 - 256 - 10 on 128 images."""
    nn = lib.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return training(lib, model, lib.randn(128, 784), lib.randint(0, 10, (128,)))
