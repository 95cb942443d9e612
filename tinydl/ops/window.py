"""Windows that slide over images: their geometry, worked out and checked once for all that use them."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .creation import check_count


class Window(NamedTuple):
    """A window on n dimensions, as sizes of n ints each; `image` and `out` are the planes.

    `padding` is the width before the image; as much follows as the outputs need.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    image: tuple[int, ...]
    out: tuple[int, ...]

    def spans(self, d: int) -> list[range]:
        """For each output position along dimension d the input positions under the window."""
        step, reach = self.dilation[d], self.dilation[d] * self.size[d]
        first = (i * self.stride[d] - self.padding[d] for i in range(self.out[d]))
        return [range(i, i + reach, step) for i in first]

    def padded(self) -> list[tuple[int, int]]:
        """For each dimension, zeros before and after the image that the window reads."""
        return [
            (p, max(0, (o - 1) * s + r * (k - 1) + 1 - p - i))
            for k, s, p, r, i, o in zip(self.size, self.stride, self.padding, self.dilation, self.image, self.out)
        ]

    def countable(self, name: str) -> Window:
        """Itself.  RuntimeError where the padded image or the output has more pixels than memory can have."""
        check_count(name, tuple(n + sum(around) for n, around in zip(self.image, self.padded())))
        check_count(name, self.out)
        return self

    def reads(self):
        """For each tap its index in the window, and the slices of the padded image under it."""
        for flat in range(prod(self.size)):
            tap = []
            for k in reversed(self.size):
                flat, t = divmod(flat, k)
                tap.insert(0, t)
            yield (
                tuple(tap),
                tuple(
                    slice(t * r, t * r + (o - 1) * s + 1, s)
                    for t, r, s, o in zip(tap, self.dilation, self.stride, self.out)
                ),
            )


class Bins(NamedTuple):
    """Windows of adaptive pooling: the image is cut into `out` bins of nearly equal size, which
    overlap where they must.
    """

    image: tuple[int, ...]
    out: tuple[int, ...]

    def spans(self, d: int) -> list[range]:
        """For each output position along dimension d the input positions of its bin."""
        size, n = self.image[d], self.out[d]
        return [range(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def ints(name: str, what: str, value, n: int, least: int) -> tuple[int, ...]:
    """`value`, one int or n, as n ints that are at least `least`."""
    given = (value,) if hasattr(value, "__index__") else value
    if not isinstance(given, tuple | list) or not all(
        hasattr(v, "__index__") and not isinstance(v, bool) for v in given
    ):
        raise TypeError(f"{name}: {what} must be an int or {n} ints, got {value!r}")
    if len(given) not in (1, n):
        raise RuntimeError(f"{name}: {what} must be an int or {n} ints, got {len(given)}: {value}")
    full = tuple(v.__index__() for v in (given if len(given) == n else given * n))
    if min(full, default=least) < least:
        limit = "positive" if least == 1 else f"at least {least}"
        raise RuntimeError(f"{name}: {what} must be {limit}, got {value}")
    return full


def hashable(value):
    """`value`, a list as a tuple, so that a table can be looked up by it."""
    return tuple(value) if isinstance(value, list) else value


def check_input(name: str, input, n: int, empty_batch: bool = True) -> None:
    """An image of n dimensions, with channels before it and perhaps a batch before these."""
    letters = ("C, " + ", ".join("DHW"[3 - n :])) if n > 1 else "C, L"
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{name}: expected an input (N, {letters}) or ({letters}), got shape {tuple(input.shape)}")
    sizes = input.shape if input.ndim == n + 1 else input.shape[1:]
    if 0 in sizes:
        raise RuntimeError(f"{name}: only the batch may be empty, got an input of shape {tuple(input.shape)}")


def batched(input, n: int):
    """The input with a batch dimension, and what takes the output back to the input's form."""
    if input.ndim == n + 2:
        return input, lambda y: y
    return input.reshape(1, *input.shape), lambda y: y.reshape(*y.shape[1:])
