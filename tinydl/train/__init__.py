"""Training: one loop, a step for each family of models, callbacks for all that surrounds them."""

from .adversarial import Adversarial
from .callbacks import (
    Average,
    Checkpoint,
    EarlyStopping,
    History,
    LivePlots,
    NaNGuard,
    Plots,
    Progress,
    SampleGrid,
    Schedule,
    Statistics,
    TensorBoard,
    Validate,
)
from .energy import (
    ContrastiveDivergence,
    Greedy,
    NextLayer,
    PersistentContrastiveDivergence,
    RaiseMomentum,
    greedy_dbn,
    hintons_sgd,
)
from .estimator import BernoulliRBM
from .gan_losses import (
    LOSSES,
    R1,
    FeatureMatching,
    GANLoss,
    GradientPenalty,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    Wasserstein,
    WassersteinGP,
    gan_loss,
)
from .gan_tricks import HistoricalAverage, InstanceNoise, Replay, Trick
from .infogan import Codes, InfoGAN
from .loop import EVENTS, Callback, Stop, Trainer
from .precision import MixedPrecision
from .reconstruct import (
    Contractive,
    GaussianNoise,
    Masking,
    Reconstruct,
    SaltAndPepper,
    Sparse,
    Variational,
    greedy_autoencoder,
    jacobian_norm,
    sigmoid_jacobian_norm,
)
from .semisupervised import SemiSupervised, beside
from .steps import Classify, Step, evaluate, minimize, predict
from .unrolled import Unrolled
