"""Networks, each in a file of its own; how they are trained is not their affair."""

from .lenet import LeNet
