"""The models that `tinydl train` knows: how each is built, and how pictures are drawn from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import nn, optim, train
from ..autograd import no_grad
from ..models import (
    DBN,
    RBM,
    VAE,
    Autoencoder,
    ConvAutoencoder,
    DCGANDiscriminator,
    DCGANGenerator,
    LeNet,
    StackedAutoencoder,
)
from ..nn.functional import one_hot
from ..ops.creation import arange
from ..ops.joining import cat
from ..ops.random import rand
from ..tensor import Tensor
from ..train import Callback, Step

FEW_IMAGES = ("digits", "faces")


@dataclass
class Images:
    """What a model is built for: images (N, C, H, W) in [0, 1] of so many classes.

    mean, std  of all their numbers
    held_out   (N, C, H, W), where they are there
    """

    shape: tuple[int, int, int]
    classes: int
    mean: float
    std: float
    held_out: Tensor | None = None

    @property
    def pixels(self) -> int:
        """Numbers in an image."""
        C, H, W = self.shape
        return C * H * W


@dataclass
class Job:
    """A model that is ready to learn.

    step, callbacks  for the Trainer
    draw             (n, columns) -> n images in [0, 1], to be seen in so many columns; None: there is nothing to see
    prepare          images in [0, 1] -> what the step learns from
    """

    step: Step
    draw: Callable[[int, int], Tensor] | None
    prepare: Callable[[Tensor], Tensor] = lambda x: x
    callbacks: tuple[Callback, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A line of the table below.

    build  (settings, Images, device) -> Job
    few    epochs, batch size and learning rate for a set of few images, `many` for one of many
    shown  whether its pictures are made from held-out images
    """

    about: str
    build: Callable[[dict, Images, object], Job]
    few: tuple[int, int, float] = (60, 50, 2e-3)
    many: tuple[int, int, float] = (20, 100, 1e-3)
    shown: bool = False

    def defaults(self, data: str) -> dict:
        """The settings for a data set, if no option says otherwise."""
        settings = dict(zip(("epochs", "batch_size", "lr"), self.few if data in FEW_IMAGES else self.many))
        return settings | ({"batch_size": 20} if data == "faces" else {})  # 320 images


def lenet(s, images, device):
    C, H, W = images.shape
    model = LeNet(H, C, images.classes, channels=(32, 64) if H < 16 else (16, 32)).to(device)
    return Job(train.Classify(model, optim.AdamW(model.parameters(), s["lr"], weight_decay=1e-2)), None)


def layer_by_layer(s, layers: int) -> Callback:
    """Each layer gets its share of the epochs that were asked for when the run began."""
    return train.NextLayer(s.setdefault("layer_epochs", -(-s["epochs"] // layers)))


# ---------------------------------------------------------------- autoencoders
def reconstructs(model: Callable, corrupt: Callable | None = None, penalty: Callable | None = None):
    """The build of an autoencoder.  model: Images -> Module; penalty: () -> what Reconstruct takes."""

    def build(s, images, device):
        made = model(images).to(device)
        optimizer = optim.Adam(made.parameters(), s["lr"])
        options = {"corrupt": corrupt, "penalty": penalty and penalty()}
        step = train.Reconstruct(made, optimizer, "cross-entropy", **options)
        return Job(step, pictures_of(step.reconstruct, images, device, corrupt))

    return build


def pictures_of(reconstruct: Callable, images: Images, device, corrupt: Callable | None = None) -> Callable:
    """Draws rows of held-out images, of these corrupted if they are, and of what the model makes of them."""

    def draw(n, columns):
        kinds = 2 if corrupt is None else 3
        x = images.held_out[: max(1, n // (kinds * columns)) * columns].to(device)
        seen = [x] if corrupt is None else [x, corrupt(x)]
        rows = [*seen, reconstruct(seen[-1]).reshape(x.shape)]
        return cat([row[i : i + columns] for i in range(0, len(x), columns) for row in rows])

    return draw


def wide(images: Images) -> int:
    """Units of a layer that is wide enough."""
    return 128 if images.pixels < 256 else 400


def plain(images):
    return Autoencoder(images.pixels, wide(images), wide(images) // 8)


def with_sigmoid_code(images):
    return Autoencoder(images.pixels, 100, code=nn.Sigmoid)


def stacked(s, images, device):
    model = StackedAutoencoder(images.pixels, wide(images), wide(images) // 4).to(device)
    step = train.greedy_autoencoder(model, lambda parameters: optim.Adam(parameters, s["lr"]), "cross-entropy")

    @no_grad()
    def reconstruct(x):
        return model(x).sigmoid()

    return Job(step, pictures_of(reconstruct, images, device), callbacks=(layer_by_layer(s, 2),))


def vae(s, images, device):
    model = VAE(images.pixels, wide(images), 8 if images.pixels < 256 else 20).to(device)
    step = train.Variational(model, optim.Adam(model.parameters(), s["lr"]))
    return Job(step, lambda n, columns: model.sample(n).reshape(n, *images.shape))


# ---------------------------------------------------------------- energies
def boltzmann(step: Callable, visible_units: str = "bernoulli"):
    """The build of a restricted Boltzmann machine; Gaussian units learn images of mean 0 and variance 1."""
    gaussian = visible_units == "gaussian"
    shift = lambda images: (images.mean, images.std) if gaussian else (0.0, 1.0)

    def build(s, images, device):
        rbm = RBM(images.pixels, 100 if images.pixels < 256 else 300, visible_units).to(device)
        optimizer = train.hintons_sgd(rbm, s["lr"])
        mean, std = shift(images)

        @no_grad()
        def draw(n, columns, steps=500):
            h = (rand(n, rbm.hidden, device=device) < 0.5).to(rbm.weight.dtype)
            for _ in range(steps):
                h = rbm.sample_hidden(rbm.sample_visible(h))
            return (rbm.prob_visible(h) * std + mean).reshape(n, *images.shape)

        falls = train.Schedule(optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, s["epochs"]))
        callbacks = (train.RaiseMomentum(optimizer), falls)
        return Job(step(rbm, optimizer), draw, lambda x: (x - mean) / std, callbacks)

    return build


def dbn(s, images, device):
    H = wide(images)
    model = DBN(images.pixels, H, H).to(device)
    step = train.greedy_dbn(model, lr=s["lr"])
    optimizers = [layer.optimizer for layer in step.steps]

    def draw(n, columns):  # dreams that begin with images: from noise, a model that mixes slowly sees few kinds
        x = images.held_out[arange(n) % len(images.held_out)].to(device)
        return model.sample(x.flatten(1), 200).reshape(n, *images.shape)

    return Job(step, draw, callbacks=(layer_by_layer(s, 2), train.RaiseMomentum(*optimizers)))


# ---------------------------------------------------------------- games
def game(
    loss: str, *, players=optim.Adam, betas=(0.5, 0.999), norm: bool = True, d_steps: int = 1,
    labels: bool = False, codes: train.Codes | None = None,
):  # fmt: skip
    """The build of an adversarial game between DCGAN's players.

    players  their optimizers; norm: whether the discriminator has batch norm; labels: whether both are told them
    """
    options = {"betas": betas} if players is optim.Adam else {}

    def build(s, images, device):
        C, H, W = images.shape
        K, latent, width = images.classes if labels else 0, 64, 64 if H < 16 else 32
        said = len(codes) if codes else 0
        generator = DCGANGenerator(H, latent + said, C, width, K).to(device)
        discriminator = DCGANDiscriminator(H, C, width, K, said, norm=norm).to(device)
        both = (players(player.parameters(), s["lr"], **options) for player in (generator, discriminator))
        kind, more = train.Adversarial, {}
        if codes:
            kind, more = train.InfoGAN, {"recognise": discriminator.recognise, "codes": codes}
        step = kind(
            generator, discriminator, *both, loss,
            latent=latent, d_steps=d_steps, conditional=labels, average=0.99, **more,
        )  # fmt: skip

        @no_grad()
        def draw(n, columns):
            column = arange(n, device=device) % columns
            if labels:
                made = step.sample(n, column % K)
            elif codes:
                made = step.sample(n, z=step.draw(n, one_hot(column % said, said).to("float32")))
            else:
                made = step.sample(n)
            return (made + 1) / 2

        return Job(step, draw, lambda x: 2 * x - 1)

    return build


GAN = {"few": (150, 50, 5e-4), "many": (20, 64, 2e-4)}
WGAN = {"few": (400, 50, 5e-4), "many": (40, 64, 2e-4)}
SHOWN = {"shown": True}

RECIPES: dict[str, Recipe] = {
    "lenet": Recipe("a convolutional classifier (LeCun et al. 1998)", lenet, (25, 64, 3e-3), (6, 64, 2e-3)),
    "autoencoder": Recipe("a small code from which the image is made again", reconstructs(plain), **SHOWN),
    "denoising-ae": Recipe(
        "removes noise (Vincent et al. 2010)",
        reconstructs(lambda images: Autoencoder(images.pixels, 400), train.GaussianNoise(0.4)), **SHOWN,
    ),
    "sparse-ae": Recipe(
        "few units of the code are on (Ng 2011)",
        reconstructs(with_sigmoid_code, penalty=lambda: train.Sparse(0.05, 1.0)), **SHOWN,
    ),
    "contractive-ae": Recipe(
        "a code that changes little with the image (Rifai et al. 2011)",
        reconstructs(with_sigmoid_code, penalty=lambda: train.Contractive(0.1)), **SHOWN,
    ),
    "conv-ae": Recipe(
        "convolution and pooling, and back (Masci et al. 2011)",
        reconstructs(lambda images: ConvAutoencoder(images.shape[0], (16, 8))), **SHOWN,
    ),
    "stacked-ae": Recipe("autoencoders learned one after another (Vincent et al. 2010)", stacked, **SHOWN),
    "vae": Recipe("the variational autoencoder (Kingma and Welling 2014)", vae, (150, 50, 2e-3), (30, 100, 1e-3)),
    "rbm": Recipe(
        "a restricted Boltzmann machine by persistent chains (Tieleman 2008)",
        boltzmann(train.PersistentContrastiveDivergence), (100, 20, 0.05), (30, 100, 0.05),
    ),
    "rbm-cd": Recipe(
        "the same by contrastive divergence (Hinton 2002)",
        boltzmann(train.ContrastiveDivergence), (100, 20, 0.05), (30, 100, 0.05),
    ),
    "gaussian-rbm": Recipe(
        "a machine whose visible units are normal (Hinton 2010)",
        boltzmann(train.PersistentContrastiveDivergence, "gaussian"), (100, 20, 2e-3), (30, 100, 2e-3),
    ),
    "dbn": Recipe(
        "a deep belief network, layer by layer (Hinton et al. 2006)", dbn, (100, 20, 0.05), (20, 100, 0.1), **SHOWN
    ),
    "dcgan": Recipe("the convolutional game (Radford et al. 2016)", game("non-saturating"), **GAN),
    "lsgan": Recipe("with least squares (Mao et al. 2017)", game("least-squares"), **GAN),
    "hinge-gan": Recipe("with the hinge loss (Lim and Ye 2017)", game("hinge"), **GAN),
    "ragan": Recipe("of relative realness (Jolicoeur-Martineau 2019)", game("relativistic"), **GAN),
    "wgan": Recipe(
        "a clipped critic (Arjovsky et al. 2017)", game("wasserstein", players=optim.RMSprop, d_steps=5), **WGAN
    ),
    "wgan-gp": Recipe(
        "a critic with a gradient penalty (Gulrajani et al. 2017)",
        game("wasserstein-gp", betas=(0.0, 0.9), norm=False, d_steps=5), **WGAN,
    ),
    "cgan": Recipe(
        "the game with labels, one to a column (Mirza and Osindero 2014)", game("non-saturating", labels=True), **GAN
    ),
    "infogan": Recipe(
        "a code that comes to mean something (Chen et al. 2016)",
        game("non-saturating", codes=train.Codes((10,))), **GAN,
    ),
}  # fmt: skip
