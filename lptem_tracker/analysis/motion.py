"""Tracks → everything measured of motion: per particle, over lags, and for all particles together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lptem_tracker.analysis.estimate import Estimate
from lptem_tracker.analysis.link_doubt import IMITATED, refuse_classes
from lptem_tracker.analysis.linking_bias import DOUBTFUL, check_links
from lptem_tracker.analysis.motion_fit import MotionFit, fit_motion
from lptem_tracker.analysis.motion_summary import ensemble_dict, estimate_ensemble
from lptem_tracker.analysis.motion_tables import msd_table, particle_table
from lptem_tracker.analysis.motion_text import collect_warnings, methods_paragraph
from lptem_tracker.analysis.trackset import TrackSet, build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import MotionSettings

DOUBTED = 0.03
"""Share of wrong links from which on they may make one kind of Brownian particles look like several."""


@dataclass(frozen=True)
class MotionResult:
    """What was measured of motion.

    Attributes
    ----------
    particles : pandas.DataFrame
        One row a particle; blank where a quantity cannot be estimated.
    msd : pandas.DataFrame
        One row a particle and lag; rows without a particle are the ensemble.
    ensemble : dict
        Pooled results as plain JSON values.
    methods : str
        A paragraph for a paper, with references.
    warnings : list of str
        Reservations, each with its remedy.
    estimates : dict of str to Estimate
        The ensemble's quantities as objects.
    """

    particles: pd.DataFrame
    msd: pd.DataFrame
    ensemble: dict[str, Any]
    methods: str
    warnings: list[str]
    estimates: dict[str, Estimate] = field(default_factory=dict)


def measure_motion(tracks: pd.DataFrame, calibration: Calibration, settings: MotionSettings) -> MotionResult:
    """Measure how particles move.

    Parameters
    ----------
    tracks : pandas.DataFrame
        ``particle, frame, x, y`` in px, optionally ``observed, x_std, y_std, angle, drift_x, drift_y,
        link_confidence``; rows with `observed` False do not count.
    calibration : Calibration
        Units of the results and motion blur.
    settings : MotionSettings

    Raises
    ------
    TableError
        A column is missing or a particle has two rows in one frame.
    """
    return motion_of(build_trackset(tracks), calibration, settings)


def motion_of(every: TrackSet, calibration: Calibration, settings: MotionSettings) -> MotionResult:
    """Do what `measure_motion` does with tracks that were read already."""
    units = calibration.units
    fit = fit_motion(every, calibration, settings) if len(every) else None
    if fit is None:
        reason = "No particle moves and has three positions or more: nothing to fit; link again or film longer."
        particles = particle_table(every, None, units, settings)
        return MotionResult(particles, msd_table(every, None, units, settings), {}, "", [reason])
    links = check_links(
        every,
        fit.pooled,
        fit.imaging,
        gaussian=_one_kind(fit),
        drift_varies=fit.drift.kind == "frame by frame",
        seed=settings.seed,
    )
    fit = refuse_classes(fit, links)
    estimates = estimate_ensemble(fit, calibration, settings, links)
    return MotionResult(
        particle_table(every, fit, units, settings, links),
        msd_table(every, fit, units, settings),
        ensemble_dict(fit, estimates, calibration, links),
        methods_paragraph(fit, calibration, settings, links),
        collect_warnings(every, fit, estimates, calibration, settings, links),
        estimates,
    )


def _one_kind(fit: MotionFit) -> bool:
    """Whether all particles may be Brownian with one D; wrong links themselves look like bending back or switching."""
    if fit.shapes is None:
        return True
    kinds, motion = fit.shapes.components, fit.shapes.classes.pooled
    confidence = fit.tracks.link_confidence
    wrong = 0.0 if confidence is None else float(1 - np.nanmean(confidence))
    if motion == "brownian":
        return kinds is None or len(kinds.d) == 1 or wrong > DOUBTED
    # a lattice's particles are trapped indeed, and their links hardly ever doubtful
    return wrong > DOUBTFUL if motion in IMITATED else motion == "mixture" and wrong > DOUBTED
