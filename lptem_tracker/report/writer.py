"""Movies to disk, frame by frame: H.264 for every player, FFV1 without loss, GIF for slides."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import OutputError, SettingsError
from lptem_tracker.run import writing

TIME_BASE = Fraction(1, 90_000)
_AHEAD = 6


class MovieWriter(ABC):
    """Writes pictures of one size with their times; the file appears under its name when complete.

    Encoding runs in a thread of its own, a few pictures behind the caller.

    Parameters
    ----------
    path : pathlib.Path
    size : (width, height)
        Both even.
    rate : Fraction
        Usual pictures a second.
    note : mapping
        What the pictures are, kept in the file as JSON.
    quality : int
        H.264's constant rate factor, which the other formats do not have.
    """

    container_format = ""
    codec = ""
    pix_fmt = ""
    time_base = TIME_BASE

    def __init__(
        self, path: Path, size: tuple[int, int], rate: Fraction, *, note: Mapping[str, Any], quality: int = 20
    ) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._encoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="overlay-encoder")
        self._pending: deque[Future[None]] = deque()
        self._last_pts = -1
        with writing(path):
            self._part.touch()  # the library opens the file with the first picture only
            self._container = av.open(
                str(self._part), "w", format=self.container_format, options=self._container_options()
            )
        self._container.metadata["comment"] = json.dumps(note)
        self._stream = self._container.add_stream(self.codec, rate=rate, options=self._codec_options(quality))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = self.pix_fmt
        self._stream.time_base = self._stream.codec_context.time_base = self.time_base
        self._configure()

    def _container_options(self) -> dict[str, str]:
        return {}

    def _codec_options(self, quality: int) -> dict[str, str]:
        return {}

    def _configure(self) -> None:
        self._stream.thread_type = "AUTO"

    @abstractmethod
    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        """Return a picture of shape (Y, X, 3), R, G, B as the codec's frame."""

    def write(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Add a picture of shape (Y, X, 3), uint8, shown from `time_s` on; it must not be changed afterwards.

        Raises
        ------
        OutputError
            The file can no longer be written.
        """
        self._pending.append(self._encoder.submit(self._encode, picture, time_s))
        while len(self._pending) > _AHEAD:
            self._wait()

    def _encode(self, picture: NDArray[np.uint8], time_s: float) -> None:
        frame = self._frame(picture)
        self._last_pts = max(self._last_pts + 1, round(time_s / self.time_base))
        frame.pts, frame.time_base = self._last_pts, self.time_base
        self._container.mux(self._stream.encode(frame))

    def _wait(self) -> None:
        with self._explained():
            self._pending.popleft().result()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with writing(self._path):
            try:
                yield
            except av.error.FFmpegError as error:
                if isinstance(error, OSError):
                    raise
                raise OutputError(f"{self._path} could not be encoded: {error}.") from None

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                while self._pending:
                    self._wait()
                with self._explained():
                    self._container.mux(self._stream.encode(None))
                    self._container.close()
                    self._part.replace(self._path)
        finally:
            self._encoder.shutdown(cancel_futures=True)
            if self._part.exists():
                # what does not fit on the disk does not fit when the file is closed either, and was told
                with suppress(av.error.FFmpegError):
                    self._container.close()
                self._part.unlink(missing_ok=True)


class H264Writer(MovieWriter):
    """H.264 in MP4, 4:2:0, index first: what browsers and PowerPoint play."""

    container_format, codec, pix_fmt = "mp4", "libx264", "yuv420p"

    def _container_options(self) -> dict[str, str]:
        return {"movflags": "+faststart"}

    def _codec_options(self, quality: int) -> dict[str, str]:
        return {"crf": str(quality), "preset": "veryfast", "profile": "high"}

    def _configure(self) -> None:
        # OpenCV's conversion is BT.601 in studio range; unmarked files are read as BT.709 by some players
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 6
        context.color_range = 1

    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), format="yuv420p")


class LosslessWriter(MovieWriter):
    """FFV1 in Matroska: every pixel as it was drawn."""

    container_format, codec, pix_fmt = "matroska", "ffv1", "bgr0"
    time_base = Fraction(1, 1000)

    def _codec_options(self, quality: int) -> dict[str, str]:
        return {"level": "3", "slices": "4", "slicecrc": "1"}

    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA), format="bgra").reformat(
            format="bgr0"
        )


class GifWriter(MovieWriter):
    """GIF with one palette for the whole movie: 128 greys and a cube of 5 × 5 × 5 colours."""

    container_format, codec, pix_fmt = "gif", "gif", "pal8"
    time_base = Fraction(1, 100)
    _GREYS = 128

    def _configure(self) -> None:
        levels = np.linspace(0, 255, 5).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
        greys = np.repeat(np.linspace(0, 255, self._GREYS).round().astype(np.uint8)[:, None], 3, axis=1)
        colours = np.concatenate([greys, cube, np.zeros((256 - self._GREYS - 125, 3), np.uint8)])
        self._palette = np.concatenate([np.full((256, 1), 255, np.uint8), colours], axis=1)

    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        wide = picture.astype(np.int16)
        spread = wide.max(axis=2) - wide.min(axis=2)
        step = (wide + 32) // 64
        in_cube = self._GREYS + step[:, :, 0] * 25 + step[:, :, 1] * 5 + step[:, :, 2]
        index = np.where(spread < 24, wide[:, :, 1] // 2, in_cube).astype(np.uint8)
        return av.VideoFrame.from_ndarray((index, self._palette), format="pal8")


_WRITERS: dict[str, type[MovieWriter]] = {"mp4": H264Writer, "mkv": LosslessWriter, "gif": GifWriter}
FORMATS = tuple(f".{name}" for name in _WRITERS)
"""Endings of the files that can be written."""


def open_writer(
    path: Path, size: tuple[int, int], rate: Fraction, *, note: Mapping[str, Any], quality: int = 20
) -> MovieWriter:
    """Return the writer for a file's ending: ``.mp4``, ``.mkv`` (lossless) or ``.gif``.

    Raises
    ------
    SettingsError
        The ending is another one.
    OutputError
        The file cannot be created.
    """
    kind = _WRITERS.get(path.suffix.lower().lstrip("."))
    if kind is None:
        raise SettingsError(f"An overlay is written as .mp4, .mkv (lossless) or .gif; got {path.name!r}.")
    return kind(path, size, rate, note=note, quality=quality)
