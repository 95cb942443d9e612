"""Networks, each in a file of its own; how they are trained is not their affair."""

from . import cascade, mtcnn
from .autoencoder import Autoencoder, ConvAutoencoder, StackedAutoencoder
from .cascade import detect_faces
from .dbn import DBN
from .gan import DCGANDiscriminator, DCGANGenerator
from .lenet import LeNet
from .mtcnn import ONet, PNet, RNet
from .rbm import RBM
from .resnet import ResNet, resnet18, resnet34, resnet50
from .squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from .vae import VAE
from .vgg import VGG, vgg11, vgg16
