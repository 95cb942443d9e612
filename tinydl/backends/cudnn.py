"""How convolutions and recurrent layers are computed on a GPU, under the names that PyTorch's users know them by.

`allow_tf32` and `fp32_precision` for both, `conv.fp32_precision` and `rnn.fp32_precision` for each.  There is no cuDNN
here: tinydl's own kernels give the same bits in every run, and nothing is tried out, whatever the other switches say.
"""

import sys
from types import ModuleType

from .switches import Precision

conv, rnn = Precision("conv"), Precision("rnn")
enabled, benchmark, deterministic = False, False, True  # may be set, without effect

_both = Precision("conv", "rnn")


def is_available() -> bool:
    """Whether cuDNN is used: never."""
    return False


def version() -> None:
    """The version of cuDNN, None."""


class _Switches(ModuleType):
    """The module itself, with switches among its attributes."""

    allow_tf32 = property(lambda self: _both.allow_tf32, lambda self, on: setattr(_both, "allow_tf32", on))
    fp32_precision = property(lambda self: _both.fp32_precision, lambda self, m: setattr(_both, "fp32_precision", m))


sys.modules[__name__].__class__ = _Switches
