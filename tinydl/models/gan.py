"""Convolutional players of adversarial games.

Source: Radford, Metz, Chintala 2016, Unsupervised representation learning with deep convolutional generative
adversarial networks; conditions by Mirza and Osindero 2014, Conditional generative adversarial nets.
"""

from __future__ import annotations

from .. import nn
from ..nn import functional as F
from ..ops.joining import cat
from ..tensor import Tensor

LARGEST_START = 7  # the side of a generator's first feature map is 4 to 7: 4 for 8, 16, 32, 64; 7 for 28


class DCGANGenerator(nn.Module):
    """z becomes a small map of many channels, then a picture: each transposed convolution doubles the side.

    (N, latent) -> (N, channels, S, S) in [-1, 1]; with num_classes, the labels (N,) come too.

    image_size   S = s 2^k with 4 <= s <= 7 and k >= 1: 8, 16, 28, 32, 64 ...
    latent       numbers in z; z of (N, latent, 1, 1), as in PyTorch's scripts, is taken also
    channels     of the picture
    width        channels before the last layer; twice as many before the layer before, and so on
    num_classes  K: a label's one-hot vector is joined to z; 0 for a game without labels
    Convolutions begin as N(0, 0.02^2), batch norms as N(1, 0.02^2).  ValueError for other sizes.
    """

    def __init__(
        self, image_size: int = 32, latent: int = 100, channels: int = 1, width: int = 64, num_classes: int = 0
    ):
        super().__init__()
        start, doublings = _sides("DCGANGenerator", image_size)
        self.latent, self.num_classes = latent, num_classes
        widths = [width * 2**i for i in reversed(range(doublings))]
        layers = [nn.ConvTranspose2d(latent + num_classes, widths[0], start, bias=False), *_norm(widths[0], nn.ReLU())]
        for c, out in zip(widths, widths[1:]):
            layers += nn.ConvTranspose2d(c, out, 4, 2, 1, bias=False), *_norm(out, nn.ReLU())
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())
        self.apply(_initialize)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        z = z.flatten(1)
        if z.shape[1] != self.latent:
            raise ValueError(f"DCGANGenerator: expected z (N, {self.latent}), got {tuple(z.shape)}")
        code = _one_hot(self, label, z.dtype)
        return self.layers((z if code is None else cat([z, code], 1)).unflatten(1, (-1, 1, 1)))


class DCGANDiscriminator(nn.Module):
    """Convolutions of stride 2 in place of pooling, leaky ReLUs, no batch norm at the first layer.

    (N, channels, S, S) in [-1, 1] -> scores (N, 1) before any sigmoid; with num_classes, the labels (N,) come too.

    image_size, channels, width   as DCGANGenerator's
    num_classes  K: a label joins the picture as K planes, one of ones, the others of zeros
    codes        numbers that `recognise` reads in a picture (InfoGAN)
    dropout      probability by which features are dropped after each convolution: for few pictures
    norm         False leaves batch norm away, as a gradient penalty asks for
    """

    def __init__(
        self, image_size: int = 32, channels: int = 1, width: int = 64, num_classes: int = 0, codes: int = 0,
        dropout: float = 0.0, norm: bool = True,
    ):  # fmt: skip
        super().__init__()
        start, halvings = _sides("DCGANDiscriminator", image_size)
        self.num_classes = num_classes
        layers, c = [], channels + num_classes
        for i in range(halvings):
            out, normed = width * 2**i, norm and i > 0
            layers.append(nn.Conv2d(c, out, 4, 2, 1, bias=not normed))
            layers += _norm(out, nn.LeakyReLU(0.2)) if normed else [nn.LeakyReLU(0.2)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            c = out
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.score = nn.Linear(c * start**2, 1)
        if codes:
            self.code = nn.Sequential(nn.Linear(c * start**2, 128), nn.LeakyReLU(0.2), nn.Linear(128, codes))
        self.apply(_initialize)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        return self.score(self._see(x, label))

    def recognise(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """What InfoGAN's Q says of the code behind a picture: (N, channels, S, S) -> (N, codes)."""
        if not hasattr(self, "code"):
            raise RuntimeError("DCGANDiscriminator.recognise: there are no codes; build it with codes=...")
        return self.code(self._see(x, label))

    def _see(self, x, label):
        code = _one_hot(self, label, x.dtype)
        if code is not None:
            x = cat([x, code.unflatten(1, (-1, 1, 1)).expand(-1, -1, *x.shape[2:])], 1)
        return self.features(x)


def _sides(name: str, size: int) -> tuple[int, int]:
    """The side of the smallest map, and how often it is doubled to `size`."""
    side, doublings = size, 0
    while side > LARGEST_START and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if not (doublings and 4 <= side <= LARGEST_START):
        raise ValueError(f"{name}: image_size must be 4, 5, 6 or 7 times a power of 2 (8, 16, 28, 32 ...), got {size}")
    return side, doublings


def _norm(channels: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), activation]


def _one_hot(model, label: Tensor | None, dtype) -> Tensor | None:
    name, K = type(model).__name__, model.num_classes
    if (label is not None) != bool(K):
        raise ValueError(
            f"{name}: it was built for {K} classes; labels {'must be given' if K else 'mean nothing here'}"
        )
    return F.one_hot(label, K).to(dtype) if K else None


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, mean=1.0, std=0.02)
        nn.init.zeros_(layer.bias)
