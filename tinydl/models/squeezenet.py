"""SqueezeNet.  Source: Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016, SqueezeNet: AlexNet-level accuracy with
50x fewer parameters."""

from __future__ import annotations

from .. import nn
from ..ops.joining import cat
from ..tensor import Tensor


class Fire(nn.Module):
    """A squeeze to few channels, then 1x1 and 3x3 convolutions side by side.

    (N, inplanes, H, W) -> (N, expand1x1_planes + expand3x3_planes, H, W)
    """

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


# First convolution (channels, kernel), then fire modules (squeezed, half of the output); "M" is max pooling.
_LAYERS = {
    "1_0": (
        (96, 7), "M", (16, 64), (16, 64), (32, 128), "M",
        (32, 128), (48, 192), (48, 192), (64, 256), "M", (64, 256),
    ),
    "1_1": (
        (64, 3), "M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M",
        (48, 192), (48, 192), (64, 256), (64, 256),
    ),
}  # fmt: skip


class SqueezeNet(nn.Module):
    """Images (N, 3, H, W) -> scores (N, num_classes); 1.2 million parameters for ImageNet's 1,000 classes.

    version  "1_0", the paper's, or "1_1", as accurate with 2.4 times fewer operations
    dropout  probability before the last convolution
    The names of the parameters are torchvision's.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in _LAYERS:
            raise ValueError(f"SqueezeNet: version must be one of {', '.join(_LAYERS)}, got {version!r}")
        (channels, kernel), *rest = _LAYERS[version]
        layers = [nn.Conv2d(3, channels, kernel_size=kernel, stride=2), nn.ReLU()]
        for width in rest:
            if width == "M":
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                squeezed, half = width
                layers.append(Fire(channels, squeezed, half, half))
                channels = 2 * half
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Conv2d(channels, num_classes, kernel_size=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((1, 1)),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.classifier[1].weight, mean=0.0, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(**options) -> SqueezeNet:
    """SqueezeNet 1.0."""
    return SqueezeNet("1_0", **options)


def squeezenet1_1(**options) -> SqueezeNet:
    """SqueezeNet 1.1."""
    return SqueezeNet("1_1", **options)
