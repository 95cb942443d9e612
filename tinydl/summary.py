"""A table of a network: its layers, the shapes they give, their parameters and multiplications."""

from __future__ import annotations

import math

from .autograd import no_grad
from .autograd.checkpoint import tensors_in
from .tensor import Tensor


class Summary:
    """What `summary` found: `rows` (path, layer, output shape, parameters, multiplications) and totals."""

    def __init__(self, rows, parameters, trainable):
        self.rows, self.parameters, self.trainable = rows, parameters, trainable
        self.multiplications = sum(row[4] for row in rows)

    def __str__(self):
        table = [("layer", "", "output", "parameters", "multiply-adds")]
        table += [
            (path, kind, str(shape), f"{count:,}", f"{work:,}" if work else "")
            for path, kind, shape, count, work in self.rows
        ]
        widths = [max(len(row[i]) for row in table) for i in range(5)]
        lines = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
            for row in table
        ]
        rule = "-" * max(map(len, lines))
        frozen = self.parameters - self.trainable
        lines = [lines[0], rule, *lines[1:], rule]
        lines.append(
            f"{self.parameters:,} parameters ({self.trainable:,} trainable, {frozen:,} not), "
            f"{4 * self.parameters / 2**20:.2f} MiB in float32; {self.multiplications:,} multiply-adds"
        )
        return "\n".join(lines)

    __repr__ = __str__


def summary(model, *inputs) -> Summary:
    """Run the model once, in evaluation mode and without gradients, and list its layers in the order they ran.

    inputs: tensors, or shapes (tuples) that zeros are made of.  The model is left as it was.
    """
    import tinydl

    from .nn.module import evaluating

    if not inputs:
        raise ValueError("summary: give an input or its shape, such as summary(model, (1, 1, 28, 28))")
    device = next((p.device for p in model.parameters()), None)
    inputs = [x if isinstance(x, Tensor) else tinydl.zeros(*x, device=device) for x in inputs]
    rows, handles, seen = [], [], set()

    def watch(path, layer):
        def hook(module, args, out):
            first = next(tensors_in(out), None)
            shape = tuple(first.shape) if first is not None else ()
            own = [p for p in module.parameters() if id(p) not in seen]
            seen.update(map(id, own))
            count = sum(p.numel() for p in own)
            rows.append((path or "(model)", type(module).__name__, shape, count, _work(module, shape)))

        handles.append(layer.register_forward_hook(hook))

    for path, layer in model.named_modules():
        if not list(layer.children()) or list(layer.parameters(recurse=False)):
            watch(path, layer)
    try:
        with evaluating(model), no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return Summary(rows, sum(p.numel() for p in parameters), trainable)


def _work(module, shape) -> int:
    """Multiply-adds of a layer with one weight that each output element is a sum over (linear, convolution)."""
    weight = getattr(module, "weight", None)
    if weight is None or weight.ndim < 2 or type(module).__name__.startswith("Embedding"):
        return 0
    per_output = math.prod(weight.shape[1:])
    if "Transpose" in type(module).__name__:  # each input element is spread over the kernel
        spatial = math.prod(module.stride)
        return math.prod(shape) * weight.shape[0] // module.groups * math.prod(weight.shape[2:]) // spatial
    return math.prod(shape) * per_output
