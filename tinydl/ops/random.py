"""Random numbers, drawn from counter-based generators (see generator.py, kernels/philox.py).

The operations take (seed, offset) as constants and are pure: the same call gives the same numbers
on any device.  The functions reserve a part of a generator's stream for each draw.
"""

from __future__ import annotations

from math import log1p, pi

from .. import dtype as dtypes
from ..autograd.engine import Array, op
from ..autograd.mode import no_grad
from ..autograd.views import write
from ..device import CPU
from ..kernels.gpu import recording
from ..kernels.philox import bits53, cos_sin, minus_log, philox
from ..tensor import Tensor
from .creation import _shape, empty
from .elementwise import where, zero
from .generator import Generator, default_of

# floating type -> (random bits of a uniform number, 32-bit words that they take)
_UNIFORM = {"bfloat16": (8, 1), "float16": (11, 1), "float32": (24, 1), "float64": (53, 2)}


# ---------------------------------------------------------------- draws: x gives shape, type, device
def words(xp, count, seed, offset):
    """`count` words of the stream of `seed` from block `offset` on, as uint64.

    seed: in a CUDA graph an array of the device with the seed and the block from which `offset` counts.
    """
    blocks = xp.arange(-(-count // 4), dtype="uint64") + xp.uint64(offset)
    if hasattr(seed, "dtype"):
        seed, blocks = seed[0], blocks + seed[1]
    else:
        seed = xp.uint64(seed)
    return xp.stack(philox(seed, blocks), 1).reshape(-1)[:count]


def _pairs(xp, count, seed, offset):
    """53 random bits for each of `count` numbers."""
    pairs = words(xp, 2 * count, seed, offset).reshape(-1, 2)
    return bits53(pairs[:, 0], pairs[:, 1])


@op(exact=True)
def philox_bits(xp, x: Array, seed, offset):
    """Raw words, 0 to 2**32 - 1, as int64, of x's shape."""
    return words(xp, x.size, seed, offset).astype("int64").reshape(x.shape)


@op(exact=True)
def philox_uniform(xp, x: Array, seed, offset):
    """Uniform in [0, 1), of x's shape and type: multiples of 2**-24 (float32), 2**-53 (float64), or as
    fine as the narrow types have them (2**-11, 2**-8).
    """
    bits, each = _UNIFORM[x.dtype.name]
    if each == 2:
        m = _pairs(xp, x.size, seed, offset)
    else:
        m = words(xp, x.size, seed, offset) >> xp.uint64(32 - bits)
    return (m * 2.0**-bits).astype(x.dtype).reshape(x.shape)


@op(exact=True)
def philox_normal(xp, x: Array, seed, offset):
    """Standard normal, of x's shape and type (Box and Muller 1958), computed in float64."""
    pairs = _pairs(xp, x.size + x.size % 2, seed, offset).reshape(-1, 2)
    radius = xp.sqrt(2.0 * minus_log(pairs[:, 0]))
    both = [radius * part for part in cos_sin(pairs[:, 1])]
    return xp.stack(both, 1).reshape(-1)[: x.size].astype(x.dtype).reshape(x.shape)


@op(exact=True)
def philox_exponential(xp, x: Array, seed, offset):
    """Exponential with mean 1, of x's shape and type, computed in float64."""
    return minus_log(_pairs(xp, x.size, seed, offset)).astype(x.dtype).reshape(x.shape)


@op(exact=True)
def philox_integers(xp, x: Array, low, high, seed, offset):
    """Integers from low to high - 1, of x's shape and type.

    Some are likelier than others, by a share of at most (high - low) / 2**32 (or 2**64).
    """
    count = high - low
    if count <= 2**32:
        drawn = words(xp, x.size, seed, offset) * xp.uint64(count) >> xp.uint64(32)
    else:
        pairs = words(xp, 2 * x.size, seed, offset).reshape(-1, 2)
        drawn = (pairs[:, 0] << xp.uint64(32)) + pairs[:, 1]
        drawn = drawn % xp.uint64(count) if count < 2**64 else drawn
    # modulo 2**64, as all integers are here
    return (drawn + xp.uint64(low % 2**64)).astype("int64").astype(x.dtype).reshape(x.shape)


for _draw in (philox_uniform, philox_normal, philox_exponential, philox_integers):
    _draw.grads(zero)


def reserve(generator, x, each=1) -> tuple[int, int]:
    """(seed, offset) of a draw like x, `each` words for an element; as `words` takes them."""
    if not isinstance(generator, Generator | None):
        raise TypeError(f"generator: expected a tinydl.Generator, got {type(generator).__name__}")
    generator = default_of(x.device) if generator is None else generator
    blocks, step = -(-x.numel() * each // 4), recording.now.step
    return generator.draw(blocks) if step is None or not step.capturing else step.draw(generator, blocks)


def _uniform(x, generator):
    return philox_uniform(x, *reserve(generator, x, _UNIFORM[x.dtype.name][1]))


def _normal(x, generator):
    return philox_normal(x, *reserve(generator, x, 2))


def _exponential(x, generator):
    return philox_exponential(x, *reserve(generator, x, 2))


def _integers(x, low, high, generator):
    each = 1 if high - low <= 2**32 else 2
    return philox_integers(x, low, high, *reserve(generator, x, each))


# ---------------------------------------------------------------- new tensors
def _drawn(name, x, draw, generator, requires_grad):
    if not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"{name}: expected a floating dtype, got {x.dtype}")
    with no_grad():
        y = draw(x, generator)
    return y.requires_grad_() if requires_grad else y


def _like(x, dtype, device):
    """A tensor of x's shape, for its type and device only."""
    return empty(x.shape, dtype=x.dtype if dtype is None else dtype, device=device or x.device)


def rand(*size, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1).  size: the shape, as separate numbers or one sequence."""
    x = empty(*size, dtype=dtype, device=device)
    return _drawn("rand", x, _uniform, generator, requires_grad)


def randn(*size, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers.  size: the shape, as separate numbers or one sequence."""
    x = empty(*size, dtype=dtype, device=device)
    return _drawn("randn", x, _normal, generator, requires_grad)


def rand_like(x: Tensor, *, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1), of x's shape, type and device."""
    return _drawn("rand_like", _like(x, dtype, device), _uniform, generator, requires_grad)


def randn_like(x: Tensor, *, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers, of x's shape, type and device."""
    return _drawn("randn_like", _like(x, dtype, device), _normal, generator, requires_grad)


def _check_range(name, low, high):
    low, high = low.__index__(), high.__index__()
    if not -(2**63) <= low < high <= 2**63:
        raise RuntimeError(f"{name}: expected low < high within 64 bits, got low {low}, high {high}")
    return low, high


def randint(
    low, high=None, size=None, *, generator=None, dtype=None, device=None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (default 0) to high - 1: randint(high, size) or randint(low, high, size)."""
    if size is None:
        low, high, size = (0, low, high) if high is not None else (0, low, None)
    if size is None:
        raise TypeError("randint: expected (high, size) or (low, high, size)")
    low, high = _check_range("randint", low, high)
    x = empty(_shape("randint", (size,)), dtype=dtype or dtypes.int64, device=device)
    y = _integers(x, low, high, generator)
    return y.requires_grad_() if requires_grad else y


def randint_like(
    x: Tensor, low, high=None, *, generator=None, dtype=None, device=None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (default 0) to high - 1, of x's shape, type and device."""
    low, high = _check_range("randint_like", *((0, low) if high is None else (low, high)))
    y = _integers(_like(x, dtype, device), low, high, generator)
    return y.requires_grad_() if requires_grad else y


def randperm(n: int, *, generator=None, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    if n < 0:
        raise RuntimeError(f"randperm: n must not be negative, got {n}")
    keys = rand(n, generator=generator, dtype=dtypes.float64, device=device)
    y = keys.argsort(stable=True).to(dtypes.as_dtype(dtype or dtypes.int64))
    return y.requires_grad_() if requires_grad else y


# ---------------------------------------------------------------- distributions
def _check_probabilities(name, p):
    """On the CPU only: on a GPU it would wait for all work queued before."""
    if p.device is CPU and p.numel() and not ((p.array >= 0) & (p.array <= 1)).all():
        raise RuntimeError(f"{name}: probabilities must lie in [0, 1]")


def bernoulli(x: Tensor, p: float | None = None, *, generator=None) -> Tensor:
    """1 with probability x (or p), else 0.  x: probabilities of any shape -> same shape and type."""
    with no_grad():
        if p is not None:
            return _like(x, None, None).bernoulli_(p, generator=generator)
        if not dtypes.is_floating(x.dtype):
            raise RuntimeError(f"bernoulli: expected floating probabilities, got {x.dtype}")
        _check_probabilities("bernoulli", x)
        return coin(x, generator)


def coin(p: Tensor, generator=None) -> Tensor:
    """1 with probability p, else 0, in p's shape and type; nothing is checked."""
    return (chances(p, generator) < p).to(p.dtype)


def chances(x: Tensor, generator=None) -> Tensor:
    """Uniform numbers of x's shape, to compare with probabilities: in float32 where x is narrower."""
    return _uniform(_like(x, dtypes.float32, None) if dtypes.is_narrow(x.dtype) else x, generator)


def normal(
    mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers with mean and std: tensors that broadcast, or numbers (then `size` is needed)."""
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if isinstance(std, Tensor):
        if std.device is CPU and std.numel() and (std.array < 0).any():
            raise RuntimeError("normal: std must not be negative")
    elif std < 0:
        raise RuntimeError(f"normal: std must not be negative, got {std}")
    if not tensors and size is None:
        raise TypeError("normal: where mean and std are numbers, size must be given")
    with no_grad():
        if tensors:
            like = mean + std if len(tensors) == 2 else tensors[0]
            z = randn_like(like, generator=generator)
        else:
            z = randn(*size, generator=generator, dtype=dtype, device=device)
        y = z * std + mean
    return y.requires_grad_() if requires_grad else y


def multinomial(x: Tensor, num_samples: int, replacement: bool = False, *, generator=None) -> Tensor:
    """Indices drawn with probabilities proportional to x.  x: (K,) or (N, K) -> (num_samples,) or
    (N, num_samples), int64.

    RuntimeError for negative or infinite weights, weights without sum, or too many samples.
    """
    if x.ndim not in (1, 2) or not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"multinomial: expected floating weights (K,) or (N, K), got {x.dtype} {tuple(x.shape)}")
    if num_samples <= 0 or (not replacement and num_samples > x.shape[-1]):
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} of {x.shape[-1]} without replacement"
            if num_samples > 0
            else f"multinomial: num_samples must be positive, got {num_samples}"
        )
    if x.device is CPU:
        finite = (x.array >= 0) & (x.array < float("inf"))
        if not finite.all() or not (x.array.sum(-1) > 0).all():
            raise RuntimeError("multinomial: weights must be finite, not negative, and not all zero")
    with no_grad():
        weights = x.to(dtypes.float64)
        if replacement:
            ends = weights.cumsum(-1)
            at = rand(*x.shape[:-1], num_samples, generator=generator, dtype=dtypes.float64,
                      device=x.device) * ends[..., -1:]  # fmt: skip
            # the first interval that ends beyond: one of no width is never it
            return (ends.unsqueeze(-2) <= at.unsqueeze(-1)).to(dtypes.int64).sum(-1)
        # the order in which clocks of these rates ring first (Efraimidis and Spirakis 2006)
        keys = weights / _exponential(weights, generator)
        return keys.argsort(dim=-1, descending=True)[..., :num_samples]


# ---------------------------------------------------------------- in place
def _overwrite(name, x, compute):
    if isinstance(x, Tensor) and not dtypes.is_floating(x.dtype):
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}")
    return write(x, name, compute)


def uniform_(x: Tensor, from_: float = 0.0, to: float = 1.0, *, generator=None) -> Tensor:
    """In place: uniform numbers in [from_, to); in narrow types those that are rounded to `to` become from_."""
    if not from_ <= to:
        raise RuntimeError(f"uniform_: expected from <= to, got {from_} and {to}")
    width = to - from_

    def compute(x):
        drawn = chances(x, generator) * width + from_
        if not dtypes.is_narrow(x.dtype) or not width:
            return drawn
        return where(drawn.to(x.dtype).to(dtypes.float32) < to, drawn, from_)

    return _overwrite("uniform_", x, compute)


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """In place: normal numbers with mean and std."""
    if std < 0:
        raise RuntimeError(f"normal_: std must not be negative, got {std}")
    return _overwrite("normal_", x, lambda x: _normal(x, generator) * std + mean)


def log_normal_(x: Tensor, mean: float = 1.0, std: float = 2.0, *, generator=None) -> Tensor:
    """In place: the exponential of normal numbers with mean and std."""
    if std <= 0:
        raise RuntimeError(f"log_normal_: std must be positive, got {std}")
    return _overwrite("log_normal_", x, lambda x: (_normal(x, generator) * std + mean).exp())


def exponential_(x: Tensor, lambd: float = 1.0, *, generator=None) -> Tensor:
    """In place: exponential numbers with mean 1 / lambd."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_: lambd must be positive, got {lambd}")
    return _overwrite("exponential_", x, lambda x: _exponential(x, generator) / lambd)


def cauchy_(x: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator=None) -> Tensor:
    """In place: Cauchy numbers around median, of half width sigma."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_: sigma must be positive, got {sigma}")

    def compute(x):
        return ((_uniform(x, generator) - 0.5) * pi).tan() * sigma + median

    return _overwrite("cauchy_", x, compute)


def geometric_(x: Tensor, p: float, *, generator=None) -> Tensor:
    """In place: how many trials until the first success, each with probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: p must lie between 0 and 1, got {p}")

    def compute(x):
        like = x if dtypes.is_floating(x.dtype) else _like(x, dtypes.float64, None)
        trials = (_exponential(like, generator) / -log1p(-p)).ceil()
        return trials.clamp_min(1).to(x.dtype)

    return write(x, "geometric_", compute)


def bernoulli_(x: Tensor, p=0.5, *, generator=None) -> Tensor:
    """In place: 1 with probability p (a number, or a tensor that broadcasts), else 0."""
    if isinstance(p, Tensor):
        _check_probabilities("bernoulli_", p)
    elif not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_: probabilities must lie in [0, 1], got {p}")

    def compute(x):
        like = _like(x, dtypes.float64 if x.dtype.name == "float64" else dtypes.float32, None)
        return (_uniform(like, generator) < p).to(x.dtype)

    return write(x, "bernoulli_", compute)


def random_(x: Tensor, from_=0, to=None, *, generator=None) -> Tensor:
    """In place: integers from from_ to to - 1; random_(to) from 0; random_() all that x can hold."""
    if to is None and from_:
        from_, to = 0, from_
    elif to is None and dtypes.is_floating(x.dtype):
        to = 2 ** _UNIFORM[x.dtype.name][0]
    elif to is None:
        to = 2 if x.dtype == dtypes.bool_ else dtypes.iinfo(x.dtype).max + 1
    low, high = _check_range("random_", from_, to)
    return write(x, "random_", lambda x: _integers(x, low, high, generator))


for _method in (
    uniform_, normal_, log_normal_, exponential_, cauchy_, geometric_, bernoulli_, random_,
):  # fmt: skip
    setattr(Tensor, _method.__name__, _method)


__all__ = [
    "bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm",
]  # fmt: skip
