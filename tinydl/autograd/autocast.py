"""Mixed precision: which operations run in a narrow type, which in float32, and how their operands get there.

The lists are PyTorch's for CUDA, here for every device, so that a program has the same types on all of them; to them
come the operations that PyTorch's list for the CPU runs in float32 because the narrow types do not serve them.  What is
in no list runs in the type that its operands have; mixtures are promoted as ever.

An operation (`@op`, `@fused`) finds its policy here by its name; other public functions are marked `@listed`.
"""

from __future__ import annotations

import functools

from .. import dtype as dtypes
from ..tensor import Tensor
from .graph import OPS
from .mode import autocasting, state

# Sums of many products of near size: narrow operands lose little, and tensor cores take them.
NARROW = """
addbmm addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d
conv_transpose3d einsum gru linear lstm matmul mm multi_dot mv prelu rnn scaled_dot_product_attention vecdot
"""

# What spreads numbers over many orders of magnitude, adds up many of them, or subtracts near ones.
FLOAT32 = """
acos asin cosh erfinv exp expm1 log log10 log1p log2 pow reciprocal rsqrt sinh softplus tan
cumprod cumsum logsumexp log_softmax prod softmax sum_to
group_norm layer_norm rms_norm
cdist cosine_similarity dist matrix_norm norm pdist vector_norm
binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy ctc_loss hinge_embedding_loss huber_loss kl_div
l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss smooth_l1_loss
soft_margin_loss triplet_margin_loss
interpolate nanquantile quantile
cholesky cofactor det eigh inv pinv qr slogdet solve solve_triangular svd
"""

# Operands that must have one type, and are neither of the above: the widest that comes.
WIDEST = "addcdiv addcmul bilinear cross dot grid_sample index_put scatter_add tensordot vdot"

# Losses whose gradient a narrow type cannot hold, on a GPU: the advice is to take the logits.
REFUSED = "binary_cross_entropy"


def _narrow(name, tensors, types):
    return types


def _float32(name, tensors, types):
    return dict.fromkeys(types, dtypes.float32)


def _widest(name, tensors, types):
    return _float32(name, tensors, types) if len({t.dtype for t in tensors}) > 1 else {}


def _refused(name, tensors, types):
    if any(t.device.type != "cpu" for t in tensors):
        raise RuntimeError(
            f"{name}: a narrow type cannot hold its gradient, so autocast refuses it; give the logits to "
            f"{name}_with_logits, or call it within autocast(device_type, enabled=False) on float32"
        )
    return _float32(name, tensors, types)


POLICIES = {
    name: policy
    for policy, names in ((_narrow, NARROW), (_float32, FLOAT32), (_widest, WIDEST), (_refused, REFUSED))
    for name in names.split()
}


def listed(function):
    """A public function made of operations, which as a whole has a policy."""
    policy = POLICIES[function.__name__]

    @functools.wraps(function)
    def casting(*args, **kwargs):
        if state.autocast is None:
            return function(*args, **kwargs)
        return state.autocast.run(function.__name__, policy, function, *args, **kwargs)

    return casting


class Casting:
    """What an `autocast` context sets: {type of device: narrow type}, and casts of weights that it keeps.

    The casts live as long as the outermost context, so that a weight that is used twice is cast once; with None none
    are kept.
    """

    def __init__(self, types: dict, kept: dict | None):
        self.types, self.kept = types, kept

    def run(self, name, policy, function, *args, **kwargs):
        """function(*args, **kwargs) on operands of the types that the policy says; within it nothing else is cast."""
        tensors = [t for t in _tensors((*args, *kwargs.values())) if self._concerns(t)]
        if policy and tensors and kwargs.get("dtype") is None:  # a type that the caller names is his choice
            types = policy(name, tensors, self.types)
            args = [self._fit(a, types) for a in args]
            kwargs = {k: self._fit(a, types) for k, a in kwargs.items()}
        with autocasting(None):
            return function(*args, **kwargs)

    def _concerns(self, t):
        return t.device.type in self.types and t.is_floating_point() and t.dtype != dtypes.float64

    def _fit(self, value, types):
        """An argument with its tensors in the types {type of device: dtype}."""
        if isinstance(value, Tensor):
            dtype = types.get(value.device.type)
            return value if dtype in (None, value.dtype) or not self._concerns(value) else self._cast(value, dtype)
        if value.__class__ in (tuple, list):
            return value.__class__([self._fit(v, types) for v in value])
        return value

    def _cast(self, x, dtype):
        """x as `dtype`, recorded; that of a leaf is kept, and serves until the leaf is written."""
        if self.kept is None or not (x.requires_grad and x.is_leaf) or x._base is not None:
            return OPS["cast"](x, dtype)
        key = id(x), dtype, state.recording
        x_then, array, edge, version, cast = self.kept.get(key, (None,) * 5)
        if x_then is not x or array is not x.array or edge is not x._edge or version != x._storage.version:
            cast = OPS["cast"](x, dtype)
            self.kept[key] = x, x.array, x._edge, x._storage.version, cast
        return cast

    def apart(self) -> Casting:
        """The same types, with casts of its own: for a region that is to run again as if alone."""
        return Casting(self.types, None if self.kept is None else {})


def _tensors(values):
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif v.__class__ in (tuple, list):
            yield from _tensors(v)
