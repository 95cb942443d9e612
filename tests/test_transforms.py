"""Transforms of images against PyTorch's resampling, SciPy's rotation and NumPy by hand."""

import numpy as np
import pytest
from oracle import oracle

from tinydl.data import seeding
from tinydl.data import transforms as T
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)
IMAGE = rng.random((3, 9, 7), np.float32)


def draws(transform, image=IMAGE, n=200, epoch=0):
    """The transform of one image as n items of an epoch."""
    found = []
    for i in range(n):
        with seeding.loading(0, epoch, i):
            found.append(transform(image))
    return found


EVERY = [
    T.Normalize([0.5, 0.4, 0.3], [0.1, 0.2, 0.3]),
    T.Pad(2),
    T.CenterCrop(5),
    T.RandomCrop(5, padding=1),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.Resize((4, 12)),
    T.RandomRotation(30),
    T.RandomRotation(30, "bilinear"),
    T.RandomErasing(1.0),
    T.Compose([T.RandomCrop(5), T.RandomHorizontalFlip()]),
]


@pytest.mark.parametrize("transform", EVERY, ids=lambda t: type(t).__name__)
def test_common_properties(transform):
    before = IMAGE.copy()
    arrays, again, other = (draws(transform, n=20, epoch=e) for e in (0, 0, 1))
    tensors = draws(transform, Tensor(IMAGE), n=20)
    for a, b, t in zip(arrays, again, tensors):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, t.array)
        assert isinstance(t, Tensor) and a.dtype == t.dtype == np.float32
    random = any(not np.array_equal(a, arrays[0]) for a in arrays)
    assert random == ("Random" in repr(transform))
    assert random == any(not np.array_equal(a, b) for a, b in zip(arrays, other))
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize("transform", EVERY[1:], ids=lambda t: type(t).__name__)
def test_bytes_stay_bytes(transform):
    image = rng.integers(0, 256, (3, 9, 7), np.uint8)
    assert all(y.dtype == np.uint8 for y in draws(transform, image, n=5))


def test_to_tensor():
    grey, colour = rng.integers(0, 256, (5, 4), np.uint8), rng.integers(0, 256, (5, 4, 3), np.uint8)
    for image in (grey, colour, oracle("PIL.Image").fromarray(colour)):
        y = T.ToTensor()(image)
        expected = np.asarray(image).reshape(5, 4, -1).astype(np.float32).transpose(2, 0, 1) / 255
        assert y.dtype == np.float32 and y.is_contiguous()
        np.testing.assert_array_equal(y.array, expected)
    floats = T.ToTensor()(np.full((2, 3), 7.0))
    assert floats.dtype == np.float64 and floats.array.max() == 7


def test_normalize():
    y = T.Normalize((0.5, 0.25, 0.125), (0.5, 2, 4))(IMAGE)
    for c, (m, s) in enumerate([(0.5, 0.5), (0.25, 2), (0.125, 4)]):
        np.testing.assert_allclose(y[c], (IMAGE[c] - m) / s, rtol=1e-6)
    np.testing.assert_array_equal(T.Normalize((0.5,), (0.5,))(IMAGE), (IMAGE - 0.5) / 0.5)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_pad(mode):
    torch, F = oracle(), oracle("torch.nn.functional")
    y = T.Pad((1, 2, 3, 4), padding_mode=mode)(IMAGE)
    assert y.shape == (3, 9 + 2 + 4, 7 + 1 + 3)
    if mode != "symmetric":
        torchs = {"edge": "replicate"}.get(mode, mode)
        expected = F.pad(torch.tensor(IMAGE)[None], (1, 3, 2, 4), mode=torchs)[0]
        np.testing.assert_array_equal(y, expected.numpy())
    assert T.Pad(1, fill=5)(IMAGE)[0, 0, 0] == 5


def test_crops():
    np.testing.assert_array_equal(T.CenterCrop((5, 3))(IMAGE), IMAGE[:, 2:7, 2:5])
    np.testing.assert_array_equal(T.CenterCrop(9)(IMAGE), np.pad(IMAGE, [(0, 0), (0, 0), (1, 1)]))
    places = {y.tobytes() for y in draws(T.RandomCrop((8, 6)))}
    assert places == {IMAGE[:, i : i + 8, j : j + 6].tobytes() for i in range(2) for j in range(2)}, (
        "every place, and no other"
    )
    assert T.RandomCrop(12, pad_if_needed=True)(IMAGE).shape == (3, 12, 12)


def test_flips():
    for transform, axis in ((T.RandomHorizontalFlip(0.3), 2), (T.RandomVerticalFlip(0.3), 1)):
        flipped = [np.array_equal(y, np.flip(IMAGE, axis)) for y in draws(transform, n=1000)]
        assert sum(flipped) == pytest.approx(300, abs=60)
    assert np.array_equal(T.RandomHorizontalFlip(1)(IMAGE), IMAGE[:, :, ::-1])


@pytest.mark.parametrize("size", [(4, 3), (18, 20), (9, 7), (4, 20)])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_is_pytorchs(size, antialias):
    torch, F = oracle(), oracle("torch.nn.functional")
    y = T.Resize(size, antialias=antialias)(IMAGE)
    expected = F.interpolate(torch.tensor(IMAGE)[None], size, mode="bilinear", antialias=antialias)[0]
    np.testing.assert_allclose(y, expected.numpy(), atol=1e-6)


def test_resize_of_the_shorter_side():
    assert T.Resize(14)(IMAGE).shape == (3, 18, 14)
    assert T.Resize(3)(IMAGE.transpose(0, 2, 1)).shape == (3, 3, 3)


@pytest.mark.parametrize("interpolation, order", [("nearest", 0), ("bilinear", 1)])
@pytest.mark.parametrize("degrees", [90, 17.3, -140])
def test_rotation_is_scipys(interpolation, order, degrees):
    ndimage = oracle("scipy.ndimage")
    image = IMAGE[:, :, :6].astype(np.float64)
    expected = ndimage.rotate(image, degrees, (2, 1), reshape=False, order=order, mode="grid-constant")
    y = T.rotate(image, degrees, interpolation)
    np.testing.assert_allclose(y, expected, atol=1e-9)


def test_rotation_turns_counter_clockwise():
    image = np.arange(9.0).reshape(1, 3, 3)
    np.testing.assert_array_equal(T.rotate(image, 90)[0], np.rot90(image[0]))


def test_erasing():
    erased = draws(T.RandomErasing(0.4, scale=(0.1, 0.3), ratio=(0.5, 2), value=-1), n=500)
    changed = [y for y in erased if (y == -1).any()]
    assert len(changed) == pytest.approx(200, abs=50)
    for y in changed:
        rows, columns = np.nonzero(y[0] == -1)
        h, w = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == h * w and (y[0] == -1).sum() == (y[2] == -1).sum()
        assert 0.1 * 63 - 4 <= h * w <= 0.3 * 63 + 4
    (noise,) = draws(T.RandomErasing(1.0, value="random"), n=1)
    assert (noise != IMAGE).any()
    (colour,) = draws(T.RandomErasing(1.0, value=(2, 3, 4)), n=1)
    assert colour[0].max() == 2 and colour[2].max() == 4


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: T.ToTensor()(np.zeros(3)), ValueError, "ToTensor: expected an image"),
        (lambda: T.CenterCrop(2)(np.zeros(3)), ValueError, r"CenterCrop: expected an image"),
        (
            lambda: T.RandomCrop(8)(IMAGE),
            ValueError,
            r"than the crop \(8, 8\); give padding",
        ),
        (lambda: T.RandomCrop((1, 2, 3)), ValueError, "RandomCrop: size must be"),
        (lambda: T.Normalize([1, 2], [1, 2])(IMAGE), ValueError, "2 means and 2 stds do not fit"),
        (lambda: T.Normalize([1], [0]), ValueError, "std must not be 0"),
        (lambda: T.Normalize([1], [1])(IMAGE.astype(int)), TypeError, "got int64"),
        (lambda: T.Pad((1, 2, 3)), ValueError, "Pad: padding must be 1, 2 or 4"),
        (lambda: T.Pad(1, padding_mode="wrap"), ValueError, "padding_mode 'wrap'"),
        (lambda: T.RandomHorizontalFlip(2), ValueError, "RandomHorizontalFlip: p must lie"),
        (lambda: T.RandomRotation(-3), ValueError, "expected a number >= 0 or"),
        (lambda: T.RandomRotation(3, "cubic"), ValueError, "nearest or bilinear, got 'cubic'"),
        (lambda: T.Resize(0), ValueError, "Resize: size must be positive"),
        (lambda: T.RandomErasing(scale=(0.5, 0.1)), ValueError, "scale must be a range"),
        (lambda: T.Lambda(3), TypeError, "expected a function, got int"),
    ],
)
def test_refuses(call, error, text):
    with pytest.raises(error, match=text):
        call()
