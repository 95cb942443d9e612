"""Points in the plane whose density is known, for seeing what a generator keeps and what it loses."""

from __future__ import annotations

import math

import numpy as np

from ...ops.creation import tensor
from ...tensor import Tensor


class GaussianRing:
    """Equally likely normals on a circle.  (Metz et al. 2017, section 3.1, there with std 0.02)"""

    def __init__(self, modes: int = 8, radius: float = 2.0, std: float = 0.1):
        angles = np.arange(modes) * (2 * math.pi / modes)
        self.centres = radius * np.stack([np.cos(angles), np.sin(angles)], 1)  # (modes, 2)
        self.std = std

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """n points, (n, 2)."""
        rng = np.random.default_rng(seed)
        centres = self.centres[rng.integers(0, len(self.centres), n)]
        return tensor((centres + self.std * rng.standard_normal((n, 2))).astype(np.float32))

    def shares(self, points: Tensor) -> np.ndarray:
        """The share of the points that lie within three standard deviations of each centre.  (N, 2) -> (modes,)"""
        distances = np.linalg.norm(points.numpy(force=True)[:, None] - self.centres, axis=2)
        return (distances < 3 * self.std).mean(0)

    def kept(self, points: Tensor, least: float = 0.02) -> int:
        """How many modes have at least this share of the points."""
        return int((self.shares(points) >= least).sum())
