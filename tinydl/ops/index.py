"""Elements read and written by indices and masks."""

from . import gathering, selection
from .gathering import *  # noqa: F403
from .getitem import get_item, set_item  # noqa: F401
from .selection import *  # noqa: F403

__all__ = gathering.__all__ + selection.__all__
