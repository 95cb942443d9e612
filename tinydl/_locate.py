"""Makes `tinydl.kernels` importable where `kernels/` stands beside `tinydl/`, as in a git clone.

An installed tinydl has its kernels inside. A clone has them beside: never installed, imported
from its root although a wheel (or another clone) is installed too, or installed editable. The
kernels are then those of the same clone. The bare name `kernels` belongs to another project.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from os import path

_NAME = f"{__package__}.kernels"
_PACKAGE = path.dirname(path.abspath(__file__))
_BESIDE = path.join(path.dirname(_PACKAGE), "kernels")


class KernelFinder:
    """Finds the one package `tinydl.kernels` in the folder beside `tinydl/`."""

    @staticmethod
    def find_spec(name: str, path_=None, target=None) -> ModuleSpec | None:
        if name != _NAME:
            return None
        init = path.join(_BESIDE, "__init__.py")
        return spec_from_file_location(name, init, submodule_search_locations=[_BESIDE])


def _stands_beside() -> bool:
    # cpu/ tells our folder from a stranger's `kernels` in site-packages.
    inside = path.join(_PACKAGE, "kernels")
    return not path.isdir(inside) and path.isfile(path.join(_BESIDE, "cpu", "__init__.py"))


# First in line: an editable install of another clone offers its own kernels through a finder, too.
if _stands_beside():
    sys.meta_path.insert(0, KernelFinder)
