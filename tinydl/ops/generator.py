"""Where random numbers come from: a seed, and how many blocks of its stream are used up."""

from __future__ import annotations

import secrets
from threading import Lock

from ..device import device as find_device
from ..kernels.gpu.recording import refuse_in_capture
from ..tensor import Tensor
from .creation import tensor

DEFAULT_SEED = 67280421310721  # PyTorch's, so that a program without seed is reproducible, too


class Generator:
    """A stream of random numbers: Philox 4x32-10, counted in blocks of four 32-bit words.

    Its whole state is (seed, offset), so it can be saved; the same state gives the same numbers on
    every device and with any number of threads.
    """

    def __init__(self, device="cpu"):
        self.device = find_device(device)
        self._lock = Lock()
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Begin the stream of `seed`, an integer from -2**63 to 2**64 - 1.  Returns the generator."""
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise TypeError(f"manual_seed: expected an int, got {type(seed).__name__}")
        seed = seed.__index__()
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"manual_seed: expected a seed from -2**63 to 2**64 - 1, got {seed}")
        refuse_in_capture("seeds a generator, which a replay would not: seed it before the call")
        self._seed, self._offset = seed % 2**64, 0
        return self

    def seed(self) -> int:
        """Begin the stream of a seed drawn by the operating system, and return that."""
        return self.manual_seed(secrets.randbits(63)).initial_seed()

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self._seed

    def draw(self, blocks: int) -> tuple[int, int]:
        """Reserve the next blocks of the stream: (seed, number of the first block)."""
        with self._lock:
            offset = self._offset
            self._offset = (offset + blocks) % 2**64
        return self._seed, offset

    @property
    def position(self) -> tuple[int, int]:
        """(seed, number of the next block)."""
        return self._seed, self._offset

    @position.setter
    def position(self, state: tuple[int, int]):
        self._seed, self._offset = state

    def get_state(self) -> Tensor:
        """The state, as 16 bytes: seed and offset."""
        packed = self._seed.to_bytes(8, "little") + self._offset.to_bytes(8, "little")
        return tensor(list(packed), dtype="uint8", device="cpu")

    def set_state(self, state: Tensor) -> Generator:
        """Go on from a state that `get_state` gave.  Returns the generator."""
        if state.dtype.name != "uint8" or tuple(state.shape) != (16,):
            raise RuntimeError(
                f"set_state: expected the 16 bytes that get_state gives, got {state.dtype} {tuple(state.shape)}"
            )
        refuse_in_capture("puts a generator somewhere else, which a replay would not: do it before the call")
        packed = bytes(state.tolist())
        self._seed = int.from_bytes(packed[:8], "little")
        self._offset = int.from_bytes(packed[8:], "little")
        return self

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        return Generator(self.device).set_state(self.get_state())

    def __getstate__(self):
        return {"device": str(self.device), "state": (self._seed, self._offset)}

    def __setstate__(self, saved):
        self.__init__(saved["device"])
        self._seed, self._offset = saved["state"]

    def __repr__(self):
        return f"<Generator on {self.device}: seed {self._seed}, offset {self._offset}>"


default_generator = Generator()
_of_device = {"cpu": default_generator}


def default_of(device) -> Generator:
    """The generator of a device, for those who give none."""
    kind = device.type
    if kind not in _of_device:
        seed = default_generator.initial_seed()
        _of_device[kind] = Generator(device).manual_seed(seed)
    return _of_device[kind]


def default_generators() -> list[Generator]:
    """The generators that those draw from who give none, one for each device in use."""
    return list(_of_device.values())


def manual_seed(seed: int) -> Generator:
    """Begin the stream of `seed` in the default generators of all devices; returns the CPU's."""
    for generator in default_generators():
        generator.manual_seed(seed)
    return default_generator
