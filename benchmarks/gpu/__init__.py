"""Proof and speed on a GPU: `python -m benchmarks gpu --record` (docs/gpu.md)."""
