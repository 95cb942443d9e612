"""Tensors that a module trains."""

from __future__ import annotations

from ..device import of_array
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned to an attribute.

    data: a tensor (or array), whose memory it shares.  TypeError for anything else.
    """

    def __init__(self, data, requires_grad: bool = True):
        if not isinstance(data, Tensor):
            try:
                of_array(data)
            except TypeError:
                raise TypeError(
                    f"Parameter: expected a tensor, got {type(data).__name__}; make one by tinydl.tensor(...)"
                ) from None
        super().__init__(data, requires_grad)
