"""One sentence instead of whatever a third-party reader raises, warns or logs on a damaged file."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lptem_tracker.errors import LptemError, MovieError

MAX_FRAME_BYTES = 2**31
"""No camera writes larger frames (16384² float32 is half of it); a header that says so is damaged."""

for _name in ("tifffile", "rsciio", "libav", "PIL"):
    # a handler of ours keeps logging's last resort from printing a reader's complaints beside our one sentence
    logging.getLogger(_name).addHandler(logging.NullHandler())


@contextmanager
def reading(source: str, what: str) -> Iterator[None]:
    """Turn anything a reader raises into a MovieError that names the file.

    Parameters
    ----------
    source : str
        The file, as a user would recognise it.
    what : str
        What it was read as: ``"a TIFF stack"``, ``"frame 3"``.

    Raises
    ------
    MovieError
        The block raised anything but an error of this package.
    """
    try:
        yield
    except LptemError:
        raise
    except MemoryError:
        raise MovieError(
            f"{source} cannot be read as {what}: it asks for more memory than there is, so it may be damaged; "
            "check the file where it was recorded."
        ) from None
    except PermissionError:
        raise MovieError(f"{source} cannot be read: permission denied; check who may read it.") from None
    except Exception as error:  # file readers raise any class at all on a damaged file
        # readers that fail leave files open in their frames: now, not when the error is forgotten, is the time to close
        traceback.clear_frames(error.__traceback__)
        raise MovieError(
            f"{source} cannot be read as {what} ({first_line(error)}); it may be damaged, incomplete or still being "
            "written."
        ) from error


@contextmanager
def opening(source: str, what: str) -> Iterator[None]:
    """`reading`, with the warnings of the readers kept off the screen.

    Only for opening: the filters of warnings belong to the whole process, so frames, which may be read
    in a thread, do without.
    """
    with warnings.catch_warnings(), reading(source, what):
        warnings.simplefilter("ignore")
        yield


class Complaints(logging.Handler):
    """Collects what a library logs as a warning or worse, for as long as it is entered.

    Parameters
    ----------
    logger : str
        Name of the library's logger.
    """

    def __init__(self, logger: str) -> None:
        super().__init__(logging.WARNING)
        self.logger = logging.getLogger(logger)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage().splitlines()[0])

    def __enter__(self) -> Complaints:
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, at most 160 characters."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:160].rstrip(".")


def check_fits(source: str, what: str, n_bytes: int, path: Path, *, compression: float = 1.0) -> None:
    """Refuse a header that announces more pixels than the file can hold.

    Parameters
    ----------
    n_bytes : int
        Size of the pixels announced.
    compression : float
        Largest ratio of pixels to file that the format can reach.

    Raises
    ------
    MovieError
        It announces more.
    """
    have = path.stat().st_size
    if n_bytes > have * compression + 4096:
        raise MovieError(
            f"{source} announces {n_bytes} bytes of pixels as {what} but holds {have}: it is damaged or incomplete; "
            "copy it again from where it was recorded."
        )


def check_frame(source: str, height: int, width: int, item_bytes: int) -> None:
    """Refuse a frame that no camera writes, before any memory is asked for.

    Raises
    ------
    MovieError
        An axis is empty, or a frame would take more than `MAX_FRAME_BYTES`.
    """
    if height < 1 or width < 1:
        raise MovieError(f"{source} announces frames of {width} × {height} px, so it holds no picture.")
    if height * width * item_bytes > MAX_FRAME_BYTES:
        raise MovieError(
            f"{source} announces frames of {width} × {height} px, more than any camera writes; its header is damaged."
        )
