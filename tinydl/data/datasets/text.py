"""Texts: a little Shakespeare, first names, WikiText-2."""

from __future__ import annotations

import os
from pathlib import Path

from .. import sources
from ..dataset import Dataset

_LARGEST = 1 << 27  # bytes


class TextFile(Dataset):
    """A text in UTF-8: `text` is all of it, item i its line i without the line's end, empty lines too.

    ValueError naming the file where it is damaged.
    """

    def __init__(self, path: str | os.PathLike):
        if not 0 < (size := os.path.getsize(path)) <= _LARGEST:
            raise ValueError(f"{path}: expected 1 ... {_LARGEST} bytes of text, got {size}")
        try:
            self.text = Path(path).read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8: {error}") from error
        # Not splitlines: it would break lines at form feeds and other separators too.
        self.lines = self.text.removesuffix("\n").split("\n")

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> str:
        return self.lines[index]


class TinyShakespeare(TextFile):
    """1,115,394 characters of Shakespeare's plays (Karpathy 2015), to learn to write like him."""

    def __init__(self, root: str | os.PathLike | None = None, download: bool = False):
        super().__init__(sources.fetch_intact("TinyShakespeare", "tinyshakespeare.txt", root, download))


class Names(TextFile):
    """32,033 first names given in the United States, in small letters, the most frequent ones first."""

    def __init__(self, root: str | os.PathLike | None = None, download: bool = False):
        super().__init__(sources.fetch_intact("Names", "names.txt", root, download))


class WikiText2(TextFile):
    """Articles of Wikipedia, words divided by spaces, rare ones as <unk> (Merity et al. 2016).

    split  "train", "valid" or "test"; the training part is not downloaded, its hash is not known here
    """

    def __init__(self, root: str | os.PathLike | None = None, split: str = "train", download: bool = False):
        if split not in ("train", "valid", "test"):
            raise ValueError(f"WikiText2: split must be train, valid or test, got {split!r}")
        super().__init__(sources.fetch_intact("WikiText2", f"wikitext2-{split}.txt", root, download))
