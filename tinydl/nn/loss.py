"""Losses and distances.  reduction: 'mean', 'sum', or 'none' for the loss of each sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY

from ..ops.losses import reduction_of
from ..tensor import Tensor
from .layer import Layer


class _Loss(Layer, function=""):
    """Losses take PyTorch's old size_average and reduce, which `reduction` has replaced."""

    _kept_back = ("size_average", "reduce")

    def __post_init__(self):
        if getattr(self, "size_average", None) is not None or getattr(self, "reduce", None) is not None:
            name = type(self).__name__
            self.reduction = reduction_of(name, self.reduction, self.size_average, self.reduce)
        for name in ("weight", "pos_weight"):  # state, though not trained
            if name in self.__dict__:
                self.register_buffer(name, self.__dict__.pop(name))


class _Plain(_Loss, function=""):
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class L1Loss(_Plain, function="l1_loss", shown=""):
    """|input - target|."""


class MSELoss(_Plain, function="mse_loss", shown=""):
    """(input - target) ** 2."""


class MBELoss(_Loss, function="mbe_loss", shown=""):
    """input - target: its mean is the bias of predictions."""

    reduction: str = "mean"


class SmoothL1Loss(_Plain, function="smooth_l1_loss", shown=""):
    """Square / (2 * beta) where |input - target| < beta, else |input - target| - beta / 2."""

    beta: float = 1.0


class HuberLoss(_Loss, function="huber_loss", shown=""):
    """Square / 2 where |input - target| < delta, else delta * (|input - target| - delta / 2)."""

    reduction: str = "mean"
    delta: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.delta, int | float):
            raise TypeError(f"HuberLoss: delta must be a number, got {type(self.delta).__name__}")


class KLDivLoss(_Plain, function="kl_div", shown=""):
    """target * (log target - input), input a log probability; log_target: target is one too.

    reduction 'batchmean', the mean over N alone, is what mathematics means by the divergence.
    """

    log_target: bool = False


class SoftMarginLoss(_Plain, function="soft_margin_loss", shown=""):
    """log(1 + exp(-target * input)), target 1 or -1."""


class MultiLabelMarginLoss(_Plain, function="multilabel_margin_loss", shown=""):
    """Hinges between each class of the target and each other.  (N, C) or (C,); see functional."""


class NLLLoss(_Loss, function="nll_loss", shown=""):
    """-input[n, target[n]] times the class's weight.  (N, C, *) log probabilities, (N, *)."""

    weight: Tensor | None = None
    size_average: bool | None = None
    ignore_index: int = -100
    reduce: bool | None = None
    reduction: str = "mean"


class CrossEntropyLoss(NLLLoss, function="cross_entropy", shown=""):
    """-log softmax of the target's class.  input (N, C, *), target (N, *) classes or (N, C, *)."""

    label_smoothing: float = 0.0


class BCELoss(_Loss, function="binary_cross_entropy", shown=""):
    """-target * log(input) - (1 - target) * log(1 - input).  input: probabilities."""

    weight: Tensor | None = None
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class BCEWithLogitsLoss(BCELoss, function="binary_cross_entropy_with_logits", shown=""):
    """BCELoss of sigmoid(input), without overflow.  pos_weight: of targets 1, for each class."""

    pos_weight: Tensor | None = None


class MultiLabelSoftMarginLoss(BCELoss, function="multilabel_soft_margin_loss", shown=""):
    """Mean over classes of the binary cross-entropy of sigmoid(input).  (N, C), (N, C)."""


class MultiMarginLoss(_Loss, function="multi_margin_loss", shown=""):
    """Mean over classes of max(0, margin - input[target] + input[class]) ** p.  (N, C), (N,)."""

    p: int = 1
    margin: float = 1.0
    weight: Tensor | None = None
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class PoissonNLLLoss(_Loss, function="poisson_nll_loss", shown=""):
    """exp(input) - target * input; log_input False: input - target * log(input).

    full: with Stirling's approximation of log(target!).
    """

    log_input: bool = True
    full: bool = False
    size_average: bool | None = None
    eps: float = 1e-8
    reduce: bool | None = None
    reduction: str = "mean"


class GaussianNLLLoss(_Loss, function="gaussian_nll_loss", shown=""):
    """(log var + (input - target) ** 2 / var) / 2.  Called with input, target, var."""

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6
    reduction: str = "mean"


class CTCLoss(_Loss, function="ctc_loss", shown=""):
    """-log probability of all alignments of the targets (Graves et al. 2006).

    Called with log_probs (T, N, C), targets (N, S) or all in a row, input_lengths, target_lengths.
    """

    blank: int = 0
    reduction: str = "mean"
    zero_infinity: bool = False


class _Margin(_Loss, function=""):
    margin: float = 0.0
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class MarginRankingLoss(_Margin, function="margin_ranking_loss", shown=""):
    """max(0, -target * (input1 - input2) + margin), target 1 or -1."""


class CosineEmbeddingLoss(_Margin, function="cosine_embedding_loss", shown=""):
    """1 - cos(input1, input2) for target 1, max(0, cos - margin) for -1.  (N, D), (N, D), (N,)."""


class HingeEmbeddingLoss(_Margin, function="hinge_embedding_loss", shown=""):
    """input for target 1, max(0, margin - input) for -1."""

    margin: float = 1.0


class ContrastiveLoss(_Loss, function="contrastive_loss", shown=""):
    """D^2 / 2 for target 1, max(0, margin - D)^2 / 2 for -1, D = |input1 - input2| (Hadsell et al. 2006)."""

    margin: float = 1.0
    reduction: str = "mean"


class TripletMarginLoss(_Loss, function="triplet_margin_loss", shown=""):
    """max(0, |anchor - positive| - |anchor - negative| + margin), in the p-norm.  (N, D) each.

    swap: the nearer of anchor and positive is what the negative is held against.
    """

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    size_average: bool | None = None
    reduce: bool | None = None
    reduction: str = "mean"


class TripletMarginWithDistanceLoss(_Loss, function="triplet_margin_with_distance_loss", shown=""):
    """As TripletMarginLoss, with a distance of one's own: distance_function(a, b) -> (N,)."""

    _: KW_ONLY
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None
    margin: float = 1.0
    swap: bool = False
    reduction: str = "mean"


class CosineSimilarity(Layer, function="cosine_similarity", shown=""):
    """<x1, x2> / (|x1| * |x2|) along `dim`.  Shapes that broadcast -> without `dim`."""

    dim: int = 1
    eps: float = 1e-8


class PairwiseDistance(Layer, function="pairwise_distance", shown=""):
    """|x1 - x2 + eps| in the p-norm along the last dimension.  (N, D), (N, D) -> (N,)."""

    p: float = 2.0
    eps: float = 1e-6
    keepdim: bool = False
