"""LeNet-5.  Source: LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


class LeNet(nn.Module):
    """Two rounds of convolution, ReLU and max pooling, then three linear layers: (N, C, S, S) -> (N, classes).

    image_size   S: 28 for MNIST, 8 for scikit-learn's digits; images under 16 get 3x3 kernels for the 5x5
    in_channels  C, 1 for grey images
    channels     of the two convolutions; the original's are (6, 16)
    """

    def __init__(
        self,
        image_size: int = 28,
        in_channels: int = 1,
        num_classes: int = 10,
        channels: tuple[int, int] = (6, 16),
    ):
        super().__init__()
        size = 5 if image_size >= 16 else 3
        first, second = channels
        side = image_size // 2 - (4 if size == 5 else 0)
        if side < 2:
            raise ValueError(f"LeNet: image_size must be at least 4, got {image_size}")
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first, size, padding=size // 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, size, padding=0 if size == 5 else 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(second * (side // 2) ** 2, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
