"""What happens around the steps of training."""

from .control import Average, Checkpoint, EarlyStopping, Schedule, Validate
from .drawing import LivePlots, Plots, SampleGrid
from .report import History, Progress, TensorBoard
from .watch import NaNGuard, Statistics
