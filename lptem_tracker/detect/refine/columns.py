"""The columns that refinement writes."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lptem_tracker.detect.refine import describe
from lptem_tracker.detect.refine import shapes as sh
from lptem_tracker.detect.refine.frame import State
from lptem_tracker.detect.refine.outline import outline_columns
from lptem_tracker.detect.refine.profile import PLATE, settled, true_size
from lptem_tracker.detect.refine.scores import ELONGATION
from lptem_tracker.detect.refine.verdict import Verdict, centroids

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns of a table, each of shape (n,); a frame's few rows cost a data frame's weight many times over."""

_BOX_SIZE_ERROR = 0.25  # a box's sides err by 5 to 20 %, and an unfitted one's by more
_BLANK = (
    "aspect_ratio", "aspect_ratio_std", "circularity", "circularity_std", "solidity", "contrast", "snr", "edge_blur",
    "profile_probability", "profile_share",
)  # fmt: skip


def columns(state: State, verdict: Verdict, box: NDArray[np.float64]) -> Columns:
    """Return the columns of a frame's fits; rows whose fit failed hold centroids and their boxes' sizes.

    Parameters
    ----------
    state : State
        After the last fit, covariances widened.
    verdict : Verdict
    box : numpy.ndarray
        Shape (n, 5): x, y, width, height, angle.
    """
    domes = state.params[:, sh.Q] != 0
    wider = true_size(state.kinds, state.params)
    for entry in (sh.A, sh.B, sh.CORNER):
        state.params[domes, entry] += wider[domes]
    describe.canonical(state.kinds, state.params, state.covs)
    p, cov, kind = state.params, state.covs, state.kinds
    std = np.sqrt(np.maximum(np.diagonal(cov, axis1=1, axis2=2), 0))
    out: Columns = {"x": p[:, sh.X], "y": p[:, sh.Y], "x_std": std[:, sh.X], "y_std": std[:, sh.Y]}
    value, error = describe.sizes(kind, p), describe.sizes_std(kind, p, cov)
    round_ = kind == sh.DISK
    error[round_, 4:] = describe.roundness_std(p, cov, state.stats[:, ELONGATION] / state.noise.kappa)[round_]
    for k, name in enumerate(describe.SIZES):
        out[name], out[f"{name}_std"] = value[:, k], error[:, k]
    out["angle"] = p[:, sh.THETA]
    unknown = describe.UNKNOWN_ANGLE_STD
    out["angle_std"] = np.where(kind == sh.DISK, unknown, np.minimum(std[:, sh.THETA], unknown))
    out["solidity"] = np.ones(len(p))
    level = p[:, sh.LEVEL]
    with np.errstate(divide="ignore", invalid="ignore"):
        out["contrast"] = np.where(level > 0, p[:, sh.CONTRAST] / level, np.nan)
    out["snr"] = np.abs(p[:, sh.CONTRAST]) / np.sqrt(state.noise.variance(level))
    out["edge_blur"] = np.exp(p[:, sh.LOG_S])
    out["shape"] = np.array(sh.SHAPE_NAMES, dtype=object)[kind]
    out["fit_ok"], out["edge"], out["saturated"] = verdict.fit_ok, verdict.edge, verdict.saturated
    out["profile"] = np.full(len(p), PLATE, dtype=object)
    out["profile_std"], out["profile_share"], out["dome_growth"] = np.zeros(len(p)), p[:, sh.Q], state.growth
    out["dome_score"], out["dome_weight"] = np.where(verdict.fit_ok, state.evidence.T, 0.0)
    out |= settled(out, (math.fsum(out["dome_score"]), math.fsum(out["dome_weight"])))
    poor = np.flatnonzero(~verdict.fit_ok)
    if len(poor):
        for name, value in zip(("x", "y", "x_std", "y_std"), centroids(state, box, poor).T):
            out[name][poor] = value
        fill_from_boxes(out, poor, box[poor])
    return out


def add_outlines(table: Columns, radii: NDArray[np.float64]) -> None:
    """Let free outlines give area, radius, circularity and solidity of the fits that hold, in place.

    A series bends the fitted shape, whose own size stays in the errors of area and radius.
    """
    found = outline_columns(radii)
    ok = table["fit_ok"] & np.isfinite(radii).all(axis=(1, 2))
    table["outline"] = np.full(len(ok), None, dtype=object)
    for row, ray in enumerate(found.pop("outline")):
        table["outline"][row] = ray if ok[row] else None
    table["solidity_std"] = np.full(len(ok), np.nan)
    for name in ("area_std", "radius_std"):
        found[name] = np.hypot(found[name], table[name])
    for name, value in found.items():
        table[name] = np.where(ok, value, table[name])


def fill_from_boxes(table: Columns, rows: NDArray[np.int64], box: NDArray[np.float64]) -> None:
    """Write what a box alone tells of size and shape into some rows, in place."""
    width, height = box[:, 2], box[:, 3]
    area = np.pi / 4 * width * height
    radius = np.sqrt(width * height) / 2
    values = {"width": width, "height": height, "area": area, "radius": radius}
    for name, value in values.items():
        table[name][rows] = value
        table[f"{name}_std"][rows] = value * _BOX_SIZE_ERROR * (2 if name == "area" else 1)
    table["angle"][rows] = describe.wrap(box[:, 4], np.pi)
    table["angle_std"][rows] = describe.UNKNOWN_ANGLE_STD
    for name in _BLANK:
        table[name][rows] = np.nan
    for name in ("profile_std", "dome_growth", "dome_score", "dome_weight"):
        table[name][rows] = 0.0
    for name in ("shape", "profile"):
        table[name][rows] = "unknown"


def spread_out(table: Columns, rows: NDArray[np.int64], box: NDArray[np.float64]) -> Columns:
    """Return a row for every box: the table's at `rows`, and what the boxes say elsewhere.

    Boxes outside of the frame or without a size are kept, flagged, with no standard error where they have none.
    """
    if len(rows) == len(box):
        return table
    nothing = {"f": np.nan, "b": False, "O": None}
    out: Columns = {}
    for name, value in table.items():
        out[name] = np.full(len(box), nothing[value.dtype.kind], dtype=value.dtype)
        out[name][rows] = value
    rest = np.setdiff1d(np.arange(len(box)), rows)
    out["x"][rest], out["y"][rest] = box[rest, 0], box[rest, 1]
    out["x_std"][rest], out["y_std"][rest] = (box[rest, 2:4] / np.sqrt(12)).T
    fill_from_boxes(out, rest, box[rest])
    out["edge"][rest] = True
    return out
