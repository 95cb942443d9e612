"""Calls of public functions that must be refused, and a part of what the refusal says."""

import numpy as np
import samples_conv_pool

TRUE = np.array([True])


def zeros(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


def ints(*numbers):
    return np.array(numbers, "int64")


# function: [(arguments, keywords, part of the message)]
REFUSES = {
    "add": [
        ((zeros(2, 3), zeros(4)), {}, "add: shapes (2, 3) and (4,) do not broadcast: sizes must be equal, or one of"),
        ((ints(2), ints(1)), {"alpha": 0.5}, "add: for int64 alpha must be an integer, got 0.5"),
    ],
    "mul": [((zeros(2, 3), "a"), {}, "mul: argument 'other' must be a tensor or a number, got str")],
    "sub": [((TRUE, TRUE), {}, "sub: bools have no difference; use ~, logical_xor or .to(dtype)")],
    "neg": [((TRUE,), {}, "neg: bool tensors have no negative; use logical_not (~)")],
    "pow": [((ints(2), -1), {}, "pow: an integer to a negative power is none; convert with .to(float)")],
    "floor_divide": [((ints(2), ints(0)), {}, "floor_divide: integer division by zero")],
    "div": [
        ((zeros(2), zeros(2)), {"rounding_mode": "up"}, "div: rounding_mode must be None, 'floor' or 'trunc', got 'up'")
    ],
    "where": [
        ((zeros(2), zeros(2), zeros(2)), {}, "where: expected a bool condition, got float32"),
        (
            (TRUE, zeros(2), zeros(3)),
            {},
            "where: shapes (1,) and (2,) and (3,) do not broadcast: sizes must be equal, or",
        ),
    ],
    "clamp": [((zeros(2),), {}, "clamp: at least one of min and max must be given")],
    "polygamma": [((-1, zeros(2)), {}, "polygamma: n must not be negative, got -1")],
    "bitwise_and": [
        ((zeros(2), zeros(2)), {}, "bitwise_and: expected integer or bool tensors, got float32 and float32")
    ],
    "maximum": [
        ((zeros(2), zeros(3)), {}, "maximum: shapes (2,) and (3,) do not broadcast: sizes must be equal, or one of")
    ],
    "cat": [
        (
            ([zeros(2, 3), zeros(3, 2)],),
            {},
            "cat: tensors must agree in all sizes except that of dimension 0, got (2, 3)",
        ),
        (([],), {}, "cat: expected at least one tensor, got none"),
    ],
    "stack": [(([zeros(2), zeros(3)],), {}, "stack: tensors must have one shape, got (2,) and (3,)")],
    "reshape": [
        ((zeros(2, 3), (4, 2)), {}, "reshape: 6 elements do not fit shape (4, 2)"),
        ((zeros(2, 3), (-1, -1)), {}, "reshape: one size may be -1 and none may be less, got (-1, -1)"),
    ],
    "transpose": [((zeros(2, 3), 0, 2), {}, "transpose: dim must lie in [-2, 1], got 2")],
    "permute": [((zeros(2, 3), (0, 0)), {}, "permute: expected each of 2 dimensions once, got (0, 0)")],
    "squeeze": [((zeros(2, 3), 5), {}, "squeeze: dim must lie in [-2, 1], got 5")],
    "unsqueeze": [((zeros(2, 3), 4), {}, "unsqueeze: dim must lie in [-3, 2], got 4")],
    "broadcast_to": [
        ((zeros(2, 3), (4, 3)), {}, "expand: shape (2, 3) does not expand to (4, 3); only sizes 1 can grow")
    ],
    "select": [((zeros(2, 3), 0, 2), {}, "select: index 2 is out of range for dimension 0 of size 2")],
    "narrow": [((zeros(2, 3), 1, 1, 3), {}, "narrow: start 1 and length 3 exceed dimension 1 of size 3")],
    "split": [((zeros(4), [1, 2]), {}, "split: sizes [1, 2] must not be negative and must add up to 4, the size of")],
    "chunk": [((zeros(4), 0), {}, "chunk: the number of chunks must be positive, got 0")],
    "diagonal": [((zeros(2, 3), 0, 1, 1), {}, "diagonal: expected two dimensions, got 1 and 1 of shape (2, 3)")],
    "flip": [((zeros(2, 3), (0, 0)), {}, "flip: dims (0, 0) name a dimension twice")],
    "roll": [((zeros(2, 3), 1, 4), {}, "roll: dim must lie in [-2, 1], got 4")],
    "tril": [((zeros(3),), {}, "tril: expected at least 2 dimensions, got shape (3,)")],
    "gather": [
        ((zeros(2, 3), 0, ints(0)), {}, "gather: index of shape (1,) does not fit input of shape (2, 3): it needs as"),
        ((zeros(3), 0, ints(3)), {}, "gather: index 3 is out of range for dimension 0 of size 3"),
        ((zeros(3), 0, zeros(2)), {}, "gather: expected an index of int64 or int32, got float32"),
    ],
    "scatter": [((zeros(3), 0, ints(5), zeros(1)), {}, "scatter: index 5 is out of range for dimension 0 of size 3")],
    "index_select": [((zeros(3), 0, ints(7)), {}, "index_select: index 7 is out of range for dimension 0 of size 3")],
    "take": [((zeros(3), ints(4)), {}, "take: index 4 is out of range for dimension 0 of size 3")],
    "index_add": [
        (
            (zeros(3), 0, ints(0, 1), zeros(3)),
            {},
            "index_add: expected a source of shape (2,) for 2 indices in dimension 0 of",
        )
    ],
    "sum": [((zeros(2, 3), 2), {}, "sum: dim must lie in [-2, 1], got 2")],
    "mean": [((ints(1, 2),), {}, "mean: expected a floating tensor, got int64; use .to(float)")],
    "max": [((zeros(0),), {}, "amax: dimension 0 of shape (0,) has size 0, at least 1 is needed")],
    "amax": [((zeros(2, 0), 1), {}, "amax: dimension 1 of shape (2, 0) has size 0, at least 1 is needed")],
    "argmax": [((zeros(0),), {}, "argmax: dimension 0 of shape (0,) has size 0, at least 1 is needed")],
    "prod": [((zeros(2), 3), {}, "prod: dim must lie in [-1, 0], got 3")],
    "std": [((zeros(2), (0, 0)), {}, "std: dim (0, 0) names a dimension twice")],
    "logsumexp": [((zeros(2, 3), (0, 0)), {}, "logsumexp: dim (0, 0) names a dimension twice")],
    "cumsum": [((zeros(2), 1), {}, "cumsum: dim must lie in [-1, 0], got 1")],
    "topk": [((zeros(3), 4), {}, "topk: k must lie in [0, 3], the size of dim 0; got 4")],
    "kthvalue": [((zeros(3), 0), {}, "kthvalue: k must lie in [1, 3], the size of dim -1; got 0")],
    "sort": [((zeros(3), 2), {}, "sort: dim must lie in [-1, 0], got 2")],
    "median": [((zeros(3), 2), {}, "median: dim must lie in [-1, 0], got 2")],
    "bincount": [
        ((ints(-1, 2),), {}, "bincount: expected numbers of at least 0, got -1"),
        ((zeros(3),), {}, "bincount: expected a vector of integers, got float32 (3,)"),
    ],
    "histc": [((zeros(3), 0), {}, "histc: expected bins > 0 and min <= max, got bins 0, min 0, max 0")],
    "searchsorted": [
        ((zeros(2, 3), zeros(3, 3)), {}, "searchsorted: a sequence of shape (2, 3) needs values of shape (2, any), got")
    ],
    "unique": [((zeros(3),), {"dim": 2}, "unique: dim must lie in [-1, 0], got 2")],
    "matmul": [
        ((zeros(2, 3), zeros(2, 3)), {}, "matmul: the last size of x, 3, differs from the number of rows of other, 2"),
        ((zeros(2, 3), zeros()), {}, "matmul: both tensors need at least one dimension, got shapes (2, 3) and ()"),
        (
            (zeros(2, 3), zeros(3, 2, dtype="float64")),
            {},
            "matmul: expected tensors of one dtype, got x float32, other float64; convert",
        ),
    ],
    "mm": [
        (
            (zeros(3), zeros(3, 2)),
            {},
            "mm: expected tensors of 2, 2 dimensions, got x (3,) float32, mat2 (3, 2) float32",
        )
    ],
    "bmm": [((zeros(2, 3, 4), zeros(3, 4, 2)), {}, "bmm: batches of 2 and 3 matrices; expected as many")],
    "einsum": [
        (("ij,jk->ik", zeros(2, 3), zeros(2, 3)), {}, "einsum: label 'j' has sizes 3 and 2, which do not broadcast")
    ],
    "dot": [((zeros(2), zeros(3)), {}, "matmul: the last size of x, 2, differs from the number of rows of other, 3")],
    "outer": [((zeros(2, 2), zeros(3)), {}, "outer: expected two vectors, got shapes (2, 2) and (3,)")],
    "inv": [
        ((zeros(2, 3),), {}, "linalg.inv: expected square matrices (..., n, n), got shape (2, 3)"),
        ((zeros(2, 2),), {}, "linalg.inv: Singular matrix (shape (2, 2))"),
    ],
    "cholesky": [((zeros(2, 2),), {}, "linalg.cholesky: Matrix is not positive definite (shape (2, 2))")],
    "det": [((zeros(3),), {}, "linalg.det: expected square matrices (..., n, n), got shape (3,)")],
    "solve": [((zeros(2, 2), zeros(3, 2)), {}, "linalg.solve: shapes (2, 2) and (3, 2) do not fit")],
    "qr": [((zeros(3),), {}, "linalg.qr: expected matrices (..., m, n), got shape (3,)")],
    "svd": [((zeros(3),), {}, "linalg.svd: expected matrices (..., m, n), got shape (3,)")],
    "eigh": [((zeros(2, 3),), {}, "linalg.eigh: expected square matrices (..., n, n), got shape (2, 3)")],
    "vector_norm": [((ints(1, 2),), {}, "vector_norm: expected a floating tensor, got int64; convert with .to(float)")],
    "matrix_norm": [((zeros(3),), {}, "matrix_norm: expected matrices and two dims, got shape (3,), dim=(-2, -1)")],
    "softmax": [((zeros(2, 3), 2), {}, "softmax: dim must lie in [-2, 1], got 2")],
    "log_softmax": [((ints(1, 2), 0), {}, "log_softmax: expected a floating tensor, got int64; give dtype")],
    "hardtanh": [((zeros(2), 1.0, -1.0), {}, "hardtanh: min_val 1.0 is greater than max_val -1.0")],
    "dropout": [((zeros(2), 1.5), {}, "dropout: p must lie between 0 and 1, got 1.5")],
    "gelu": [((zeros(2), "exact"), {}, "gelu: approximate must be 'none' or 'tanh', got 'exact'")],
    "cross_entropy": [
        ((zeros(2, 3), ints(0, 3)), {}, "cross_entropy: target 3 is none of the classes 0 to 2"),
        ((zeros(2, 3), ints(0)), {}, "cross_entropy: expected a target of shape (2,) for input (2, 3), got (1,)"),
        (
            (zeros(2, 3), ints(0, 1)),
            {"reduction": "avg"},
            "cross_entropy: reduction must be 'none', 'mean' or 'sum', got 'avg'",
        ),
    ],
    "nll_loss": [((zeros(2, 3), ints(0, -1)), {}, "nll_loss: target -1 is none of the classes 0 to 2")],
    "mse_loss": [
        ((zeros(2), zeros(3)), {"reduction": "all"}, "mse_loss: reduction must be 'none', 'mean' or 'sum', got 'all'")
    ],
    "binary_cross_entropy": [
        ((zeros(2), zeros(3)), {}, "binary_cross_entropy: target must have the shape of input (2,), got (3,)"),
        (
            (zeros(2) + 2, zeros(2)),
            {},
            "binary_cross_entropy: every element of input must be a probability, from 0 to 1",
        ),
    ],
    "binary_cross_entropy_with_logits": [
        ((zeros(2), zeros(3)), {}, "binary_cross_entropy_with_logits: target must have the shape of input (2,), got")
    ],
    "batch_norm": [
        ((zeros(2, 3), None, None), {}, "batch_norm: outside training running_mean and running_var must be given"),
        (
            (zeros(1, 3), None, None, None, None, True),
            {},
            "batch_norm: expected more than 1 value per channel when training, got shape (1,",
        ),
    ],
    "layer_norm": [
        ((zeros(2, 3), (4,)), {}, "layer_norm: normalized_shape is (4,), but the input, shape (2, 3), does not end")
    ],
    "group_norm": [((zeros(2, 3), 2), {}, "group_norm: 3 channels (input (2, 3)) cannot be divided among 2 groups")],
    "rms_norm": [
        ((zeros(2, 3), (2,)), {}, "rms_norm: normalized_shape is (2,), but the input, shape (2, 3), does not end")
    ],
    "scaled_dot_product_attention": [
        (
            (zeros(2, 3, 4), zeros(2, 3, 5), zeros(2, 3, 4)),
            {},
            "scaled_dot_product_attention: query and key must agree in the last size, key",
        )
    ],
    "embedding": [((ints(5), zeros(3, 2)), {}, "embedding: index 5 is out of range for dimension 0 of size 3")],
    "one_hot": [((ints(4), 3), {}, "one_hot: classes must lie in [0, 2], got 4")],
    "linear": [((zeros(2, 3), zeros(4, 2)), {}, "linear: input (2, 3) ends in (3,), weight (4, 2) expects (2,)")],
    "pad": [
        ((zeros(2, 3), (1,)), {}, "pad: expected two widths for each of at most 2 dimensions, got (1,)"),
        (
            (zeros(2, 3), (1, 1)),
            {"mode": "round"},
            "pad: mode must be 'constant', 'reflect', 'replicate', 'circular', got 'round'",
        ),
    ],
    "interpolate": [((zeros(1, 1, 4),), {}, "interpolate: exactly one of size and scale_factor must be given")],
    "grid_sample": [
        (
            (zeros(1, 1, 3, 3), zeros(1, 2, 2, 3)),
            {},
            "grid_sample: expected input (N, C, H, W) with grid (N, H, W, 2), or one",
        )
    ],
    "pixel_shuffle": [
        ((zeros(1, 3, 2, 2), 2), {}, "pixel_shuffle: 3 channels cannot be divided by the factor's square, 4")
    ],
    "cosine_similarity": [
        ((zeros(2), zeros(3)), {}, "broadcast_tensors: shapes (2,) and (3,) do not broadcast: sizes must be equal,")
    ],
    "ctc_loss": [((zeros(3, 1, 2), ints(1), (4,), (1,)), {}, "ctc_loss: input lengths must lie in [0, 3], got [4]")],
    "randint": [((3, 3, (2,)), {}, "randint: expected low < high within 64 bits, got low 3, high 3")],
    "bernoulli": [((zeros(2) + 2,), {}, "bernoulli: probabilities must lie in [0, 1]")],
    "multinomial": [((zeros(3), 2), {}, "multinomial: weights must be finite, not negative, and not all zero")],
    "normal": [((0.0, -1.0, (2,)), {}, "normal: std must not be negative, got -1.0")],
    "randperm": [((-1,), {}, "randperm: n must not be negative, got -1")],
    "arange": [((0, 3, -1), {}, "arange: step -1 does not lead from 0 to 3")],
    "linspace": [((0, 1, -1), {}, "linspace: steps must not be negative, got -1")],
    "zeros": [(((-1,),), {}, "zeros: sizes must not be negative, got (-1,)")],
    "eye": [((-1,), {}, "eye: sizes must not be negative, got -1 and -1")],
}
REFUSES |= samples_conv_pool.REFUSES
