"""Page-locked memory and copies without waiting, on a fake runtime: what is under way is held, and nothing else is."""

import gc
import warnings

import numpy as np
import pytest
from fake_cuda import Stream, fake_cuda

import tinydl
from tinydl.data import DataLoader, TensorDataset
from tinydl.kernels.gpu.transfer import in_flight, is_pinned
from tinydl.nn.utils.rnn import pack_sequence


@pytest.fixture
def device():
    with fake_cuda() as found:
        yield found


def on_host(t):
    return t.detach().cpu().numpy()


# ---------------------------------------------------------------- pinning
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8"])
def test_pinned_tensors_have_the_same_elements(shape, dtype, device):
    x = (tinydl.rand(*shape) * 3).to(tinydl.dtype.as_dtype(dtype))
    y = x.pin_memory()
    assert y.is_pinned() and not x.is_pinned() and y.device == "cpu"
    assert y.dtype == x.dtype and y.shape == x.shape and y.tolist() == x.tolist()
    assert y.pin_memory() is y


def test_views_are_pinned_and_copies_are_not(device):
    x = tinydl.rand(4, 6).pin_memory()
    assert all(v.is_pinned() for v in (x[1:], x.T, x.reshape(-1), x[:, ::2], x.detach()))
    assert not any(v.is_pinned() for v in (x + 0, x.clone(), x[[0, 1]]))
    assert tinydl.rand(6, 4).T.pin_memory().shape == (4, 6)


def test_gradients_go_through(device):
    x = tinydl.rand(3, requires_grad=True)
    (x.pin_memory().to("cuda", non_blocking=True) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy(), rtol=1e-6)


def test_what_cannot_be_pinned_says_so(device):
    with pytest.raises(RuntimeError, match="pin_memory: only memory of the CPU can be pinned, this tensor is on cuda"):
        tinydl.ones(2, device="cuda").pin_memory()
    device.xp.pinned_pool.limit = 100
    with pytest.raises(RuntimeError, match="no 400 bytes of page-locked memory can be had .*; pin less at a time"):
        tinydl.ones(100).pin_memory()


def test_without_a_gpu_pinning_says_why():
    with pytest.raises(RuntimeError, match="device 'cuda' cannot be used: .*tinydl doctor"):
        tinydl.ones(2).pin_memory()
    assert not tinydl.ones(2).is_pinned()


# ---------------------------------------------------------------- to the GPU
@pytest.mark.parametrize("send", [
    lambda x: x.to("cuda", non_blocking=True), lambda x: x.to("cuda", tinydl.float32, True),
    lambda x: x.cuda(non_blocking=True), lambda x: tinydl.empty(50, device="cuda").copy_(x, non_blocking=True),
], ids=["to", "to by place", "cuda", "copy_"])  # fmt: skip
def test_a_copy_under_way_holds_what_it_reads(send, device):
    want = tinydl.rand(50)
    y = send(want.pin_memory())  # nobody else holds the pinned one
    gc.collect()
    other = tinydl.zeros(50).pin_memory()  # would be given its memory
    assert y.tolist() == want.tolist() and other.tolist() == [0] * 50


def test_what_is_done_is_let_go(device):
    tinydl.rand(50).pin_memory().to("cuda", non_blocking=True)
    side = tinydl.cuda.Stream()
    with tinydl.cuda.stream(side):
        late = tinydl.rand(50).pin_memory().to("cuda", non_blocking=True)
    assert len(in_flight) == 2 and not device.xp.pinned_pool.free
    tinydl.cuda.current_stream().synchronize()
    again = tinydl.ones(50).pin_memory()  # looks what is done, and takes that memory
    assert len(in_flight) == 1 and len(device.xp.pinned_pool.every) == 2
    tinydl.cuda.synchronize()
    assert len(in_flight) == 0 and len(device.xp.pinned_pool.free) == 1
    assert again.sum().item() == 50 and late.shape == (50,)


def test_copies_that_wait_are_done_and_hold_nothing(device):
    y = tinydl.arange(5).pin_memory().to("cuda")
    assert not Stream.null.queue and not len(in_flight) and y.tolist() == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- from the GPU
def test_a_copy_into_pinned_memory_goes_on_by_itself(device):
    source, y = tinydl.arange(6.0, device="cuda"), tinydl.zeros(6).pin_memory()
    version = y._storage.version
    assert y.copy_(source, non_blocking=True) is y and y._storage.version == version + 1
    assert y.tolist() == [0] * 6  # not yet
    done = tinydl.cuda.current_stream().record_event()
    done.synchronize()
    assert y.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("make", [
    lambda: tinydl.zeros(6), lambda: tinydl.zeros(6, dtype="float64").pin_memory(),
    lambda: tinydl.zeros(12).pin_memory()[::2], lambda: tinydl.zeros(2, 6).pin_memory(),
], ids=["not pinned", "another type", "with gaps", "broadcast"])  # fmt: skip
def test_what_a_gpu_cannot_copy_by_itself_is_waited_for(make, device):
    y = make().copy_(tinydl.arange(6.0, device="cuda"), non_blocking=True)
    assert (y.numpy() == np.arange(6)).all() and not len(in_flight)


def test_to_the_cpu_waits(device):
    assert tinydl.arange(6.0, device="cuda").to("cpu", non_blocking=True).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_recorded_copy_has_its_gradient(device):
    x = tinydl.rand(3, device="cuda", requires_grad=True)
    y = tinydl.zeros(3).pin_memory()
    y.copy_(x * 2, non_blocking=True)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


# ---------------------------------------------------------------- batches
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 1, "multiprocessing_context": "spawn"}],
                         ids=["here", "threads", "processes"])  # fmt: skip
def test_a_loader_pins_its_batches(options, device):
    data = TensorDataset(tinydl.arange(10.0).reshape(5, 2), tinydl.arange(5))
    batches = list(DataLoader(data, 2, pin_memory=True, **options))
    assert [x.shape[0] for x, _ in batches] == [2, 2, 1]
    for n, (x, y) in enumerate(batches):
        assert is_pinned(x.array) and y.is_pinned()
        assert x.to("cuda", non_blocking=True)[:, 0].tolist() == [4.0 * n, 4 * n + 2][: len(x)]


def test_what_is_inside_a_batch_is_pinned(device):
    packed = pack_sequence([tinydl.ones(3), tinydl.ones(2)])
    batch = {"a": (tinydl.ones(2), "text"), "b": [tinydl.ones(1), 3], "c": packed}
    (got,) = DataLoader([batch], None, pin_memory=True)
    assert got["a"][0].is_pinned() and got["a"][1] == "text" and got["b"][0].is_pinned() and got["b"][1] == 3
    assert got["c"].data.is_pinned() and got["c"].batch_sizes.tolist() == [2, 2, 1]


def test_without_a_gpu_a_loader_warns_and_goes_on():
    with pytest.warns(UserWarning, match="pin_memory=True has no effect without a GPU; leave it out"):
        loader = DataLoader([1, 2], 2, pin_memory=True)
    assert [b.tolist() for b in loader] == [[1, 2]] and not next(iter(loader)).is_pinned()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DataLoader([1, 2], 2)
