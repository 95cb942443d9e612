"""Distances and angles between vectors, and the losses that compare pairs and triplets of them."""

from __future__ import annotations

from ..autograd.autocast import listed
from ..tensor import Tensor
from .creation import triu_indices
from .elementwise import clamp_min, minimum, rsqrt, sqrt, where
from .losses import reduced, reduction_of


@listed
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between x1 and x2 over `dim`; lengths are taken as at least eps."""
    for x in (x1, x2):
        if not x.is_floating_point():
            raise RuntimeError(f"cosine_similarity: expected floating tensors, got {x.dtype}")
    unit1, unit2 = (x / clamp_min(x.norm(2, dim, keepdim=True), eps) for x in _broadcast(x1, x2))
    return (unit1 * unit2).sum(dim)


def _broadcast(x1, x2):
    from .shape import broadcast_tensors

    return broadcast_tensors(x1, x2)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension.  x1, x2: (*, D) -> (*)."""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@listed
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows, (N, D) -> (N (N - 1) / 2,): cdist's above its diagonal."""
    if input.ndim != 2 or p < 0 or not input.is_floating_point():
        raise RuntimeError(
            f"pdist: expected floating (N, D) and p >= 0, got {input.dtype} {tuple(input.shape)} and p={p}"
        )
    i, j = triu_indices(len(input), len(input), 1, device=input.device)
    return (input[i] - input[j]).norm(p, 1)


# ---------------------------------------------------------------- pairs
def _same_ndim(name, **tensors):
    if len({t.ndim for t in tensors.values()}) > 1:
        got = ", ".join(f"{n} {tuple(t.shape)}" for n, t in tensors.items())
        raise RuntimeError(f"{name}: expected equal numbers of dimensions, got {got}")


@listed
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - target (input1 - input2)); target 1: input1 should rank higher, -1: lower."""
    name = "margin_ranking_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_ndim(name, input1=input1, input2=input2, target=target)
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), reduction)


@listed
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input, a distance, where target is 1 (alike); max(0, margin - input) where it is -1."""
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    apart = where(target != 1, clamp_min(margin - input, 0), 0)
    return reduced(apart + where(target != -1, input, 0), reduction)


@listed
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1; max(0, cos - margin) where it is -1.

    input1, input2: (N, D), target: (N,); or (D,), (D,), ().
    """
    name = "cosine_embedding_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    shapes = f"{tuple(input1.shape)}, {tuple(input2.shape)}, {tuple(target.shape)}"
    if target.ndim > 1 or {input1.ndim, input2.ndim} != {target.ndim + 1}:
        raise RuntimeError(f"{name}: expected (N, D), (N, D), (N,) or (D,), (D,), (), got {shapes}")
    eps = 1e-12
    lengths = ((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)
    cosine = (input1 * input2).sum(-1) * rsqrt(lengths)
    alike = where(target == 1, 1 - cosine, 0)
    return reduced(alike + where(target == -1, clamp_min(cosine - margin, 0), 0), reduction)


def contrastive_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """D^2 / 2 where target is 1 (alike), max(0, margin - D)^2 / 2 where it is -1; D = |input1 - input2|.

    input1, input2: (N, D), target: (N,) (Hadsell, Chopra and LeCun 2006; Y = 0 and 1 there).
    """
    name = "contrastive_loss"
    reduction = reduction_of(name, reduction)
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    if input1.shape != input2.shape or target.shape != input1.shape[:-1]:
        raise ValueError(
            f"{name}: expected two inputs (N, D) and a target (N,), got {tuple(input1.shape)}, "
            f"{tuple(input2.shape)} and {tuple(target.shape)}"
        )
    d = input1 - input2
    squared = (d * d).sum(-1)
    apart = clamp_min(margin - sqrt(clamp_min(squared, 1e-24)), 0)  # the root has no derivative at 0
    return reduced(0.5 * where(target == 1, squared, apart * apart), reduction)


# ---------------------------------------------------------------- triplets
@listed
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the distance by p-norm.

    (N, D) each, or (D,).  swap: the negative's distance is that to the nearer of anchor and
    positive (Balntas 2016).
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction_of("triplet_margin_loss", reduction, size_average, reduce),
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function=None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """As `triplet_margin_loss`, by any distance: a function of two tensors."""
    name = "triplet_margin_loss"
    reduction = reduction_of(name, reduction)
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    _same_ndim(name, anchor=anchor, positive=positive, negative=negative)
    distance = distance_function or pairwise_distance
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + distance(anchor, positive) - far, 0), reduction)


__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]
