"""Help for tests: gradients against finite differences, and comparison of tensors."""

from .close import assert_close
from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "assert_close", "gradcheck", "gradgradcheck"]
