"""Saving and loading: what comes back, what is refused, and what survives a kill."""

import io
import math
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import oracle

import tinydl
from tinydl.io import Checkpoint, load, save, write_atomically
from tinydl.tensor import Tensor

rng = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state.safetensors"


def round_trip(value):
    stream = io.BytesIO()
    save(value, stream)
    stream.seek(0)
    return load(stream)


def same(a, b):
    """Equal in value, type and structure; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return a.requires_grad == b.requires_grad and same(a.array, b.array)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b or (a != a and b != b)


DTYPES = ["f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?", "c8"]
arrays = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=9), arrays)
keys = st.one_of(st.text(), st.integers(), st.none(), st.tuples(st.integers(), st.text()))
states = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(states)
def test_any_state_comes_back(state):
    assert same(round_trip(state), state)


@pytest.mark.parametrize(
    "array",
    [
        rng.normal(size=(3, 4)).T,
        rng.normal(size=(6, 4))[::2, ::-1],
        np.broadcast_to(np.float32(2), (3, 2)),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(rng.normal(size=(3, 4))),
        np.array(3.5, np.float32),
        np.empty((0, 3)),
    ],
    ids=["transposed", "strided", "expanded", "big-endian", "fortran", "0-d", "empty"],
)
def test_arrays_of_any_layout(array):
    back = round_trip({"x": array})["x"]
    assert back.shape == array.shape and back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)
    back[...] = 1  # loaded arrays can be written


def test_tensors_scalars_dtypes_and_requires_grad():
    state = {
        "t": Tensor(np.ones((2, 3), np.float32), requires_grad=True),
        "s": np.float32(1.5),
        "d": tinydl.dtype.float32,
        "nan": math.nan,
        "shape": Tensor(np.ones((2, 3))).shape,
        "betas": (0.9, 0.999),
    }
    back = round_trip(state)
    assert same(back["t"], state["t"]) and same(back["s"], state["s"])
    assert back["d"] == np.dtype("float32") and math.isnan(back["nan"])
    assert back["betas"] == (0.9, 0.999) and back["shape"] == (2, 3)


def test_ordered_dict_comes_back_as_dict_in_its_order():
    state = OrderedDict([("b", 1), ("a", Tensor(np.ones(2)))])
    assert list(round_trip(state)) == ["b", "a"]


def test_names_that_collide_stay_apart():
    state = {"a.b": np.array([1]), "a": {"b": np.array([2])}, "__metadata__": np.array([3])}
    assert same(round_trip(state), state)
    assert same(round_trip(Tensor(np.ones(2))), Tensor(np.ones(2)))


def test_shared_tensors_are_stored_once_and_share_again(file):
    w = Tensor(np.zeros((500, 100), np.float32))
    save({"encoder.weight": w, "decoder.weight": w, "alias": Tensor(w.array)}, file)
    assert file.stat().st_size < 1.1 * w.nbytes
    back = load(file)
    back["encoder.weight"].array[0, 0] = 7
    assert back["decoder.weight"].array[0, 0] == back["alias"].array[0, 0] == 7


def test_other_programs_read_the_tensors_and_ours_read_theirs(file):
    torch, st_torch = oracle("torch"), oracle("safetensors.torch")
    state = {"fc.weight": Tensor(rng.normal(size=(3, 4)).T.astype(np.float32))}
    save(state, file)
    theirs = st_torch.load_file(file)["fc.weight"]
    np.testing.assert_array_equal(theirs.numpy(), state["fc.weight"].array)
    st_torch.save_file({"x": theirs, "n": torch.tensor(3)}, file)
    back = load(file)
    np.testing.assert_array_equal(back["x"].array, theirs.numpy())
    assert isinstance(back["x"], Tensor) and back["n"].array == 3


def test_types_that_we_lack_are_named(file):
    torch = oracle("torch")
    oracle("safetensors.torch").save_file({"x": torch.ones(2).to(torch.float8_e4m3fn)}, file)
    with pytest.raises(ValueError, match=r"state.safetensors holds tensors of type 'F8_E4M3', which tinydl does"):
        load(file)


def test_map_location(file):
    save({"x": Tensor(np.ones(2))}, file)
    assert load(file, "cpu")["x"].device == load(file, device="cpu")["x"].device == "cpu"
    with pytest.raises(ValueError, match="'cpu' or 'cuda', got 'tpu'"):
        load(file, map_location="tpu")


Pair = namedtuple("Pair", "a b")
CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value, error, text",
    [
        ({"model": [object()]}, TypeError, r"the object\['model'\]\[0\] is of type object"),
        ({"p": Pair(1, 2)}, TypeError, r"\['p'\] is of type Pair"),
        ({"f": print}, TypeError, r"\['f'\] is of type builtin_function"),
        ({"s": {1}}, TypeError, "is of type set"),
        ({"x": np.array(["a"])}, TypeError, r"\['x'\] is an array of <U1"),
        ({"x": np.array([None])}, TypeError, "is an array of object"),
        ({"x": np.zeros(2, complex)}, TypeError, "complex128, which cannot be stored"),
        ({"x": np.datetime64("2020-01-01")}, TypeError, "datetime64"),
        (CYCLE, ValueError, "contains itself"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(file, value, error, text):
    save({"old": 1}, file)
    with pytest.raises(error, match=text):
        save(value, file)
    assert load(file) == {"old": 1} and os.listdir(file.parent) == [file.name]


def test_torch_files_are_refused_with_lines_that_convert_them(tmp_path, monkeypatch):
    torch = oracle("torch")
    monkeypatch.chdir(tmp_path)
    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"w": shared.T, "tied": shared.T}, "model.pt")
    torch.save({"w": shared}, "legacy.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="legacy.pth is a file of PyTorch or pickle"):
        load("legacy.pth")
    with pytest.raises(ValueError, match="model.pt is a file of PyTorch") as refused:
        load("model.pt")
    lines = [line[4:] for line in str(refused.value).splitlines() if line.startswith("    ")]
    exec("\n".join(lines))
    np.testing.assert_array_equal(load("model.safetensors")["tied"].array, shared.T.numpy())


def test_pickle_never_runs(tmp_path):
    path = tmp_path / "evil.pkl"
    code = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()"
    path.write_bytes(b"\x80\x04c__builtin__\nexec\n(V" + code.encode() + b"\ntR.")
    with pytest.raises(ValueError, match="pickle"):
        load(path)
    assert not (tmp_path / "ran").exists()
    np.savez(tmp_path / "a.npz", x=1)
    with pytest.raises(ValueError, match=r"a.npz is an .npz file; read it by numpy.load"):
        load(tmp_path / "a.npz")


def test_every_truncation_and_every_flipped_byte_is_noticed(file):
    state = {"w": Tensor(np.arange(5, dtype=np.float32)), "step": 12, "lr": [0.5, math.inf]}
    save(state, file)
    good = file.read_bytes()
    for n in range(len(good)):
        file.write_bytes(good[:n])
        with pytest.raises(ValueError, match="state.safetensors"):
            load(file)
    for n in range(len(good)):
        file.write_bytes(good[:n] + bytes([good[n] ^ 1]) + good[n + 1 :])
        try:
            back = load(file)
        except ValueError as error:
            assert "state.safetensors" in str(error)
        else:  # the mark of our own format is gone: a plain file, with the same tensors
            assert isinstance(back["w"], Tensor) and same(back["w"], state["w"])
            assert b'"format":"tinydl-1"' not in file.read_bytes()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        load(tmp_path / "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no folder .*absent"):
        save({}, tmp_path / "absent" / "x.safetensors")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        save({}, tmp_path)


def test_file_mode_follows_umask_then_the_existing_file(file):
    old = os.umask(0o027)
    try:
        save({}, file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        file.chmod(0o604)
        save({}, file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_a_link_is_written_through(file, tmp_path):
    link = tmp_path / "latest"
    save(1, file)
    link.symlink_to(file)
    save(2, link)
    assert link.is_symlink() and load(file) == 2


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    save({"x": 1}, file)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert load(file) == {"x": 1} and os.listdir(file.parent) == [file.name]


def test_checkpoint_keeps_the_previous_one(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="no checkpoint in .*run"):
        checkpoint.load()
    for step in range(3):
        checkpoint.save({"step": step})
    assert checkpoint.load() == {"step": 2} and load(checkpoint.previous) == {"step": 1}
    assert sorted(os.listdir(tmp_path / "run")) == [
        "checkpoint.previous.safetensors",
        "checkpoint.safetensors",
    ]
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="(?s)damaged.*the checkpoint before it, rename .*previous.safetensors"):
        checkpoint.load()


def test_killed_while_saving_a_whole_checkpoint_is_there(tmp_path):
    """SIGKILL at many moments; each time the last checkpoint is read in full."""
    program = textwrap.dedent(
        """
        import sys, numpy as np
        from tinydl.io import Checkpoint
        from tinydl.tensor import Tensor
        checkpoint = Checkpoint(sys.argv[1])
        step = checkpoint.load()["step"] if checkpoint.exists() else 0
        while True:
            step += 1
            checkpoint.save({"step": step, "w": Tensor(np.full(200_000, step))})
            print(step, flush=True)
        """
    )
    checkpoint, last = Checkpoint(tmp_path), 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    for attempt in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        said = int(process.stdout.readline())
        time.sleep(0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        said = max([said, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        state = checkpoint.load()
        assert state["step"] >= said > last and (state["w"].array == state["step"]).all()
        last = said
    checkpoint.save({"step": 0})
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
