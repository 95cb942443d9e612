"""A restricted Boltzmann machine in scikit-learn's manner: fit, transform, score_samples, on arrays or tensors."""

from __future__ import annotations

import inspect
import secrets
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..data import DataLoader, TensorDataset
from ..models.rbm import RBM
from ..ops.creation import as_tensor
from ..ops.generator import Generator
from ..tensor import Tensor
from .callbacks import Progress
from .energy import ContrastiveDivergence, PersistentContrastiveDivergence, hintons_sgd
from .loop import Trainer


class BernoulliRBM:
    """As sklearn.neural_network.BernoulliRBM: the names, arguments, attributes, and PCD with as many chains as a batch
    has rows; beside it `k` Gibbs steps, plain CD with persistent=False, momentum, weight decay and a device.

    X: (N, V) in [0, 1], an array or a tensor; what is returned is of the same kind, float32 unless X is float64.
    After fit: components_ (H, V), intercept_hidden_ (H,), intercept_visible_ (V,), and rbm_, the models.RBM itself.
    """

    def __init__(
        self, n_components: int = 256, *, learning_rate: float = 0.1, batch_size: int = 10, n_iter: int = 10,
        verbose: int = 0, random_state: int | None = None, k: int = 1, persistent: bool = True, momentum: float = 0.0,
        weight_decay: float = 0.0, device="cpu",
    ):  # fmt: skip
        self.n_components, self.learning_rate, self.batch_size = n_components, learning_rate, batch_size
        self.n_iter, self.verbose, self.random_state, self.k = n_iter, verbose, random_state, k
        self.persistent, self.momentum, self.weight_decay, self.device = persistent, momentum, weight_decay, device

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params) -> BernoulliRBM:
        """Change arguments of the constructor; ValueError for others."""
        if unknown := set(params) - set(self.get_params()):
            raise ValueError(f"BernoulliRBM.set_params: no such argument: {', '.join(sorted(unknown))}")
        vars(self).update(params)
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags("transformer", TargetTags(required=False), TransformerTags(), input_tags=InputTags())

    # ---- learning
    def fit(self, X, y=None) -> BernoulliRBM:
        """Learn from X, n_iter times through, beginning anew.  y: taken, without effect."""
        x = self._tensor("fit", X)
        self._begin(x)
        batches = DataLoader(TensorDataset(x), self.batch_size, shuffle=True, generator=self._generator)
        Trainer(self._step, batches, *([Progress("rows")] if self.verbose else [])).fit(self.n_iter)
        return self

    def partial_fit(self, X, y=None) -> BernoulliRBM:
        """One step on X, as one batch, going on from what was learned before."""
        x = self._tensor("partial_fit", X)
        if not hasattr(self, "rbm_"):
            self._begin(x)
        Trainer(self._step, [[self._fitting("partial_fit", x)]]).fit(1)
        return self

    def _begin(self, x):
        seed = secrets.randbits(63) if self.random_state is None else self.random_state
        self._generator = Generator(x.device).manual_seed(seed)
        rbm = RBM(x.shape[1], self.n_components, device=x.device, dtype=x.dtype)
        with no_grad():
            rbm.weight.normal_(0.0, 0.01, generator=self._generator)
        optimizer = hintons_sgd(rbm, self.learning_rate, self.momentum, self.weight_decay)
        options = {"k": self.k, "generator": self._generator}
        if self.persistent:
            self._step = PersistentContrastiveDivergence(rbm, optimizer, chains=self.batch_size, **options)
        else:
            self._step = ContrastiveDivergence(rbm, optimizer, **options)
        self.rbm_, self.n_features_in_ = rbm, x.shape[1]

    # ---- what was learned
    def transform(self, X):
        """Probabilities of the hidden units, (N, V) -> (N, H)."""
        return self._apply("transform", X, self._rbm.prob_hidden)

    def fit_transform(self, X, y=None):
        """transform(X) after fit(X)."""
        return self.fit(X).transform(X)

    def gibbs(self, v):
        """v after one step of Gibbs sampling, (N, V) -> (N, V)."""
        return self._apply("gibbs", v, lambda v: self._rbm.gibbs(v, 1, self._generator))

    def score_samples(self, X):
        """Estimated log-pseudo-likelihood of each row, (N, V) -> (N,)."""
        return self._apply("score_samples", X, lambda v: self._rbm.pseudo_likelihood(v, self._generator))

    @property
    def _rbm(self):
        if not hasattr(self, "rbm_"):
            raise RuntimeError("BernoulliRBM: nothing was learned yet; call fit(X) first")
        return self.rbm_

    components_ = property(lambda self: self._rbm.weight.numpy(force=True))
    intercept_hidden_ = property(lambda self: self._rbm.hbias.numpy(force=True))
    intercept_visible_ = property(lambda self: self._rbm.vbias.numpy(force=True))

    # ---- arrays and tensors
    def _tensor(self, name, X):
        x = X if isinstance(X, Tensor) else as_tensor(np.asarray(X))
        if x.ndim != 2 or not len(x):
            raise ValueError(f"BernoulliRBM.{name}: expected X of shape (N, V), got {tuple(x.shape)}")
        x = x.detach().to(self.device)
        x = x if x.dtype.name == "float64" else x.float()
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(f"BernoulliRBM.{name}: expected X within [0, 1], without NaN; scale it first")
        return x

    def _fitting(self, name, x):
        if x.shape[1] != self._rbm.visible:
            raise ValueError(f"BernoulliRBM.{name}: X has {x.shape[1]} columns, what was learned {self._rbm.visible}")
        return x.to(self._rbm.weight.dtype)

    @no_grad()
    def _apply(self, name, X, function):
        y = function(self._fitting(name, self._tensor(name, X)))
        return y.to(X.device) if isinstance(X, Tensor) else y.numpy(force=True)
