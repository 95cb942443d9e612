"""Speed as a ratio to PyTorch's: `python -m benchmarks [words] [--threads N] [--rounds N] [--save]`."""
