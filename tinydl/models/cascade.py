"""Faces in a photograph, by the three networks of `mtcnn` one after another.

Source: Zhang, Zhang, Li, Qiao 2016, Joint face detection and alignment using multitask cascaded convolutional networks;
sizes and thresholds are facenet-pytorch's.  Boxes are rows of left, top, right, bottom, in pixels.
"""

from __future__ import annotations

import numpy as np

from ..autograd.mode import no_grad
from ..nn.functional import interpolate
from ..ops.creation import tensor
from ..ops.joining import cat
from .mtcnn import ONet, PNet, RNet, normalize

NOTHING = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))


def detect_faces(
    image, pnet: PNet, rnet: RNet, onet: ONet, least: float = 20, thresholds=(0.6, 0.7, 0.7), factor: float = 0.709
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RGB image (H, W, 3) of 0 ... 255 -> boxes (n, 4), probabilities (n,), points (n, 5, 2): eyes, nose, mouth; x, y.

    least: the smallest face's size in pixels; `factor` from size to size.  thresholds: of each network's probability.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"detect_faces: expected an RGB image (H, W, 3), got shape {image.shape}")
    if not (least > 0 and 0 < factor < 1):
        raise ValueError(f"detect_faces: least must be positive and factor between 0 and 1, got {least} and {factor}")
    x = tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32))
    with no_grad():
        boxes, p = proposals(x, pnet, 12 / least, thresholds[0], factor)
        boxes = _square(boxes[best_apart(boxes, p, 0.7)])
        boxes, p, (corrections,) = _judged(x, boxes, rnet, 24, thresholds[1])
        best = best_apart(boxes, p, 0.7)
        boxes = _square(_corrected(boxes[best], corrections[best]))
        boxes, p, (corrections, points) = _judged(x, boxes, onet, 48, thresholds[2])
    if not len(boxes):
        return NOTHING
    corners, sizes = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
    points = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sizes + corners - 1
    boxes = _corrected(boxes, corrections)
    best = best_apart(boxes, p, 0.7, of_smaller=True)
    return boxes[best], p[best], points[best]


def proposals(x, pnet, scale, threshold, factor):
    """Windows that P-Net takes for faces, in the image at all scales: boxes, corrected, and probabilities."""
    height, width = x.shape[2:]
    boxes, ps = [NOTHING[0]], [NOTHING[1]]
    while min(height, width) * scale >= 12:
        smaller = interpolate(x, size=(int(height * scale + 1), int(width * scale + 1)), mode="area")
        corrections, p = (y.numpy()[0] for y in pnet(normalize(smaller)))
        i, j = np.nonzero(p[1] >= threshold)
        found = np.floor(np.stack([2 * j + 1, 2 * i + 1, 2 * j + 12, 2 * i + 12], 1) / scale)
        best = best_apart(found, p[1, i, j], 0.5)
        boxes.append(_corrected(found[best], corrections[:, i[best], j[best]].T, 0))
        ps.append(p[1, i[best], j[best]])
        scale *= factor
    return np.concatenate(boxes), np.concatenate(ps)


def _judged(x, boxes, net, size, threshold):
    """The windows that `net` takes for faces: boxes, probabilities, its other outputs."""
    height, width = x.shape[2:]
    left, top, right, bottom = np.trunc(boxes).astype(int).T
    inside = (np.maximum(left, 1) - 1, np.maximum(top, 1) - 1, np.minimum(right, width), np.minimum(bottom, height))
    windows = [
        (k, interpolate(x[:, :, t:b, s:e], size=(size, size), mode="area"))
        for k, (s, t, e, b) in enumerate(zip(*inside))
        if e > s and b > t
    ]
    if not windows:
        return (*NOTHING[:2], [np.zeros((0, 4)), np.zeros((0, 10))][: 1 + (size == 48)])
    *others, p = (y.numpy() for y in net(normalize(cat([w for _, w in windows]))))
    sure = p[:, 1] > threshold
    return boxes[[k for k, _ in windows]][sure], p[sure, 1], [y[sure] for y in others]


def _corrected(boxes, corrections, one=1):
    """Boxes moved by corrections in units of their size."""
    sizes = boxes[:, 2:] - boxes[:, :2] + one
    return boxes + corrections * np.tile(sizes, 2)


def _square(boxes):
    """Boxes as squares about the same centres."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(1, keepdims=True)
    corner = boxes[:, :2] + (sizes - side) / 2
    return np.concatenate([corner, corner + side], 1)


def best_apart(boxes: np.ndarray, p: np.ndarray, most: float, of_smaller: bool = False) -> list[int]:
    """Which boxes stay, most probable first, where those overlapping a better one by over `most` go.

    The overlap is a share of the union, or of the smaller box.
    """
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    order, kept = np.argsort(-p, kind="stable"), []
    while order.size:
        k, order = order[0], order[1:]
        kept.append(int(k))
        low, high = np.maximum(boxes[k, :2], boxes[order, :2]), np.minimum(boxes[k, 2:], boxes[order, 2:])
        common = np.maximum(high - low + 1, 0).prod(1)
        whole = np.minimum(areas[k], areas[order]) if of_smaller else areas[k] + areas[order] - common
        order = order[common <= most * whole]
    return kept
