"""Data sets: each knows its source, finds its files (see `sources.folders`) and refuses damaged ones."""

from .digits import MNIST, Digits, FashionMNIST
from .graphs import Cora
from .labelled import LabelledImages
from .pictures import CIFAR10, ATTFaces, CamVid, ImageFolder
from .text import Names, TextFile, TinyShakespeare, WikiText2
from .toy import GaussianRing
