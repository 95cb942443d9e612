"""Einstein summation, as a sequence of diagonals, sums and matrix products of two operands at a
time.

Being made of differentiable operations it needs no rule of its own.  Inside, an operand is a pair
(tensor, labels): one label for each dimension, a letter or number, or (Ellipsis, i) for the
dimension i from the right of "...".
"""

from __future__ import annotations

import itertools
import math

from ..autograd.autocast import listed
from ..tensor import Tensor


@listed
def einsum(*args) -> Tensor:
    """Sums of products as an equation says: einsum("bij,bjk->bik", x, y), or with lists: einsum(x,
    [0, 1], [1]).

    A repeated label takes a diagonal; a label that the right side lacks is summed over; without
    "->" the labels that occur once come out, in alphabetical order, after those of "...".
    Dimensions of size 1 broadcast.
    """
    tensors, inputs, output = _parse(*args)
    terms = [(t, _spell_out(i, t, labels)) for i, (t, labels) in enumerate(zip(tensors, inputs))]
    dots = sorted({n for _, labels in terms for n in labels if isinstance(n, tuple)}, key=lambda n: -n[1])
    output = _output(terms, output, dots)
    terms = _broadcast([_diagonal(*term) for term in terms])
    terms = [_sum_lone(i, terms, output) for i in range(len(terms))]
    while len(terms) > 1:
        i, j = _cheapest_pair(terms, output)
        b, a = terms.pop(j), terms.pop(i)
        kept = {n for _, labels in terms for n in labels} | set(output)
        terms.append(_contract(*a, *b, kept))
    return _arrange(*terms[0], output)


# ---------------------------------------------------------------- reading the equation
def _parse(*args):
    """Tensors, the labels of each, and those of the output or None."""
    if not args:
        raise ValueError("einsum: expected an equation and tensors")
    if isinstance(args[0], str):
        equation, tensors = args[0].replace(" ", ""), args[1:]
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
            tensors = tensors[0]
        left, arrow, right = equation.partition("->")
        inputs = [_letters(part) for part in left.split(",")]
        output = _letters(right) if arrow else None
    else:
        tensors, inputs = args[: len(args) // 2 * 2 : 2], [_numbers(n) for n in args[1::2]]
        output = _numbers(args[-1]) if len(args) % 2 else None
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"einsum: operands must be tensors, got {type(t).__name__}")
    if len(inputs) != len(tensors) or not tensors:
        raise RuntimeError(f"einsum: labels for {len(inputs)} operands, but {len(tensors)} tensors")
    if len({t.dtype for t in tensors}) > 1:
        got = ", ".join(str(t.dtype) for t in tensors)
        raise RuntimeError(f"einsum: expected tensors of one dtype, got {got}; convert with .to(dtype)")
    return list(tensors), inputs, output


def _letters(part):
    before, dots, after = part.partition("...")
    labels = [*before, *([Ellipsis] if dots else []), *after]
    for n in labels:
        if n is not Ellipsis and not (n.isascii() and n.isalpha()):
            raise RuntimeError(f"einsum: labels are letters, and '...' once an operand; got {n!r} in {part!r}")
    return labels


def _numbers(given):
    labels = list(given)
    if labels.count(Ellipsis) > 1 or any(n is not Ellipsis and not 0 <= n < 52 for n in labels):
        raise RuntimeError(f"einsum: labels are numbers from 0 to 51, and ... once an operand; got {labels}")
    return labels


def _spell_out(i, t, labels):
    """`labels` with the ellipsis replaced by labels of the dimensions that it stands for."""
    named = len(labels) - (Ellipsis in labels)
    extra = t.ndim - named
    if extra < 0 or (extra and Ellipsis not in labels):
        raise RuntimeError(f"einsum: operand {i} of shape {tuple(t.shape)} has {t.ndim} dimensions, but {named} labels")
    if Ellipsis not in labels:
        return labels
    at = labels.index(Ellipsis)
    return [*labels[:at], *[(Ellipsis, k) for k in range(extra - 1, -1, -1)], *labels[at + 1 :]]


def _output(terms, output, dots):
    """The labels of the output in order."""
    everything = [n for _, labels in terms for n in labels]
    if output is None:
        once = [n for n in everything if everything.count(n) == 1 and n not in dots]
        return [*dots, *sorted(once)]
    spelled = [n for label in output for n in (dots if label is Ellipsis else [label])]
    for n in spelled:
        if n not in everything or spelled.count(n) > 1:
            why = "occurs twice" if n in everything else "occurs in no operand"
            raise RuntimeError(f"einsum: label {n!r} of the output {why}")
    return spelled


# ---------------------------------------------------------------- operands one by one
def _diagonal(t, labels):
    """Each repeated label becomes one dimension, the diagonal."""
    for n in dict.fromkeys(labels):
        while labels.count(n) > 1:
            a = labels.index(n)
            b = labels.index(n, a + 1)
            if t.shape[a] != t.shape[b]:
                raise RuntimeError(f"einsum: label {n!r} is repeated, but has sizes {t.shape[a]} and {t.shape[b]}")
            t = t.diagonal(0, a, b)
            labels = [m for k, m in enumerate(labels) if k not in (a, b)] + [n]
    return t, labels


def _broadcast(terms):
    """Sizes are checked; a dimension of size 1 where another operand has more is dropped."""
    sizes = {}
    for t, labels in terms:
        for n, size in zip(labels, t.shape):
            known = sizes.setdefault(n, size)
            if known == 1:
                sizes[n] = size
            elif size not in (1, known):
                raise RuntimeError(f"einsum: label {n!r} has sizes {known} and {size}, which do not broadcast")
    return [
        (
            t.reshape([s for n, s in zip(labels, t.shape) if s == sizes[n]]),
            [n for n, s in zip(labels, t.shape) if s == sizes[n]],
        )
        for t, labels in terms
    ]


def _sum_lone(i, terms, output):
    """Sum over the labels that only this operand has."""
    t, labels = terms[i]
    others = {n for k, (_, found) in enumerate(terms) if k != i for n in found} | set(output)
    lone = [d for d, n in enumerate(labels) if n not in others]
    return (t.sum(lone, dtype=t.dtype), [n for n in labels if n in others]) if lone else (t, labels)


def _arrange(t, labels, order):
    dims = [labels.index(n) for n in order]
    return t if dims == list(range(len(dims))) else t.permute(dims)


# ---------------------------------------------------------------- operands two by two
def _cheapest_pair(terms, output):
    """The two operands whose product is smallest."""

    def size(pair):
        i, j = pair
        kept = {n for k, (_, labels) in enumerate(terms) if k not in pair for n in labels} | set(output)
        (a, a_labels), (b, b_labels) = terms[i], terms[j]
        sizes = dict(zip(a_labels, a.shape)) | dict(zip(b_labels, b.shape))
        return math.prod(s for n, s in sizes.items() if n in kept)

    return min(itertools.combinations(range(len(terms)), 2), key=size)


def _contract(a, a_labels, b, b_labels, kept):
    """The product of two operands, summed over the labels that both have and nobody else wants."""
    batch = [n for n in a_labels if n in b_labels and n in kept]
    summed = [n for n in a_labels if n in b_labels and n not in kept]
    rows = [n for n in a_labels if n not in b_labels]
    columns = [n for n in b_labels if n not in a_labels]
    sizes = dict(zip(b_labels, b.shape)) | dict(zip(a_labels, a.shape))

    def shaped(t, labels, *groups):
        """t with one dimension for each group of labels, in their order."""
        t = _arrange(t, labels, [n for group in groups for n in group if n in labels])
        return t.reshape([math.prod(sizes[n] for n in group if n in labels) for group in groups])

    labels = [*batch, *rows, *columns]
    if summed:
        lead = [batch] if batch else []
        product = shaped(a, a_labels, *lead, rows, summed) @ shaped(b, b_labels, *lead, summed, columns)
    else:
        product = shaped(a, a_labels, batch, rows, columns) * shaped(b, b_labels, batch, rows, columns)
    return product.reshape([sizes[n] for n in labels]), labels
