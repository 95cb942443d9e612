"""CUDA kernels of recurrent layers, against the operations' bodies in float64."""

import numpy as np
import pytest
from emulation import check
from samples.make import Sample, normal

from tinydl.kernels.gpu import launch, precision, recurrent
from tinydl.kernels.gpu.arrays import NARROW
from tinydl.testing.emulated import EMULATED, emulated_device

pytestmark = pytest.mark.usefixtures("place")

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
ARITHMETIC = {"ieee": ("float32", 1), "tf32": ("float32", 50), "float64": ("float64", 1), "float16": ("float16", 1),
              "bfloat16": ("bfloat16", 1)}  # fmt: skip
# sizes of the steps, hidden units, backwards
CASES = {
    "equal": ((3, 3, 3), 12, False),
    "shorter": ((19, 17, 4, 1), 20, False),  # more rows than a tile of 16 has, units in three blocks
    "wide": ((66, 3), 40, False),  # more rows than a tile of 64 has, more units than 32
    "backwards": ((5, 4, 2), 8, True),
    "ragged": ((3, 2), 5, False),  # rows that 16-byte copies cannot read
    "one step": ((4,), 8, True),
}


@pytest.fixture(params=ARITHMETIC)
def arithmetic(request):
    before = precision.get_precision("rnn")
    precision.set_precision("rnn", request.param if request.param in precision.MODES else before)
    yield ARITHMETIC[request.param]
    precision.set_precision("rnn", before)


def layer(name, sizes, H, backwards, bias=True, D=3, tail=()):
    """A sample of a layer."""
    N, G = max(sizes), GATES[name]
    states = [normal(N, H) for _ in range(1 + (name == "lstm"))]
    weights = [normal(G * H, n) / n**0.5 for n in (D, H)]
    biases = [normal(G * H) for _ in range(2)] if bias else [None, None]
    last = [None] if name == "lstm" else []
    constants = {"sizes": sizes, "backwards": backwards} | dict(tail)
    return Sample(normal(sum(sizes), D), *states, *weights, *biases, *last, **constants)


@pytest.fixture(params=["in one launch", "step by step"])
def launched(request, monkeypatch):
    """How the sequences run, and the instances of csrc/sequence.cu that did."""
    found = []
    if request.param == "step by step":
        monkeypatch.setattr(recurrent, "MOST_SHARED", 0)
    run = recurrent.launch
    monkeypatch.setattr(recurrent, "launch", lambda s, instance, *args, **kw: found.append(instance) or
                        run(s, instance, *args, **kw))  # fmt: skip
    return request.param, found


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_layers_and_their_gradients(name, case, arithmetic, launched):
    (dtype, more), (sizes, H, _), (how, found) = arithmetic, case, launched
    check(name, layer(name, *case), dtype, served=[f"{name}_grad"], more=more)
    fits = H * np.dtype(dtype).itemsize % 16 == 0 and len(sizes) > 1
    kernels = {instance.partition("<")[0] for instance in found}
    assert kernels == ({"sequence", "sequence_back"} if fits and how == "in one launch" else set())
    assert all(f", {recurrent.BATCHES[max(sizes) > 16][0]}, " in instance for instance in found)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_plain_layers(nonlinearity, arithmetic):
    dtype, more = arithmetic
    kink = nonlinearity == "relu" and dtype in NARROW  # rounding carries units over it, to another slope
    for bias, case in ((True, CASES["shorter"]), (False, CASES["backwards"])):
        sample = layer("rnn", *case, bias=bias, tail={"nonlinearity": nonlinearity})
        check("rnn", sample, dtype, order=int(not kink), served=[] if kink else ["rnn_grad"], more=more)


@pytest.mark.emulated
def test_more_blocks_than_run_at_once(monkeypatch):
    """Such a layer runs step by step; were it launched, that would be an error, not a grid that never meets."""
    few = EMULATED._replace(resident=lambda kernel, threads, shared: 1)
    sample = layer("lstm", (3, 3), 12, False)
    with emulated_device() as device:
        given = [device.array(a.astype("f")) if isinstance(a, np.ndarray) else a for a in sample.args]
        want = recurrent.lstm(*given, **sample.constants)[0].get()
        launch.BACKENDS[type(given[0])] = few
        got = recurrent.lstm(*given, **sample.constants)[0].get()
        np.testing.assert_allclose(got, want, atol=2e-3)
        monkeypatch.setattr(recurrent, "resident", lambda *args: 132)
        with pytest.raises(launch.LaunchError, match="cannot run 2 blocks at once"):
            recurrent.lstm(*given, **sample.constants)
