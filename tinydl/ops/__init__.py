"""The operations, one family a file, and the table that gives Tensor its methods and operators."""

import warnings

from . import creation, elementwise, index, linalg, order, random, reduce, scan, shape

# log(0) is -inf and 0 / 0 NaN, as everywhere in this field: an answer, not an accident
warnings.filterwarnings("ignore", "(divide by zero|overflow|invalid value)", module="tinydl[.]")

__all__ = ["creation", "elementwise", "index", "linalg", "order", "random", "reduce", "scan", "shape"]
