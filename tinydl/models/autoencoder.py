"""Autoencoders: an encoder into a code, and a decoder that makes the input of it again.

Sources: Hinton and Salakhutdinov 2006, Reducing the dimensionality of data with neural networks; Masci et al. 2011,
Stacked convolutional auto-encoders; Vincent et al. 2010, Stacked denoising autoencoders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor


def linear_layers(
    sizes: Sequence[int], between: Callable[[], nn.Module] | None, last: Callable[[], nn.Module] | None
) -> nn.Sequential:
    """Linear layers of these sizes with an activation between them and one at the end (None: none)."""
    layers: list[nn.Module] = []
    for i, (width, after) in enumerate(zip(sizes, sizes[1:])):
        activation = last if i == len(sizes) - 2 else between
        layers += [nn.Linear(width, after), *([activation()] if activation else [])]
    return nn.Sequential(*layers)


def check_sizes(model: str, sizes: Sequence[int]) -> None:
    """ValueError unless there are an input's size and a code's."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"{model}: expected at least two sizes, of the input and of the code, got {sizes}")


class Autoencoder(nn.Module):
    """Linear layers down to a code and up again: (N, ...) -> code (N, H) -> scores (N, V).

    sizes       V numbers in an input, the widths of hidden layers, H; the decoder has them in reverse
    activation  between layers: a class as nn.ReLU, or None
    code        that of the code
    Scores are the reconstruction, or what a sigmoid makes it of, as the loss has it (train.Reconstruct).
    """

    def __init__(
        self, *sizes: int, activation: Callable[[], nn.Module] | None = nn.ReLU,
        code: Callable[[], nn.Module] | None = None,
    ):  # fmt: skip
        super().__init__()
        check_sizes("Autoencoder", sizes)
        self.encoder = linear_layers(sizes, activation, code)
        self.decoder = linear_layers(sizes[::-1], activation, None)

    def encode(self, x: Tensor) -> Tensor:
        """The code, (N, ...) -> (N, H)."""
        return self.encoder(x.flatten(1))

    def decode(self, h: Tensor) -> Tensor:
        """Scores of a code, (N, H) -> (N, V)."""
        return self.decoder(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class StackedAutoencoder(nn.Module):
    """Autoencoders of one sigmoid layer, each of the code of the one below: (N, ...) -> scores (N, V).

    sizes  V, then the size of each layer's code
    How its `layers` are trained one after another, see train.greedy_autoencoder; then it may be trained as one.
    """

    def __init__(self, *sizes: int):
        super().__init__()
        check_sizes("StackedAutoencoder", sizes)
        self.layers = nn.ModuleList(Autoencoder(*pair, code=nn.Sigmoid) for pair in zip(sizes, sizes[1:]))

    def encode(self, x: Tensor, layers: int | None = None) -> Tensor:
        """The code of the first `layers` layers (all): (N, ...) -> (N, H)."""
        for layer in self.layers[:layers]:
            x = layer.encode(x)
        return x

    def decode(self, h: Tensor) -> Tensor:
        """Scores of a code, (N, H) -> (N, V)."""
        for layer in reversed(self.layers[1:]):
            h = layer.decode(h).sigmoid()
        return self.layers[0].decode(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def to_network(self, classes: int) -> nn.Sequential:
        """A classifier that begins with copies of the encoders, then a new Linear: (N, ...) -> scores (N, classes)."""
        encoders = [deepcopy(part) for layer in self.layers for part in layer.encoder]
        top = self.layers[-1].encoder[0]
        last = nn.Linear(top.out_features, classes, device=top.weight.device, dtype=top.weight.dtype)
        return nn.Sequential(nn.Flatten(), *encoders, last)


class ConvAutoencoder(nn.Module):
    """Convolution, ReLU and max pooling down; unpooling to where the maxima were, and convolution, up again.

    (N, C, H, W) -> scores (N, C, H, W)
    in_channels  C
    channels     of each convolution on the way down; every one halves H and W (rounded down)
    kernel_size  of all of them, odd
    """

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = (16, 8), kernel_size: int = 3):
        super().__init__()
        if not channels or kernel_size % 2 == 0:
            raise ValueError(
                f"ConvAutoencoder: expected channels of at least one layer and an odd kernel_size, "
                f"got {tuple(channels)} and {kernel_size}"
            )
        pairs = list(zip([in_channels, *channels], channels))
        half = kernel_size // 2
        self.encoder = nn.ModuleList(nn.Conv2d(a, b, kernel_size, padding=half) for a, b in pairs)
        self.decoder = nn.ModuleList(nn.Conv2d(b, a, kernel_size, padding=half) for a, b in reversed(pairs))

    def encode(self, x: Tensor) -> tuple[Tensor, list]:
        """The code (N, C', H', W'), and for each pooling where its maxima were found and how large its input was."""
        places = []
        for conv in self.encoder:
            x = conv(x).relu()
            size = x.shape[2:]
            x, indices = F.max_pool2d(x, 2, return_indices=True)
            places.append((indices, size))
        return x, places

    def decode(self, h: Tensor, places: list) -> Tensor:
        """Scores of a code whose numbers go to the places that `encode` gave."""
        for conv, (indices, size) in zip(self.decoder, reversed(places)):
            h = conv(F.max_unpool2d(h, indices, 2, output_size=size))
            h = h if conv is self.decoder[-1] else h.relu()
        return h

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(*self.encode(x))
