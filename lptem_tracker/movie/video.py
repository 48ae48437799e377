"""Video files (mp4, avi, mov, mkv, …) through PyAV: lazily, with the stream's own frame times and depth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.base import Frame, Movie
from lptem_tracker.movie.ffv1 import slices_are_whole
from lptem_tracker.movie.grey import native, to_grey
from lptem_tracker.movie.guard import check_frame, opening, reading
from lptem_tracker.movie.video_index import VideoIndex, scan

_NO_FILM = {"hls", "concat", "concatf", "sdp", "rtsp", "rtp", "tty", "dash", "image2", "lavfi"}
# playlists and scripts point at other files or at the network; tty draws a text file as a film


class VideoMovie(Movie):
    """A video file, decoded frame by frame.

    Frames are found by their presentation time stamps, so `read` gives the same pixels as `frames`
    whatever the order. `times_s` are the stream's own times, the first frame at 0.

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
        self._path = path
        self._decoder: Iterator[tuple[int, Any]] | None = None
        self._next = 0
        self._last: tuple[int, NDArray[Any]] | None = None
        with opening(str(path), "a video"):
            self._container, self._stream = self._open()
            self._size = (int(self._stream.codec_context.height), int(self._stream.codec_context.width))
            check_frame(str(path), *self._size, 2)
            self._index = scan(self._container, self._stream)
            name = str(self._container.format.name)
            metadata = _describe(self._container, self._stream)
        if not self._index.count:
            raise MovieError(f"{path} holds no video frames; it is empty or incomplete.")
        super().__init__(
            str(path), f"video ({name.split(',')[0]}, {metadata['codec']}, {metadata['pixel_format']})",
            (self._index.count, *self._size), np.dtype(np.uint8), metadata=metadata,
            times_s=_times(self._index, self._stream), warnings=list(self._index.warnings),
        )  # fmt: skip
        self.dtype = self._first_readable().dtype
        rate = metadata["container_frame_rate"]
        if rate and len(self) > 1:
            self.warnings.append(
                f"The video plays at {rate:g} frames/s, which need not be the rate at which it was recorded; if it is, "
                f"give --frame-interval-s {1 / rate:.6g}."
            )

    def _open(self) -> tuple[Any, Any]:
        container = av.open(str(self._path), options={"protocol_whitelist": "file"})
        if set(str(container.format.name).split(",")) & _NO_FILM:
            raise MovieError(f"{self._path} is a {container.format.long_name} and holds no film of its own.")
        pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not pictures:
            raise MovieError(f"{self._path} holds no video stream (sound only?); expected a movie.")
        pictures[0].thread_type = "AUTO"
        # a damaged packet must be an error: the decoder's concealment would invent pixels
        pictures[0].codec_context.options = {"err_detect": "crccheck+explode"}
        return container, pictures[0]

    def _first_readable(self) -> NDArray[Any]:
        reason = "no frame can be decoded"
        for index in range(min(3, len(self))):
            try:
                return self.read(index).pixels
            except MovieError as error:
                reason = str(error)
        for frame in self.frames(3):
            return frame.pixels
        raise MovieError(reason)

    def _read(self, index: int) -> NDArray[Any]:
        if self._last is not None and self._last[0] == index:
            return self._last[1]
        with reading(self.source, f"frame {index}"):
            for found, frame in self._from(index):
                if found == index:
                    return self._keep(index, frame)
                if found > index:
                    break
        raise MovieError(f"Frame {index} of {self.source} cannot be decoded; the file is damaged or incomplete there.")

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Yield the readable frames in order, decoding each packet once; see `Movie.frames`."""
        wanted = range(*slice(start, stop, step).indices(len(self)))
        if step < 0 or step > 64 or not wanted:
            yield from super().frames(start, stop, step)
            return
        at, some = wanted.start, False
        while at < wanted.stop:
            for index, frame in self._from(at):
                self._miss(at, min(index, wanted.stop), wanted)
                at = index + 1
                if index in wanted:
                    given = self._give(index, frame)
                    some = some or given is not None
                    if given is not None:
                        yield given
                if at >= wanted.stop or self._next != at:  # somebody read another frame between two of ours
                    break
            else:
                break
        self._miss(at, wanted.stop, wanted)
        if not some:
            raise MovieError(f"None of the frames {wanted.start} to {wanted[-1]} of {self.source} can be decoded.")

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

    def _from(self, index: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, decoded frame) from `index` on, at the latest from the key frame before it."""
        if self._container is None:
            raise MovieError(f"{self.source} is closed; open it again.")
        if self._decoder is None or not self._near(index):
            self._seek(index)
        while self._decoder is not None:
            got = next(self._decoder, None)
            if got is None:
                self._decoder = None
                return
            self._next = got[0] + 1
            if got[0] >= index:
                yield got

    def _near(self, index: int) -> bool:
        if index < self._next:
            return False
        if self._index.pts is None or index == self._next:
            return True
        keys = np.searchsorted(self._index.key_pts, self._index.pts[[self._next, index]], side="right")
        return bool(keys[0] == keys[1])

    def _seek(self, index: int) -> None:
        pts, keys = self._index.pts, self._index.key_pts
        if pts is not None and len(keys):
            behind = max(int(np.searchsorted(keys, pts[index], side="right")), 1)
            self._container.seek(int(keys[behind - 1]), stream=self._stream, backward=True)
            self._decoder = self._decode()
            first = next(self._decoder, None)
            if first is not None and first[0] <= index:
                self._decoder = chain([first], self._decoder)
                return
        self._container.close()
        self._container, self._stream = (
            self._open()
        )  # nothing to seek by, or the container's own index led past the frame: from the first packet
        self._decoder = self._decode()

    def _decode(self) -> Iterator[tuple[int, Any]]:
        """Yield (index, frame); after a damaged packet nothing until the next key frame.

        What is between leans on the damaged packet and would show invented pixels.
        """
        count, damaged = 0, False
        for packet in self._packets():
            whole = packet.size == 0 or not self._index.checked or slices_are_whole(bytes(packet))
            try:
                decoded = packet.decode() if whole else []
                damaged = damaged or not whole
            except av.FFmpegError:
                decoded, damaged, count = [], True, count + 1
            for frame in decoded:
                index = self._place(frame, count)
                count += 1
                damaged = damaged and not frame.key_frame
                if index is not None and index < len(self) and not damaged and not frame.is_corrupt:
                    yield index, frame

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # the container breaks off here; what was before it has been given
                return
            if packet is None:
                return
            yield packet

    def _place(self, frame: Any, count: int) -> int | None:
        pts = self._index.pts
        if pts is None:
            return count
        if frame.pts is None:
            return None
        at = int(np.searchsorted(pts, frame.pts))
        if at < len(pts) and pts[at] == frame.pts:
            return at
        if self._index.exact:
            return None
        nearest = min((i for i in (at - 1, at) if 0 <= i < len(pts)), key=lambda i: abs(int(pts[i]) - frame.pts))
        return int(nearest)

    def close(self) -> None:
        """Release the file."""
        self._decoder = None
        if self._container is not None:
            self._container.close()
            self._container = None


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


def _describe(container: Any, stream: Any) -> dict[str, Any]:
    rate = stream.average_rate or stream.guessed_rate
    return {
        "container": str(container.format.name),
        "codec": str(stream.codec_context.name),
        "pixel_format": str(stream.codec_context.pix_fmt),
        "container_frame_rate": float(rate) if rate else None,
        "tags": {str(key): str(value) for key, value in {**container.metadata, **stream.metadata}.items()},
    }
