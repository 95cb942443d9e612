"""Functions made of functions and modules, under PyTorch's names: gradients, maps over samples, stateless calls.

Gradients of single samples, of shape (N, *shape of the parameter):

    def loss(params, x, t):
        return cross_entropy(functional_call(net, params, x.unsqueeze(0)), t.unsqueeze(0))

    grads = vmap(grad(loss), (None, 0, 0))(dict(net.named_parameters()), images, labels)

or, for this most usual case, `per_sample_grad(net, cross_entropy, images, labels)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

from . import autograd
from .autograd import enable_grad
from .dtype import is_floating
from .ops.shape import stack
from .tensor import Tensor

__all__ = ["functional_call", "grad", "grad_and_value", "per_sample_grad", "vmap"]


# ---------------------------------------------------------------- modules
def functional_call(
    module, parameter_and_buffer_dicts, args=None, kwargs: dict | None = None, *, tie_weights: bool = True,
    strict: bool = False,
) -> Any:  # fmt: skip
    """What `module` computes with given tensors in the place of its parameters and buffers.

    parameter_and_buffer_dicts: {path: tensor}, or several such.  args: a tuple, or the one argument.
    tie_weights: a tensor for one name of a shared parameter stands for all its names.
    strict: every parameter and buffer must be given.  A buffer that the module replaces is replaced
    in its dict.  RuntimeError for names that the module has not.
    """
    dicts = parameter_and_buffer_dicts
    dicts = [dicts] if isinstance(dicts, Mapping) else list(dicts)
    owner = {name: each for each in dicts for name in each}
    if len(owner) != sum(map(len, dicts)):
        raise ValueError("functional_call: a name occurs in more than one dict")
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, owner, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module, owner, tie_weights, strict) -> Iterator[None]:
    """Within, the tensors owner[path][path] are the module's; after, its own again."""
    slots = {
        f"{path}.{name}" if path else name: (m.__dict__[table], name)
        for path, m in module.named_modules(remove_duplicate=False)
        for table in ("_parameters", "_buffers")
        for name, x in m.__dict__[table].items()
        if x is not None
    }
    own = {path: table[name] for path, (table, name) in slots.items()}
    source = {path: path for path in owner}  # the name under which the tensor was given
    if tie_weights:
        given = {id(own[path]): path for path in owner if path in own}
        source = {path: given[id(x)] for path, x in own.items() if id(x) in given} | source
    unexpected, missing = sorted(owner.keys() - own.keys()), sorted(own.keys() - source.keys()) if strict else []
    if unexpected or missing:
        raise RuntimeError(
            f"functional_call: {type(module).__name__} has no {unexpected}"
            + (f"; missing, with strict=True, are {missing}" if missing else "")
        )
    try:
        for path, giver in source.items():
            table, name = slots[path]
            table[name] = owner[giver][giver]
        yield
    finally:
        for path in source:
            table, name = slots[path]
            if path in owner and owner[path][path] is not table[name]:
                owner[path][path] = table[name]
            table[name] = own[path]


# ---------------------------------------------------------------- gradients
def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of func, a scalar, with respect to the arguments `argnums`.

    These may be tensors, or tuples, lists and dicts of tensors; the gradient is built alike.
    has_aux: func returns (value, aux), its gradient (gradient, aux).  May be applied again.
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def gradient(*args, **kwargs):
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """As `grad`, the function that returns (gradient, what func returned)."""

    @wraps(func)
    def both(*args, **kwargs):
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        numbers = [_position("grad", n, len(args)) for n in numbers]
        with enable_grad():
            fresh = list(args)
            for n in numbers:
                fresh[n] = _build(args[n], map(_fresh, _leaves(args[n])))
            value = func(*fresh, **kwargs)
            y = value[0] if has_aux else value
            if not isinstance(y, Tensor) or y.numel() != 1:
                got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
                raise RuntimeError(f"grad: the function must return a scalar tensor, got {got}")
            wanted = [fresh[n] for n in numbers]
            xs = _leaves(wanted)
            if y.requires_grad:
                tied = _depends_on_others(y, xs)
                found = autograd.grad(y, xs, create_graph=tied, materialize_grads=True)
            else:
                tied, found = False, [x.new_zeros(x.shape) for x in xs]
        if not tied:
            value = _build(value, [t.detach() if isinstance(t, Tensor) else t for t in _leaves(value)])
        gradients = _build(wanted, found)
        return gradients[0] if isinstance(argnums, int) else tuple(gradients), value

    return both


def _position(name, n, count):
    if not -count <= n < count:
        raise RuntimeError(f"{name}: argnums names argument {n}, but there are {count} positional ones")
    return n % count


def _fresh(x):
    """The same values in a new place of the graph, tied to x where x has one."""
    if not isinstance(x, Tensor) or not is_floating(x.dtype):
        what = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"grad: can only differentiate with respect to floating tensors, got {what}")
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _depends_on_others(y, xs):
    """Whether y was computed from leaves other than xs: then its gradient, too, is a function of them."""
    known = {x.edge()[0] for x in xs}
    todo, seen = [y.edge()[0]], set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name == "leaf" and node not in known:
            return True
        todo += [edge[0] for edge in node.edges if edge is not None]
    return False


# ---------------------------------------------------------------- samples
def vmap(
    func: Callable, in_dims=0, out_dims=0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """The function that calls func for each slice of its arguments along `in_dims`, and stacks what it returns.

    in_dims: a dimension for each argument, or for each tensor in it; None for what all calls share.
    out_dims: where the new dimension comes in each output.  Calls run one after another: this saves
    writing, not time.  randomness and chunk_size are there for PyTorch's sake: each call draws anew.
    """

    @wraps(func)
    def mapped(*args, **kwargs):
        given = _leaves((args, kwargs))
        dims = _dims("in_dims", in_dims, args) + _dims("in_dims", 0, kwargs)
        sizes = {x.shape[d] for x, d in zip(given, dims) if d is not None}
        if len(sizes) != 1 or 0 in sizes:
            raise ValueError(f"vmap: the mapped dimensions must have one size, and not 0; they have {sorted(sizes)}")
        results = []
        for i in range(sizes.pop()):
            mine, named = _build((args, kwargs), [x if d is None else x.select(d, i) for x, d in zip(given, dims)])
            results.append(func(*mine, **named))
        columns = zip(*map(_leaves, results))
        outs = zip(columns, _dims("out_dims", out_dims, results[0]))
        return _build(results[0], [column[0] if d is None else stack(column, d) for column, d in outs])

    return mapped


def _dims(name, dims, tree):
    """The dimension of each leaf of `tree`: dims is one for all, or built like the tree down to some depth."""
    if dims is None or isinstance(dims, int):
        leaves = _leaves(tree)
        wrong = [type(x).__name__ for x in leaves if dims is not None and not isinstance(x, Tensor)]
        if wrong:
            raise TypeError(f"vmap: {name} names a dimension of a {wrong[0]}; a tensor is needed, or None for it")
        return [dims] * len(leaves)
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else None
    if parts is None or len(dims) != len(parts):
        raise ValueError(f"vmap: {name} {dims} is not built like what it describes")
    each = [dims[key] for key in tree] if isinstance(dims, dict) else dims
    return [d for its, part in zip(each, parts) for d in _dims(name, its, part)]


def per_sample_grad(module, loss_fn: Callable, inputs, *targets) -> dict[str, Tensor]:
    """The gradient of each sample's loss: {name of a parameter: (N, *its shape)}.

    loss_fn(module(x), *t) is called with batches of one sample, in the module's present mode: batch
    normalization in training sees that sample alone.  inputs, targets: (N, ...).  The module's
    buffers, and `grad` of its parameters, stay as they are.  Samples run one after another.
    """
    params = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    buffers = dict(module.named_buffers())

    def loss(params, x, *t):
        fresh = {name: b.clone() for name, b in buffers.items()}
        y = functional_call(module, [params, fresh], x.unsqueeze(0))
        return loss_fn(y, *(each.unsqueeze(0) for each in t))

    return vmap(grad(loss), (None, 0, *(0 for _ in targets)))(params, inputs, *targets)


# ---------------------------------------------------------------- tensors in tuples, lists and dicts
def _leaves(tree) -> list:
    if isinstance(tree, (list, tuple, dict)):
        return [x for part in (tree.values() if isinstance(tree, dict) else tree) for x in _leaves(part)]
    return [tree]


def _build(tree, leaves):
    """As `tree`, with these leaves."""
    return _filled(tree, iter(leaves))


def _filled(tree, leaves):
    if isinstance(tree, dict):
        return {key: _filled(part, leaves) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        parts = [_filled(part, leaves) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return next(leaves)
