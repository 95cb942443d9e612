"""The module: base of all layers and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from ..autograd import no_grad
from ..autograd.hooks import Handle
from ..dtype import is_floating
from ..ops.creation import as_tensor
from ..tensor import Tensor
from . import state
from .hooks import BackwardWatch, note_place
from .tree import Tree


class Module(Tree):
    """Base of all layers and networks.

    A subclass makes its parts in `__init__` (after `super().__init__()`) and computes in `forward`.
    Parameters and Modules assigned to attributes are registered under the attribute's name.
    """

    def __init__(self):
        super().__init__()
        self.training = True
        self._module_hooks = {}  # kind -> hooks of that kind

    def forward(self, *args, **kwargs):
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}: a module needs a method forward(self, ...)")

    def __call__(self, *args, **kwargs):
        try:
            if self._module_hooks:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            note_place(error, self)
            raise

    # ---- hooks
    def _add_hook(self, kind, hook, prepend=False, with_kwargs=False):
        hooks = self._module_hooks.setdefault(kind, [])
        entry = (hook, with_kwargs)
        hooks.insert(0 if prepend else len(hooks), entry)
        return Handle(hooks, entry)

    def _hooks_at(self, kind):
        return [hook for hook, _ in self._module_hooks.get(kind, ())]

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args)` before forward; what it returns (not None) replaces args.

        with_kwargs: `hook(module, args, kwargs)`, which may return (args, kwargs).
        """
        return self._add_hook("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args, output)` after forward; what it returns replaces output.

        with_kwargs: `hook(module, args, kwargs, output)`.
        """
        return self._add_hook("forward", hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` as gradients arrive at outputs; it may replace them."""
        return self._add_hook("backward_pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the inputs' gradients are known.

        Both are tuples; what the hook returns (not None) replaces grad_input.
        """
        return self._add_hook("backward", hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, prefix, keep_vars)` before the state is taken."""
        return self._add_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, state_dict, prefix, {})`, which may change state_dict in place."""
        return self._add_hook("state_dict", hook)

    def register_load_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, incompatible_keys)` after a state was loaded."""
        return self._add_hook("load", hook)

    def _call_with_hooks(self, args, kwargs):
        for hook, with_kwargs in tuple(self._module_hooks.get("forward_pre", ())):
            result = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if result is not None and with_kwargs:
                args, kwargs = result
            elif result is not None:
                args = result if isinstance(result, tuple) else (result,)
        before, after = self._hooks_at("backward_pre"), self._hooks_at("backward")
        if before or after:
            output = BackwardWatch(self, before, after).call(self.forward, args, kwargs)
        else:
            output = self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._module_hooks.get("forward", ())):
            given = (args, kwargs, output) if with_kwargs else (args, output)
            result = hook(self, *given)
            output = output if result is None else result
        return output

    # ---- modes
    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call `fn` on each submodule and then on this one, to initialise weights for example."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Set training (or evaluation) mode here and below: dropout, batch norm, ... differ."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Module:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Ask for gradients of all parameters, or (False) freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for p in self.parameters():
            clear_grad(p, set_to_none)

    # ---- type and place
    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Module:
        """Replace each parameter's values and gradient, and each buffer, by `fn` of them."""
        with no_grad():
            for p in self.parameters():
                values, grad = fn(p.data), None if p.grad is None else fn(p.grad)
                p.grad = None  # it must fit the values at all times
                p.data, p.grad = values, grad
            for module in self.modules():
                for name, buffer in module._buffers.items():
                    module._buffers[name] = None if buffer is None else fn(buffer)
        return self

    def to(self, *args, **kwargs) -> Module:
        """Parameters and buffers to a device, floating ones to a dtype; arguments as Tensor.to."""
        dtype = as_tensor(0.0).to(*args, **kwargs).dtype
        if not is_floating(dtype):
            raise TypeError(f"{type(self).__name__}.to: expected a floating dtype, got {dtype}")

        def convert(t):
            if t.is_floating_point():
                return t.to(*args, **kwargs)
            return t.to(t.new_zeros((), dtype="float32").to(*args, **kwargs).device)

        return self._apply(convert)

    def cpu(self) -> Module:
        """Parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self, device=None) -> Module:
        """Parameters and buffers to the GPU."""
        return self.to("cuda" if device is None else device)

    def type(self, dst_type) -> Module:
        """Parameters and buffers, integers too, to a dtype."""
        return self._apply(lambda t: t.to(dst_type))

    def float(self) -> Module:
        """Floating parameters and buffers to float32."""
        return self.to("float32")

    def double(self) -> Module:
        """Floating parameters and buffers to float64."""
        return self.to("float64")

    def half(self) -> Module:
        """Floating parameters and buffers to float16."""
        return self.to("float16")

    def bfloat16(self) -> Module:
        """Floating parameters and buffers to bfloat16."""
        return self.to("bfloat16")

    # ---- state
    def state_dict(
        self, *, destination: dict | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """path -> tensor of all parameters and persistent buffers; memory is shared.

        keep_vars: the parameters themselves instead of detached tensors.
        """
        modules = list(self.named_modules(remove_duplicate=False))
        for path, module in modules:
            for hook in module._hooks_at("state_dict_pre"):
                hook(module, prefix + (path and path + "."), keep_vars)
        found = {} if destination is None else destination
        found.update(state.take(self, prefix, keep_vars))
        for path, module in reversed(modules):
            for hook in module._hooks_at("state_dict"):
                hook(module, found, prefix + (path and path + "."), {})
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> state.IncompatibleKeys:
        """Copy the tensors of `state_dict` into the parameters and buffers of the same paths.

        strict: every name must occur on both sides.  assign: put the tensors themselves in place.
        RuntimeError, with nothing loaded, lists all that is missing, unexpected or misshapen.
        """
        found = state.load(self, state_dict, strict, assign)
        for module in self.modules():
            for hook in module._hooks_at("load"):
                hook(module, found)
        return found

    # ---- description
    def extra_repr(self) -> str:
        """What the description shows between the parentheses: the layer's constants."""
        return ""

    def __repr__(self):
        return self._describe_with(self._modules.items())

    def _describe_with(self, parts):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if lines and not parts and len(lines) == 1:
            return f"{type(self).__name__}({extra})"
        for name, part in parts:
            lines.append(f"({name}): " + repr(part).replace("\n", "\n  "))
        body = "".join(f"\n  {line}" for line in lines) + "\n" if lines else ""
        return f"{type(self).__name__}({body})"


@contextmanager
def evaluating(model):
    """Within it the model is in evaluation mode; then each of its modules is in its own mode again."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def clear_grad(p: Tensor, set_to_none: bool) -> None:
    """Forget the gradient of `p`, or make it a zero outside the graph."""
    if p.grad is not None:
        p.grad = None if set_to_none else p.new_zeros(p.shape)
