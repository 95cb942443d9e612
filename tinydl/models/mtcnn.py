"""The three networks that find faces, one after another.  Source: Zhang, Zhang, Li, Qiao 2016, Joint face detection and
alignment using multitask cascaded convolutional networks.

Images are RGB, scaled by `normalize`. Boxes are corrections of the window's left, top, right and bottom, in units of
its size. The names of the parameters are facenet-pytorch's.
"""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


def normalize(x: Tensor) -> Tensor:
    """Values 0 ... 255 to about -1 ... 1, as the networks were trained on."""
    return (x - 127.5) * 0.0078125


def from_stored_order(state: dict) -> dict:
    """The published weights from a file whose numbers lie in their first authors' order: (W, H, in, out), (in, out).

    facenet-pytorch has them transposed, not moved; a file written from that memory has its shapes and this order.
    Networks with weights in the wrong order see faces everywhere.
    """
    return {
        name: w if w.ndim < 2 else w.reshape(w.shape[::-1]).permute(*range(w.ndim)[::-1]).contiguous()
        for name, w in state.items()
    }


class PNet(nn.Module):
    """Proposes windows: images (N, 3, H, W), H and W >= 12 -> boxes (N, 4, h, w), probabilities (N, 2, h, w).

    The cell (i, j) looks at the 12 x 12 pixels from (2 i, 2 j); probabilities are of no face and of a face.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, kernel_size=3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, kernel_size=3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, kernel_size=3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, kernel_size=1)
        self.conv4_2 = nn.Conv2d(32, 4, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return self.conv4_2(x), self.conv4_1(x).softmax(1)


def _columns_first(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, W * H * C): the order of the published weights of the linear layers."""
    return x.permute(0, 3, 2, 1).flatten(1)


class RNet(nn.Module):
    """Refines windows (N, 3, 24, 24) -> boxes (N, 4), probabilities (N, 2) of no face and of a face."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, kernel_size=3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, kernel_size=3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, kernel_size=2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_columns_first(x)))
        return self.dense5_2(x), self.dense5_1(x).softmax(1)


class ONet(nn.Module):
    """Decides on windows (N, 3, 48, 48) -> boxes (N, 4), points (N, 10), probabilities (N, 2) of no face and of a face.

    points: x of the eyes, the nose and the corners of the mouth, then their y, in units of the window's size
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, kernel_size=3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, kernel_size=2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_columns_first(x)))
        return self.dense6_2(x), self.dense6_3(x), self.dense6_1(x).softmax(1)
