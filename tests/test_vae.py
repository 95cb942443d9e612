"""The variational autoencoder: bounds in closed form in NumPy, PyTorch's distributions, and one of single pixels."""

import os

import numpy as np
import pytest
import scipy.special
from oracle import oracle

import tinydl
from tinydl import optim
from tinydl.data import DataLoader, TensorDataset
from tinydl.data.datasets import MNIST, Digits
from tinydl.models import VAE, Autoencoder
from tinydl.train import Reconstruct, Trainer, Variational

SEEDS = range(int(os.environ.get("TINYDL_SEEDS", "1")))


def array(x):
    return x.numpy(force=True).astype(float)


def bits(train=True):
    """Handwritten digits, 64 bits each: (N, 64)."""
    pytest.importorskip("sklearn")
    images = np.stack([array(image) for image, _ in Digits(train=train)])
    return tinydl.tensor((images.reshape(-1, 64) > 0.5).astype(np.float32))


def some(*shape, seed=0):
    return tinydl.tensor(np.random.default_rng(seed).standard_normal(shape))


def linear(std=0.7, V=5, D=2):
    """A linear Gaussian VAE, of which all is known, and its weights."""
    tinydl.manual_seed(0)
    vae = VAE(V, D, likelihood="gaussian", std=std).double()
    with tinydl.no_grad():
        for p in vae.loc.parameters():
            p.mul_(0.5)
    names = ("loc.weight", "loc.bias", "log_var.weight", "log_var.bias", "decoder.0.weight", "decoder.0.bias")
    return vae, [array(dict(vae.named_parameters())[name]) for name in names]


def exact_terms(x, std, A, a, S, s, W, b):
    """E_q log p(x | z), KL(q || p) and log p(x) of the linear model, (N,) each."""
    V, loc, var = x.shape[1], x @ A.T + a, np.exp(x @ S.T + s)
    error = ((x - loc @ W.T - b) ** 2).sum(1) + var @ (W**2).sum(0)
    fit = -error / (2 * std**2) - V * np.log(2 * np.pi * std**2) / 2
    kl = (var + loc**2 - 1 - np.log(var)).sum(1) / 2
    C = W @ W.T + std**2 * np.eye(V)
    r = x - b
    log_p = -((r @ np.linalg.inv(C)) * r).sum(1) / 2 - np.linalg.slogdet(2 * np.pi * C)[1] / 2
    return fit, kl, log_p


def test_terms_and_bounds_of_a_linear_model():
    vae, weights = linear()
    x = some(4, 5)
    fit, kl, log_p = exact_terms(array(x), 0.7, *weights)
    again = x.repeat(4000, 1)
    fits, kls = (array(term).reshape(4000, 4) for term in vae.terms(again))
    assert np.all(np.abs(fits.mean(0) - fit) < 4 * fits.std(0) / np.sqrt(4000))
    assert np.allclose(kls, kl)
    assert np.all(fit - kl < log_p)
    weighed = array(vae.log_likelihood(again, 5)).reshape(4000, 4)
    assert np.all(weighed.mean(0) < log_p), "a bound"
    assert np.allclose(scipy.special.logsumexp(weighed, 0) - np.log(4000), log_p, atol=0.05)


def test_elbo_is_fit_less_beta_kl():
    vae, _ = linear()
    x = some(4, 5)
    tinydl.manual_seed(3)
    fit, kl = vae.terms(x)
    for beta in (1.0, 4.0):
        tinydl.manual_seed(3)
        assert np.allclose(array(vae.elbo(x, beta)), array(fit) - beta * array(kl))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_value_and_gradients_are_pytorchs(likelihood, monkeypatch):
    """With the noise held fixed; std is learned."""
    torch = oracle()
    tinydl.manual_seed(0)
    vae = VAE(6, 5, 2, likelihood=likelihood, std=None).double()
    x = (some(4, 6) > 0).double() if likelihood == "bernoulli" else some(4, 6)
    noise = some(4, 2, seed=1)
    monkeypatch.setattr(VAE, "reparameterise", lambda self, q: q.loc + q.scale * noise)
    vae.elbo(x, 0.5).mean().backward()
    p = {name: torch.tensor(array(q), requires_grad=True) for name, q in vae.named_parameters()}
    D, F, X = torch.distributions, torch.nn.functional, torch.tensor(array(x))
    h = F.relu(F.linear(X, p["encoder.0.weight"], p["encoder.0.bias"]))
    loc, log_var = (F.linear(h, p[f"{n}.weight"], p[f"{n}.bias"]) for n in ("loc", "log_var"))
    q = D.Normal(loc, torch.exp(log_var / 2))
    h = F.relu(F.linear(loc + q.scale * torch.tensor(array(noise)), p["decoder.0.weight"], p["decoder.0.bias"]))
    y = F.linear(h, p["decoder.2.weight"], p["decoder.2.bias"])
    seen = D.Bernoulli(logits=y) if likelihood == "bernoulli" else D.Normal(y, p["log_std"].exp())
    theirs = (seen.log_prob(X).sum(1) - 0.5 * D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(1)).mean()
    theirs.backward()
    monkeypatch.undo()
    for name, mine in vae.named_parameters():
        assert np.allclose(array(mine.grad), p[name].grad.numpy()), name


def test_reparameterised_noise_has_the_code_s_mean_and_deviation():
    vae, (A, a, S, s, *_) = linear()
    x = some(1, 5)
    z = array(vae.reparameterise(vae.encode(x.expand(4000, 5))))
    loc, scale = array(x) @ A.T + a, np.exp((array(x) @ S.T + s) / 2)
    assert np.allclose(z.mean(0), loc, atol=0.06) and np.allclose(z.std(0), scale, rtol=0.05)


def train(step, x, epochs):
    Trainer(step, DataLoader(TensorDataset(x), batch_size=64, shuffle=True, seed=0)).fit(epochs)


def trained(seed):
    tinydl.manual_seed(seed)
    vae = VAE(64, 64, 8)
    train(Variational(vae, optim.Adam(vae.parameters(), lr=0.005)), bits(), 20)
    return vae


@pytest.fixture(scope="module")
def vae():
    return trained(0)


def independent(train, x):
    """log p(x) of one of single pixels."""
    p = (array(train).sum(0) + 1) / (len(train) + 2)
    return array(x) @ np.log(p) + (1 - array(x)) @ np.log(1 - p)


def test_beats_a_model_of_independent_pixels(vae):
    """By 5 nats of its 25, for 64 bits."""
    test = bits(train=False)
    pixels = independent(bits(), test).mean()
    with tinydl.no_grad():
        elbo = np.mean([array(vae.elbo(test)).mean() for _ in range(5)])
    better = array(vae.log_likelihood(test, 20)).mean()
    assert pixels + 5 < elbo < better < 0


@pytest.mark.skipif("TINYDL_DATA" not in os.environ, reason="needs the MNIST files of TINYDL_DATA")
@pytest.mark.parametrize("seed", SEEDS)
def test_beats_independent_pixels_on_mnist(seed):
    """By 20 nats, after five epochs on 8,500 digits of 784 bits."""
    x, test = ((next(iter(DataLoader(part, len(part))))[0].flatten(1) > 0.5).float() for part in MNIST.held_out())
    tinydl.manual_seed(seed)
    vae = VAE(784, 200, 20)
    batches = DataLoader(TensorDataset(x), batch_size=100, shuffle=True, seed=seed)
    Trainer(Variational(vae, optim.Adam(vae.parameters(), lr=0.002)), batches).fit(5)
    with tinydl.no_grad():
        elbo = vae.elbo(test).mean().item()
    pixels = independent(x, test).mean()
    print(f"seed {seed}: ELBO {elbo:.1f} nats, independent pixels {pixels:.1f}, gain {elbo - pixels:.1f}")
    assert elbo > pixels + 20


def test_samples_are_more_like_data_than_a_plain_autoencoders(vae):
    """By the distance to the nearest digit.  The plain one's codes are normal, of their own means and variances."""
    x = bits()
    plain = Autoencoder(64, 64, 8)
    tinydl.manual_seed(0)
    step = Reconstruct(plain, optim.Adam(plain.parameters(), lr=0.005), "cross-entropy")
    train(step, x, 20)
    with tinydl.no_grad():
        codes = plain.encode(x)
        z = codes.mean(0) + codes.std(0) * tinydl.randn(300, 8)
        samples = {"vae": array(vae.sample(300)), "plain": array(plain.decode(z).sigmoid())}
    nearest = {
        name: np.mean([np.abs((s > 0.5) - array(x)).sum(1).min() for s in images]) for name, images in samples.items()
    }
    assert nearest["vae"] < 0.9 * nearest["plain"], nearest


def test_a_larger_beta_spends_fewer_nats_on_the_code():
    x, kls = bits()[:600], []
    for beta in (1.0, 6.0):
        tinydl.manual_seed(0)
        vae = VAE(64, 32, 4)
        train(Variational(vae, optim.Adam(vae.parameters(), lr=0.005), beta), x, 10)
        kls.append(vae.terms(x)[1].mean().item())
    assert kls[1] < 0.5 * kls[0]


def test_a_learned_std_is_that_of_the_noise():
    tinydl.manual_seed(0)
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((1000, 2)) @ rng.standard_normal((2, 12))
    x = tinydl.tensor((clean + 0.3 * rng.standard_normal(clean.shape)).astype(np.float32))
    vae = VAE(12, 2, likelihood="gaussian", std=None)
    train(Variational(vae, optim.Adam(vae.parameters(), lr=0.02)), x, 20)
    assert vae.log_std.exp().item() == pytest.approx(0.3, rel=0.1)


def test_shapes_and_figures():
    vae = VAE(12, 6, 3)
    x = tinydl.rand(5, 3, 4).round()
    assert vae(x).shape == vae.reconstruct(x).shape == (5, 12) and vae.sample(7).shape == (7, 12)
    z = tinydl.randn(2, 3)
    assert np.array_equal(array(vae.sample(2, z)), array(vae.decode(z).mean))
    figures = Variational(vae, optim.SGD(vae.parameters(), lr=0.0), beta=2.0)([x, "a label"])
    assert figures["loss"] == pytest.approx(figures["reconstruction"] + 2 * figures["kl"], rel=1e-5)
    assert len(list(VAE(12, 3, likelihood="gaussian").log_std.shape)) == 0


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: VAE(12), "VAE: expected at least two sizes"),
        (lambda: VAE(12, 3, likelihood="poisson"), "one of bernoulli, gaussian, got 'poisson'"),
        (lambda: VAE(12, 3, std=0), "std must be positive.*got 0"),
        (lambda: VAE(12, 3).log_likelihood(tinydl.rand(2, 12), 0), "samples must be at least 1, got 0"),
    ],
)
def test_refusals(build, message):
    with pytest.raises(ValueError, match=message):
        build()
