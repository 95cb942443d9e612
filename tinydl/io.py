"""Saving and loading without pickle: tensors in safetensors, what holds them as JSON beside.

Any program that reads safetensors reads the tensors, under the names of their places joined by
dots (so a state_dict under its own keys). Nothing in a file can run code.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .device import device as as_device
from .tensor import Tensor

_FORMAT = "tinydl-1"
# a type's name in the format -> NumPy's
_STORABLE = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64",
}  # fmt: skip


def save(obj: Any, f) -> None:
    """Write `obj` to the file `f`: a path, written whole or not at all, or an open binary file.

    obj: tensors, arrays, numbers, strings, bytes, None, dtypes, in dicts, lists and tuples.
    Tensors on the same memory are stored once and share it again when loaded; other views get
    memory of their own. TypeError that says where, before anything is written, for other things.
    """
    from safetensors.numpy import save as pack

    writer = _Writer()
    try:
        structure = json.dumps(writer.encode(obj, ()), allow_nan=False)
    except RecursionError:
        raise ValueError("save: the object is nested too deeply, or contains itself") from None
    checksum = str(_checksum(structure, writer.arrays))
    metadata = {"format": _FORMAT, "structure": structure, "crc32": checksum}
    data = pack(writer.arrays, metadata)
    if hasattr(f, "write"):
        f.write(data)
    else:
        write_atomically(f, data)


def load(f, map_location=None, *, device=None, weights_only: bool = True) -> Any:
    """Read what `save` wrote, or a plain safetensors file as a dict of tensors, onto the CPU.

    f             a path, or an open binary file
    map_location  the device for the tensors instead; `device` is its other name
    weights_only  taken for PyTorch's sake: no code in a file is ever run
    ValueError, naming the file, for a damaged file and for one of PyTorch's or pickle's, with the
    lines that convert it.
    """
    target = _target(device if map_location is None else map_location)
    if hasattr(f, "read"):
        name, data = getattr(f, "name", "the stream"), f.read()
    else:
        name, data = os.fspath(f), Path(f).read_bytes()
    arrays, metadata = _unpack(name, data)
    if metadata.get("format") != _FORMAT:
        return {key: Tensor(target.array(array)) for key, array in arrays.items()}
    structure = metadata.get("structure", "")
    if metadata.get("crc32") != str(_checksum(structure, arrays)):
        raise _damaged(name, "its contents do not match their checksum")
    try:
        return _Reader(arrays, target).decode(json.loads(structure))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(name, f"its structure cannot be read ({error!r})") from error


def _target(device):
    if callable(device) or isinstance(device, dict):
        raise TypeError(
            "load: map_location must be a device such as 'cpu' or 'cuda', not a function or a dict: files do not say "
            "where their tensors were, all come to one device"
        )
    return as_device("cpu" if device is None else device)


def _checksum(structure: str, arrays: dict[str, np.ndarray]) -> int:
    crc = zlib.crc32(structure.encode())
    for name in sorted(arrays):
        a = arrays[name]
        crc = zlib.crc32(f"{name} {a.dtype.name} {a.shape}".encode(), crc)
        crc = zlib.crc32(a.reshape(-1).view(np.uint8), crc)
    return crc


class _Writer:
    """Turns an object into JSON, with its arrays taken out into `arrays`."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[tuple, str] = {}

    def encode(self, value, path: tuple):
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if kind is list:
            return [self.encode(v, (*path, i)) for i, v in enumerate(value)]
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return {"$tuple": self.encode(list(value), path)}
        if isinstance(value, dict):
            return self._encode_dict(value, path)
        if isinstance(value, Tensor):
            name = self._store(value.array, path, value.device.to_host)
            extra = {"requires_grad": True} if value.requires_grad else {}
            return {"$tensor": name, **extra}
        if kind in (np.ndarray, np.memmap):
            return {"$array": self._store(value, path)}
        if isinstance(value, np.generic):
            self._check(value, path)
            return {"$scalar": self._store(np.array(value), path)}
        if kind is bytes:
            return {"$bytes": value.hex()}
        if isinstance(value, np.dtype):
            return {"$dtype": value.name}
        raise TypeError(
            f"save: {_place(path)} is of type {kind.__name__}; expected tensors, arrays, numbers, "
            "strings, bytes or None, in dicts, lists and tuples (of an object, save its state_dict)"
        )

    def _encode_dict(self, value: dict, path):
        if all(type(k) is str and not k.startswith("$") for k in value):
            return {k: self.encode(v, (*path, k)) for k, v in value.items()}
        pairs = [[self.encode(k, (*path, "key")), self.encode(v, (*path, k))] for k, v in value.items()]
        return {"$dict": pairs}

    def _store(self, array, path, to_host=np.asarray) -> str:
        """The name under which the array is kept."""
        self._check(array, path)
        about = getattr(array, "__cuda_array_interface__", None) or array.__array_interface__
        key = about["data"][0], array.shape, array.strides, array.dtype
        if key not in self._names:
            name = unique = ".".join(map(str, path)) or "value"
            while unique in self.arrays or unique == "__metadata__":
                unique = f"{name}#{len(self.arrays)}"
            # The format holds neither strides nor byte order, and its writer looks at neither.
            native = array.dtype.newbyteorder("=")
            self.arrays[unique] = np.asarray(to_host(array), native, order="C")
            self._names[key] = unique
        return self._names[key]

    def _check(self, array, path):
        if array.dtype.name not in _STORABLE.values():
            raise TypeError(
                f"save: {_place(path)} is an array of {array.dtype}, which cannot be stored; "
                f"expected one of {', '.join(sorted(_STORABLE.values()))}"
            )


def _place(path) -> str:
    return "the object" + "".join(f"[{key!r}]" for key in path)


class _Reader:
    """The inverse of `_Writer`."""

    def __init__(self, arrays, device):
        self.arrays, self.device = arrays, device
        self._tensors: dict[tuple, Tensor] = {}

    def decode(self, value):
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        tag = next(iter(value), "")
        if not tag.startswith("$"):
            return {k: self.decode(v) for k, v in value.items()}
        content = value[tag]
        if tag == "$tensor":
            return self._tensor(content, value.get("requires_grad", False))
        if tag in _DECODERS:
            return _DECODERS[tag](self, content)
        raise ValueError(f"unknown mark {tag!r}")

    def _tensor(self, name, requires_grad):
        key = name, requires_grad
        if key not in self._tensors:
            self._tensors[key] = Tensor(self.device.array(self.arrays[name]), requires_grad)
        return self._tensors[key]


_DECODERS = {
    "$float": lambda reader, text: float(text),
    "$tuple": lambda reader, items: tuple(reader.decode(items)),
    "$dict": lambda reader, pairs: {reader.decode(k): reader.decode(v) for k, v in pairs},
    "$array": lambda reader, name: reader.arrays[name],
    "$scalar": lambda reader, name: reader.arrays[name][()],
    "$bytes": lambda reader, text: bytes.fromhex(text),
    "$dtype": lambda reader, name: np.dtype(name),
}


def _unpack(name: str, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file, or an error that says what it is."""
    from safetensors import SafetensorError, deserialize

    try:
        found = deserialize(data)
        arrays = {k: np.frombuffer(v["data"], _STORABLE[v["dtype"]]).reshape(v["shape"]) for k, v in found}
    except SafetensorError as error:
        raise _refusal(name, data) or _damaged(name, error) from error
    except KeyError as error:
        raise ValueError(f"load: {name} holds tensors of type {error}, which tinydl does not have") from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return arrays, header.get("__metadata__", {})


def _damaged(name: str, what) -> ValueError:
    return ValueError(f"load: {name} is damaged, or not a safetensors file: {what}")


def _refusal(name: str, data: bytes) -> ValueError | None:
    """The error for a file of another kind that is known."""
    if data[:2] == b"PK" and b".npy" in data and b"data.pkl" not in data:
        return ValueError(f"load: {name} is an .npz file; read it by numpy.load")
    if not (data[:2] == b"PK" or (data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05")):
        return None
    target = str(Path(name).with_suffix(".safetensors"))
    return ValueError(
        f"load: {name} is a file of PyTorch or pickle, and reading one can run any code that it "
        f"holds. Convert it once, where PyTorch is installed:\n\n"
        f"    import torch\n"
        f"    from safetensors.torch import save_file\n"
        f"    state = torch.load({name!r}, map_location='cpu', weights_only=True)\n"
        f"    save_file({{k: v.clone().contiguous() for k, v in state.items()}}, {target!r})\n\n"
        f"and load {target}."
    )


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Make `data` the contents of a file, so that at every moment the old or the new one is there.

    Written beside it, forced to the disk, and renamed. The mode of an existing file is kept.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing where it does
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not error.filename:  # a full disk is reported without its file
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the renaming itself to the disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Checkpoint:
    """The state of a run in a folder: `checkpoint.safetensors`, and the one before it.

    Whenever the process dies, a whole checkpoint is in place, once there has been one.
    """

    def __init__(self, folder: str | os.PathLike, name: str = "checkpoint"):
        self.path = Path(folder) / f"{name}.safetensors"
        self.previous = Path(folder) / f"{name}.previous.safetensors"

    def exists(self) -> bool:
        """Whether there is one to load."""
        return self.path.exists()

    def save(self, state: Any) -> Path:
        """Write the state; what was the checkpoint becomes the previous one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):  # of a process that was killed
            left.unlink(missing_ok=True)
        kept = self.previous.with_suffix(".tmp")
        kept.unlink(missing_ok=True)
        if self.path.exists():
            _link(self.path, kept)
        try:
            save(state, self.path)
        except BaseException:
            kept.unlink(missing_ok=True)
            raise
        if kept.exists():
            os.replace(kept, self.previous)
        return self.path

    def load(self, device=None) -> Any:
        """The last state saved.  FileNotFoundError without one; ValueError if it is damaged."""
        if not self.exists():
            raise FileNotFoundError(f"no checkpoint in {self.path.parent} ({self.path.name})")
        try:
            return load(self.path, device=device)
        except ValueError as error:
            if not self.previous.exists():
                raise
            raise ValueError(
                f"{error}\nTo go on from the checkpoint before it, rename {self.previous} to {self.path.name}"
            ) from error


def _link(source: Path, target: Path) -> None:
    """Another name for a file; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
