"""What must hold of a device as a whole: checkpoints leave and reach it, training repeats itself, faults show."""

import numpy as np
import pytest
from emulation import kernel_device
from test_cuda_networks import STEPS, step

import tinydl
import tinydl.nn.functional as F
from tinydl import nn, optim

pytestmark = pytest.mark.usefixtures("place")


def trained(place, steps, start=None):
    """A network and its Adam after some steps, from a seed or from a saved state; the losses."""
    tinydl.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).to(place)
    optimizer, losses = optim.Adam(model.parameters(), 1e-2), []
    if start:
        model.load_state_dict(start["model"])
        optimizer.load_state_dict(start["optimizer"])
    x, target = tinydl.randn(5, 1, 6, 6).to(place), tinydl.tensor([0, 1, 2, 1, 0], device=place)
    for _ in range(steps):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(model(x), target))
        losses[-1].backward()
        optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}, [loss.item() for loss in losses]


@pytest.mark.parametrize("there_first", [True, False])
def test_a_checkpoint_goes_on_elsewhere(there_first, tmp_path):
    """Three steps on one device and three on the other are six on the CPU, to what float32 and TF32 hold."""
    _, want = trained("cpu", 6)
    with kernel_device() as device:
        places = (device, "cpu") if there_first else ("cpu", device)
        state, first = trained(places[0], 3)
        tinydl.save(state, tmp_path / "state")
        saved = tinydl.load(tmp_path / "state")
        assert all(t.device == "cpu" for t in saved["model"].values())
        kept, here = (s["model"]["0.weight"].to("cpu").numpy() for s in (state, saved))
        np.testing.assert_array_equal(kept, here)
        loaded = tinydl.load(tmp_path / "state", map_location=places[1])
        assert {t.device for t in loaded["model"].values()} == {tinydl.device(places[1])}
        _, second = trained(places[1], 3, loaded)
    np.testing.assert_allclose(first + second, want, rtol=5e-3)


@pytest.mark.parametrize("name", STEPS)
def test_training_repeats_itself_bit_for_bit(name):
    build, draw, make, _ = STEPS[name]
    runs = []
    with kernel_device() as device:
        for _ in range(2):
            tinydl.manual_seed(3)
            model, x = build().to(device), draw().to(device)
            runs.append([a.tobytes() for a in step(model, x, make)])
    assert runs[0] == runs[1]


def test_after_a_fault_the_device_goes_on():
    with kernel_device() as device:
        table = tinydl.ones(4, 3, device=device)
        F.embedding(tinydl.tensor([1, 9], device=device), table)
        with pytest.raises(IndexError, match="found on the GPU, later than its call"):
            table.sum().item()
        assert F.embedding(tinydl.tensor([1, 3], device=device), table).sum().item() == 6


def test_devices_do_not_mix():
    with kernel_device() as device:
        here, there = tinydl.ones(2, 3), tinydl.ones(3, 2, device=device)
        for mix in (lambda: here @ there, lambda: F.linear(there, here.T), lambda: there.add_(here.T)):
            with pytest.raises(RuntimeError, match=f"tensors on cpu and {device}; call .to"):
                mix()
        assert (there * tinydl.tensor(2.0)).sum().item() == 12  # a number of the CPU may


def test_what_names_no_device_is_made_on_the_default_one():
    with kernel_device() as device:
        tinydl.set_default_device(device)
        try:
            layer, saved = nn.BatchNorm1d(3), tinydl.Generator().get_state()
            made = [*layer.parameters(), *layer.buffers(), tinydl.rand(2), tinydl.arange(3), tinydl.tensor([1.0])]
            assert {t.device for t in made} == {device, tinydl.get_default_device()} == {device}
            assert saved.device == "cpu" and tinydl.zeros(1, device="cpu").device == "cpu"
            optimizer = optim.Adam(layer.parameters())
            layer(tinydl.randn(4, 3)).sum().backward()
            optimizer.step()
        finally:
            tinydl.set_default_device(None)
    assert tinydl.zeros(1).device == "cpu"
