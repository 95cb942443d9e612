"""Tools for looking at things: printed tensors, summaries, profiles, traces, drawn graphs, threads."""

import os
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import nn, profiler
from tinydl.autograd.draw import draw

torch = oracle()


# ---------------------------------------------------------------- printing
def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


PRINTED = [
    np.float32(3), np.float32(0.1), np.float32([1, 2.5]), np.float32([1e-5, 1]), np.float32([1e9, 1]),
    np.float32([1, np.nan, np.inf, -np.inf]), np.float32([0.5, np.nan, -np.inf]), np.float32([0, 0]),
    np.float32([np.nan]), np.float32([1e-3, 2e-3]), np.float32([100.5, 1e5]), np.array([1, 20, -3]),
    np.array([True, False]), np.arange(40), np.arange(40, dtype=np.float32), np.arange(2000), np.array(5),
    np.array([1, 2], np.uint8), np.array([1.5, 2], np.float16), np.arange(3.0), np.zeros(0, np.float32),
    np.zeros(0, np.int64), np.zeros((0, 3), np.float32), np.zeros((2, 0)), normal(3, 4), normal(2, 3, 4),
    normal(2, 2, 3, 2), normal(30) * 1000, normal(40, 50), normal(2, 3000), normal(12, 9, 11), normal(5, dtype=float),
]  # fmt: skip


@pytest.mark.parametrize("array", PRINTED, ids=lambda a: f"{a.dtype}{a.shape}")
def test_tensors_look_as_pytorchs(array):
    assert repr(tinydl.tensor(array)) == repr(torch.tensor(array)).replace("torch.", "")


def test_what_is_said_beside_the_values():
    x = tinydl.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<mul>)"
    assert repr(nn.Parameter(tinydl.zeros(1))) == "Parameter containing:\ntensor([0.], requires_grad=True)"
    assert f"{tinydl.tensor(2.5):.2f}" == "2.50"


# ---------------------------------------------------------------- summaries
def test_a_summary_counts_parameters_and_work():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10, bias=False))
    model[0].bias.requires_grad_(False)
    found = tinydl.summary(model, (2, 3, 4, 4))
    assert [row[:3] for row in found.rows] == [
        ("0", "Conv2d", (2, 8, 4, 4)),
        ("1", "ReLU", (2, 8, 4, 4)),
        ("2", "Flatten", (2, 128)),
        ("3", "Linear", (2, 10)),
    ]
    assert [row[3] for row in found.rows] == [8 * 3 * 9 + 8, 0, 0, 1280]
    assert [row[4] for row in found.rows] == [2 * 8 * 16 * 27, 0, 0, 2 * 10 * 128]
    assert found.parameters == 1504 and found.trainable == 1496
    text = str(found)
    assert "1,504 parameters (1,496 trainable, 8 not)" in text and "(2, 8, 4, 4)" in text


@pytest.mark.parametrize(
    "model, shapes",
    [
        (nn.MultiheadAttention(8, 2), [(3, 2, 8)] * 3),
        (nn.LSTM(4, 5), [(3, 2, 4)]),
        (nn.TransformerEncoderLayer(8, 2, 16), [(3, 2, 8)]),
        (nn.Sequential(tied := nn.Linear(4, 4), nn.ReLU(), tied), [(2, 4)]),
    ],
    ids=["attention", "LSTM", "Transformer", "tied"],
)
def test_rows_of_a_summary_add_up(model, shapes):
    found = tinydl.summary(model, *shapes)
    assert sum(row[3] for row in found.rows) == found.parameters == sum(p.numel() for p in model.parameters())


def test_a_summary_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].eval()
    mean = model[1].running_mean.clone()
    tinydl.summary(model, tinydl.ones(3, 2))
    with pytest.raises(RuntimeError, match="linear"):
        tinydl.summary(model, (3, 5))
    assert [m.training for m in model.modules()] == [True, True, False]
    assert not any(list(m._hooks_at("forward")) for m in model.modules())
    np.testing.assert_array_equal(model[1].running_mean.numpy(), mean.numpy())
    with pytest.raises(ValueError, match="summary: give an input or its shape"):
        tinydl.summary(model)


# ---------------------------------------------------------------- profiles
@pytest.fixture
def kernel_of_mul(monkeypatch):
    """A kernel for `mul` that serves float32 and declines the rest."""
    from tinydl.device import CPU

    def kernel(x, other):
        return x * other if x.dtype == "float32" else NotImplemented

    monkeypatch.setitem(CPU.kernels, "mul", kernel)


def test_a_profile_tells_what_ran_and_by_what(kernel_of_mul):
    x, y = tinydl.ones(4, 4), tinydl.ones(2, dtype=tinydl.float64)
    with profiler.profile() as p:
        x * x
        x * x
        y * y
        x.expm1()
    row = p.rows["mul", "cpu"]
    assert (row.calls, row.served, row.declined, row.bytes) == (3, 2, 1, 2 * 64 + 16)
    assert row.reasons == {"float64 (2,), float64 (2,)"} and row.seconds > 0
    assert p.rows["expm1", "cpu"].served == p.rows["expm1", "cpu"].declined == 0
    x * x
    assert row.calls == 3  # nothing is counted afterwards
    lines = {line.split()[0]: line for line in str(p).splitlines() if line}
    assert lines["mul"].endswith("kernel 2x") and lines["expm1"].endswith("body")
    assert "mul: 1 of 3 calls, e.g. float64 (2,), float64 (2,)" in str(p)


def test_a_profile_sees_gradients_and_nests():
    x = tinydl.ones(3, requires_grad=True)
    with profiler.profile() as outer:
        y = x.tanh()
        with profiler.profile() as inner:
            y.sum().backward()
    assert ("tanh", "cpu") in outer.rows and ("tanh", "cpu") not in inner.rows
    assert {("sum_to", "cpu"), ("mul", "cpu")} <= set(inner.rows)
    assert inner.rows["mul", "cpu"].calls == outer.rows["mul", "cpu"].calls


def test_errors_read_the_same_within_a_profile():
    def message():
        with pytest.raises(ValueError) as caught:
            tinydl.ones(3) + tinydl.ones(4)
        return str(caught.value)

    outside = message()
    with profiler.profile():
        assert message() == outside
    assert outside.startswith("add: shapes (3,) and (4,) do not broadcast")


def test_a_trace_names_what_kernels_decline_once():
    program = """
import tinydl, tinydl.profiler
from tinydl.device import CPU
CPU.kernels["mul"] = lambda x, other: NotImplemented
for n in (2, 2, 3):
    tinydl.ones(n) * 2
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TINYDL_TRACE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line for line in done.stderr.splitlines() if "declined" in line]
    assert [line.split("declined ")[1].split(",)")[0] for line in told] == ["float32 (2", "float32 (3"]
    assert all(line.startswith("tinydl: cpu kernel mul declined") for line in told)


# ---------------------------------------------------------------- drawn graphs
def test_a_graph_is_drawn():
    w = tinydl.ones(2, 3, requires_grad=True)
    x = tinydl.ones(2, 3, requires_grad=True)
    drawing = draw((w * x).exp().sum(), names={'w<"1">': w})
    root = ElementTree.fromstring(drawing.svg)
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {'w<"1">', "leaf", "mul", "exp", "(2, 3)", "()"} <= set(texts)
    boxes = [r for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    arrows = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if "marker-end" in p.attrib]
    assert len(boxes) == 5 and len(arrows) == 4
    assert r'label="w<\"1\">\n(2, 3)"' in drawing.dot
    assert drawing.dot.count("->") == 4 and drawing._repr_svg_() == drawing.svg


def test_a_drawing_is_saved(tmp_path):
    drawing = draw(tinydl.ones(2, requires_grad=True).sum())
    for name, text in (("graph.svg", drawing.svg), ("graph.dot", drawing.dot)):
        drawing.save(tmp_path / name)
        assert (tmp_path / name).read_text() == text
    with pytest.raises(ValueError, match=r"save: expected a path ending in \.svg or \.dot"):
        drawing.save(tmp_path / "graph.png")
    with pytest.raises(ValueError, match="draw: none of the outputs requires grad"):
        draw(tinydl.ones(2))


# ---------------------------------------------------------------- threads
def test_the_number_of_threads_is_set_and_told():
    before = tinydl.get_num_threads()
    try:
        tinydl.set_num_threads(1)
        assert tinydl.get_num_threads() == 1
        with pytest.raises(ValueError, match="expected a positive number, got 0"):
            tinydl.set_num_threads(0)
        assert tinydl.get_num_threads() == 1
    finally:
        tinydl.set_num_threads(before)
    assert tinydl.get_num_threads() == before
