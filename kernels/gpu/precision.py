"""How float32 is multiplied on tensor cores: 'ieee', as accurate as float32 itself, or 'tf32', with 10 bits, faster.

As in PyTorch, matrix products are 'ieee' and convolutions and recurrent layers 'tf32' unless told otherwise.
"""

MODES = ("ieee", "tf32")
_now = {"matmul": "ieee", "conv": "tf32", "rnn": "tf32"}


def get_precision(what: str) -> str:
    """The mode of "matmul", "conv" or "rnn"."""
    return _now[what]


def set_precision(what: str, mode: str) -> None:
    """Multiply float32 in this mode from now on.  ValueError for an unknown operation or mode."""
    if what not in _now or mode not in MODES:
        raise ValueError(
            f"set_precision: expected one of {', '.join(_now)} and one of {', '.join(MODES)}, got {what!r}, {mode!r}"
        )
    _now[what] = mode


def arithmetic(dtype, what: str) -> str | None:
    """The name in mma.cuh of what multiplies numbers of this type; None where nothing does."""
    if dtype == "float32":
        return {"ieee": "Ieee", "tf32": "Tf32"}[_now[what]]
    return {"float64": "Double", "float16": "Half", "bfloat16": "Brain"}.get(str(dtype))
