"""What other packages need in order to work on tensors: einops' backend."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

from .tensor import Tensor

_EINOPS = "einops._backends"


def register_einops(backends) -> type:
    """Teach einops our tensors; `backends` is its module of that name, which finds subclasses by itself."""
    import tinydl

    class TinydlBackend(backends.AbstractBackend):
        framework_name = "tinydl"

        def is_appropriate_type(self, tensor):
            return isinstance(tensor, Tensor)

        def from_numpy(self, x):
            return tinydl.from_numpy(x)

        def to_numpy(self, x):
            return x.detach().cpu().numpy()

        def arange(self, start, stop):
            return tinydl.arange(start, stop)

        def transpose(self, x, axes):
            return x.permute(axes)

        def reduce(self, x, operation, axes):
            if operation in ("min", "max"):
                return getattr(x, f"a{operation}")(tuple(axes))
            if operation in ("sum", "mean"):
                return getattr(x, operation)(tuple(axes))
            for axis in sorted(axes, reverse=True):
                x = getattr(x, operation)(axis)
            return x

        def stack_on_zeroth_dimension(self, tensors):
            return tinydl.stack(tensors)

        def add_axis(self, x, new_position):
            return x.unsqueeze(new_position)

        def tile(self, x, repeats):
            return x.repeat(*repeats)

        def concat(self, tensors, axis):
            return tinydl.cat(tensors, axis)

        def is_float_type(self, x):
            return x.is_floating_point()

        def einsum(self, pattern, *x):
            return tinydl.einsum(pattern, *x)

    return TinydlBackend


class _AfterEinops:
    """An import hook that lets einops know us when it is imported, however late, without importing it ourselves."""

    registered = None  # einops holds subclasses weakly

    def find_spec(self, name, path=None, target=None):
        if name != _EINOPS:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                self.registered = register_einops(module)

            spec.loader.exec_module = exec_module
        return spec


_hook = _AfterEinops()
if _EINOPS in sys.modules:
    _hook.registered = register_einops(sys.modules[_EINOPS])
else:
    sys.meta_path.insert(0, _hook)
