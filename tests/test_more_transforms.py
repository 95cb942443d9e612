"""Affine maps, colours, random crops, and an image with its mask: against SciPy, colorsys and plain NumPy."""

import colorsys
import math

import numpy as np
import pytest
from oracle import oracle
from test_transforms import draws

from tinydl.data import transforms as T
from tinydl.data.transforms.geometry import resize
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)
IMAGE = rng.random((3, 9, 7), np.float32)

RANDOM = [
    T.RandomAffine(30, (0.2, 0.3), (0.7, 1.4), (-20, 20, -10, 10)),
    T.RandomAffine(30, interpolation="bilinear"),
    T.ColorJitter(0.4, 0.4, 0.4, 0.2),
    T.RandomResizedCrop((6, 5)),
    T.RandomResizedCrop(6, interpolation="nearest"),
]


@pytest.mark.parametrize("transform", [*RANDOM, T.Grayscale(), T.Grayscale(3)], ids=lambda t: type(t).__name__)
def test_common_properties(transform):
    before = IMAGE.copy()
    arrays, again, other = (draws(transform, n=20, epoch=e) for e in (0, 0, 1))
    tensors = draws(transform, Tensor(IMAGE), n=20)
    for a, b, t in zip(arrays, again, tensors):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, t.array)
        assert isinstance(t, Tensor) and a.dtype == t.dtype == np.float32
    random = any(not np.array_equal(a, b) for a, b in zip(arrays, other))
    assert random == (transform in RANDOM)
    np.testing.assert_array_equal(IMAGE, before)
    assert draws(transform, (255 * IMAGE).astype(np.uint8), n=1)[0].dtype == np.uint8
    assert draws(transform, np.stack([IMAGE] * 2), n=1)[0].shape == (2, *arrays[0].shape)


# ---- affine
@pytest.mark.parametrize("interpolation, order", [("nearest", 0), ("bilinear", 1)])
@pytest.mark.parametrize("angle, shift, scale, shear", [(25, (0, 0), 1, (0, 0)), (-70, (2, -1), 1.4, (15, -8))])
def test_affine_is_scipys(interpolation, order, angle, shift, scale, shear):
    ndimage = oracle("scipy.ndimage")
    image = IMAGE.astype(np.float64)
    turn, sx, sy = map(math.radians, (angle, *shear))
    # The matrix that torchvision documents: R(turn) Shear_y Shear_x, written out, for (x, y).
    m = scale * np.array(
        [
            [math.cos(turn - sy) / math.cos(sy), -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)],
            [math.sin(turn - sy) / math.cos(sy), -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)],
        ]
    )
    back = np.linalg.inv(m)[::-1, ::-1]  # for (row, column)
    centre = (np.array(image.shape[1:]) - 1) / 2
    offset = centre - back @ (centre + np.array(shift[::-1]))
    expected = [ndimage.affine_transform(c, back, offset, order=order, mode="grid-constant") for c in image]
    np.testing.assert_allclose(T.affine(image, angle, shift, scale, shear, interpolation), expected, atol=1e-9)


def test_affine_turns_clockwise_and_shifts_to_the_right_and_down():
    image = np.arange(9.0).reshape(1, 3, 3)
    np.testing.assert_array_equal(T.affine(image, 90, (0, 0), 1, (0, 0))[0], np.rot90(image[0], -1))
    moved = T.affine(image, 0, (1, 2), 1, (0, 0), fill=-1)[0]
    np.testing.assert_array_equal(moved, [[-1, -1, -1], [-1, -1, -1], [-1, 0, 1]])


def test_affine_draws_within_its_ranges():
    transform = T.RandomAffine((10, 20), (0.5, 0.25), (0.5, 2), (1, 2, 3, 4))
    drawn = []
    transform._apply = lambda x, place, mask: drawn.append(place) or x
    draws(transform, np.zeros((1, 40, 80)), n=300)
    angle, shift, scale, shear = (np.array(column) for column in zip(*drawn))
    assert 10 <= angle.min() < 10.5 and 19.5 < angle.max() <= 20
    assert abs(shift).max(0).tolist() == pytest.approx([40, 10], abs=1) and np.array_equal(shift, shift.round())
    assert 0.5 <= scale.min() < 0.6 and 1.9 < scale.max() <= 2
    assert shear.min(0) == pytest.approx([1, 3], abs=0.1) and shear.max(0) == pytest.approx([2, 4], abs=0.1)


# ---- colours
def test_grayscale():
    y = T.Grayscale()(IMAGE)
    np.testing.assert_allclose(y[0], np.tensordot([0.2989, 0.587, 0.114], IMAGE, 1), rtol=1e-6)
    np.testing.assert_array_equal(T.Grayscale(3)(IMAGE), np.repeat(y, 3, 0))
    assert T.Grayscale()(np.full((3, 1, 1), 200, np.uint8)).item() == 200


def test_one_colour_at_a_time():
    grey = T.Grayscale()(IMAGE)
    factor = 1.7
    cases = {"brightness": 0, "contrast": grey.mean(), "saturation": grey}
    for name, base in cases.items():
        y = T.ColorJitter(**{name: (factor, factor)})(IMAGE)
        np.testing.assert_allclose(y, (factor * IMAGE + (1 - factor) * base).clip(0, 1), atol=1e-6)
        same = T.ColorJitter(**{name: (1, 1)})(IMAGE)
        np.testing.assert_array_equal(same, IMAGE)
    np.testing.assert_allclose(T.ColorJitter(saturation=(0, 0))(IMAGE), np.repeat(grey, 3, 0), atol=1e-6)


@pytest.mark.parametrize("turn", [-0.5, -0.21, 0.08, 0.5])
def test_hue_is_that_of_colorsys(turn):
    image = IMAGE.copy()
    image[:, 0, 0], image[:, 0, 1], image[:, 0, 2] = 0.4, 0, (1, 1, 0)  # grey, black, two largest
    y = T.ColorJitter(hue=(turn, turn))(image)
    for i, j in np.ndindex(9, 7):
        h, s, v = colorsys.rgb_to_hsv(*image[:, i, j].astype(float))
        np.testing.assert_allclose(y[:, i, j], colorsys.hsv_to_rgb((h + turn) % 1, s, v), atol=1e-6)


def test_jitter_in_every_order_and_range():
    transform = T.ColorJitter(0.2, (0.5, 0.6), 3, 0.1)
    drawn = []
    transform._apply = lambda x, place, mask: drawn.append(place) or x
    draws(transform, n=400)
    assert len({tuple(name for name, _ in place) for place in drawn}) == 24
    for name, low, high in (("brightness", 0.8, 1.2), ("contrast", 0.5, 0.6), ("saturation", 0, 4), ("hue", -0.1, 0.1)):
        factors = [dict(place)[name] for place in drawn]
        assert low <= min(factors) < low + 0.05 * (high - low) and high - 0.05 * (high - low) < max(factors) <= high
    grey = T.ColorJitter(0.3, 0.3)(IMAGE[:1])
    assert grey.shape == (1, 9, 7)


# ---- random crops, resampled
def test_random_resized_crop_takes_parts_of_the_right_size_and_shape():
    transform = T.RandomResizedCrop(4, scale=(0.1, 0.4), ratio=(0.5, 2))
    parts = []
    transform._apply = lambda x, part, mask: parts.append(part) or x
    draws(transform, np.zeros((1, 100, 150)), n=300)
    for top, left, (h, w) in parts:
        assert 0 <= top <= 100 - h and 0 <= left <= 150 - w
        assert 0.1 - 0.01 <= h * w / 15_000 <= 0.4 + 0.01 and 0.5 - 0.05 <= w / h <= 2 + 0.05
    shapes = np.array([w / h for _, _, (h, w) in parts])
    assert shapes.min() < 0.55 and shapes.max() > 1.8


def test_random_resized_crop_is_a_crop_resampled():
    for y in draws(T.RandomResizedCrop(3, (0.5, 0.5), (1, 1)), IMAGE, n=20):
        side = round(math.sqrt(63 / 2))
        parts = [IMAGE[:, i : i + side, j : j + side] for i in range(10 - side) for j in range(8 - side)]
        assert any(np.array_equal(y, T.Resize((3, 3))(part)) for part in parts)
    # No part of a long image is nearly square and large: the middle is taken.
    wide = rng.random((1, 2, 40), np.float32)
    (y,) = draws(T.RandomResizedCrop((2, 3), (0.9, 1.0)), wide, n=1)
    np.testing.assert_array_equal(y, T.Resize((2, 3))(wide[..., 18:21]))


@pytest.mark.parametrize("size", [(4, 3), (18, 20), (9, 7), (5, 20)])
def test_nearest_is_pytorchs(size):
    torch, F = oracle(), oracle("torch.nn.functional")
    expected = F.interpolate(torch.tensor(IMAGE)[None], size, mode="nearest-exact")[0]
    np.testing.assert_array_equal(resize(IMAGE, size, "nearest"), expected.numpy())


# ---- an image and its mask
# Each pixel of the image tells its place, and the mask the same place as a class.
PLACES = np.arange(1, 21 * 16 + 1).reshape(21, 16)
GEOMETRY = [
    T.Pad((1, 2, 3, 4)),
    T.Pad(3, padding_mode="reflect"),
    T.CenterCrop((9, 20)),
    T.RandomCrop(8, padding=2),
    T.RandomCrop((25, 9), pad_if_needed=True),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomRotation(40),
    T.RandomAffine(40, (0.2, 0.2), (0.5, 2), 20),
    T.RandomResizedCrop(7, interpolation="nearest"),
]


@pytest.mark.parametrize("transform", [*GEOMETRY, T.Compose(GEOMETRY)], ids=lambda t: type(t).__name__)
def test_a_mask_goes_where_its_image_goes(transform):
    image = np.stack([PLACES] * 3).astype(np.float32)
    together = lambda x: transform(x, PLACES, Tensor(PLACES))
    alone = draws(transform, image, n=20)
    for (x, mask, tensor), y in zip(draws(together, image, n=20), alone):
        np.testing.assert_array_equal(x[0], mask)
        np.testing.assert_array_equal(tensor.array, mask)
        np.testing.assert_array_equal(x, y)  # and the image goes where it goes without a mask
        assert mask.dtype == PLACES.dtype and isinstance(tensor, Tensor) and isinstance(mask, np.ndarray)


@pytest.mark.parametrize(
    "transform",
    [T.Resize((9, 30)), T.RandomRotation(40, "bilinear"), T.RandomAffine(40, interpolation="bilinear"),
     T.RandomResizedCrop(30)],
    ids=lambda t: type(t).__name__,
)  # fmt: skip
def test_interpolation_makes_no_new_class(transform):
    classes = (PLACES % 7 == 0) * 9
    image = np.stack([classes] * 3).astype(np.float64)
    blended = 0
    for x, mask in draws(lambda x: transform(x, classes), image, n=10):
        assert set(np.unique(mask)) <= {0, 9} and mask.shape == x.shape[1:]
        blended += len(np.unique(x)) > 2
        assert abs(x[0] - mask).mean() < 4.5  # at the same place: half-way is where they differ most
    assert blended == 10


def test_colours_leave_masks_alone():
    image, mask = rng.random((3, 9, 7), np.float32), rng.integers(0, 12, (9, 7))
    colours = [T.ColorJitter(0.5), T.Normalize([0.5], [2]), T.RandomErasing(1), T.Grayscale(), T.Lambda(lambda x: -x)]
    for transform in colours:
        x, kept = transform(image, mask)
        np.testing.assert_array_equal(kept, mask)
        assert x.shape != image.shape or (x != image).any()


def test_masks_may_be_filled_otherwise():
    image, mask = np.ones((1, 5, 5), np.float32), np.ones((5, 5), int)
    fills = {"fill": 0, "mask_fill": 11}
    transforms = [T.Pad(1, **fills), T.RandomCrop(7, padding=1, **fills), T.CenterCrop(7, mask_fill=11)]
    transforms += [T.RandomRotation((45, 45), **fills), T.RandomAffine((45, 45), **fills)]
    for transform in transforms:
        x, y = transform(image, mask)
        np.testing.assert_array_equal(y, np.where(x[0] == 0, 11, 1))
        assert (y == 11).any()


def test_photograph_and_mask_become_tensors():
    photograph, mask = rng.integers(0, 256, (12, 10, 3), np.uint8), rng.integers(0, 12, (12, 10)).astype(np.uint8)
    prepare = T.Compose([T.ToTensor(), T.RandomHorizontalFlip(1), T.RandomCrop(8), T.ColorJitter(0.1)])
    image, classes = prepare(photograph, mask)
    assert image.shape == (3, 8, 8) and image.dtype == np.float32
    assert classes.shape == (8, 8) and classes.dtype == np.int64
    windows = np.lib.stride_tricks.sliding_window_view(mask[:, ::-1], (8, 8)).reshape(-1, 8, 8)
    assert any(np.array_equal(classes.array, window) for window in windows)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: T.RandomHorizontalFlip()(IMAGE, PLACES), r"an image \(C, H, W\) and masks \(H, W\) of its size"),
        (lambda: T.Grayscale(2), "num_output_channels must be 1 or 3, got 2"),
        (lambda: T.Grayscale()(IMAGE[:2]), r"Grayscale: expected an image \(3, H, W\)"),
        (lambda: T.ColorJitter(hue=0.1)(IMAGE[:1]), r"ColorJitter: expected an image \(3, H, W\)"),
        (lambda: T.ColorJitter(-1), "brightness must be a number >= 0 or a range"),
        (lambda: T.ColorJitter(contrast=(2, 1)), "contrast must be"),
        (lambda: T.ColorJitter(hue=0.6), r"hue must be a number >= 0 or a range in \(-0.5, 0.5\), got 0.6"),
        (lambda: T.RandomAffine(-3), "RandomAffine: expected a number >= 0 or"),
        (lambda: T.RandomAffine(3, (2, 0)), "translate must be two numbers in 0 ... 1"),
        (lambda: T.RandomAffine(3, scale=(0, 1)), "scale must be a range above 0"),
        (lambda: T.RandomAffine(3, shear=(1, 2, 3)), "RandomAffine: expected"),
        (lambda: T.RandomAffine(3, interpolation="cubic"), "RandomAffine: interpolation must be"),
        (lambda: T.RandomResizedCrop(3, scale=(0, 1)), "RandomResizedCrop: scale must be"),
        (lambda: T.RandomResizedCrop(3, interpolation="cubic"), "RandomResizedCrop: interpolation must be"),
    ],
)
def test_refuses(call, text):
    with pytest.raises(ValueError, match=text):
        call()
