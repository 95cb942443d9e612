"""Elements read and written by indices and masks."""

from . import gathering, getitem, selection
from .gathering import *  # noqa: F403
from .getitem import *  # noqa: F403
from .selection import *  # noqa: F403

__all__ = ["index_put", *gathering.__all__, *selection.__all__]
