"""Decoding one video stream from any frame on, and never a picture that leans on a damaged packet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.ffv1 import slices_are_whole
from lptem_tracker.movie.video_index import VideoIndex, scan

_NO_FILM = {"hls", "concat", "concatf", "sdp", "rtsp", "rtp", "tty", "dash", "image2", "lavfi"}
# playlists and scripts point at other files or at the network; tty draws a text file as a film


class _DecodeAgain(Exception):
    """A packet is damaged, and which one is only known without threads."""


class Decoder:
    """The pictures of the first video stream of a file, found by their place in its index.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    MovieError
        The file is a playlist, or holds no video stream.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threaded = True
        self.container, self.stream = self._open()
        self.index: VideoIndex = scan(self.container, self.stream)
        self._pictures: Iterator[tuple[int, Any]] | None = None
        self.next_index = 0

    def _open(self) -> tuple[Any, Any]:
        # the whitelist keeps a file from sending the demuxer to the network
        container = av.open(str(self.path), options={"protocol_whitelist": "file"})
        if set(str(container.format.name).split(",")) & _NO_FILM:
            raise MovieError(f"{self.path} is a {container.format.long_name} and holds no film of its own.")
        films = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not films:
            raise MovieError(
                f"{self.path} holds no video stream: it has sound only, or is incomplete (an mp4 that was not finished "
                "lacks its index)."
            )
        films[0].thread_type = "AUTO" if self._threaded else "NONE"
        # a damaged packet must be an error: the decoder's concealment would invent pixels
        films[0].codec_context.options = {"err_detect": "crccheck+explode"}
        return container, films[0]

    def _reopen(self) -> None:
        self.container.close()
        self.container, self.stream = self._open()

    def pictures(self, index: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, decoded frame) from `index` on; damaged frames are left out.

        The next call goes on where this one stopped if that is on the way; `next_index` is where it stands.
        """
        if self._pictures is None or not self._near(index):
            self._go_to(index)
        target = index
        while self._pictures is not None:
            try:
                got = next(self._pictures, None)
            except _DecodeAgain:
                self._reopen()
                self._go_to(target)
                continue
            if got is None:
                self._pictures = None
                return
            target = self.next_index = got[0] + 1
            if got[0] >= index:
                yield got

    def _near(self, index: int) -> bool:
        """Return whether decoding on is the shortest way: `index` is ahead, with no key frame in between."""
        if index <= self.next_index or self.index.pts is None:
            return index >= self.next_index
        keys = np.searchsorted(self.index.key_pts, self.index.pts[[self.next_index, index]], side="right")
        return bool(keys[0] == keys[1])

    def _go_to(self, index: int) -> None:
        try:
            self._seek(index)
        except _DecodeAgain:
            self._reopen()
            self._seek(index)

    def _seek(self, index: int) -> None:
        pts, keys = self.index.pts, self.index.key_pts
        if pts is not None and len(keys):
            behind = max(int(np.searchsorted(keys, pts[index], side="right")), 1)
            self.container.seek(int(keys[behind - 1]), stream=self.stream, backward=True)
            self._pictures = self._decode()
            first = next(self._pictures, None)
            if first is not None and first[0] <= index:
                self._pictures = chain([first], self._pictures)
                return
        self._reopen()  # nothing to seek by, or the container's own index led past the frame: from the first packet
        self._pictures = self._decode()

    def _decode(self) -> Iterator[tuple[int, Any]]:
        """Yield (index, frame); after a damaged packet nothing until the next key frame.

        What is between leans on the damaged packet and would show invented pixels.
        """
        count, bad = 0, list[int]()
        for packet in self._packets():
            try:
                if packet.size and self.index.checked and not slices_are_whole(bytes(packet)):
                    bad.append(_order(packet))
                    continue
                decoded = packet.decode()
            except av.FFmpegError:
                if self._threaded:  # threads report late, so that it may be another packet: without them from here on
                    self._threaded = False
                    raise _DecodeAgain from None
                bad.append(_order(packet))
                decoded, count = [], count + 1
            for frame in decoded:
                index, order = self._place(frame, count), _order(frame)
                count += 1
                bad = [place for place in bad if place >= order] if frame.key_frame else bad
                if index is not None and not frame.is_corrupt and all(place > order for place in bad):
                    yield index, frame

    def _packets(self) -> Iterator[Any]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # the container breaks off here; what was before it has been given
                return
            if packet is None:
                return
            yield packet

    def _place(self, frame: Any, count: int) -> int | None:
        """Return which frame of the index a picture is, or None where it is in none."""
        pts = self.index.pts
        if pts is None:
            return count if count < self.index.count else None
        if frame.pts is None:
            return None
        at = int(np.searchsorted(pts, frame.pts))
        if at < len(pts) and pts[at] == frame.pts:
            return at
        if self.index.exact:
            return None
        # announced times may be off by rounding; a frame beyond them all is one more than was announced
        near = min((i for i in (at - 1, at) if 0 <= i < len(pts)), key=lambda i: abs(int(pts[i]) - frame.pts))
        return near if abs(int(pts[near]) - frame.pts) <= self.index.step / 2 else None

    def close(self) -> None:
        """Release the file."""
        self._pictures = None
        self.container.close()


def _order(item: Any) -> int:
    """Return where a packet or a frame stands in the order of decoding, as far as the container tells."""
    stamp = item.dts if item.dts is not None else item.pts
    return int(stamp) if stamp is not None else -1
