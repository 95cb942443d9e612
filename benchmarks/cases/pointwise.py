"""Pointwise functions, dropout, softmax with cross-entropy."""
