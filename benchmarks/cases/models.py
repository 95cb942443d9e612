"""Whole training steps: forward, backward, update; the same text on both libraries."""

from . import cases


def minimizing(lib, model, loss, **options):
    """The step that lowers `loss()` by Adam."""
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3, **options)

    def step():
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def classifying(lib, model, x, classes=10):
    """A step on the cross-entropy of random labels."""
    t = lib.randint(0, classes, (len(x),))
    return minimizing(lib, model, lambda: lib.nn.functional.cross_entropy(model(x), t))


@cases("training steps", 0.9)
def mlp(lib):
    """784 - 256 - 256 - 10 on 128 images."""
    nn = lib.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return classifying(lib, model, lib.randn(128, 784))


def head(nn, features):
    """LeNet's three linear layers."""
    return nn.Flatten(), nn.Linear(features, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)


@cases("training steps", 0.9)
def lenet(lib):
    """LeNet-5 on 64 images of 28 x 28."""
    nn = lib.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *head(nn, 16 * 25),
    )
    return classifying(lib, model, lib.randn(64, 1, 28, 28))


@cases("training steps", 0.9)
def lenet_digits(lib):
    """The demo's network: 32 and 64 channels, 64 images of 8 x 8."""
    nn = lib.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *head(nn, 64 * 4),
    )
    return classifying(lib, model, lib.randn(64, 1, 8, 8))


def conv_block(nn, c, out):
    return nn.Conv2d(c, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()


@cases("training steps", 0.9)
def vgg(lib):
    """Eight 3 x 3 convolutions, 64 to 512 channels, with batch norm; 32 images of 32 x 32."""
    nn, layers, c = lib.nn, [], 3
    for out in (64, 128, 256, 512):
        layers += [*conv_block(nn, c, out), *conv_block(nn, out, out), nn.MaxPool2d(2)]
        c = out
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return classifying(lib, model, lib.randn(32, 3, 32, 32))


@cases("training steps", 0.9)
def resnet18(lib):
    """ResNet-18 as for CIFAR-10 (first layer 3 x 3, no pooling), 16 images of 32 x 32."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, c, out, stride):
            super().__init__()
            self.a, self.norm_a = nn.Conv2d(c, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            self.b, self.norm_b = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
            short = nn.Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            self.short = nn.Identity() if c == out else nn.Sequential(*short)
            self.relu = nn.ReLU()

        def forward(self, x):
            y = self.relu(self.norm_a(self.a(x)))
            return self.relu(self.norm_b(self.b(y)) + self.short(x))

    layers, c = [*conv_block(nn, 3, 64)], 64
    for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(c, out, stride), Block(out, out, 1)]
        c = out
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return classifying(lib, model, lib.randn(16, 3, 32, 32))


@cases("training steps", 0.9)
def segnet(lib):
    """SegNet, three stages of 64 to 256 channels with unpooling by indices; 2 images of 120 x 160, 12 classes."""
    nn = lib.nn

    class SegNet(nn.Module):
        def __init__(self):
            super().__init__()
            widths = 3, 64, 128, 256
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            for c, out in zip(widths, widths[1:]):
                self.down.append(nn.Sequential(*conv_block(nn, c, out), *conv_block(nn, out, out)))
                back = max(c, 64)
                self.up.insert(0, nn.Sequential(*conv_block(nn, out, out), *conv_block(nn, out, back)))
            self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
            self.out = nn.Conv2d(64, 12, 1)

        def forward(self, x):
            kept = []
            for stage in self.down:
                x = stage(x)
                size = x.shape[2:]
                x, indices = self.pool(x)
                kept.append((indices, size))
            for stage in self.up:
                indices, size = kept.pop()
                x = stage(self.unpool(x, indices, output_size=size))
            return self.out(x)

    model, x, t = SegNet(), lib.randn(2, 3, 120, 160), lib.randint(0, 12, (2, 120, 160))
    return minimizing(lib, model, lambda: lib.nn.functional.cross_entropy(model(x), t))


@cases("training steps", 0.9)
def dcgan(lib):
    """DCGAN on 64 images of 32 x 32: a step of the critic, one of the generator."""
    nn, options = lib.nn, dict(lr=2e-4, betas=(0.5, 0.999))

    def up(c, out, *how):
        return nn.ConvTranspose2d(c, out, *how, bias=False), nn.BatchNorm2d(out), nn.ReLU()

    def down(c, out):
        return nn.Conv2d(c, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)

    generator = nn.Sequential(
        *(*up(100, 256, 4, 1, 0), *up(256, 128, 4, 2, 1), *up(128, 64, 4, 2, 1)),
        *(nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh()),
    )
    critic = nn.Sequential(
        *(nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2), *down(64, 128), *down(128, 256)),
        *(nn.Conv2d(256, 1, 4, 1, 0), nn.Flatten()),
    )
    players = [lib.optim.Adam(m.parameters(), **options) for m in (critic, generator)]
    judge, images = nn.BCEWithLogitsLoss(), lib.randn(64, 3, 32, 32)
    real, fake = lib.ones(64, 1), lib.zeros(64, 1)

    def step():
        made = generator(lib.randn(64, 100, 1, 1))
        loss = judge(critic(images), real) + judge(critic(made.detach()), fake)
        players[0].zero_grad()
        loss.backward()
        players[0].step()
        fooled = judge(critic(made), real)
        players[1].zero_grad()
        fooled.backward()
        players[1].step()
        return fooled

    return step


@cases("training steps", 0.9)
def char_lstm(lib):
    """Two LSTM layers of 256 over 64 characters of 65 kinds, 32 texts; gradients clipped."""
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(65, 128), nn.Linear(256, 65)
            self.lstm = nn.LSTM(128, 256, 2, batch_first=True)

        def forward(self, x):
            return self.out(self.lstm(self.embedding(x))[0])

    model, text = Model(), lib.randint(0, 65, (32, 65))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        loss = nn.functional.cross_entropy(model(text[:, :-1]).reshape(-1, 65), text[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step


@cases("training steps", 0.9)
def gpt(lib):
    """Four Transformer blocks of width 128 with 4 heads over 128 characters, 16 texts."""
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.norm_a, self.norm_b = heads, nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            N, T, D = x.shape
            parts = self.qkv(self.norm_a(x)).chunk(3, dim=-1)
            q, k, v = (p.reshape(N, T, self.heads, D // self.heads).transpose(1, 2) for p in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(N, T, D))
            return x + self.mlp(self.norm_b(x))

    class GPT(nn.Module):
        def __init__(self, kinds=65, width=128, length=128):
            super().__init__()
            self.token, self.place = nn.Embedding(kinds, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block(width, 4) for _ in range(4)))
            self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, kinds)

        def forward(self, x):
            return self.out(self.norm(self.blocks(self.token(x) + self.place(lib.arange(x.shape[1])))))

    model, text = GPT(), lib.randint(0, 65, (16, 129))
    x, t = text[:, :-1], text[:, 1:].reshape(-1)
    return minimizing(lib, model, lambda: F.cross_entropy(model(x).reshape(-1, 65), t))


@cases("training steps", 0.9)
def vae(lib):
    """A variational autoencoder 784 - 400 - 20 - 400 - 784 on 128 images."""
    nn, F = lib.nn, lib.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.mean, self.log_variance = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.decode = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x):
            h = F.relu(self.encode(x))
            mean, log_variance = self.mean(h), self.log_variance(h)
            z = mean + lib.exp(0.5 * log_variance) * lib.randn_like(mean)
            return self.decode(z), mean, log_variance

    model, x = VAE(), lib.rand(128, 784)

    def loss():
        y, mean, log_variance = model(x)
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        return F.binary_cross_entropy_with_logits(y, x, reduction="sum") + divergence

    return minimizing(lib, model, loss)
