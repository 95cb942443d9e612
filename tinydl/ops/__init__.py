"""The operations, one family a file, and the table that gives Tensor its methods and operators."""

from . import creation, elementwise, index, linalg, order, random, reduce, scan, shape

__all__ = ["creation", "elementwise", "index", "linalg", "order", "random", "reduce", "scan", "shape"]
