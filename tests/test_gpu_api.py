"""tinydl.cuda and the switches of precision: without a GPU, and on a fake runtime."""

import json
import subprocess
import sys

import pytest
from fake_cuda import Stream, fake_cuda
from oracle import oracle

import tinydl
from tinydl import cuda
from tinydl.kernels.gpu import faults
from tinydl.kernels.gpu.precision import get_precision, set_precision
from tinydl.ops.generator import default_of
from tinydl.testing.emulated import EMULATED


@pytest.fixture
def device():
    with fake_cuda() as found:
        yield found


# ---------------------------------------------------------------- without a GPU
QUIET = set("is_available device_count manual_seed manual_seed_all seed OutOfMemoryError DeviceProperties".split())
ARGUMENTS = {"set_device": (0,), "device": (0,), "set_rng_state": (tinydl.zeros(16, dtype=tinydl.uint8),)}
LATER = {"stream", "graph"}  # these take what only a GPU can have made, or ask when they are called


@pytest.mark.parametrize("name", sorted(set(cuda.__all__) - QUIET - LATER))
def test_without_a_gpu_every_call_says_why_and_what_to_do(name):
    with pytest.raises(RuntimeError, match="device 'cuda' cannot be used: .*tinydl doctor"):
        getattr(cuda, name)(*ARGUMENTS.get(name, ()))


def test_without_a_gpu_a_program_can_ask_and_seed():
    assert cuda.is_available() is False and cuda.device_count() == 0
    cuda.manual_seed(3), cuda.manual_seed_all(4), cuda.seed()
    with cuda.stream(None):
        pass


def test_without_cupy_nothing_changes():
    """And importing tinydl, or asking for a GPU, brings CuPy in only where it is there."""
    code = """
import sys
sys.modules["cupy"] = None  # as if it were not installed
import tinydl
assert "tinydl.cuda" not in sys.modules
assert not tinydl.cuda.is_available()
try:
    tinydl.cuda.synchronize()
except RuntimeError as error:
    print(error)
print(tinydl.ones(2).sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install 'tinydl[cuda12]' or 'tinydl[cuda13]'" in done.stdout and done.stdout.endswith("2.0\n")


def test_the_names_are_pytorchs():
    torch = oracle()
    ours = set(cuda.__all__) - {"DeviceProperties", "graph"}
    assert {name for name in ours if not hasattr(torch.cuda, name)} == set()
    for made in (cuda.Stream, cuda.Event):
        theirs = getattr(torch.cuda, made.__name__)
        mine = {n for n in vars(made) if not n.startswith("_")}
        assert mine - {"cuda_stream"} <= set(dir(theirs))  # PyTorch has that one only where it is built for CUDA


# ---------------------------------------------------------------- devices
def test_one_device(device):
    assert cuda.is_available() and cuda.device_count() == 1 and cuda.current_device() == 0
    assert cuda.get_device_name() == "Fake GPU" == cuda.get_device_name(0)
    assert cuda.get_device_capability("cuda:0") == (9, 0)
    found = cuda.get_device_properties(tinydl.device("cuda", 0))
    assert (found.total_memory, found.multi_processor_count, found.warp_size) == (1 << 34, 132, 32)
    cuda.set_device(0), cuda.set_device("cuda")
    with cuda.device(0), cuda.device(None):
        assert tinydl.ones(1, device=0).is_cuda and tinydl.ones(1).cuda(0).device is device
    for ask in (cuda.set_device, cuda.device, cuda.get_device_name, cuda.synchronize):
        with pytest.raises(RuntimeError, match="tinydl uses one GPU, 'cuda'; got 'cuda:1'. Choose it by CUDA_VISIBLE"):
            ask(1)
    with pytest.raises(ValueError, match="expected a GPU, got the device 'cpu'"):
        cuda.synchronize("cpu")
    with pytest.raises(ValueError, match="expected 'cpu' or 'cuda', got 'cuda:-1'"):
        cuda.set_device(-1)


def test_synchronize_waits_for_every_stream(device):
    streams, done = [cuda.Stream(), cuda.default_stream(), cuda.Stream(priority=-1)], []
    for i, stream in enumerate(streams):
        stream._stream.ask(lambda i=i: done.append(i))
    cuda.synchronize()
    assert sorted(done) == [0, 1, 2] and all(s.query() for s in streams)


WAITS = [cuda.synchronize, lambda: cuda.Stream().synchronize(), lambda: cuda.Event().synchronize()]


@pytest.mark.parametrize("wait", WAITS, ids=["device", "stream", "event"])
def test_waiting_raises_what_kernels_noted(device, wait):
    notes = faults.note(EMULATED)
    faults.raise_faults()  # somebody looks while the kernel is not done yet
    notes[...] = 1
    with pytest.raises(IndexError, match="an index lies outside of its dimension; it was found on the GPU, later"):
        wait()
    wait()  # once


# ---------------------------------------------------------------- streams
def test_operations_go_to_the_current_stream(device):
    side = cuda.Stream()
    assert cuda.current_stream() == cuda.default_stream() != side
    with cuda.stream(side):
        assert cuda.current_stream() == side and Stream.stack[-1] is side._stream
        with cuda.stream(None), side:
            assert cuda.current_stream() == side
    assert cuda.current_stream() == cuda.default_stream() and len({side, cuda.current_stream(), side}) == 2
    assert side._stream.non_blocking and side != "a stream" and f"{side.cuda_stream:#x}" in repr(side)


def test_streams_wait_for_each_other(device):
    first, second, log = cuda.Stream(), cuda.Stream(), []
    first._stream.ask(lambda: log.append("first"))
    second.wait_stream(first)
    second._stream.ask(lambda: log.append("second"))
    first._stream.ask(lambda: log.append("later"))
    second.synchronize()
    assert log == ["first", "second"]  # not for what came after
    event = first.record_event()
    event.wait()  # the current stream
    event.wait(second)
    assert not event.query() and not second.query()
    cuda.current_stream().synchronize()
    assert log == ["first", "second", "later"] and event.query()


def test_events_pass_when_what_came_before_is_done(device):
    event = cuda.Event()
    assert event.query()  # nothing was asked
    Stream.null.ask(lambda: None)
    event.record()
    Stream.null.ask(lambda: None)
    assert not event.query()
    event.synchronize()
    assert event.query() and not cuda.current_stream().query()
    given = cuda.Event()
    assert cuda.current_stream().record_event(given) is given and not given.query()


def test_events_measure_time(device):
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    with pytest.raises(RuntimeError, match="the start was not recorded; call its record"):
        start.elapsed_time(end)
    start.record()
    for _ in range(4):
        Stream.null.ask(lambda: None)
    end.record()
    with pytest.raises(RuntimeError, match="the start has not passed yet; call its synchronize"):
        start.elapsed_time(end)
    end.synchronize()
    assert start.elapsed_time(end) == 5.0
    with pytest.raises(RuntimeError, match="the end does not time; make it by Event.enable_timing=True"):
        start.elapsed_time(cuda.Event())


# ---------------------------------------------------------------- random numbers
def test_the_gpus_generator(device):
    cuda.manual_seed(5)
    assert cuda.initial_seed() == 5
    state = cuda.get_rng_state()
    first = tinydl.rand(4, device="cuda")
    assert cuda.get_rng_state().tolist() != state.tolist()
    cuda.set_rng_state(state)
    assert tinydl.rand(4, device="cuda").tolist() == first.tolist()
    tinydl.manual_seed(5)  # all devices
    assert tinydl.rand(4, device="cuda").tolist() == tinydl.rand(4).tolist() == first.tolist()
    cuda.seed()
    assert cuda.initial_seed() != 5 and default_of(device).initial_seed() == cuda.initial_seed()


# ---------------------------------------------------------------- precision
@pytest.fixture
def precision():
    """The switches as they were."""
    before = {what: get_precision(what) for what in ("matmul", "conv", "rnn")}
    yield
    for what, mode in before.items():
        set_precision(what, mode)


TURNS = {
    "nothing": "",
    "high": "lib.set_float32_matmul_precision('high')",
    "medium": "lib.set_float32_matmul_precision('medium')",
    "highest": "lib.set_float32_matmul_precision('high'); lib.set_float32_matmul_precision('highest')",
    "matmul": "lib.backends.cuda.matmul.allow_tf32 = True",
    "matmul back": "lib.backends.cuda.matmul.allow_tf32 = True; lib.backends.cuda.matmul.allow_tf32 = False",
    "cudnn": "lib.backends.cudnn.allow_tf32 = False",
}
SWITCHES = """{
    "matmul": lib.backends.cuda.matmul.allow_tf32,
    "word": lib.get_float32_matmul_precision().replace("medium", "high"),
    "cudnn": lib.backends.cudnn.allow_tf32,
    # PyTorch says "none" where nothing is asked for but what float32 is
    "conv": lib.backends.cudnn.conv.fp32_precision.replace("none", "ieee"),
    "rnn": lib.backends.cudnn.rnn.fp32_precision.replace("none", "ieee"),
}"""


@pytest.fixture(scope="module")
def pytorchs() -> dict[str, dict]:
    """What PyTorch's switches say after each turn, in a process of their own: its test database, once loaded,
    freezes them."""
    oracle()
    script = f"""
import json, torch as lib
said = {{}}
for name, turn in {TURNS!r}.items():
    lib.set_float32_matmul_precision("highest")
    lib.backends.cudnn.allow_tf32 = True
    exec(turn)
    said[name] = {SWITCHES}
print(json.dumps(said))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("turn", TURNS)
def test_switches_say_what_pytorchs_say(precision, pytorchs, turn):
    exec(TURNS[turn], {"lib": tinydl})
    assert eval(SWITCHES, {"lib": tinydl}) == pytorchs[turn]


def test_switches_are_one_state(precision):
    tinydl.backends.cuda.matmul.fp32_precision = "tf32"
    assert get_precision("matmul") == "tf32" and tinydl.get_float32_matmul_precision() == "high"
    tinydl.backends.cudnn.allow_tf32 = False
    assert get_precision("conv") == get_precision("rnn") == "ieee"
    tinydl.backends.cudnn.rnn.fp32_precision = "tf32"
    assert get_precision("conv") == "ieee" and tinydl.backends.cudnn.fp32_precision == "none"
    assert tinydl.backends.cudnn.allow_tf32
    tinydl.backends.cudnn.fp32_precision = "tf32"
    assert get_precision("conv") == "tf32"


def test_what_switches_refuse(precision):
    with pytest.raises(ValueError, match="expected 'highest', 'high' or 'medium', got 'best'"):
        tinydl.set_float32_matmul_precision("best")
    with pytest.raises(TypeError, match="allow_tf32: expected a bool, got 1"):
        tinydl.backends.cuda.matmul.allow_tf32 = 1
    with pytest.raises(ValueError, match="expected one of"):
        tinydl.backends.cudnn.conv.fp32_precision = "fast"
    with pytest.raises(AttributeError):
        tinydl.backends.cuda.matmul.allow_tf23 = True
    with pytest.raises(AttributeError, match="has no attribute 'mps'"):
        tinydl.backends.mps  # noqa: B018


def test_there_is_no_cudnn():
    import tinydl.backends.cudnn as cudnn

    assert not cudnn.is_available() and cudnn.version() is None
    cudnn.benchmark = True  # as scripts do
    cudnn.benchmark = False
