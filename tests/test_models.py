"""Networks against twins written in PyTorch, with the same weights; published weights where they are at hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import models

rng = np.random.default_rng(0)
WEIGHTS = Path(os.environ.get("TINYDL_DATA") or "/nowhere").parent / "weights"


class Twin:
    """A network as PyTorch computes it, from the tensors of a state_dict."""

    def __init__(self, state):
        self.torch, self.F = oracle(), oracle("torch.nn.functional")
        self.state = {name: self.torch.tensor(np.asarray(value)) for name, value in state.items()}

    def conv(self, name, x, **options):
        return self.F.conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **options)

    def linear(self, name, x):
        return self.F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, name, x):
        names = ("running_mean", "running_var", "weight", "bias")
        return self.F.batch_norm(x, *(self.state[f"{name}.{n}"] for n in names))

    def prelu(self, i, x):
        return self.F.prelu(x, self.state[f"prelu{i}.weight"])


def squeezenet(t, x, version):
    pools = {"1_0": (2, 6, 11), "1_1": (2, 5, 8)}[version]
    x = t.conv("features.0", x, stride=2).relu()
    for i in range(2, 13):
        if i in pools:
            x = t.F.max_pool2d(x, 3, 2, ceil_mode=True)
        else:
            x = t.conv(f"features.{i}.squeeze", x).relu()
            a, b = t.conv(f"features.{i}.expand1x1", x), t.conv(f"features.{i}.expand3x3", x, padding=1)
            x = t.torch.cat([a.relu(), b.relu()], 1)
    return t.conv("classifier.1", x).relu().mean((2, 3))


def pnet(t, x):
    x = t.F.max_pool2d(t.prelu(1, t.conv("conv1", x)), 2, 2, ceil_mode=True)
    for i in (2, 3):
        x = t.prelu(i, t.conv(f"conv{i}", x))
    return t.conv("conv4_2", x), t.conv("conv4_1", x).softmax(1)


def window_net(t, x, pools, heads):
    """R-Net and O-Net: convolutions with their pooling, a linear layer over columns of pixels, two or three heads."""
    for i, size in enumerate(pools, 1):
        x = t.prelu(i, t.conv(f"conv{i}", x))
        x = t.F.max_pool2d(x, size, 2, ceil_mode=True) if size else x
    i = len(pools) + 1
    x = t.prelu(i, t.linear(f"dense{i}", x.permute(0, 3, 2, 1).flatten(1)))
    outputs = [t.linear(f"dense{i + 1}_{head}", x) for head in heads]
    return (*outputs[:-1], outputs[-1].softmax(1))


def resnet(t, x, layers, bottleneck):
    paddings, strided = ((0, 1, 0), 2) if bottleneck else ((1, 1), 1)
    x = t.F.max_pool2d(t.norm("bn1", t.conv("conv1", x, stride=2, padding=3)).relu(), 3, 2, 1)
    for stage, blocks in enumerate(layers, 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = x
            for i, padding in enumerate(paddings, 1):
                here = stride if i == strided else 1
                y = t.norm(f"{name}.bn{i}", t.conv(f"{name}.conv{i}", y, stride=here, padding=padding))
                y = y.relu() if i < len(paddings) else y
            if f"{name}.downsample.0.weight" in t.state:
                x = t.norm(f"{name}.downsample.1", t.conv(f"{name}.downsample.0", x, stride=stride))
            x = (x + y).relu()
    return t.linear("fc", x.mean((2, 3)))


SQUEEZE, RES = (2, 3, 65, 70), (2, 3, 40, 36)
CASES = {
    "squeezenet1_0": (lambda: models.squeezenet1_0(num_classes=12), SQUEEZE, lambda t, x: squeezenet(t, x, "1_0")),
    "squeezenet1_1": (lambda: models.squeezenet1_1(num_classes=12), SQUEEZE, lambda t, x: squeezenet(t, x, "1_1")),
    "pnet": (models.PNet, (2, 3, 25, 30), pnet),
    "rnet": (models.RNet, (3, 3, 24, 24), lambda t, x: window_net(t, x, (3, 3, 0), (2, 1))),
    "onet": (models.ONet, (3, 3, 48, 48), lambda t, x: window_net(t, x, (3, 3, 2, 0), (2, 3, 1))),
    "resnet18": (lambda: models.resnet18(num_classes=7), RES, lambda t, x: resnet(t, x, (2, 2, 2, 2), False)),
    "resnet50": (lambda: models.resnet50(num_classes=7), RES, lambda t, x: resnet(t, x, (3, 4, 6, 3), True)),
}


def randomize(model):
    """Weights and statistics that a wrong name or order would show; biases of fresh networks are zero."""
    for value in model.state_dict().values():
        if value.ndim == 1 and value.dtype == tinydl.float32:
            value.copy_(tinydl.tensor(rng.uniform(0.4, 0.9, value.shape).astype(np.float32)))


def assert_same(model, twin, images):
    model.eval()
    with tinydl.no_grad():
        found = model(tinydl.tensor(images))
    expected = twin(Twin(model.state_dict()), oracle().tensor(images))
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for y, e in pairs:
        assert y.dtype == np.float32
        scale = max(1.0, float(e.abs().max()))
        np.testing.assert_allclose(y.numpy() / scale, e.numpy() / scale, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_pytorch(name):
    tinydl.manual_seed(0)
    make, shape, twin = CASES[name]
    model = make()
    randomize(model)
    assert_same(model, twin, rng.standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_features_are_those_of_pytorch(batch_norm):
    tinydl.manual_seed(0)
    model = models.vgg.make_features(11, batch_norm)
    randomize(model)

    def twin(t, x):
        i = 0
        for blocks in (1, 1, 2, 2, 2):
            for _ in range(blocks):
                x = t.conv(str(i), x, padding=1)
                x = (t.norm(str(i + 1), x) if batch_norm else x).relu()
                i += 3 if batch_norm else 2
            x, i = t.F.max_pool2d(x, 2), i + 1
        return x

    assert_same(model, twin, rng.standard_normal((1, 3, 33, 40)).astype(np.float32))


@pytest.mark.parametrize(
    "make, parameters",
    [
        # The counts that torchvision documents.
        (models.squeezenet1_0, 1_248_424),
        (models.squeezenet1_1, 1_235_496),
        (models.resnet18, 11_689_512),
        (models.resnet34, 21_797_672),
        (models.resnet50, 25_557_032),
    ],
)
def test_parameters_are_torchvisions(make, parameters):
    assert sum(p.numel() for p in make().parameters()) == parameters


def test_vggs_names_are_torchvisions():
    small = models.VGG(models.vgg.make_features(16), init_weights=False, num_classes=2)
    convolutions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    names = [f"features.{i}" for i in convolutions] + [f"classifier.{i}" for i in (0, 3, 6)]
    assert list(small.state_dict()) == [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]


def test_summary_of_a_network():
    found = tinydl.summary(models.squeezenet1_1(num_classes=10), (1, 3, 64, 64))
    # The 1,000 classes of the documented count, each with 512 weights and a bias, become ten.
    assert found.parameters == 1_235_496 - 990 * 513
    assert "features.3.squeeze" in str(found) and found.rows[-1][2] == (1, 10, 1, 1)


def test_a_network_learns():
    tinydl.manual_seed(0)
    model = models.resnet18(num_classes=2, zero_init_residual=True)
    optimizer = tinydl.optim.SGD(model.parameters(), lr=0.02)
    x, target = tinydl.tensor(rng.standard_normal((4, 3, 32, 32)).astype(np.float32)), tinydl.tensor([0, 1, 0, 1])
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = tinydl.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_refuses():
    with pytest.raises(ValueError, match="version must be one of 1_0, 1_1, got '2_0'"):
        models.SqueezeNet("2_0")
    with pytest.raises(ValueError, match="depth must be one of 11, 13, 16, 19, got 12"):
        models.vgg.make_features(12)


# ---- published weights
def trained(model, file):
    if not (WEIGHTS / file).exists():
        pytest.skip("no weights beside TINYDL_DATA")
    model.load_state_dict(tinydl.load(WEIGHTS / file), strict=True)
    return model.eval()


# Photographs of scikit-image's: their class and its published probability, and what else is among the five likeliest.
PHOTOGRAPHS = {
    "chelsea": ("Egyptian Mau", 0.63, {"tiger cat", "tabby cat", "lynx"}),
    "coffee": ("espresso", 0.97, {"cup", "soup bowl"}),
}


def squared(photograph, size):
    """Its middle, (size, size, 3), by Pillow."""
    image = oracle("PIL.Image").fromarray(photograph)
    side = min(image.size)
    left, top = ((n - side) // 2 for n in image.size)
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), oracle("PIL.Image").Resampling.BILINEAR, box))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_squeezenet_knows_photographs(name):
    """The probabilities of all classes are PyTorch's, and the likeliest class is what the picture shows."""
    from tinydl.data import transforms as T

    model = trained(models.squeezenet1_0(), "squeezenet1_0.safetensors")
    labels = json.loads((WEIGHTS / "imagenet_labels.json").read_text())
    prepare = T.Compose([T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    image = prepare(squared(getattr(oracle("skimage.data"), name)(), 227)).numpy()[None]
    with tinydl.no_grad():
        p = model(tinydl.tensor(image)).softmax(1).numpy()[0]
    expected = squeezenet(Twin(model.state_dict()), oracle().tensor(image), "1_0").softmax(1).numpy()[0]
    assert p.dtype == np.float32 and abs(p.sum() - 1) < 1e-5
    np.testing.assert_allclose(p, expected, rtol=0, atol=1e-4)
    five, theirs = (np.argsort(-q)[:5] for q in (p, expected))
    assert five.tolist() == theirs.tolist()
    best, likely, others = PHOTOGRAPHS[name]
    assert labels[five[0]] == best and abs(p[five[0]] - likely) < 0.03
    assert {labels[i] for i in five} > others


def mtcnn(name):
    """A network with its published weights, which the file holds in the order of its authors' memory."""
    make, _, twin = CASES[name]
    if not (WEIGHTS / f"mtcnn_{name}.safetensors").exists():
        pytest.skip("no weights beside TINYDL_DATA")
    model = make()
    model.load_state_dict(models.mtcnn.from_stored_order(tinydl.load(WEIGHTS / f"mtcnn_{name}.safetensors")))
    return model.eval(), twin


def astronaut():
    """A photograph of scikit-image's with one face."""
    return oracle("skimage.data").astronaut()


@pytest.mark.parametrize("name, size", [("pnet", 12 / 100), ("rnet", 24), ("onet", 48)])
def test_published_weights_of_mtcnn_know_a_face_and_equal_pytorch(name, size):
    model, twin = mtcnn(name)
    x = tinydl.tensor(np.ascontiguousarray(astronaut().transpose(2, 0, 1)[None], dtype=np.float32))
    resize = tinydl.nn.functional.interpolate
    if name == "pnet":
        windows = resize(x, scale_factor=size, mode="area")
    else:
        boxes = [(165, 60, 285, 180), (300, 300, 420, 420), (0, 300, 100, 400)]
        windows = tinydl.cat([resize(x[:, :, t:b, s:e], size=size, mode="area") for s, t, e, b in boxes])
    images = models.mtcnn.normalize(windows)
    assert_same(model, twin, images.numpy())
    with tinydl.no_grad():
        p = model(images)[-1].numpy()
    if name == "pnet":
        i, j = np.unravel_index(p[0, 1].argmax(), p.shape[2:])
        assert p[0, 1, i, j] > 0.9 and p[0, 1].mean() < 0.1
        assert 150 < 2 * j / size + 50 < 300 and 50 < 2 * i / size + 50 < 200
    else:
        assert p[0, 1] > 0.95 and (p[1:, 1] < 0.1).all()


def test_the_cascade_finds_the_face_and_its_points():
    nets = [mtcnn(name)[0] for name in ("pnet", "rnet", "onet")]
    image = astronaut()
    boxes, p, points = models.detect_faces(image, *nets, least=40)
    assert boxes.shape == (1, 4) and p[0] > 0.99
    left, top, right, bottom = boxes[0]
    assert 160 < left < 195 and 50 < top < 90 and 250 < right < 285 and 150 < bottom < 185
    # eyes, nose and corners of the mouth, as read off the picture by eye
    by_eye = [(203, 101), (247, 103), (225, 127), (204, 140), (244, 141)]
    np.testing.assert_allclose(points[0], by_eye, atol=4)
    for none in (image[300:420, :120], np.zeros((100, 80, 3), np.uint8), image[:5, :5]):
        found = models.detect_faces(none, *nets)
        assert [a.shape for a in found] == [(0, 4), (0,), (0, 5, 2)]
    with pytest.raises(ValueError, match=r"expected an RGB image \(H, W, 3\), got shape \(512, 512\)"):
        models.detect_faces(image[..., 0], *nets)


def test_boxes_that_overlap():
    boxes = np.array([[0, 0, 9, 9], [1, 0, 10, 9], [20, 0, 29, 9], [2, 2, 5, 5]], float)
    p = np.array([0.8, 0.9, 0.7, 0.6])
    # 90 pixels in common of 110; the small box lies within, 16 of 100
    assert models.cascade.best_apart(boxes, p, 0.5) == [1, 2, 3]
    assert models.cascade.best_apart(boxes, p, 0.5, of_smaller=True) == [1, 2]
    assert models.cascade.best_apart(boxes, p, 0.9) == [1, 0, 2, 3]
    assert models.cascade.best_apart(boxes[:0], p[:0], 0.5) == []
