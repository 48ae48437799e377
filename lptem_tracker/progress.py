"""How a long job tells what it is doing: a contract with a silent twin."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the stages of a job and how far each has come."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps (None: not known)."""

    def advance(self, steps: int = 1) -> None:
        """Some steps of the present stage are done."""

    def note(self, text: str) -> None:
        """Say one sentence that a user should read now."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, steps: int = 1) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
