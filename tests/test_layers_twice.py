"""Every layer differentiated twice: against differences, and a gradient penalty through it against PyTorch.

The table has an entry for each class of tinydl.nn; a class without one fails.
"""

import inspect
import re

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import autograd, nn
from tinydl.func import functional_call
from tinydl.testing import gradcheck

torch = oracle()

# constructor | inputs: shapes of normal numbers; "+" positive, "0" within (0, 1), "s" signs, "i5" integers below 5;
# "=" is held fixed
TABLE = """
Linear(3, 4)| 5,3                       Bilinear(2, 3, 4)| 5,2 5,3                Identity()| 2,3          Maxout(3, 2, 3)| 4,3
Conv1d(2, 4, 3, 2, 1, groups=2)| 2,2,5  Conv2d(2, 3, 3, padding=1, padding_mode='circular')| 2,2,3,4
Conv2d(2, 3, (3, 2), (2, 1), dilation=(1, 2))| 2,2,5,4                            Conv2d(4, 4, 3, padding=1, groups=4)| 1,4,3,3
Conv3d(1, 2, 2, padding=1)| 1,1,2,3,2   ConvTranspose1d(2, 3, 3, 2, output_padding=1)| 2,2,4
ConvTranspose2d(4, 2, 3, 2, 1, groups=2)| 1,4,3,2                                 ConvTranspose3d(1, 2, 2)| 1,1,2,2,2
Unfold(2, padding=1)| 1,2,3,4           Fold((4, 5), 2)| 1,8,12
MaxPool1d(2)| 2,3,5                     MaxPool2d(3, 2, 1, ceil_mode=True)| 1,2,5,4   MaxPool3d(2)| 1,1,4,2,4
AvgPool1d(2)| 2,3,5                     AvgPool2d(2, padding=1)| 1,2,4,5          AvgPool3d(2)| 1,1,4,2,4
LPPool1d(3, 2)| +1,2,6                  LPPool2d(2, 2)| +1,2,4,4                  LPPool3d(2, 2)| +1,1,2,4,2
AdaptiveAvgPool1d(2)| 1,2,5             AdaptiveAvgPool2d((2, None))| 1,2,5,3     AdaptiveAvgPool3d(2)| 1,1,3,4,3
AdaptiveMaxPool1d(2)| 1,2,5             AdaptiveMaxPool2d((2, None))| 1,2,5,3     AdaptiveMaxPool3d(2)| 1,1,3,4,3
MaxUnpool1d(2)| 1,2,6                   MaxUnpool2d(2)| 1,2,4,6                   MaxUnpool3d(2)| 1,1,2,4,4
BatchNorm1d(3)| 4,3                     BatchNorm2d(3)| 2,3,2,2                   BatchNorm3d(2)| 2,2,1,2,2
BatchNorm1d(3, affine=False)| 4,3,2     BatchNorm1d(3, track_running_stats=False)| 4,3,2
InstanceNorm1d(3, affine=True)| 2,3,5   InstanceNorm2d(2, track_running_stats=True)| 2,2,3,3   InstanceNorm3d(2)| 1,2,2,2,2
GroupNorm(2, 4)| 2,4,3                  LayerNorm((3, 2))| 4,3,2                  RMSNorm(4)| 2,4          LocalResponseNorm(2)| 1,4,3
Embedding(5, 3, padding_idx=1)| i5:2,3  EmbeddingBag(5, 3, mode='mean')| i5:2,3   EmbeddingBag(5, 3, mode='sum')| i5:2,3 2,3
Flatten()| 2,3,2                        Unflatten(1, (2, -1))| 2,6                PixelShuffle(2)| 1,4,2,2
PixelUnshuffle(2)| 1,1,4,2              ChannelShuffle(2)| 1,4,2,2                Upsample(scale_factor=2, mode='bilinear')| 1,1,3,2
Upsample((5, 3), mode='bicubic')| 1,1,4,4                                         UpsamplingNearest2d(scale_factor=2)| 1,1,3,2
UpsamplingBilinear2d((4, 5))| 1,2,3,3
ReflectionPad1d(1)| 1,2,3               ReflectionPad2d((1, 0, 2, 1))| 1,3,3      ReflectionPad3d(1)| 1,2,2,2
CircularPad1d(2)| 1,2,3                 CircularPad2d(1)| 1,2,2                   CircularPad3d(1)| 1,2,2,2
ReplicationPad1d(2)| 1,2,3              ReplicationPad2d(1)| 1,2,2                ReplicationPad3d(1)| 1,2,2,2
ConstantPad1d(2, 0.5)| 1,2,3            ConstantPad2d(1, 0.5)| 1,2,2              ConstantPad3d(1, 2.0)| 1,2,2,2
ZeroPad1d(2)| 1,2,3                     ZeroPad2d(1)| 1,2,2                       ZeroPad3d(1)| 1,2,2,2
CELU(0.7)| 6   ELU(0.7)| 6   GELU()| 6  GELU('tanh')| 6   GLU()| 2,4   SELU()| 6  SiLU()| 6   Mish()| 6   PReLU(3)| 2,3,2
Hardshrink()| 6   Hardsigmoid()| 6      Hardswish()| 6    Hardtanh(-0.5, 0.5)| 6  LeakyReLU()| 6   ReLU()| 6   ReLU6()| 6
LogSigmoid()| 6   LogSoftmax(1)| 2,4    RReLU()| 6        Sigmoid()| 6            Softmax(1)| 2,4  Softmax2d()| 1,3,2,2
Softmin(1)| 2,4   Softplus(2.0)| 6      Softshrink(0.2)| 6   Softsign()| 6        Tanh()| 6   Tanhshrink()| 6   Threshold(0.1, 2.0)| 6
Dropout(0.4)| 8   Dropout1d(0.4)| 2,4,3 Dropout2d(0.4)| 2,4,3,2   Dropout3d(0.4)| 1,4,2,2,2   AlphaDropout(0.4)| 8
FeatureAlphaDropout(0.4)| 2,4,3
RNN(3, 2, 2, bidirectional=True)| 4,2,3 RNN(3, 2, nonlinearity='relu')| 4,2,3 1,2,2
LSTM(3, 2, 2, bidirectional=True)| 4,2,3                                          LSTM(3, 4, proj_size=2, batch_first=True)| 2,4,3
GRU(3, 2, 2, bidirectional=True)| 4,2,3 GRU(3, 2)| 4,2,3 1,2,2
RNNCell(3, 2)| 2,3 2,2                  LSTMCell(3, 2)| 2,3                       GRUCell(3, 2)| 2,3 2,2
MultiheadAttention(4, 2, add_bias_kv=True)| 3,2,4 5,2,4 5,2,4
Transformer(4, 2, 1, 1, 6, dropout=0.0, activation='gelu')| 3,2,4 2,2,4
TransformerEncoderLayer(4, 2, 6, 0.0, norm_first=True)| 3,2,4                     TransformerEncoderLayer(4, 2, 6, 0.0)| 3,2,4
TransformerDecoderLayer(4, 2, 6, 0.0)| 3,2,4 4,2,4
TransformerEncoder(TransformerEncoderLayer(4, 2, 6, 0.0), 2)| 3,2,4
TransformerDecoder(TransformerDecoderLayer(4, 2, 6, 0.0), 2)| 3,2,4 4,2,4
Sequential(Linear(3, 4), Tanh(), Linear(4, 2))| 5,3
BCELoss()| 03,2 03,2                    BCEWithLogitsLoss()| 3,2 03,2             MSELoss()| 2,3 2,3       MBELoss()| 2,3 2,3
L1Loss()| 4 4     SmoothL1Loss(beta=0.5)| 6 6   HuberLoss(delta=0.3)| 6 6         KLDivLoss(reduction='batchmean')| 2,3 02,3
PoissonNLLLoss(full=True)| 4 +4         GaussianNLLLoss()| 3 3 +3                 SoftMarginLoss()| 4 s4
CrossEntropyLoss(label_smoothing=0.1)| 4,3 i3:4   CrossEntropyLoss()| 4,3 04,3    NLLLoss(ignore_index=1)| 4,3 i3:4
MultiMarginLoss(p=2)| 3,4 i4:3          MultiLabelMarginLoss()| 3,4 i4:3,4        MultiLabelSoftMarginLoss()| 3,4 =03,4
MarginRankingLoss(0.3)| 4 4 s4          CosineEmbeddingLoss(0.2)| 4,3 4,3 s4      HingeEmbeddingLoss()| 4 s4
ContrastiveLoss(2.0)| 4,3 4,3 s4        TripletMarginLoss(swap=True)| 3,4 3,4 3,4
TripletMarginWithDistanceLoss()| 3,4 3,4 3,4    CosineSimilarity()| 2,4 2,4       PairwiseDistance(3.0)| 2,4 2,4
CTCLoss()| 6,2,4
MinibatchDiscrimination(3, 2)| 4,3       VirtualBatchNorm1d(3, 2)| 5,3             VirtualBatchNorm2d(2, 2)| 5,2,2,2
"""  # fmt: skip  # noqa: E501
ENTRIES = [(text, given.split()) for text, given in re.findall(r"([A-Z]\w+\(.*?\))\|([^A-Z]*)", TABLE)]


def _unpooled(n):
    def call(lib, layer, x):
        y, index = getattr(lib.nn.functional, f"max_pool{n}d")(x, 2, return_indices=True)
        return layer(y, index)

    return call


def _aligned(lib, layer, x):
    labels = lib.tensor([[1, 2], [3, 3]])
    return layer(lib.nn.functional.log_softmax(x, 2), labels, lib.tensor([6, 5]), lib.tensor([2, 1]))


def _two_states(lib, layer, x):
    h, c = layer(x)
    return layer(x, (h * 2, c))


# what is called otherwise than with its inputs
CALLED = {
    "MaxUnpool1d": _unpooled(1),
    "MaxUnpool2d": _unpooled(2),
    "MaxUnpool3d": _unpooled(3),
    "CTCLoss": _aligned,
    "LSTMCell": _two_states,
    "EmbeddingBag": lambda lib, layer, i, *weights: layer(i, None, *weights),
}
# no layers: what holds or describes others
HOLDERS = {
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "RNNBase",
    "RNNCellBase",
    "Referenced",
}


def arrays(given):
    """The inputs that a line asks for, and which of them are variables."""
    rng = np.random.default_rng(0)
    found = []
    for word in given:
        kind, size = re.fullmatch(r"(=?(?:[+0s]|i\d+:)?)(\d[\d,]*)", word).groups()
        size = tuple(map(int, size.split(",")))
        x = rng.standard_normal(size)
        match kind.lstrip("="):
            case "+":
                x = abs(x) + 0.2
            case "0":
                x = rng.uniform(0.1, 0.9, size)
            case "s":
                x = np.where(x < 0, -1.0, 1.0)
            case k if k.startswith("i"):
                x = rng.integers(0, int(k[1:-1]), size)
        found.append((x, x.dtype.kind == "f" and "=" not in kind and "s" not in kind))
    return found


def build(lib, text):
    lib.manual_seed(0)
    return eval(text, {name: x for name, x in vars(lib.nn).items() if inspect.isclass(x)}).double()


def called(lib, text, layer, *xs):
    lib.manual_seed(1)  # the same drops each time
    y = CALLED.get(text.split("(")[0], lambda lib, layer, *xs: layer(*xs))(lib, layer, *xs)
    return flat(y)


def flat(y):
    return [t for part in y for t in flat(part)] if isinstance(y, tuple) else [] if y is None else [y]


def test_every_layer_has_an_entry():
    layers = {name for name, x in vars(nn).items() if inspect.isclass(x) and issubclass(x, nn.Module)}
    assert layers == {text.split("(")[0] for text, _ in ENTRIES} | HOLDERS


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("text, given", ENTRIES, ids=[t for t, _ in ENTRIES])
def test_two_orders_by_differences(text, given, training):
    layer = build(tinydl, text).train(training)
    names = [name for name, _ in layer.named_parameters()]
    buffers = dict(layer.named_buffers())
    xs = [tinydl.tensor(a, requires_grad=variable) for a, variable in arrays(given)]
    params = [p.detach().requires_grad_() for p in layer.parameters()]

    class Call(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, *xs):
            return called(tinydl, text, self.layer, *xs)

    def run(*tensors):
        inside = dict(zip(names, tensors[len(xs) :])) | {k: b.clone() for k, b in buffers.items()}
        return functional_call(Call(), {f"layer.{k}": t for k, t in inside.items()}, tensors[: len(xs)])

    assert gradcheck(run, (*xs, *params), order=2, fast_mode=True, eps=1e-5, atol=1e-6)


@pytest.mark.parametrize("text, given", ENTRIES, ids=[t for t, _ in ENTRIES])
def test_float32_stays_float32(text, given):
    layer = build(tinydl, text).float()
    xs = [tinydl.tensor(a.astype("float32") if a.dtype.kind == "f" else a) for a, _ in arrays(given)]
    leaves = [x.requires_grad_() for x, (_, variable) in zip(xs, arrays(given)) if variable] + list(layer.parameters())
    ys = called(tinydl, text, layer, *xs)
    grads = autograd.grad(sum((y * y).sum() for y in ys), leaves, create_graph=True, allow_unused=True)
    penalty = sum((g * g).sum() for g in grads if g is not None)
    twice = autograd.grad(penalty, leaves, allow_unused=True)
    found = [t for t in (*ys, *grads, penalty, *twice) if t is not None]
    assert len(found) > 3 and {t.dtype for t in found} == {np.dtype("float32")}


RANDOM = re.compile("RReLU|.*Dropout")
OURS = {"Maxout", "MBELoss", "ContrastiveLoss", "MinibatchDiscrimination", "VirtualBatchNorm1d", "VirtualBatchNorm2d"}
# PyTorch cannot differentiate these twice, nor the weights of a bag
ONCE = {"MultiLabelMarginLoss", "MultiMarginLoss", "Hardsigmoid", "CTCLoss"}
THEIRS = [e for e in ENTRIES if e[0].split("(")[0] not in OURS | ONCE and e[1] != ["i5:2,3", "2,3"]]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("text, given", THEIRS, ids=[t for t, _ in THEIRS])
@pytest.mark.filterwarnings("ignore")
def test_a_gradient_penalty_is_pytorchs(text, given, training):
    """The slope of |d loss / d (inputs, parameters)|^2."""
    training = training and not RANDOM.match(text)
    layers = {lib: build(lib, text).train(training) for lib in (torch, tinydl)}
    layers[tinydl].load_state_dict({k: tinydl.tensor(v.numpy()) for k, v in layers[torch].state_dict().items()})
    results = []
    for lib, layer in layers.items():
        xs = [lib.tensor(a, requires_grad=variable) for a, variable in arrays(given)]
        leaves = [x for x in (*xs, *layer.parameters()) if x.requires_grad]
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            ys = called(lib, text, layer, *xs)
        rng = np.random.default_rng(1)
        loss = sum((y * lib.tensor(rng.standard_normal(tuple(y.shape)))).sum() for y in ys)
        grads = lib.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        penalty = sum((g * g).sum() for g in grads if g is not None)
        twice = lib.autograd.grad(penalty, leaves, allow_unused=True) if penalty.requires_grad else [None] * len(leaves)
        results.append([np.zeros(tuple(x.shape)) if t is None else t.numpy(force=True)
                        for t, x in zip((*grads, *twice), 2 * leaves)])  # fmt: skip
    for theirs, mine in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9 * max(1, abs(theirs).max(initial=0)))
