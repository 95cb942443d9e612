"""Mixed precision on the emulated device: CUDA kernels of narrow types and float32 in one step, as on the CPU."""

import numpy as np
import pytest
from emulation import Watched, in_every_order

import tinydl
import tinydl.nn.functional as F
from tinydl import amp, nn, optim
from tinydl.models import lenet
from tinydl.testing import cudaemu
from tinydl.testing.emulated import emulated_device

pytestmark = pytest.mark.skipif(not cudaemu.available(), reason="emulation needs g++")


class Sequence(nn.Module):
    """Classes of sequences of vectors."""

    def __init__(self):
        super().__init__()
        self.gru, self.norm, self.out = nn.GRU(6, 8), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.norm(self.gru(x)[0][-1]))


NETWORKS = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4)), (5, 6),
        {"layer_norm float32", "layer_norm_grad float32", "gelu narrow", "cross_entropy float32"},
    ),
    "LeNet": (
        lambda: lenet.LeNet(8, 1, 4), (5, 1, 8, 8),
        {"conv narrow", "conv_weight narrow", "max_pool narrow", "relu narrow", "cross_entropy float32"},
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(),
                              nn.Linear(64, 4)), (5, 2, 6, 6),
        {"conv narrow", "batch_norm float32", "batch_norm_grad float32", "silu narrow"},
    ),
    "GRU": (Sequence, (3, 5, 6), {"layer_norm float32", "cross_entropy_grad float32"}),
}  # fmt: skip


class WithTypes(Watched):
    """Kernels that note with what type of numbers they served."""

    def named(self, name, args):
        """With the type of the first array."""
        return f"{name} {next((a.dtype for a in args if hasattr(a, 'dtype')), None)}"


def train(model, x, kind, narrow):
    """Three steps, the second with a gradient that is not finite; losses, parameters and scale after them."""
    optimizer = optim.SGD(model.parameters(), 0.1)
    scaler, losses = amp.GradScaler(init_scale=1024.0, growth_interval=1), []
    target = (tinydl.arange(5) % 4).to(x.device)
    for i in range(3):
        optimizer.zero_grad()
        with tinydl.autocast(kind, narrow):
            loss = F.cross_entropy(model(x), target)
        assert loss.dtype == tinydl.float32
        scaler.scale(loss).backward()
        if i == 1:
            next(iter(model.parameters())).grad.fill_(np.inf)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
    assert scaler.get_scale() == 2048.0
    return [t.detach().to("cpu").numpy() for t in (*losses, *model.parameters())]


@pytest.mark.parametrize("narrow, error", [("float16", 1e-2), ("bfloat16", 4e-2)])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_in_mixed_precision(name, narrow, error):
    build, shape, served = NETWORKS[name]
    served = {call.replace("narrow", narrow) for call in served}

    def made():
        tinydl.manual_seed(3)
        return build(), tinydl.randn(*shape)

    model, x = made()
    want = train(model, x, "cpu", narrow)
    with emulated_device() as device:
        device.kernels = WithTypes()

        def compute():
            model, x = made()
            return train(model.to(device), x.to(device), device.type, narrow)

        got = in_every_order(compute)
        assert served <= device.kernels.served, served - device.kernels.served
    assert got[0] != got[2]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=error, atol=error)
