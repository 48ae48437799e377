"""Everything this package raises or warns, in one tree.

::

    LptemError                     a user can act on every one of these
    ├── InputError                 a file, folder, table or label is not what was expected
    │   ├── MovieError             a movie cannot be opened, or a frame cannot be read
    │   └── TableError             a detections, tracks or events table lacks or misuses a column
    ├── SettingsError              an option is unknown, out of range, or contradicts another
    │   └── CalibrationError       a physical quantity was asked for without calibration
    ├── WeightsError               a weights file is no detector, or is not safe to load
    ├── OutputError                a result cannot be written where it was asked for
    └── MissingExtraError          an optional library is needed and not installed

    LptemWarning(UserWarning)      the result stands, with the reservation stated

The message of each says what was expected, what came, and what to do next.
"""

from __future__ import annotations


class LptemError(Exception):
    """Root of the errors that a user of this package can act on."""


class InputError(LptemError):
    """A file, folder, table or label is not what was expected."""


class MovieError(InputError):
    """A movie cannot be opened, or one of its frames cannot be read."""


class TableError(InputError):
    """A table of detections, tracks or events lacks or misuses a column."""


class SettingsError(LptemError):
    """An option is unknown, out of range, or contradicts another."""


class CalibrationError(SettingsError):
    """A physical quantity was asked for and the calibration is not known."""


class WeightsError(LptemError):
    """A weights file holds no detector, or could execute code."""


class OutputError(LptemError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(LptemError):
    """An optional library is needed for this and is not installed."""


class LptemWarning(UserWarning):
    """The result stands, with the reservation that the message states."""
