"""Other shapes of the same elements: views, which share memory, and copies."""

from . import arrange, joining, parts, strided, views
from .arrange import *  # noqa: F403
from .joining import *  # noqa: F403
from .parts import *  # noqa: F403
from .strided import *  # noqa: F403
from .views import *  # noqa: F403

__all__ = arrange.__all__ + joining.__all__ + parts.__all__ + strided.__all__ + views.__all__
