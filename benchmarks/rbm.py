"""An epoch of CD-1 and one of scikit-learn's BernoulliRBM: 10,000 binary rows of 784, 500 hidden units, batches of 100.

python -m benchmarks.rbm [rounds]   the two take turns in one process, in float32
"""

import statistics
import sys
import time

import numpy as np

import tinydl
from tinydl.data import DataLoader, TensorDataset
from tinydl.models import RBM
from tinydl.train import ContrastiveDivergence, Trainer, hintons_sgd


def mine(x):
    """A function that trains for one epoch more."""
    rbm = RBM(784, 500)
    step = ContrastiveDivergence(rbm, hintons_sgd(rbm, 0.05, momentum=0.0, weight_decay=0.0))
    run = Trainer(step, DataLoader(TensorDataset(tinydl.tensor(x)), 100, shuffle=True, seed=0))
    return lambda: run.fit(run.epoch + 1)


def theirs(x):
    """The same of scikit-learn's, which begins anew each time."""
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(500, learning_rate=0.05, batch_size=100, n_iter=1, random_state=0)
    return lambda: model.fit(x)


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(rounds: int = 7) -> None:
    x = (np.random.default_rng(0).random((10000, 784)) < 0.2).astype(np.float32)
    epochs = {"tinydl": mine(x), "scikit-learn": theirs(x)}
    for epoch in epochs.values():  # compiles
        epoch()
    times = {name: [] for name in epochs}
    for _ in range(rounds):
        for name, epoch in epochs.items():
            times[name].append(seconds(epoch))
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, t in medians.items():
        print(f"{name:<13} {1000 * t:7.1f} ms an epoch")
    print(f"{medians['scikit-learn'] / medians['tinydl']:.2f} times as fast")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
