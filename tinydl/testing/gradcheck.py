"""Gradients held against finite differences.

Let J be the Jacobian of f at x.  Backward gives J^T u, differences give J v; both are one number
away from the same thing, <u, J v>.  For small inputs all of J is compared, in fast mode one random
projection of it.
"""

from __future__ import annotations

import numpy as np

from ..autograd import enable_grad, grad
from ..tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """Backward and finite differences disagree, or backward breaks a promise."""


LARGE = 2000  # elements of a Jacobian above which `fast_mode=None` compares a projection only


def gradcheck(
    func,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool | None = False,
    masked: bool | None = None,
    order: int = 1,
) -> bool:
    """Whether the gradients of func(*inputs) agree with central differences; else GradcheckError.

    Checked are the inputs that require grad, which should be float64, and beyond the values: a
    second backward gives the same bits (to nondet_tol), a non-contiguous cotangent and an unused
    output are right, and nothing given is written to.  fast_mode compares one random projection of
    the Jacobian (None: of large ones only).  order=2 also checks the gradient's gradient, and so
    on. raise_exception=False returns False instead of raising.
    """
    for name, asked in (
        ("check_batched_grad", check_batched_grad),
        ("check_forward_ad", check_forward_ad),
    ):
        if asked:
            raise NotImplementedError(f"gradcheck: {name} is not there: tinydl has reverse mode only")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check_inputs(inputs)
        case = _Case(func, inputs, eps, atol, rtol)
        case.repeatable(nondet_tol)
        case.compare(fast_mode)
        case.strided_cotangents()
        if check_undefined_grad:
            case.unused_outputs()
        if check_grad_dtypes:
            case.dtypes()
        case.nothing_written()
        if order > 1:
            gradgradcheck(
                func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol,
                check_undefined_grad=check_undefined_grad, fast_mode=fast_mode, order=order - 1,
            )  # fmt: skip
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool | None = False,
    masked: bool = False,
    order: int = 1,
) -> bool:
    """Whether the gradients of the gradients of func(*inputs) agree with central differences.

    The gradient is taken as a function of the inputs and of the cotangents grad_outputs (random
    unless given), and goes through `gradcheck`, whose other arguments these are.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _check_inputs(inputs)
    with enable_grad():
        outputs = _floating(func(*inputs))
    picked = [k for k, y in enumerate(outputs) if y.requires_grad]
    outputs = [outputs[k] for k in picked]
    if grad_outputs is None:
        rng = np.random.default_rng(1)
        grad_outputs = [_random_like(rng, y, gen_non_contig_grad_outputs) for y in outputs]
    grad_outputs = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    cotangents = [g.detach().requires_grad_() for g in grad_outputs]
    n = len(inputs)

    def gradient(*args):
        xs = [x for x in args[:n] if _wanted(x)]
        ys = _floating(func(*args[:n]))
        ys = [ys[k] for k in picked]
        found = grad(ys, xs, list(args[n:]), create_graph=True, allow_unused=True)
        return tuple(_zeros(x) if g is None else g for x, g in zip(xs, found))

    return gradcheck(
        gradient, (*inputs, *cotangents), eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol,
        raise_exception=raise_exception, check_undefined_grad=check_undefined_grad, fast_mode=fast_mode,
        check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad, order=order,
    )  # fmt: skip


# ---------------------------------------------------------------- one function at one point
class _Case:
    """A function, its inputs, and the graph of one call."""

    def __init__(self, func, inputs, eps, atol, rtol):
        self.func, self.inputs = func, inputs
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.before = [_copy(x) for x in inputs]
        first = {id(x): i for i, x in reversed(list(enumerate(inputs))) if _wanted(x)}
        self.at = sorted(first.values())  # a tensor given twice is one variable
        self.xs = [inputs[i] for i in self.at]
        self.rng = np.random.default_rng(0)
        with enable_grad():
            ys = _floating(func(*inputs))
        self.outputs = [k for k, y in enumerate(ys) if y.requires_grad]
        self.ys = [ys[k] for k in self.outputs]
        if not self.ys:
            raise GradcheckError("gradcheck: no output requires grad; nothing depends on the inputs")

    # ---- the two ways to know J
    def backward(self, cotangents):
        """J^T u by backward, for each input."""
        pairs = [(y, u) for y, u in zip(self.ys, cotangents) if u is not None]
        found = grad(
            [y for y, _ in pairs],
            self.xs,
            [u for _, u in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        for x, g in zip(self.xs, found):
            if g is not None and g.shape != x.shape:
                raise GradcheckError(f"gradcheck: gradient of shape {g.shape} for an input of {x.shape}")
        return [np.zeros(x.shape) if g is None else _array(g) for x, g in zip(self.xs, found)]

    def differences(self, directions):
        """J v by central differences, for each output."""
        sides = []
        for sign in (1, -1):
            replaced = {}
            for x, v in zip(self.xs, directions):
                a = _array(x) + sign * self.eps * v
                replaced[id(x)] = wrap(x.device.array(a.astype(x.dtype))).requires_grad_()
            moved = [replaced.get(id(x), x) for x in self.inputs]
            with enable_grad():  # a function may differentiate inside
                sides.append([_array(y) for y in self._outputs(moved)])
        return [(a - b) / (2 * self.eps) for a, b in zip(*sides)]

    def _outputs(self, moved):
        ys = _floating(self.func(*moved))
        return [ys[k] for k in self.outputs]

    # ---- checks
    def compare(self, fast):
        size = sum(x.numel() for x in self.xs) * sum(y.numel() for y in self.ys)
        if fast or (fast is None and size > LARGE):
            self._compare_projection()
        else:
            self._compare_jacobian()

    def _compare_jacobian(self):
        analytic = [[np.zeros((y.numel(), x.numel())) for x in self.xs] for y in self.ys]
        numeric = [[np.zeros((y.numel(), x.numel())) for x in self.xs] for y in self.ys]
        for o, y in enumerate(self.ys):
            for row in range(y.numel()):
                u = [None] * len(self.ys)
                u[o] = _unit(y, row)
                for i, g in enumerate(self.backward(u)):
                    analytic[o][i][row] = g.reshape(-1)
        for i, x in enumerate(self.xs):
            for column in range(x.numel()):
                v = [np.zeros(t.shape) for t in self.xs]
                v[i].reshape(-1)[column] = 1
                for o, d in enumerate(self.differences(v)):
                    numeric[o][i][:, column] = d.reshape(-1)
        for o, y in enumerate(self.ys):
            for i, x in enumerate(self.xs):
                self._agree(analytic[o][i], numeric[o][i], o, i, y, x)

    def _agree(self, a, n, o, i, y, x):
        close = np.isclose(a, n, self.rtol, self.atol)
        if close.all():
            return
        wrong = np.where(close, -1, np.nan_to_num(np.abs(a - n), nan=np.inf))
        row, column = np.unravel_index(wrong.argmax(), a.shape)
        out_at, in_at = (
            tuple(map(int, np.unravel_index(k, t.shape))) if t.ndim else () for k, t in ((row, y), (column, x))
        )
        raise GradcheckError(
            f"gradcheck: Jacobian of output {o} with respect to input {self.at[i]}: {int((~close).sum())} of "
            f"{a.size} entries differ\n"
            f"  worst: d output{list(out_at)} / d input{list(in_at)} is {a[row, column]:.9g} by backward, "
            f"{n[row, column]:.9g} by differences\n"
            f"  backward:\n{_show(a)}\n  differences:\n{_show(n)}"
        )

    def _compare_projection(self):
        """<u, J v> for random u and v, the inputs one by one so that a message can name one."""
        u = [_random_like(self.rng, y) for y in self.ys]
        for i, g in enumerate(self.backward(u)):
            direction = self.rng.standard_normal(g.shape)
            direction /= max(np.linalg.norm(direction), 1e-30)
            v = [direction if k == i else np.zeros(x.shape) for k, x in enumerate(self.xs)]
            numeric = sum(float((_array(a) * d).sum()) for a, d in zip(u, self.differences(v)))
            analytic = float((g * direction).sum())
            if not np.isclose(analytic, numeric, self.rtol, self.atol):
                raise GradcheckError(
                    f"gradcheck: input {self.at[i]}: a random projection of its Jacobian is {analytic:.9g} by "
                    f"backward, {numeric:.9g} by differences; fast_mode=False tells which entries"
                )

    def repeatable(self, tolerance):
        """The same call gives the same values and gradients again."""
        u = [_random_like(self.rng, y) for y in self.ys]
        first, again = self.backward(u), self.backward(u)
        for i, (a, b) in enumerate(zip(first, again)):
            if not (np.abs(a - b) <= tolerance).all() and not np.array_equal(a, b, equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: two backward passes differ for input {self.at[i]} by {np.abs(a - b).max():.3g}"
                )
        with enable_grad():
            repeated = self._outputs(self.inputs)
        for o, (a, b) in enumerate(zip(self.ys, repeated)):
            if not np.allclose(_array(a), _array(b), 0, tolerance, equal_nan=True):
                raise GradcheckError(f"gradcheck: output {o} differs when the function is called again")

    def strided_cotangents(self):
        """A cotangent that is not contiguous, or is one number spread out, gives what its copy
        does.
        """
        spread = [_random_like(self.rng, y, strided=True) for y in self.ys]
        constant = [wrap(y.device.xp.broadcast_to(y.device.xp.ones((), y.dtype), y.shape)) for y in self.ys]
        for cotangents in (spread, constant):
            dense = [wrap(u.array.copy()) for u in cotangents]
            for i, (a, b) in enumerate(zip(self.backward(cotangents), self.backward(dense))):
                if not np.allclose(a, b, 1e-7, 1e-10, equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck: gradient of input {self.at[i]} is wrong where the cotangent is not contiguous"
                    )

    def unused_outputs(self):
        """An output that nobody used counts as one whose cotangent is 0."""
        if len(self.ys) < 2:
            return
        u = [_random_like(self.rng, y) for y in self.ys]
        for unused in range(len(self.ys)):
            none = [None if o == unused else t for o, t in enumerate(u)]
            zero = [_zeros(y) if o == unused else t for o, (y, t) in enumerate(zip(self.ys, u))]
            for i, (a, b) in enumerate(zip(self.backward(none), self.backward(zero))):
                if not np.allclose(a, b, 1e-7, 1e-10, equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck: gradient of input {self.at[i]} is wrong where output {unused} is unused"
                    )

    def dtypes(self):
        found = grad(self.ys, self.xs, [_random_like(self.rng, y) for y in self.ys],
                     retain_graph=True, allow_unused=True)  # fmt: skip
        for i, (x, g) in enumerate(zip(self.xs, found)):
            if g is not None and g.dtype != x.dtype:
                raise GradcheckError(f"gradcheck: gradient of input {self.at[i]} is {g.dtype}, not {x.dtype}")

    def nothing_written(self):
        for i, (x, a) in enumerate(zip(self.inputs, self.before)):
            if a is not None and not np.array_equal(_array(x), a, equal_nan=True):
                raise GradcheckError(f"gradcheck: the function wrote to input {i}")


# ---------------------------------------------------------------- small things
def _check_inputs(inputs):
    if not any(_wanted(x) for x in inputs):
        raise ValueError("gradcheck: expected at least one input that requires grad")
    for i, x in enumerate(inputs):
        if _wanted(x) and x.numel() and any(s == 0 and n > 1 for s, n in zip(x.array.strides, x.shape)):
            raise RuntimeError(f"gradcheck: input {i} repeats its memory (an expanded view); clone() it")
        if _wanted(x) and x.dtype.itemsize < 8:
            import warnings

            warnings.warn(f"gradcheck: input {i} is {x.dtype}; differences need float64", stacklevel=3)


def _wanted(x):
    return isinstance(x, Tensor) and x.requires_grad


def _floating(ys):
    ys = [ys] if isinstance(ys, Tensor) else list(ys)
    return [y for y in ys if isinstance(y, Tensor) and y.is_floating_point()]


def _array(x):
    return x.numpy(force=True).astype(np.float64)


def _copy(x):
    return _array(x).copy() if isinstance(x, Tensor) else None


def _zeros(x):
    return wrap(x.device.xp.zeros(tuple(x.shape), x.dtype))


def _unit(y, k):
    u = _zeros(y)
    u.array.reshape(-1)[k] = 1
    return u


def _random_like(rng, y, strided=False):
    """Random numbers of y's shape and type; strided: every second element of a larger array."""
    a = rng.standard_normal((*y.shape, 2) if strided else tuple(y.shape))
    a = y.device.array(np.asarray(a, y.dtype))
    return wrap(a[..., 0] if strided else a)


def _show(a, most=8):
    with np.printoptions(precision=5, suppress=True, threshold=200, edgeitems=most // 2):
        return "    " + str(a).replace("\n", "\n    ")
