"""Gradient checkpointing under PyTorch's name for it."""

from ..autograd import checkpoint

__all__ = ["checkpoint"]
