"""Jacobians, Hessians, and their products with vectors, of functions of tensors.

Source: for `jvp` by two backward passes, J. Townsend 2017, "A new trick for calculating Jacobian
vector products".
"""

from __future__ import annotations

from ..tensor import Tensor
from . import grad
from .mode import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def vjp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """func(*inputs), and v times its Jacobian.  v: as the outputs; may be left out for a scalar."""
    with enable_grad():
        xs, one_input = _inputs("vjp", inputs, create_graph)
        ys, one_output = _outputs("vjp", func(*xs), strict)
        v = _vector("vjp", v, ys, "outputs")
        products = _grad(ys, xs, v, create_graph, strict, "vjp")
    return _finish(ys, one_output, create_graph), _finish(products, one_input, create_graph)


def jvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """func(*inputs), and its Jacobian times v.

    v: as the inputs; may be left out for a single number.
    """
    with enable_grad():
        xs, _ = _inputs("jvp", inputs, create_graph)
        v = _vector("jvp", v, xs, "inputs")
        ys, one_output = _outputs("jvp", func(*xs), strict)
        # the transposed product is linear in u: its own transposed product is J v
        us = [_zeros(y).requires_grad_() for y in ys]
        transposed = _grad(ys, xs, us, True, strict, "jvp")
        products = _grad(transposed, us, v, create_graph, strict, "jvp")
    return _finish(ys, one_output, create_graph), _finish(products, one_output, create_graph)


def hvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """func(*inputs), a scalar, and its Hessian times v.  v: as the inputs."""
    with enable_grad():
        xs, one_input = _inputs("hvp", inputs, create_graph)
        v = _vector("hvp", v, xs, "inputs")
        ys, one_output = _scalar("hvp", func(*xs), strict)
        us = [_zeros(x).requires_grad_() for x in xs]
        gradient = _grad(ys, xs, None, True, strict, "hvp")
        transposed = _grad(gradient, xs, us, True, strict, "hvp")
        products = _grad(transposed, us, v, create_graph, strict, "hvp")
    return _finish(ys, one_output, create_graph), _finish(products, one_input, create_graph)


def vhp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """func(*inputs), a scalar, and v times its Hessian, cheaper than `hvp`.  v: as the inputs."""
    with enable_grad():
        xs, one_input = _inputs("vhp", inputs, create_graph)
        v = _vector("vhp", v, xs, "inputs")
        ys, one_output = _scalar("vhp", func(*xs), strict)
        gradient = _grad(ys, xs, None, True, strict, "vhp")
        products = _grad(gradient, xs, v, create_graph, strict, "vhp")
    return _finish(ys, one_output, create_graph), _finish(products, one_input, create_graph)


def jacobian(func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode"):  # fmt: skip
    """All first derivatives of func(*inputs).

    For each output and input a tensor of the output's shape followed by the input's: a tensor where
    there is one of each, else a tuple over the inputs, over the outputs, or over the outputs of
    tuples over the inputs. strategy: 'reverse-mode' takes the elements of the outputs one by one,
    'forward-mode' those of the inputs, quicker where there are few. vectorize is accepted for
    PyTorch's sake.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"jacobian: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}")
    with enable_grad():
        xs, one_input = _inputs("jacobian", inputs, create_graph)
        ys, one_output = _outputs("jacobian", func(*xs), strict)
        if strategy == "forward-mode":
            found = _by_columns(ys, xs, create_graph, strict)
        else:
            found = [_by_rows(y, xs, create_graph, strict) for y in ys]
        blocks = tuple(_finish(block, one_input, create_graph) for block in found)
    return blocks[0] if one_output else blocks


def _by_rows(y, xs, create_graph, strict):
    """For each input the derivatives of all elements of y."""
    from ..ops.shape import stack

    rows = [_grad([y], xs, [pick], create_graph, strict, "jacobian", keep=True) for pick in _units(y)]
    if not rows:
        return [x.new_zeros((*y.shape, *x.shape)) for x in xs]
    return [stack(column).reshape(*y.shape, *x.shape) for column, x in zip(zip(*rows), xs)]


def _by_columns(ys, xs, create_graph, strict):
    """The same for each output: the derivatives by each element of the inputs, as in `jvp`."""
    from ..ops.shape import stack

    us = [_zeros(y).requires_grad_() for y in ys]
    transposed = _grad(ys, xs, us, True, strict, "jacobian")
    blocks = [[] for _ in ys]
    for x, t in zip(xs, transposed):
        columns = [_grad([t], us, [pick], create_graph, False, "jacobian", keep=True) for pick in _units(x)]
        for k, (block, y) in enumerate(zip(blocks, ys)):
            shape = (*y.shape, *x.shape)
            block.append(stack([c[k] for c in columns], -1).reshape(shape) if columns else x.new_zeros(shape))
    return blocks


def _units(x):
    """The unit vectors of x's space, one by one."""
    for i in range(x.numel()):
        unit = _zeros(x)
        unit.array.reshape(-1)[i] = 1
        yield unit


def hessian(func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode"):  # fmt: skip
    """All second derivatives of func(*inputs), a scalar: as the Jacobian of its gradient."""
    one_input = isinstance(inputs, Tensor)

    def gradient(*xs):
        ys, _ = _scalar("hessian", func(*xs), strict)
        found = _grad(ys, xs, None, True, strict, "hessian")
        return found[0] if one_input else tuple(found)

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


# ---------------------------------------------------------------- what they share
def _inputs(name, inputs, create_graph):
    """The inputs in a new place of the graph: tied to their own if create_graph, else free."""
    one = isinstance(inputs, Tensor)
    given = (inputs,) if one else tuple(inputs)
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: input {i} must be a tensor, got {type(x).__name__}")
    if create_graph:
        return [x.view(x.shape) if x.requires_grad else x.detach().requires_grad_() for x in given], one
    return [x.detach().requires_grad_() for x in given], one


def _outputs(name, ys, strict):
    one = isinstance(ys, Tensor)
    ys = list(ys) if isinstance(ys, (list, tuple)) else [ys]
    for i, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise TypeError(f"{name}: the function must return tensors; output {i} is a {type(y).__name__}")
        if strict and not y.requires_grad:
            raise RuntimeError(f"{name}: output {i} does not depend on the inputs, and strict=True forbids that")
    return ys, one


def _scalar(name, ys, strict):
    ys, one = _outputs(name, ys, strict)
    if len(ys) != 1 or ys[0].numel() != 1:
        shapes = [tuple(y.shape) for y in ys]
        raise RuntimeError(f"{name}: the function must return a scalar, got shapes {shapes}")
    return ys, one


def _vector(name, v, like, what):
    """v as a list of tensors of the same shapes as `like`."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{name}: v may be left out only where the {what} are a single number")
        return [_zeros(like[0]) + 1]
    v = [v] if isinstance(v, Tensor) else list(v)
    got, expected = [tuple(t.shape) for t in v], [tuple(t.shape) for t in like]
    if got != expected:
        raise RuntimeError(f"{name}: v has shapes {got}, the {what} {expected}")
    return v


def _grad(ys, xs, v, create_graph, strict, name, keep=None):
    """Gradients, zeros where there is no dependence."""
    v = [None] * len(ys) if v is None else v
    pairs = [(y, g) for y, g in zip(ys, v) if y.requires_grad]
    if pairs:
        ys, v = [y for y, _ in pairs], [g for _, g in pairs]
        found = grad(ys, xs, v, keep, create_graph, allow_unused=True)
    else:
        found = [None] * len(xs)
    for i, g in enumerate(found):
        if strict and g is None:
            raise RuntimeError(f"{name}: the outputs do not depend on input {i}, and strict=True forbids that")
    return [_zeros(x) if g is None else g for x, g in zip(xs, found)]


def _zeros(x):
    return x.new_zeros(x.shape)


def _finish(tensors, one, create_graph):
    done = tuple(t if create_graph else t.detach() for t in tensors)
    return done[0] if one else done
