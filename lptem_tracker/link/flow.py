"""From blocks of detections to rows with their final identity, in memory bounded by the window."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.link.blocks import Block, Source
from lptem_tracker.link.core import Decided, Points, SlidingWindow
from lptem_tracker.link.drift import Removal
from lptem_tracker.link.merging import Mergers
from lptem_tracker.link.rows import Rows, joined_rows, no_rows
from lptem_tracker.link.survey import Survey


class Flow:
    """Link blocks one after another.

    Parameters
    ----------
    survey : Survey
    looks : int
        Likeness features of the detections.
    drift : Removal
        Taken out of the positions before they are linked.
    """

    def __init__(self, survey: Survey, looks: int, drift: Removal) -> None:
        plan = survey.plan
        self._drift, self._exact = drift, plan.found is None
        adopt = math.isfinite(plan.costs.max_step)
        self._window = SlidingWindow(
            plan.costs,
            survey.options.window_frames,
            adopt=adopt,
            looks=looks,
            mixture=plan.mixture,
            caution=plan.caution,
        )
        self._waiting = no_rows()
        self._mergers: Mergers | None = None
        if plan.found is not None and math.isfinite(plan.size_scatter):
            self._mergers = Mergers(survey.options.max_lag, plan.found.step_sigma_px[0], plan.size_scatter)

    @property
    def absent(self) -> set[int]:
        """Particles that may come back although their tracks have ended: they are part of another one."""
        return self._mergers.absent if self._mergers is not None else set()

    def fresh_names(self, n: int) -> NDArray[np.int64]:
        """Return `n` names that no track has or will have."""
        return self._window.fresh_names(n)

    def push(self, points: Points) -> Rows:
        """Take in whole frames, all later than those before, and return the rows that became final."""
        still = self._drift.still(points.frame, points.xy)
        n = len(points.frame)
        nothing = np.full(n, -1)
        fresh = Rows(
            points.frame,
            points.xy,
            still,
            points.noise,
            points.radius,
            points.confidence,
            nothing,
            nothing,
            np.full(n, np.nan),
            nothing,
        )
        self._waiting = joined_rows([self._waiting, fresh])
        noise = np.zeros_like(points.noise) if self._exact else points.noise
        rows = self._decided(self._window.push(points._replace(xy=still, noise=noise)))
        return rows if self._mergers is None else self._mergers.push(rows)

    def finish(self) -> Rows:
        """Make everything final."""
        rows = self._decided(self._window.finish())
        return rows if self._mergers is None else joined_rows([self._mergers.push(rows), self._mergers.finish()])

    def _decided(self, decided: Decided) -> Rows:
        n = len(decided.track)
        done, self._waiting = self._waiting.part(0, n), self._waiting.part(n, len(self._waiting.frame))
        return done._replace(particle=decided.track, pred=decided.pred, belief=decided.belief)


def follow(source: Source, survey: Survey) -> Iterator[tuple[Block | None, Rows, Flow]]:
    """Link all blocks; yield each with the rows that became final by it, and at last None with the rest."""
    flow: Flow | None = None
    for block in source.blocks():
        flow = flow or Flow(survey, block.points.looks.shape[1], survey.drift)
        yield block, flow.push(block.points), flow
    if flow is not None:
        yield None, flow.finish(), flow
