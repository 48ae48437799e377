"""K of a family with the localisation error held or fitted."""

from __future__ import annotations

import numpy as np

from lptem_tracker.analysis.confined import trap_family
from lptem_tracker.analysis.diffusion import Imaging
from lptem_tracker.analysis.family import pool
from lptem_tracker.analysis.scale import profile_scale
from lptem_tracker.analysis.shared_noise import shared_noise
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.evaluate.known_paths import as_tracks, trapped_paths


def test_not_knowing_the_localisation_error_widens_the_interval() -> None:
    """Ten particles in traps: with the error free the interval of D is wider, and both hold the truth or nearly so.

    At a rate of 0.2 a frame D and the error go together: the interval grows by a tenth at least.
    """
    for seed in range(3):
        paths = trapped_paths(np.random.default_rng(seed), 10, 100, 0.5, 0.2, 0.05)
        tracks = build_trackset(as_tracks(paths))
        traps = trap_family(tracks, Imaging(0.0))
        noise = shared_noise([traps], float((tracks.steps()[0] ** 2).mean()))
        everyone = pool(traps, np.ones((1, 10)))
        held, free = (profile_scale(everyone, noise, 0.95, free=free) for free in (False, True))
        wide, narrow = (np.log(fit.high[0] / fit.low[0]) for fit in (free, held))
        assert wide > 1.1 * narrow
        assert abs(np.log(free.k[0] / 0.5)) < wide
        assert 0.1 < np.exp(free.shape[0]) < 0.4
