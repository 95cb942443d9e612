"""Winograd's transforms and the product between them, as LLVM code: channels are the lanes of a vector.

F(4, 3) and F(4, 2) of Lavin and Gray 2016 read 6 or 5 pixels and make 4 outputs of windows of 3 or 2 taps. Outputs
y[k] = sum_j g[j] d[j + k] are the transpose of multiplying two polynomials by their values at as many points as there
are pixels (Toom and Cook):

    y = weigh(evaluate(g) * spread(d))        three linear maps; in two dimensions along rows, then columns

The points 0 (of the six alone), +-sqrt(1/2), +-sqrt(2) and infinity lose the fewest digits: the squares' product is 1,
and the error is a quarter of that with 0, +-1, +-2 (measured over the usual sizes of layers).
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .microkernel import NV, VECTOR_BYTES, _n, _Vectors

A, B = 0.5**0.5, 2.0**0.5
SIX, FIVE = (0.0, A, -A, B, -B), (A, -A, B, -B)  # the points, but for infinity
ROWS = 8 if VECTOR_BYTES == 64 else 4  # rows of the product's tile: they divide the usual numbers of channels


# --- the maps in one dimension, for anything that adds and multiplies: arrays or vectors of a program


def spread(d):
    """Pixels, as many as points -> the factors of the products."""
    a, b, c, e, f = d[-5:]
    p, q, r, s = e - b * 2.0, (c - a * 2.0) * A, e - b * 0.5, (c - a * 0.5) * B
    at_0 = [d[0] - b * 2.5 + e] if len(d) == 6 else []
    return [*at_0, p + q, p - q, r + s, r - s, a - c * 2.5 + f]


def evaluate(points):
    """How the coefficients of a polynomial, 2 to 4, become its values at that many points, scaled."""
    with_0 = points == 6

    def transform(g):
        values = [g[0]] if with_0 else []
        for point, other in ((A, B), (B, A)):
            square = point * point
            scale = 1 / (2 * point * (square - other * other) * (point if with_0 else 1.0))
            p, q = g[0] * scale, g[1] * (scale * point)
            if len(g) > 2:
                p = p + g[2] * (scale * square)
            if len(g) > 3:
                q = q + g[3] * (scale * point * square)
            values += [p + q, p - q if with_0 else q - p]
        return [*values, g[-1]]

    return transform


def weigh(outputs):
    """Products, one for each point -> `outputs` results, 2 to 4."""

    def transform(m):
        a, b, c, e, last = m[-5:]
        p, q, r, s = a + b, a - b, c + e, c - e
        y = [p + r, q * A + s * B, p * 0.5 + r * 2.0, q * (0.5 * A) + s * (2.0 * B)][:outputs]
        if len(m) == 6:
            y[0] = m[0] + y[0]
        return [*y[:-1], y[-1] + last]

    return transform


# --- the same on vectors of a program


class _Value:
    """A vector of the program under construction, for `spread`, `evaluate` and `weigh` to compute with."""

    def __init__(self, builder, v, value):
        self.b, self.v, self.value = builder, v, value

    def _of(self, name, other):
        if isinstance(other, float):
            other = ir.Constant(self.v.type, [other] * self.v.lanes)
        else:
            other = other.value
        return _Value(self.b, self.v, getattr(self.b, name)(self.value, other, flags=("contract",)))

    def __add__(self, other):
        return self._of("fadd", other)

    def __sub__(self, other):
        return self._of("fsub", other)

    def __mul__(self, other):
        return self._of("fmul", other)


def _plane(builder, at, row, column):
    """Offset of element (row i, column j) where both steps are values of the program."""
    i, j = at
    return builder.add(builder.mul(_n(i), row), builder.mul(_n(j), column))


def _both_ways(builder, v, one, size, source, row, column):
    """The size x size vectors at `source`, transformed along columns, then along rows."""

    def pixel(i, j):
        return _Value(builder, v, v.load(source, _plane(builder, (i, j), row, column)))

    columns = [one([pixel(i, j) for i in range(size)]) for j in range(size)]
    return [one([column[k] for column in columns]) for k in range(len(columns[0]))]


def _transform(one, size):
    """dst[i, k] = the transform of src[size, size], all elements vectors, each side with steps of its own.

    one, size: of the number of points, which is that of `points` and infinity.
    """

    @intrinsic
    def transform(typingctx, points, src, row, column, dst, dst_row, dst_column):
        P = len(points) + 1

        def codegen(context, b, sig, args):
            _, source, row, column, to, to_row, to_column = args
            v = _Vectors(context, b, sig.args[1])
            for i, line in enumerate(_both_ways(b, v, one(P), size(P), source, row, column)):
                for k, value in enumerate(line):
                    v.store(value.value, to, _plane(b, (i, k), to_row, to_column))
            return context.get_dummy_value()

        return types.void(points, src, row, column, dst, dst_row, dst_column), codegen

    return transform


def _finish(outputs):
    """As `_transform`, plus `bias`; and `bad` (a vector) becomes NaN for good where a result is not finite."""

    @intrinsic
    def finish(typingctx, points, src, row, column, dst, dst_row, dst_column, bias, bad):
        P = len(points) + 1

        def codegen(context, b, sig, args):
            _, source, row, column, to, to_row, to_column, bias, bad = args
            v = _Vectors(context, b, sig.args[1])
            add = _Value(b, v, v.load(bias, _n(0)))
            total = add
            for i, line in enumerate(_both_ways(b, v, weigh(outputs(P)), P, source, row, column)):
                for k, value in enumerate(line):
                    v.store((value + add).value, to, _plane(b, (i, k), to_row, to_column))
                total = total + sum(line[1:], line[0])
            seen = _Value(b, v, v.load(bad, _n(0)))
            v.store((seen + total * 0.0).value, bad, _n(0))
            return context.get_dummy_value()

        return types.void(points, src, row, column, dst, dst_row, dst_column, bias, bad), codegen

    return finish


def _taps(points):
    return points - 3


def _outputs(points):
    return 4


spread_pixels = _transform(lambda points: spread, lambda points: points)  # tiles of the input
evaluate_taps = _transform(evaluate, _taps)  # weights
evaluate_outputs = _transform(evaluate, _outputs)  # tiles of the output's gradient
weigh_outputs = _finish(_outputs)  # tiles of the output
weigh_taps = _finish(_taps)  # the weights' gradient


@intrinsic
def transpose(typingctx, src, src_step, src_rows, src_columns, dst, dst_step, dst_rows, dst_columns):
    """dst[j, i] = src[i, j], up to VL x VL; beyond src_rows and src_columns nothing is read and 0 is taken,
    beyond dst_rows and dst_columns nothing is written.

    src_step, dst_step: from row to row, or a pointer to VL offsets of rows.
    """

    def codegen(context, b, sig, args):
        source, step, rows, columns, to, to_step, to_rows, to_columns = args
        v = _Vectors(context, b, sig.args[0])
        lanes = ir.VectorType(ir.IntType(64), v.lanes)
        numbers = ir.Constant(lanes, list(range(v.lanes)))

        def mask(i, rows, columns):
            """Lanes below `columns`, in rows below `rows`."""
            limit = b.select(b.icmp_signed("<", _n(i), rows), columns, _n(0))
            first = b.insert_element(ir.Constant(lanes, ir.Undefined), limit, ir.Constant(ir.IntType(32), 0))
            same = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), [0] * v.lanes)
            return b.icmp_signed("<", numbers, b.shuffle_vector(first, first, same))

        def row(base, step, kind, i):
            if isinstance(kind, types.CPointer):
                return v.at(base, b.load(b.gep(step, [_n(i)])))
            return v.at(base, b.mul(_n(i), step))

        align = ir.Constant(ir.IntType(32), v.bytes)
        vectors = []
        for i in range(v.lanes):
            at = row(source, step, src_step, i)
            flags = mask(i, rows, columns)
            vectors.append(v.call(f"llvm.masked.load.{v.name}.p0", v.type, at, align, flags, v.zero))
        width = 1
        while width < v.lanes:  # swap the blocks of this width that lie off the diagonal
            low = [l if not l & width else l - width + v.lanes for l in range(v.lanes)]
            high = [l + width if not l & width else l + v.lanes for l in range(v.lanes)]
            low, high = (ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), m) for m in (low, high))
            for i in range(v.lanes):
                if not i & width:
                    x, y = vectors[i], vectors[i + width]
                    vectors[i], vectors[i + width] = b.shuffle_vector(x, y, low), b.shuffle_vector(x, y, high)
            width *= 2
        for i, vector in enumerate(vectors):
            at = row(to, to_step, dst_step, i)
            flags = mask(i, to_rows, to_columns)
            v.call(f"llvm.masked.store.{v.name}.p0", ir.VoidType(), vector, at, align, flags)
        return context.get_dummy_value()

    n, is_table = types.intp, lambda step: isinstance(step, types.CPointer)
    src_kind, dst_kind = (step if is_table(step) else n for step in (src_step, dst_step))
    return types.void(src, src_kind, n, n, dst, dst_kind, n, n), codegen


@intrinsic
def product_tile(typingctx, K, a, row_a, step_a, b, step_b, c, row_c, add):
    """c[ROWS, NR] (row_c apart) = sum over k of a[k]^T b[k], onto what is there where `add`.

    a[k, i] lies at k * step_a + i * row_a, b[k] are NR numbers at k * step_b.
    """

    def codegen(context, builder, sig, args):
        K, A, row_a, step_a, B, step_b, C, row_c, add = args
        v = _Vectors(context, builder, sig.args[1])
        tile = v.accumulators(ROWS, NV)
        with builder.if_then(cgutils.is_not_null(builder, add)):
            for i, row in enumerate(tile):
                for j, slot in enumerate(row):
                    builder.store(v.load(C, _plane(builder, (i, j), row_c, _n(v.lanes))), slot)
        with cgutils.for_range(builder, K) as loop:
            at_a, at_b = builder.mul(loop.index, step_a), builder.mul(loop.index, step_b)
            right = [v.load(B, builder.add(at_b, _n(j * v.lanes))) for j in range(NV)]
            for i, row in enumerate(tile):
                at = builder.add(at_a, builder.mul(_n(i), row_a))
                v.accumulate([row], [v.broadcast(A, at)], right)
        for i, row in enumerate(tile):
            for j, slot in enumerate(row):
                v.store(builder.load(slot), C, _plane(builder, (i, j), row_c, _n(v.lanes)))
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, a, n, n, b, n, c, n, types.boolean), codegen
