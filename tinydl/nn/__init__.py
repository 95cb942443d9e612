"""Layers, losses and what they are made of, under PyTorch's names."""
