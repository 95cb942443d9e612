"""Dropout: in training, elements or whole channels are set to zero at random."""

from __future__ import annotations

from .layer import Layer


class _Dropout(Layer, function=""):
    p: float = 0.5
    inplace: bool = False

    def __post_init__(self):
        if not 0 <= self.p <= 1:
            raise ValueError(f"{type(self).__name__}: p must lie between 0 and 1, got {self.p}")
        super().__post_init__()


class Dropout(_Dropout, function="dropout", by_mode=True):
    """Elements are zero with probability p, the others 1 / (1 - p) times as large.  Any shape.

    (Srivastava et al. 2014)
    """


class Dropout1d(_Dropout, function="dropout1d", by_mode=True):
    """As Dropout, for whole channels.  (N, C, W) or (C, W) -> same shape."""


class Dropout2d(_Dropout, function="dropout2d", by_mode=True):
    """As Dropout, for whole channels.  (N, C, H, W) -> same shape.  (Tompson et al. 2015)"""


class Dropout3d(_Dropout, function="dropout3d", by_mode=True):
    """As Dropout, for whole channels.  (N, C, D, H, W) or (C, D, H, W) -> same shape."""


class AlphaDropout(_Dropout, function="alpha_dropout", by_mode=True):
    """Dropout for SELU: keeps mean and variance.  Any shape.  (Klambauer et al. 2017)"""


class FeatureAlphaDropout(_Dropout, function="feature_alpha_dropout", by_mode=True):
    """As AlphaDropout, for whole channels.  (N, C, *) -> same shape."""
