"""Video files (mp4, avi, mov, mkv, …) through PyAV: lazily, with the stream's own frame times and depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Frame, Movie
from lptem_tracker.movie.grey import native, to_grey
from lptem_tracker.movie.guard import check_frame, opening, reading
from lptem_tracker.movie.video_decoder import Decoder
from lptem_tracker.movie.video_index import VideoIndex

_FIRST_WITHIN = 500
"""A video none of whose first frames can be decoded is refused without decoding it to its end."""


class VideoMovie(Movie):
    """A video file, decoded frame by frame.

    Frames are found by their presentation time stamps, so `read` gives the same pixels as `frames`
    whatever the order. `times_s` are the stream's own times, the first frame at 0: a playback clock, unless
    the user gives the frame interval.

    The frame interval stays unknown: a container tells how fast a film is *played*. In-situ movies are
    routinely exported at 10 to 30 frames/s whatever the camera's rate (and films beside a paper are sped up),
    so that taking the playback rate for the acquisition rate would put every diffusion coefficient off by their
    ratio without a sign. A warning names the playback rate and the option that accepts it.

    Grey formats keep their depth (8 to 16 bits, float). Y'CbCr gives its luma on the full range of its depth, which
    gives back what a grey movie was before a video encoder put it on the studio range; RGB gives its luminance.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    MovieError
        It is no video, holds no picture, or its first frames cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._last: tuple[int, NDArray[Any]] | None = None
        with opening(str(path), "a video"):
            self._decoder: Decoder | None = Decoder(path)
            context = self._decoder.stream.codec_context
            self._size = (int(context.height), int(context.width))
            check_frame(str(path), *self._size, 2)
            metadata = _describe(self._decoder)
            index = self._decoder.index
            times = _times(index, self._decoder.stream)
        if not index.count:
            self.close()
            raise MovieError(f"{path} holds no video frames; it is empty or incomplete.")
        kind = f"video ({metadata['container'].split(',')[0]}, {metadata['codec']}, {metadata['pixel_format']})"
        super().__init__(
            str(path), kind, (index.count, *self._size), np.dtype(np.uint8), metadata=metadata, times_s=times,
            warnings=list(index.warnings),
        )  # fmt: skip
        try:
            self.dtype = next(iter(self.frames(0, _FIRST_WITHIN))).pixels.dtype
        except MovieError:
            self.close()
            raise
        rate = metadata["container_frame_rate"]
        if rate and len(self) > 1:
            self.warnings.append(
                f"The video plays at {rate:g} frames/s, which need not be the rate at which it was recorded; if it is, "
                f"give --frame-interval-s {1 / rate:.6g}."
            )

    def _read(self, index: int) -> NDArray[Any]:
        if self._last is not None and self._last[0] == index:
            return self._last[1]
        with reading(self.source, f"frame {index}"):
            found, frame = next(self._pictures(index), (-1, None))
            if found == index:
                return self._keep(index, frame)
        raise MovieError(f"Frame {index} of {self.source} cannot be decoded; the file is damaged or incomplete there.")

    def _pictures(self, index: int) -> Iterator[tuple[int, Any]]:
        if self._decoder is None:
            raise MovieError(f"{self.source} is closed; open it again.")
        return self._decoder.pictures(index)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Yield the readable frames in order, decoding each packet once; see `Movie.frames`."""
        wanted = range(*slice(start, stop, step).indices(len(self)))
        if step < 0 or not wanted:
            yield from super().frames(start, stop, step)
            return
        at, some = wanted.start, False
        while at < wanted.stop:
            for index, frame in self._pictures(at):
                self._miss(at, min(index, wanted.stop), wanted)
                at = index + 1
                given = self._give(index, frame) if index in wanted else None
                if given is not None:
                    some = True
                    yield given
                if at >= wanted.stop or self._decoder is None or self._decoder.next_index != at:
                    break  # done, or somebody read another frame between two of ours
            else:
                break
        self._miss(at, wanted.stop, wanted)
        if not some:
            raise MovieError(
                f"None of the frames {wanted.start} to {wanted[-1]} of {self.source} can be decoded: "
                "it is damaged or incomplete."
            )

    def _give(self, index: int, frame: Any) -> Frame | None:
        try:
            pixels = self._keep(index, frame)
        except MovieError as error:
            self.leave_out(index, str(error))
            return None
        return Frame(index, pixels, None if self.times_s is None else float(self.times_s[index]))

    def _miss(self, first: int, stop: int, wanted: range) -> None:
        for index in range(first, stop):
            if index in wanted:
                self.leave_out(index, f"frame {index} cannot be decoded.")

    def _keep(self, index: int, frame: Any) -> NDArray[Any]:
        if (frame.height, frame.width) != self._size:
            raise MovieError(
                f"Frame {index} of {self.source} is {frame.width} × {frame.height} px; the movie is "
                f"{self._size[1]} × {self._size[0]}."
            )
        with reading(self.source, f"frame {index}"):
            pixels = pixels_of(frame)
        self._last = (index, pixels)
        return pixels

    def close(self) -> None:
        """Release the file."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None


def pixels_of(frame: Any) -> NDArray[Any]:
    """Return the grey pixels of a decoded frame, shape (Y, X), in the depth of its format.

    Parameters
    ----------
    frame : av.VideoFrame
    """
    name = str(frame.format.name)
    bits = max(component.bits for component in frame.format.components)
    if name.startswith("gray"):
        return native(frame.to_ndarray())
    if name.startswith("gbrp"):
        return to_grey(frame.to_ndarray())
    if frame.format.is_rgb or frame.format.has_palette or name.startswith("bayer"):
        return to_grey(frame.to_ndarray(format="rgb24" if bits <= 8 else "rgb48le"))
    depth = next((depth for depth in (8, 10, 12, 14, 16) if bits <= depth), 16)
    return native(frame.to_ndarray(format="gray" if depth == 8 else f"gray{depth}le"))


def _times(index: VideoIndex, stream: Any) -> NDArray[np.float64] | None:
    if index.pts is not None:
        return np.asarray(index.pts - index.pts[0], np.float64) * float(stream.time_base)
    rate = stream.average_rate
    return np.arange(index.count) / float(rate) if rate else None


def _describe(decoder: Decoder) -> dict[str, Any]:
    container, stream = decoder.container, decoder.stream
    rate = stream.average_rate or stream.guessed_rate
    return {
        "container": str(container.format.name),
        "codec": str(stream.codec_context.name),
        "pixel_format": str(stream.codec_context.pix_fmt),
        "container_frame_rate": float(rate) if rate else None,
        "tags": {str(key): str(value) for key, value in {**container.metadata, **stream.metadata}.items()},
    }
