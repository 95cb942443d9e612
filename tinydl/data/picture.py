"""Reading a picture file into an array.  Nothing in a file is believed: not its sizes, not its length."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np

LARGEST = 1 << 26  # pixels of one picture

# Numbers are divided by white space and comments; one white space ends the header.
_PGM = re.compile(rb"P5" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" + rb"\s")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")


def read_pgm(path: str | os.PathLike) -> np.ndarray:
    """A grey picture (H, W), uint8, of the binary PGM format.  ValueError naming the file for any other content.

    Source: http://netpbm.sourceforge.net/doc/pgm.html (P5 with at most 255 levels).
    """
    content = Path(path).read_bytes()
    header = _PGM.match(content)
    if header is None:
        raise ValueError(f"{path}: not a binary PGM file (P5, width, height, levels), it begins with {content[:12]!r}")
    W, H, levels = map(int, header.groups())
    if not (0 < W * H <= LARGEST and 0 < levels < 256):
        raise ValueError(f"{path}: {W} x {H} pixels of {levels} levels; expected 1 ... {LARGEST} of at most 255")
    if len(content) - header.end() != W * H:
        raise ValueError(f"{path}: {W} x {H} pixels, but {len(content) - header.end()} bytes follow")
    picture = np.frombuffer(content, np.uint8, offset=header.end()).reshape(H, W).copy()
    if picture.max() > levels:
        raise ValueError(f"{path}: a pixel is {picture.max()}, of {levels} levels")
    return picture


def read_picture(path: str | os.PathLike, mode: str = "RGB") -> np.ndarray:
    """A picture of the usual formats, uint8: (H, W, 3) for mode "RGB", (H, W) for "L" (grey or numbers of a palette).

    ValueError naming the file where it is damaged, of another format or too large; ImportError without Pillow.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{path}: reading pictures needs Pillow: pip install 'tinydl[data]'") from error
    content = Path(path).read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > LARGEST:  # before any pixel is unpacked
                raise ValueError(f"{image.width} x {image.height} pixels, more than {LARGEST}")
            keep = mode == "L" and image.mode == "P"
            return np.array(image if keep else image.convert(mode), np.uint8)
    except Exception as error:  # Pillow's decoders raise many kinds, SyntaxError and struct.error among them
        raise ValueError(f"{path}: the picture cannot be read: {error}") from error
