"""Other names, so that imports written for PyTorch work: `tinydl.utils.data` is `tinydl.data`."""

import sys

from .. import data
from . import checkpoint

# One module under both names: a second copy would have classes of its own.
sys.modules.update(
    {
        f"{__name__}.{name.partition('.')[2]}": module
        for name, module in list(sys.modules.items())
        if name == data.__name__ or name.startswith(f"{data.__name__}.")
    }
)
