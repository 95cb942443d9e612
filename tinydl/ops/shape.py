"""Other shapes of the same elements: views that share memory, and copies that join, repeat and turn."""

from . import arrange, views
from .arrange import *  # noqa: F403
from .views import *  # noqa: F403

__all__ = arrange.__all__ + views.__all__
