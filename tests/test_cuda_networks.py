"""Whole training steps where CUDA kernels run: every family of kernels at work, in float32, as on the CPU."""

import numpy as np
import pytest
from emulation import Watched, bodies, in_every_order, kernel_device

import tinydl
import tinydl.nn.functional as F
from tinydl import nn, optim
from tinydl.kernels.gpu import gemm, precision
from tinydl.models import lenet

pytestmark = pytest.mark.usefixtures("place")


class Words(nn.Module):
    """Classes of sequences of words."""

    def __init__(self):
        super().__init__()
        self.table, self.lstm = nn.Embedding(11, 6), nn.LSTM(6, 8, num_layers=2)
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.norm(self.lstm(self.table(x))[0][-1]))


class Painter(nn.Module):
    """Transposed convolutions up to an image, and a judge of it."""

    def __init__(self):
        super().__init__()
        self.paint = nn.Sequential(
            nn.ConvTranspose2d(4, 6, 4, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(6, 2, 4, 2, 1), nn.Tanh(), nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.GroupNorm(2, 2), nn.AvgPool2d(2), nn.SiLU(),
        )  # fmt: skip
        self.judge = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.ELU(), nn.AdaptiveMaxPool2d(3), nn.Flatten())
        self.out = nn.Sequential(nn.Linear(27, 4), nn.LogSoftmax(-1))

    def forward(self, x):
        return self.out(self.judge(self.paint(x)))


class Reader(nn.Module):
    """A block of a transformer."""

    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.block(x).mean(1))


def images(*shape):
    return tinydl.randn(*shape)


STEPS = {
    "LeNet": (
        lambda: lenet.LeNet(8, 1, 4), lambda: images(3, 1, 8, 8), lambda p: optim.AdamW(p, 1e-2),
        {
            *("conv", "conv_weight", "linear", "linear_grad", "relu", "relu_slope", "max_pool", "max_pool_scatter"),
            "cross_entropy",
        },
    ),
    "LSTM": (
        Words, lambda: tinydl.randint(0, 11, (5, 3)), lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True),
        {"take_at", "add_at", "layer_norm", "layer_norm_grad", "cross_entropy_grad", "sgd_update"},
    ),
    "GAN": (
        Painter, lambda: images(3, 4, 1, 1), lambda p: optim.Adam(p, 1e-2),
        {
            *("conv_transpose", "batch_norm", "batch_norm_grad", "leaky_relu", "leaky_relu_slope", "resample", "silu"),
            *("resample_adjoint", "group_norm", "group_norm_grad", "avg_pool", "avg_pool_spread", "elu", "log_softmax"),
            *("tanh_slope", "adam_update", "log_softmax_slope", "silu_grad", "elu_slope", "sum_to"),
        },
    ),
    "transformer": (
        Reader, lambda: images(2, 5, 8), lambda p: optim.SGD(p, 0.1), {"layer_norm", "gelu", "gelu_grad", "linear"}
    ),
}  # fmt: skip


def step(model, x, make):
    """Two steps; the losses and the parameters after them."""
    optimizer, losses = make(model.parameters()), []
    target = (tinydl.arange(len(x) if x.dtype.kind == "f" else x.shape[1]) % 4).to(x.device)
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [t.detach().to("cpu").numpy() for t in (*losses, *model.parameters())]


@pytest.mark.parametrize("name", STEPS)
def test_training_steps(name, monkeypatch):
    monkeypatch.setattr(precision, "_now", dict.fromkeys(precision._now, "ieee"))
    monkeypatch.setattr(gemm, "LEAST_BLOCKS", 1)
    build, draw, make, served = STEPS[name]

    def made():
        tinydl.manual_seed(3)
        return build(), draw()

    with bodies():
        model, x = made()
        want = step(model, x, make)
    with kernel_device() as device:
        device.kernels = Watched()

        def compute():
            model, x = made()
            return step(model.to(device), x.to(device), make)

        got = in_every_order(compute)
        assert served <= device.kernels.served, served - device.kernels.served
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
