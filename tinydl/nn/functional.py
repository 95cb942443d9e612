"""Functions of neural networks, under PyTorch's names, with its argument names, order and defaults.

Letters of the shapes, here and everywhere:

    N  samples of a batch        C  channels, or classes          H W, D H W  height and width
    T  steps of a sequence       S  steps of a second sequence      of an image, with depth first
    D  features of a step        V  entries of a table            *  any number of dimensions
"""

from __future__ import annotations

from ..autograd.views import in_place
from ..ops import activation, elementwise
from ..ops.activation import (
    celu,
    chosen,
    elu,
    gelu,
    glu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    relu6,
    rrelu,
    selu,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from ..ops.attention import multi_head_attention_forward, scaled_dot_product_attention
from ..ops.classification import cross_entropy, multi_margin_loss, multilabel_margin_loss, nll_loss
from ..ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..ops.ctc import ctc_loss
from ..ops.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from ..ops.embedding import bilinear, embedding, embedding_bag, linear, one_hot
from ..ops.fold import fold, unfold
from ..ops.grid import affine_grid, grid_sample
from ..ops.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    elastic_net_penalty,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    l1_penalty,
    l2_penalty,
    mbe_loss,
    mse_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
)
from ..ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)
from ..ops.pad import pad
from ..ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from ..ops.resample import (
    channel_shuffle,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from ..ops.similarity import (
    contrastive_loss,
    cosine_embedding_loss,
    cosine_similarity,
    hinge_embedding_loss,
    margin_ranking_loss,
    pairwise_distance,
    pdist,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ..tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); its slope at 0 is 0.  Any shape -> same shape."""
    return chosen(activation.relu, input, inplace)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)).  Any shape -> same shape."""
    return elementwise.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent.  Any shape -> same shape."""
    return elementwise.tanh(input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, else weight * input.  input: (N, C, *), weight: (C,) or (1,)."""
    return activation.prelu(input, weight)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input where |input| > lambd, else 0.  Any shape -> same shape."""
    return activation.hardshrink(input, lambd)


def _usual_dim(dim, ndim):
    """Where no dimension is given, PyTorch's old choice: that of C in (C,), (N, C), (C, H, W)."""
    return dim if dim is not None else 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(input) / sum of exp(input) over `dim`.  Any shape -> same shape."""
    return activation.softmax(input, _usual_dim(dim, input.ndim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """log(softmax(input, dim)), without overflow.  Any shape -> same shape."""
    return activation.log_softmax(input, _usual_dim(dim, input.ndim), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-input, dim).  Any shape -> same shape."""
    return activation.softmax(-input, _usual_dim(dim, input.ndim), dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A random point of the simplex, near a corner for small tau (Jang 2016).  -> shape of logits.

    hard: one-hot values, with the gradient of the soft ones.  eps is not used, as in PyTorch.
    """
    noise = -elementwise.log(logits.detach().clone().exponential_())
    soft = activation.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    return (soft * 0).detach().scatter(dim, index, 1.0) - soft.detach() + soft


relu_ = in_place(activation.relu, "relu_")
threshold_, hardtanh_, elu_, selu_, celu_, leaky_relu_, rrelu_ = (
    in_place(f, f"{f.__name__}_") for f in (threshold, hardtanh, elu, selu, celu, leaky_relu, rrelu)
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "affine_grid", "alpha_dropout", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu",
    "celu_", "channel_shuffle", "contrastive_loss", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy",
    "ctc_loss", "dropout", "dropout1d", "dropout2d", "dropout3d", "elastic_net_penalty", "elu", "elu_", "embedding",
    "embedding_bag", "feature_alpha_dropout", "fold", "gaussian_nll_loss", "gelu", "glu", "grid_sample",
    "group_norm", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss", "l1_penalty",
    "l2_penalty", "layer_norm", "leaky_relu", "leaky_relu_", "linear", "local_response_norm", "log_softmax",
    "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d", "margin_ranking_loss", "max_pool1d", "max_pool2d",
    "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d", "mbe_loss", "mish", "mse_loss",
    "multi_head_attention_forward", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle",
    "poisson_nll_loss", "prelu", "relu", "relu6", "relu_", "rms_norm", "rrelu", "rrelu_",
    "scaled_dot_product_attention", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss",
    "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
    "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold", "upsample", "upsample_bilinear",
    "upsample_nearest",
]  # fmt: skip
