"""Operations element by element.  Operands broadcast, types follow PyTorch's promotion."""

from . import arithmetic, choice, functions
from .arithmetic import *  # noqa: F403
from .arithmetic import alias, cast, overwritten, to_device, trunc_divide  # noqa: F401
from .choice import *  # noqa: F403
from .choice import where_, zero  # noqa: F401
from .functions import *  # noqa: F403

__all__ = arithmetic.__all__ + choice.__all__ + functions.__all__
