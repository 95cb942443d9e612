"""CUDA devices: training steps as graphs."""

from .graphs import graph

__all__ = ["graph"]
