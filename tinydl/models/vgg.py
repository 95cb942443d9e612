"""VGG.  Source: Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor

# The paper's configurations by their number of layers: 3x3 convolutions before each max pooling.
_BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def make_features(depth: int = 16, batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part: (N, 3, H, W) -> (N, 512, H / 32, W / 32)."""
    if depth not in _BLOCKS:
        raise ValueError(f"VGG: depth must be one of {', '.join(map(str, _BLOCKS))}, got {depth}")
    layers: list[nn.Module] = []
    channels = 3
    for blocks, width in zip(_BLOCKS[depth], (64, 128, 256, 512, 512)):
        for _ in range(blocks):
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Images (N, 3, H, W), H and W >= 32 -> scores (N, num_classes).  The names of the parameters are torchvision's."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        for layer in self.modules() if init_weights else ():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def vgg11(batch_norm: bool = False, **options) -> VGG:
    """VGG-11, configuration A: 133 million parameters."""
    return VGG(make_features(11, batch_norm), **options)


def vgg16(batch_norm: bool = False, **options) -> VGG:
    """VGG-16, configuration D: 138 million parameters."""
    return VGG(make_features(16, batch_norm), **options)
