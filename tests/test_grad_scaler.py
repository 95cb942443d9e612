"""amp.GradScaler against PyTorch's, step by step."""

import math

import numpy as np
import pytest
from oracle import oracle

import tinydl
from tinydl import optim
from tinydl.amp import GradScaler
from tinydl.nn.utils import clip_grad_norm_
from tinydl.testing.strict import strict_device

torch = oracle()


class Both:
    """Two parameters, an optimizer and a scaler, here and in PyTorch."""

    def __init__(self, kind="SGD", lr=0.1, **options):
        start = np.array([1.0, -2.0, 3.0], np.float32), np.array([[0.5]], np.float32)
        self.mine = [tinydl.tensor(a).requires_grad_() for a in start]
        self.its = [torch.tensor(a, requires_grad=True) for a in start]
        self.optimizers = getattr(optim, kind)(self.mine, lr=lr), getattr(torch.optim, kind)(self.its, lr=lr)
        self.scalers = GradScaler("cpu", **options), torch.amp.GradScaler("cpu", **options)

    def gradients(self, planted=None, only_first=False):
        """Backward of a scaled loss; a number may be planted into a gradient."""
        for params, scaler in zip((self.mine, self.its), self.scalers):
            a, b = params
            for p in params:
                p.grad = None
            loss = (a * a).sum() * (1 if only_first else b.sum() * b.sum())
            scaler.scale(loss).backward()
            if planted is not None:
                a.grad[1] = planted

    def each(self, act):
        """What `act(scaler, optimizer)` gives on both sides."""
        return [act(scaler, optimizer) for scaler, optimizer in zip(self.scalers, self.optimizers)]

    def same(self):
        """The scales and their counters equal, the parameters and gradients to rounding."""
        mine, its = (s.state_dict() for s in self.scalers)
        assert mine == its and [type(v) for v in mine.values()] == [type(v) for v in its.values()]
        for a, b in zip(self.mine, self.its):
            np.testing.assert_allclose(a.numpy(force=True), b.detach().numpy(), rtol=1e-6)
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6)

    def step(self, planted=None):
        self.gradients(planted)
        self.each(lambda scaler, optimizer: scaler.step(optimizer))
        self.same()
        self.each(lambda scaler, optimizer: scaler.update())
        self.same()


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_steps_with_planted_infinities(kind):
    both = Both(kind, lr=1e-2, growth_interval=3)
    planted = {2: math.inf, 6: math.nan, 7: -math.inf, 8: math.inf, 15: math.nan}
    scales = []
    for i in range(18):
        before = [p.numpy(force=True).copy() for p in both.mine]
        both.step(planted.get(i))
        moved = [bool((p.numpy(force=True) != old).all()) for p, old in zip(both.mine, before)]
        assert moved == [i not in planted] * 2
        scales.append(both.scalers[0].get_scale())
    assert min(scales) < 2.0**16 and len(set(scales)) >= 4


def test_defaults_are_pytorchs():
    both = Both()
    for getter in ("get_scale", "get_growth_factor", "get_backoff_factor", "get_growth_interval", "is_enabled"):
        mine, its = both.each(lambda scaler, _, getter=getter: getattr(scaler, getter)())
        assert mine == its and type(mine) is type(its)
    both.each(lambda scaler, _: scaler.set_growth_factor(3.0))
    both.each(lambda scaler, _: scaler.set_backoff_factor(0.25))
    both.each(lambda scaler, _: scaler.set_growth_interval(1))
    for planted in (None, math.inf, None):
        both.step(planted)


def test_the_scale_does_not_grow_to_infinity():
    both = Both(init_scale=2.0**126, growth_interval=1, growth_factor=4.0)
    for p in (both.mine[0], both.its[0]):
        p.requires_grad_(False)
        p *= 1e-30
        p.requires_grad_(True)
    for _ in range(3):
        both.step()
    assert both.scalers[0].get_scale() == 2.0**126


def test_gradients_are_clipped_between_unscaling_and_step():
    both = Both(growth_interval=2)
    clips = clip_grad_norm_, torch.nn.utils.clip_grad_norm_
    for planted in (None, math.inf, None, None):
        both.gradients(planted)
        both.each(lambda scaler, optimizer: scaler.unscale_(optimizer))
        both.same()
        if planted is None:
            mine, its = (clip(params, 0.5) for clip, params in zip(clips, (both.mine, both.its)))
            assert mine.item() == pytest.approx(its.item(), rel=1e-6) and mine.item() > 0.5
        both.each(lambda scaler, optimizer: scaler.step(optimizer))
        both.each(lambda scaler, optimizer: scaler.update())
        both.same()


def test_state_is_exchanged_with_pytorch():
    both = Both(growth_interval=3)
    for planted in (None, math.inf, None, None):
        both.step(planted)
    mine, its = both.scalers
    both.scalers = GradScaler(), torch.amp.GradScaler("cpu")
    both.scalers[0].load_state_dict(its.state_dict())
    both.scalers[1].load_state_dict(mine.state_dict())
    both.same()
    assert mine.state_dict()["_growth_tracker"] == 2
    both.step()  # the third in a row: the scale grows
    assert both.scalers[0].get_scale() == 2.0**16
    both.scalers[0].load_state_dict(its.state_dict())  # also where the scale is on a device already
    assert both.scalers[0].state_dict() == its.state_dict()


def test_two_optimizers_and_one_scale():
    scaler = GradScaler("cpu")
    a, b = (tinydl.ones(2).requires_grad_() for _ in range(2))
    first, second = optim.SGD([a], lr=1.0), optim.SGD([b], lr=1.0)
    scaler.scale((a * 3).sum() + (b * 5).sum()).backward()
    b.grad[0] = math.inf
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    assert a.tolist() == [-2, -2] and b.tolist() == [1, 1] and scaler.get_scale() == 2.0**15


def test_what_step_returns_and_a_scale_that_is_given():
    both = Both()
    both.gradients()
    seen = []
    both.optimizers[0].step = lambda *args, **kwargs: seen.append((args, kwargs)) or "stepped"
    assert both.scalers[0].step(both.optimizers[0], 1, key=2) == "stepped" and seen == [((1,), {"key": 2})]
    both.scalers[1].step(both.optimizers[1])
    for new in (4.0, "tensor"):
        both.each(
            lambda scaler, _, new=new: scaler.update(
                new if new != "tensor" else (tinydl if isinstance(scaler, GradScaler) else torch).tensor(8.0)
            )
        )
        assert both.scalers[0].state_dict() == both.scalers[1].state_dict()
    assert both.scalers[0].get_scale() == 8.0


def test_losses_in_lists_and_narrow_ones():
    scaler = GradScaler(init_scale=4.0)
    loss, others = scaler.scale([tinydl.tensor(1.0), (tinydl.ones(2, dtype="float16"),)])
    assert loss.item() == 4 and others[0].tolist() == [4, 4] and others[0].dtype == tinydl.float16
    with pytest.raises(TypeError, match="scale: expected a tensor, or a list or tuple of them, got float"):
        scaler.scale(1.0)


def test_disabled_it_lets_everything_through():
    both = Both(enabled=False)
    for _ in range(2):
        both.gradients()
        both.each(lambda scaler, optimizer: scaler.unscale_(optimizer))
        both.each(lambda scaler, optimizer: scaler.step(optimizer))
        both.each(lambda scaler, optimizer: scaler.update())
        both.same()
    assert both.scalers[0].state_dict() == {} and both.scalers[0].get_scale() == 1.0
    both.scalers[0].load_state_dict({})


def test_calls_out_of_order_are_refused():
    p = tinydl.ones(2).requires_grad_()
    optimizer, scaler = optim.SGD([p], lr=0.1), GradScaler()
    with pytest.raises(RuntimeError, match=r"step: nothing was scaled yet; call scale\(loss\)"):
        scaler.step(optimizer)
    loss = scaler.scale(p.sum())
    with pytest.raises(RuntimeError, match=r"update: no gradients were looked at; call step"):
        scaler.update()
    with pytest.raises(RuntimeError, match=r"step: no parameter of the optimizer has a gradient; call backward"):
        scaler.step(optimizer)
    loss.backward()
    with pytest.raises(RuntimeError, match="a closure would compute gradients anew"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscale_: called twice"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_: called after step\(\)"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="step: called twice"):
        scaler.step(optimizer)
    assert p.tolist() == pytest.approx([0.9, 0.9])
    with pytest.raises(RuntimeError, match="the state is empty"):
        scaler.load_state_dict({})
    with pytest.raises(ValueError, match="growth_factor must be above 1 and backoff_factor between 0 and 1"):
        GradScaler(growth_factor=1.0)


def test_gradients_of_float16_are_refused():
    p = tinydl.ones(2, dtype="float16").requires_grad_()
    scaler = GradScaler(init_scale=2.0)
    scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="a gradient is float16, in which small ones are lost"):
        scaler.step(optim.SGD([p], lr=0.1))


def test_the_scale_lies_where_the_loss_does():
    with strict_device() as device:
        p = tinydl.ones(3, device=device).requires_grad_()
        optimizer, scaler = optim.SGD([p], lr=0.1), GradScaler(growth_interval=1)
        for planted in (None, math.inf):
            optimizer.zero_grad()
            scaler.scale(p.sum()).backward()
            if planted:
                p.grad.fill_(planted)
            scaler.step(optimizer)
            scaler.update()
        assert scaler._scale.device is device and scaler.get_scale() == 2.0**16
        assert p.cpu().tolist() == pytest.approx([0.9] * 3)
