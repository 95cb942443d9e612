"""Training: one loop, a step for each family of models, callbacks for all that surrounds them."""

from .callbacks import Checkpoint, EarlyStopping, History, Plots, Progress, Schedule, Validate
from .loop import EVENTS, Callback, Stop, Trainer
from .steps import Classify, Step, evaluate, minimize, predict
