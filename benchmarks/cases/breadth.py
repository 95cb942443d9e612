"""Operations beside those that networks are built of: a million float32 numbers, 1000 x 1000."""

from . import cases

AT_MOST = 1.0
SIDE = 1000
ELEMENTS = {
    "add with alpha": lambda lib, x, y, p: lib.add(x, y, alpha=2),
    "clamp": lambda lib, x, y, p: x.clamp(-1, 1),
    "maximum": lambda lib, x, y, p: lib.maximum(x, y),
    "where": lambda lib, x, y, p: lib.where(x > 0, x, y),
    "masked_fill": lambda lib, x, y, p: x.masked_fill(y > 0, 0.0),
    "square by **": lambda lib, x, y, p: x**2,
    "cube by **": lambda lib, x, y, p: x**3,
    "rsqrt": lambda lib, x, y, p: p.rsqrt(),
    "lerp": lambda lib, x, y, p: lib.lerp(x, y, 0.1),
    "addcmul": lambda lib, x, y, p: lib.addcmul(x, y, p),
    "remainder": lambda lib, x, y, p: x % 1.0,
    "hardswish": lambda lib, x, y, p: lib.nn.functional.hardswish(x),
    "prelu": lambda lib, x, y, p: lib.nn.functional.prelu(x, x.new_full((1,), 0.2)),
    "huber_loss": lambda lib, x, y, p: lib.nn.functional.huber_loss(x, y),
    "norm of rows": lambda lib, x, y, p: x.norm(dim=1),
    "cosine_similarity": lambda lib, x, y, p: lib.nn.functional.cosine_similarity(x, y),
}
IN_PLACE = {
    "mul_ number": lambda lib, x, y, p: x.mul_(1.0001),
    "add_": lambda lib, x, y, p: x.add_(y),
    "add_ alpha": lambda lib, x, y, p: x.add_(y, alpha=1e-3),
    "addcdiv_": lambda lib, x, y, p: x.addcdiv_(y, p, value=1e-3),
    "clamp_": lambda lib, x, y, p: x.clamp_(-1, 1),
    "copy_": lambda lib, x, y, p: x.copy_(y),
    "zero_": lambda lib, x, y, p: x.zero_(),
}
BROADCAST = {
    "row": lambda lib, x, y, p: x * y[0],
    "column": lambda lib, x, y, p: x - y[:, :1],
    "quotient by column": lambda lib, x, y, p: x / p[:, :1],
    "row and column": lambda lib, x, y, p: x[:1] + y[:, :1],
}
LINES = {
    **{f"{name} {dim}": lambda lib, x, y, p, name=name, dim=dim: getattr(x, name)(dim)
       for name in ("cumsum", "cumprod", "cummax", "logcumsumexp", "prod") for dim in (0, 1)},
    **{name: lambda lib, x, y, p, name=name: getattr(x, name)(dim=1) for name in ("sort", "argsort", "median")},
    "topk": lambda lib, x, y, p: x.topk(5, 1),
    "kthvalue": lambda lib, x, y, p: x.kthvalue(5, 1),
}  # fmt: skip
PICKS = {
    "gather 0": lambda lib, x, y, i: x.gather(0, i),
    "gather 1": lambda lib, x, y, i: x.gather(1, i),
    "scatter 1": lambda lib, x, y, i: x.scatter(1, i, y),
    "scatter_add 0": lambda lib, x, y, i: x.scatter_add(0, i, y),
    "scatter_add 1": lambda lib, x, y, i: x.scatter_add(1, i, y),
}
TYPES = {
    "to half": lambda lib, x, h: x.half(),
    "from half": lambda lib, x, h: h.float(),
    "to bfloat16": lambda lib, x, h: x.bfloat16(),
    "to double": lambda lib, x, h: x.double(),
    "sum of halves": lambda lib, x, h: h + h,
    "tanh of halves": lambda lib, x, h: h.tanh(),
}


def _rows(functions):
    return {name: dict(name=name) for name in functions}


def _step(lib, function):
    x, y = lib.randn(SIDE, SIDE), lib.randn(SIDE, SIDE)
    p = y.abs() + 0.1

    def step():
        with lib.no_grad():
            function(lib, x, y, p)

    return step


@cases("other elementwise functions", AT_MOST, **_rows(ELEMENTS))
def element(lib, name):
    return _step(lib, ELEMENTS[name])


@cases("in place", AT_MOST, **_rows(IN_PLACE))
def in_place(lib, name):
    return _step(lib, IN_PLACE[name])


@cases("broadcasting", AT_MOST, **_rows(BROADCAST))
def broadcast(lib, name):
    return _step(lib, BROADCAST[name])


@cases("scans and order", AT_MOST, **_rows(LINES))
def along(lib, name):
    return _step(lib, LINES[name])


@cases("picking by index", AT_MOST, **_rows(PICKS))
def pick(lib, name):
    x, y, i = lib.randn(SIDE, SIDE), lib.randn(SIDE, SIDE), lib.randint(0, SIDE, (SIDE, SIDE))
    return lambda: PICKS[name](lib, x, y, i)


@cases("narrow types", AT_MOST, **_rows(TYPES))
def convert(lib, name):
    x = lib.randn(SIDE, SIDE)
    h = x.half()
    return lambda: TYPES[name](lib, x, h)
