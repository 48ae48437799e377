"""What a file is, by its first bytes and then by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lptem_tracker.errors import MovieError

Family = Literal["video", "tiff", "image", "microscope"]

VIDEO = {".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".asf", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
         ".flv", ".ogv", ".3gp", ".mxf", ".y4m", ".mj2", ".gif", ".dv", ".nut"}  # fmt: skip
TIFF = {".tif", ".tiff", ".btf", ".tf8", ".stk", ".lsm"}
IMAGE = {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib", ".pgm", ".ppm", ".pnm", ".webp", ".jp2"}

MICROSCOPE = {
    ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".emd": "emd", ".de5": "emd", ".mrc": "mrc",
    ".mrcs": "mrc", ".st": "mrc", ".ali": "mrc", ".rec": "mrc", ".ser": "tia", ".emi": "tia", ".tvips": "tvips",
    ".blo": "blockfile", ".mib": "quantumdetector", ".hspy": "hspy", ".zspy": "zspy", ".nxs": "nexus",
    ".unf": "semper", ".rpl": "ripple", ".npy": "numpy", ".prz": "pantarhei",
}  # fmt: skip
"""Suffix → module of RosettaSciIO. Only readers of pictures; each was checked to run no code from a file."""

KNOWN = (
    "video (mp4, avi, mov, mkv, …), TIFF, DM3/DM4, EMD, MRC, SER, TVIPS and other microscope files, "
    "or a folder of images"
)

_TEXT = {".rpl", ".mib"}  # formats that begin with plain words

_MAGIC: tuple[tuple[int, bytes, Family, str], ...] = (
    (0, b"II*\0", "tiff", ""), (0, b"MM\0*", "tiff", ""), (0, b"II+\0", "tiff", ""), (0, b"MM\0+", "tiff", ""),
    (0, b"\x89PNG", "image", ""), (0, b"\xff\xd8\xff", "image", ""), (0, b"BM", "image", ""),
    (8, b"WEBP", "image", ""), (0, b"\0\0\0\x0cjP", "image", ""),
    (4, b"ftyp", "video", ""), (4, b"moov", "video", ""), (8, b"AVI ", "video", ""), (0, b"\x1aE\xdf\xa3", "video", ""),
    (0, b"GIF8", "video", ""), (0, b"0&\xb2u", "video", ""), (0, b"YUV4MPEG2", "video", ""),
    (0, b"\0\0\x01\xba", "video", ""), (0, b"FLV\x01", "video", ""), (0, b"OggS", "video", ""),
    (0, b"II\x97\x01", "microscope", "tia"), (208, b"MAP ", "microscope", "mrc"), (208, b"MAP\0", "microscope", "mrc"),
    (0, b"\0\0\0\x03", "microscope", "digitalmicrograph"), (0, b"\0\0\0\x04", "microscope", "digitalmicrograph"),
    (0, b"IMGBLO", "microscope", "blockfile"), (0, b"\x93NUMPY", "microscope", "numpy"),
    (0, b"\x89HDF\r\n\x1a\n", "microscope", "emd"),
)  # fmt: skip


def family(path: Path) -> tuple[Family, str]:
    """Return the family of a file and, for a microscope's format, the module that reads it.

    The first bytes decide, the name where they say nothing (or where several formats share a container).

    Raises
    ------
    MovieError
        The file cannot be read, is empty, or neither its bytes nor its name are known.
    """
    head = first_bytes(path)
    suffix = path.suffix.lower()
    named = MICROSCOPE.get(suffix, "")
    for offset, magic, kind, module in _MAGIC:
        if head[offset : offset + len(magic)] == magic and not (magic == b"BM" and suffix not in IMAGE):
            if kind == "microscope" and named and (named in {"hspy", "nexus"} or module == named):
                return kind, named
            return kind, module
    if (
        (named or suffix in VIDEO)
        and suffix not in _TEXT
        and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    ):
        raise MovieError(f"{path} is named like a movie ({suffix}) but holds text; check what it is, or copy it again.")
    if named:
        return "microscope", named
    if suffix in VIDEO:
        return "video", ""
    if suffix in TIFF | IMAGE:
        what = "a TIFF" if suffix in TIFF else "an image"
        raise MovieError(f"{path} is named like {what} but holds something else; check what it is, or copy it again.")
    raise MovieError(f"{path} is not a movie that can be read; expected {KNOWN}.")


def first_bytes(path: Path, n: int = 256) -> bytes:
    """Return the first `n` bytes of a file.

    Raises
    ------
    MovieError
        It cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(n)
    except PermissionError:
        raise MovieError(f"{path} cannot be read: permission denied; check who may read it.") from None
    except OSError as error:
        raise MovieError(f"{path} cannot be read ({error.strerror or error}).") from None
    if not head:
        raise MovieError(f"{path} is empty (0 bytes); copy it again from where it was recorded.")
    return head
