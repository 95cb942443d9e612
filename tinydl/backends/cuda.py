"""How matrix products are computed on a GPU: `matmul.allow_tf32`, `matmul.fp32_precision`."""

from .switches import Precision

matmul = Precision("matmul")
