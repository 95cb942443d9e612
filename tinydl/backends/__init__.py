"""How float32 is multiplied on a GPU, under PyTorch's names.

    tinydl.set_float32_matmul_precision("high")          matrix products: TF32, with 10 bits, on tensor cores
    tinydl.backends.cuda.matmul.allow_tf32 = True        the same
    tinydl.backends.cudnn.allow_tf32 = False             convolutions and recurrent layers: as accurate as float32 is

As in PyTorch, matrix products are exact to float32 and the others TF32 unless told otherwise.  The CPU knows no TF32.
"""

from __future__ import annotations

from ..kernels.gpu.precision import get_precision, set_precision

__all__ = ["get_float32_matmul_precision", "set_float32_matmul_precision"]

_MODES = {"highest": "ieee", "high": "tf32", "medium": "tf32"}


def set_float32_matmul_precision(precision: str) -> None:
    """Multiply float32 matrices on the GPU as accurately as float32 is ("highest"), or as TF32 ("high").

    "medium" is taken as "high": tinydl rounds float32 to nothing coarser than TF32.  ValueError for another word.
    """
    if precision not in _MODES:
        raise ValueError(
            f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}"
        )  # fmt: skip
    set_precision("matmul", _MODES[precision])


def get_float32_matmul_precision() -> str:
    """ "highest" or "high"."""
    return "highest" if get_precision("matmul") == "ieee" else "high"


def __getattr__(name):
    from importlib import import_module

    if name in ("cuda", "cudnn"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'tinydl.backends' has no attribute '{name}'")
