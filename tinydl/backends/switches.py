"""Switches that look like attributes, one state under several names."""

from __future__ import annotations

from ..kernels.gpu.precision import get_precision, set_precision


class Precision:
    """The mode in which some operations multiply float32: `fp32_precision` ("ieee" or "tf32"), or `allow_tf32`."""

    __slots__ = ("_operations",)

    def __init__(self, *operations: str):
        self._operations = operations  # as in kernels/gpu/precision.py

    @property
    def fp32_precision(self) -> str:
        """ "ieee" or "tf32"; "none" where the operations differ."""
        modes = {get_precision(operation) for operation in self._operations}
        return modes.pop() if len(modes) == 1 else "none"

    @fp32_precision.setter
    def fp32_precision(self, mode: str):
        for operation in self._operations:
            set_precision(operation, mode)

    @property
    def allow_tf32(self) -> bool:
        """Whether TF32 may be used, in any of the operations."""
        return any(get_precision(operation) == "tf32" for operation in self._operations)

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool):
        if not isinstance(allowed, bool):
            raise TypeError(f"allow_tf32: expected a bool, got {allowed!r}")
        self.fp32_precision = "tf32" if allowed else "ieee"
