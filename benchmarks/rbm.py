"""An epoch of CD-1 and one of scikit-learn's BernoulliRBM: 10,000 binary rows of 784, 500 hidden units, batches of 100.

python -m benchmarks.rbm [rounds]   the two take turns, a process for each, in float32
"""

import statistics
import subprocess
import sys
import time

import numpy as np

from .workers import SETTLING


def mine(x):
    """A function that trains for one epoch more."""
    import tinydl
    from tinydl.data import DataLoader, TensorDataset
    from tinydl.models import RBM
    from tinydl.train import ContrastiveDivergence, Trainer, hintons_sgd

    rbm = RBM(784, 500)
    step = ContrastiveDivergence(rbm, hintons_sgd(rbm, 0.05, momentum=0.0, weight_decay=0.0))
    run = Trainer(step, DataLoader(TensorDataset(tinydl.tensor(x)), 100, shuffle=True, seed=0))
    return lambda: run.fit(run.epoch + 1)


def theirs(x):
    """The same of scikit-learn's, which begins anew each time."""
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(500, learning_rate=0.05, batch_size=100, n_iter=1, random_state=0)
    return lambda: model.fit(x)


SIDES = {"tinydl": mine, "scikit-learn": theirs}


def work(side: str) -> None:
    """The process of one side: a line in for each epoch, its seconds out."""
    epoch = SIDES[side]((np.random.default_rng(0).random((10000, 784)) < 0.2).astype(np.float32))
    epoch()  # compiles
    for _ in sys.stdin:
        time.sleep(SETTLING)
        start = time.perf_counter()
        epoch()
        print(time.perf_counter() - start, flush=True)


def turn(process: subprocess.Popen) -> float:
    """Seconds of one more epoch."""
    print(file=process.stdin, flush=True)
    return float(process.stdout.readline())


def main(rounds: int = 7) -> None:
    command = [sys.executable, "-m", "benchmarks.rbm"]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    workers = {side: subprocess.Popen([*command, side], text=True, **pipes) for side in SIDES}
    try:
        turns = [{side: turn(process) for side, process in workers.items()} for _ in range(rounds + 1)]
    finally:
        for process in workers.values():
            process.communicate()
    medians = {side: statistics.median(times[side] for times in turns[1:]) for side in SIDES}  # the first: both start
    for side, median in medians.items():
        print(f"{side:<13} {1000 * median:7.1f} ms an epoch")
    print(f"{medians['scikit-learn'] / medians['tinydl']:.2f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SIDES:
        work(sys.argv[1])
    else:
        main(*map(int, sys.argv[1:]))
