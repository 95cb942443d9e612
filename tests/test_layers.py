"""Layers and losses: PyTorch's state, values and gradients; how they begin; what they refuse."""

import math
import re

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn

# constructor | shapes of the inputs, "i" for class indices, "+" for positive numbers
LAYERS = """
Linear(3, 4)| 5,3                     Bilinear(2, 3, 4)| 5,2 5,3         Conv1d(2, 4, 3, padding='same')| 2,2,6
Conv2d(4, 6, (3, 2), (2, 1), (1, 0), groups=2)| 2,4,6,5                  Conv2d(2, 3, 3, padding=(1, 2), dilation=2)| 2,6,7
Conv2d(2, 3, 3, padding=2, padding_mode='circular')| 2,2,5,4             Conv1d(2, 3, 4, padding='same', padding_mode='reflect')| 1,2,7
Conv2d(2, 3, 3, padding=(1, 2), padding_mode='replicate')| 1,2,4,5       Conv3d(1, 2, 2, stride=2)| 1,1,4,4,4
ConvTranspose1d(2, 3, 3, stride=2, output_padding=1)| 2,2,4              ConvTranspose2d(4, 2, 3, 2, 1, groups=2)| 1,4,3,4
ConvTranspose3d(1, 2, 2, bias=False)| 1,1,2,2,2                          Unfold(2, padding=1)| 1,2,3,4
Fold((4, 5), 2)| 1,8,12               MaxPool1d(2)| 2,3,5                MaxPool2d(3, 2, 1, ceil_mode=True)| 2,2,6,7
AvgPool2d(2, padding=1)| 1,2,4,5      LPPool1d(2, 2)| + 1,2,6            AdaptiveAvgPool2d((2, None))| 1,2,5,3
AdaptiveMaxPool1d(2)| 1,2,5           BatchNorm1d(3)| 4,3                BatchNorm2d(3, momentum=None)| 2,3,2,2
BatchNorm1d(3, affine=False, track_running_stats=False)| 4,3,2           BatchNorm3d(2, bias=False)| 2,2,1,2,2
InstanceNorm1d(3, affine=True)| 2,3,5 InstanceNorm2d(2, track_running_stats=True)| 2,2,3,3
GroupNorm(2, 4)| 2,4,3                LayerNorm((3, 2))| 4,3,2           RMSNorm(4)| 2,4                 LocalResponseNorm(2)| 1,4,3
Embedding(5, 3, padding_idx=1)| i5:2,3                                   EmbeddingBag(5, 3, mode='mean')| i5:2,3
Flatten()| 2,3,2                      Unflatten(1, (2, -1))| 2,6         PixelShuffle(2)| 1,4,2,2        ReflectionPad2d((1, 0, 2, 1))| 1,3,3
CircularPad1d(2)| 1,2,3               ZeroPad2d(1)| 1,2,2                Upsample(scale_factor=2, mode='bilinear')| 1,1,3,2
PReLU(3)| 2,3,2                       GLU()| 2,4                         Softmax(1)| 2,3                 Softmax2d()| 1,3,2,2
GELU()| 5                             Hardtanh(-0.5, 0.5)| 5             CELU(0.7)| 5                    Softshrink(0.2)| 5
MSELoss()| 2,3 2,3                    SmoothL1Loss(beta=0.5)| 4 4        HuberLoss(delta=0.3)| 4 4       L1Loss(reduction='sum')| 4 4
CrossEntropyLoss(label_smoothing=0.1)| 4,3 i3:4                          NLLLoss(ignore_index=1)| 4,3 i3:4
BCEWithLogitsLoss()| 3 + 3            PoissonNLLLoss()| + 3 + 3          GaussianNLLLoss()| 3 3 + 3      MultiMarginLoss()| 3,4 i4:3
TripletMarginLoss(swap=True)| 2,4 2,4 2,4                                CosineSimilarity()| 2,4 2,4     PairwiseDistance(3.0)| 2,4 2,4
MSELoss(size_average=False)| 3 3      L1Loss(None, False)| 3 3
"""  # fmt: skip  # noqa: E501
LAYERS = [(text, shapes.strip()) for text, shapes in re.findall(r"([A-Z]\w+\(.*?\))\|([^A-Z]*)", LAYERS)]


def inputs(shapes, dtype="float64"):
    """The arrays that a line asks for."""
    rng = np.random.default_rng(0)
    found, positive = [], False
    for word in shapes.split():
        if word == "+":
            positive = True
            continue
        kind, _, sizes = word.rpartition(":")
        size = tuple(map(int, sizes.split(",")))
        if kind:
            found.append(rng.integers(0, int(kind[1:]), size))
        else:
            values = rng.standard_normal(size).astype(dtype)
            found.append(abs(values) + 0.1 if positive else values)
        positive = False
    return found


def build(lib, text):
    return eval(text, vars(lib.nn).copy())


@pytest.mark.parametrize("text, shapes", LAYERS, ids=[t for t, _ in LAYERS])
def test_state_values_and_gradients_are_torchs(text, shapes):
    torch = oracle()
    theirs, mine = build(torch, text).double(), build(tinydl, text).double()
    state = theirs.state_dict()
    assert list(mine.state_dict()) == list(state)
    mine.load_state_dict({k: tinydl.tensor(v.numpy()) for k, v in state.items()})
    results = []
    for lib, layer in ((torch, theirs), (tinydl, mine)):
        xs = [lib.tensor(a) for a in inputs(shapes)]
        for x in xs:
            x.requires_grad_(x.is_floating_point())
        y = layer(*xs)
        (y * y).sum().backward()
        grads = [t.grad for t in (*xs, *layer.parameters())]
        results.append([y, *(g for g in grads if g is not None), *layer.buffers()])
    assert len(results[0]) == len(results[1])
    for a, b in zip(*results):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("text, shapes", LAYERS, ids=[t for t, _ in LAYERS])
def test_float32_stays_float32(text, shapes):
    layer = build(tinydl, text)
    xs = [tinydl.tensor(a) for a in inputs(shapes, "float32")]
    for x in xs:
        x.requires_grad_(x.is_floating_point())
    y = layer(*xs)
    y.sum().backward()
    grads = [t.grad for t in (*xs, *layer.parameters()) if t.grad is not None]
    for t in (y, *grads, *layer.state_dict().values()):
        assert t.dtype in (np.float32, np.int64)
    assert y.dtype == np.float32


# ---------------------------------------------------------------- how parameters begin
def spread(t):
    values = t.detach().numpy().astype(float)
    return abs(values).max(), values.std()


@pytest.mark.parametrize(
    "layer, fan",
    [
        (lambda: nn.Linear(50, 400), 50),
        (lambda: nn.Conv2d(8, 64, 5, groups=2), 4 * 25),
        (lambda: nn.ConvTranspose1d(40, 30, 6), 30 * 6),
        (lambda: nn.Bilinear(60, 20, 50), 60),
    ],
)
def test_layers_begin_uniform_by_fan_in(layer, fan):
    tinydl.manual_seed(0)
    net = layer()
    bound = 1 / math.sqrt(fan)
    for p in net.parameters():
        most, std = spread(p)
        assert 0.85 * bound < most <= bound
    assert spread(net.weight)[1] == pytest.approx(bound / math.sqrt(3), rel=0.05)


WEIGHT = (60, 40, 3)  # fan in 120, fan out 180


@pytest.mark.parametrize(
    "fill, std, bound",
    [
        (lambda t: nn.init.uniform_(t, -2, 4), 6 / 12**0.5, 4),
        (lambda t: nn.init.normal_(t, 0, 3), 3, None),
        (lambda t: nn.init.xavier_uniform_(t, 2), 2 * (2 / 300) ** 0.5, 2 * (6 / 300) ** 0.5),
        (lambda t: nn.init.xavier_normal_(t), (2 / 300) ** 0.5, None),
        (lambda t: nn.init.kaiming_uniform_(t), (2 / 120) ** 0.5, (6 / 120) ** 0.5),
        (lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="tanh"), 5 / 3 / 180**0.5, None),
        (lambda t: nn.init.trunc_normal_(t, 0, 1, -1, 1), 0.5396, 1),  # 1 - 2 phi(1) / erf(1 / sqrt 2)
    ],
)  # fmt: skip
def test_distributions(fill, std, bound):
    tinydl.manual_seed(1)
    t = nn.Parameter(tinydl.zeros(WEIGHT))
    assert fill(t) is t and t.is_leaf and t.requires_grad
    most, found = spread(t)
    assert found == pytest.approx(std, rel=0.04)
    assert bound is None or 0.97 * bound < most <= bound + 1e-6


def test_generators_decide():
    def draw(seed):
        return nn.init.kaiming_normal_(tinydl.zeros(3, 4), generator=tinydl.Generator().manual_seed(seed))

    assert np.array_equal(draw(3).numpy(), draw(3).numpy())
    assert not np.array_equal(draw(3).numpy(), draw(4).numpy())


def test_special_matrices():
    for shape in ((3, 7), (7, 3), (4, 3, 2)):
        q = nn.init.orthogonal_(tinydl.zeros(*shape), gain=2).reshape(shape[0], -1).numpy()
        square = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-5)
    assert nn.init.eye_(tinydl.ones(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = tinydl.tensor(np.random.default_rng(0).standard_normal((1, 4, 5, 5)))
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False).double()
    nn.init.dirac_(conv.weight, groups=2)
    np.testing.assert_array_equal(conv(x).detach().numpy(), x.numpy())
    t = nn.init.sparse_(tinydl.zeros(10, 6), 0.35)
    assert ((t == 0).sum(0) == 4).all()
    assert (nn.init.constant_(tinydl.zeros(2), 3) == 3).all()


@pytest.mark.parametrize(
    "wrong, text",
    [
        (lambda: nn.init.xavier_uniform_(tinydl.zeros(3)), "at least 2 dimensions"),
        (lambda: nn.init.kaiming_uniform_(tinydl.zeros(3, 3), mode="in"), "mode must be"),
        (lambda: nn.init.calculate_gain("swish"), "unknown nonlinearity 'swish'"),
        (lambda: nn.init.eye_(tinydl.zeros(3)), "expected a matrix"),
        (lambda: nn.init.dirac_(tinydl.zeros(3, 3)), "3, 4 or 5 dimensions"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels 3 does not divide into 2 groups"),
        (lambda: nn.Conv2d(2, 4, 3, groups=0), "groups must be positive"),
        (lambda: nn.Conv2d(2, 4, 3, padding="full"), "padding must be 'same'"),
        (lambda: nn.Conv2d(2, 4, 3, 2, "same"), "needs stride 1"),
        (lambda: nn.Conv2d(2, 4, 3, padding_mode="wrap"), "padding_mode must be one of"),
        (lambda: nn.ConvTranspose1d(2, 4, 3, padding_mode="reflect"), "padding_mode 'zeros'"),
        (lambda: nn.ConvTranspose1d(1, 1, 3, 2)(tinydl.zeros(1, 1, 4), (20,)), "must lie between"),
        (lambda: nn.GroupNorm(2, 3), "do not divide into 2 groups"),
        (lambda: nn.BatchNorm2d(3)(tinydl.zeros(2, 3)), "expected 4D input"),
        (lambda: nn.InstanceNorm1d(3, affine=True)(tinydl.zeros(1, 2, 4)), "input has 2 channels"),
        (lambda: nn.Dropout(1.5), "p must lie between 0 and 1"),
        (lambda: nn.Hardtanh(2, 1), "max_val 1 is not above min_val 2"),
        (lambda: nn.Embedding(4, 2, padding_idx=4), "padding_idx 4 is no row"),
        (lambda: nn.Embedding.from_pretrained(tinydl.zeros(3)), "expected a table"),
        (lambda: nn.EmbeddingBag(4, 2, mode="min"), "mode must be"),
        (lambda: nn.ReflectionPad2d((1, 2)), "padding needs 4 widths"),
        (lambda: nn.Softmax2d()(tinydl.zeros(2, 2)), "expected"),
    ],
)  # fmt: skip
def test_refusals(wrong, text):
    with pytest.raises(ValueError, match=text):
        wrong()


# ---------------------------------------------------------------- state that moves
def test_batch_norm_counts_and_averages():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [tinydl.randn(8, 2) * (i + 1) + i for i in range(3)]
    for x in batches:
        layer(x)
    assert layer.num_batches_tracked.item() == 3
    means = np.mean([x.numpy().mean(0) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean.numpy(), means, rtol=1e-5)
    layer.eval()
    before = layer.running_mean.clone()
    one = layer(batches[0][:1])  # a single sample is fine outside training
    assert one.shape == (1, 2) and (layer.running_mean == before).all()
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0 and (layer.running_var == 1).all()


def test_dropout_drops_only_in_training():
    tinydl.manual_seed(0)
    x = tinydl.ones(2000)
    layer = nn.Dropout(0.25)
    y = layer(x)
    assert set(np.unique(y.numpy())) == {np.float32(0), np.float32(4 / 3)}
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert (layer.eval()(x) == 1).all()
    planes = nn.Dropout2d(0.5)(tinydl.ones(8, 8, 3, 3)).reshape(64, 9)
    assert ((planes == 0).all(1) | (planes == 2).all(1)).all()


def test_embedding_padding_row_stays_zero():
    layer = nn.Embedding(4, 3, padding_idx=-1)
    assert layer.padding_idx == 3 and (layer.weight[3] == 0).all()
    layer(tinydl.tensor([0, 3, 3])).sum().backward()
    assert (layer.weight.grad[3] == 0).all() and (layer.weight.grad[0] == 1).all()
    table = tinydl.randn(4, 3)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(frozen(tinydl.tensor(2)).numpy(), table[2].numpy())


def test_loss_weights_are_state():
    loss = nn.CrossEntropyLoss(weight=tinydl.ones(3))
    assert list(loss.state_dict()) == ["weight"] and not list(loss.parameters())
    assert loss.double().weight.dtype == np.float64
    assert nn.CrossEntropyLoss().weight is None


def test_a_layer_can_be_derived_from():
    class Leaky(nn.LeakyReLU):
        def __init__(self):
            super().__init__(0.5)
            self.gain = nn.Parameter(tinydl.ones(()))

        def forward(self, input):
            return super().forward(input) * self.gain

    layer = Leaky()
    assert layer(tinydl.tensor([-2.0])).item() == -1.0
    assert list(layer.state_dict()) == ["gain"] and "negative_slope=0.5" in repr(layer)


def test_distances_of_ones_own():
    def far(a, b):
        return (a - b).abs().sum(-1)

    loss = nn.TripletMarginWithDistanceLoss(distance_function=far, margin=2.0)
    a, p, n = tinydl.zeros(1, 2), tinydl.ones(1, 2), tinydl.ones(1, 2) * 1.5
    assert loss(a, p, n).item() == pytest.approx(2 - 3 + 2)
    learned = nn.PairwiseDistance(p=1.0)
    assert nn.TripletMarginWithDistanceLoss(distance_function=learned)(a, p, n).item() == pytest.approx(0, abs=1e-5)


# ---------------------------------------------------------------- computed weights
COMPUTED = [
    ("weight_norm", {}, "Linear(3, 4)", (2, 3)),
    ("weight_norm", {"dim": None}, "Conv2d(2, 3, 2)", (1, 2, 3, 3)),
    ("weight_norm", {"name": "bias"}, "Linear(3, 4)", (2, 3)),
    ("spectral_norm", {}, "Conv2d(2, 3, 2)", (1, 2, 3, 3)),
    ("spectral_norm", {"n_power_iterations": 3}, "ConvTranspose1d(2, 3, 2)", (1, 2, 4)),
]


@pytest.mark.filterwarnings("ignore")  # PyTorch's older names of the same
@pytest.mark.parametrize("name, options, text, shape", COMPUTED)
def test_computed_weights_are_torchs(name, options, text, shape):
    torch = oracle()
    torch.manual_seed(0)
    theirs, mine = (getattr(lib.nn.utils, name)(build(lib, text).double(), **options) for lib in (torch, tinydl))
    assert sorted(mine.state_dict()) == sorted(theirs.state_dict())
    mine.load_state_dict({k: tinydl.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(shape)
    for _ in range(2):
        for lib, layer in ((torch, theirs), (tinydl, mine)):
            (layer(lib.tensor(x)) ** 2).sum().backward()
    theirs.eval(), mine.eval()
    np.testing.assert_allclose(mine(tinydl.tensor(x)).tolist(), theirs(torch.tensor(x)).tolist(), rtol=1e-9)
    others = dict(theirs.named_parameters())
    for key, p in mine.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), others[key].grad.numpy(), rtol=1e-8, atol=1e-10)
    for key, value in mine.named_buffers():
        np.testing.assert_allclose(value.numpy(), dict(theirs.named_buffers())[key].numpy(), rtol=1e-9)
    before = mine(tinydl.tensor(x)).tolist()
    getattr(nn.utils, "remove_" + name)(mine, options.get("name", "weight"))
    assert sorted(mine.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(mine(tinydl.tensor(x)).tolist(), before, rtol=1e-12)


def test_computed_weights_refuse_what_is_not_there():
    layer = nn.utils.spectral_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="is computed already"):
        nn.utils.weight_norm(layer)
    with pytest.raises(AttributeError, match="has no parameter 'gain'"):
        nn.utils.weight_norm(layer, "gain")
    with pytest.raises(ValueError, match="no 'weight' computed by WeightNorm"):
        nn.utils.remove_weight_norm(layer)
    with pytest.raises(ValueError, match="n_power_iterations"):
        nn.utils.spectral_norm(layer, n_power_iterations=0)
