"""One linking of a whole source, and what it tells when it is over."""

from __future__ import annotations

from collections.abc import Iterator

from lptem_tracker.link.blocks import Block, Source
from lptem_tracker.link.drift import Drift
from lptem_tracker.link.flow import follow
from lptem_tracker.link.ledger import Ledger
from lptem_tracker.link.redrift import RigidSteps, with_velocity
from lptem_tracker.link.rows import Rows
from lptem_tracker.link.survey import Survey


class Tally:
    """Link all blocks of a source and keep count of tracks and of the drift that they show.

    Parameters
    ----------
    source : Source
    known : Survey
    threshold : float, optional
        As of `Ledger`.

    Attributes
    ----------
    ledger : Ledger
        Complete once `follow` has come to its end.
    """

    def __init__(self, source: Source, known: Survey, threshold: float | None = None) -> None:
        self._source, self._known = source, known
        self.ledger = Ledger(threshold, source.film)
        self._steps = RigidSteps(known.drift) if known.drift.kind == "unsteady" else None

    def follow(self) -> Iterator[tuple[Block | None, Rows]]:
        """Yield each block with the rows that became final by it, and at last None with the rest."""
        for block, rows, flow in follow(self._source, self._known):
            self.ledger.add(rows, flow.absent, self._known.options.max_lag)
            if self._steps is not None:
                self._steps.add(rows)
            yield block, rows
        self.ledger.finish()

    def drift(self) -> Drift:
        """Return the drift that the links show."""
        if not self._known.options.drift:
            return self._known.drift
        return self._steps.drift() if self._steps is not None else with_velocity(self._known.drift, self.ledger)
