"""Structure of an assembly: g(r), pair potential, bond order, lattice, rods, clusters; ready for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptem_tracker.analysis.by_frame import rows_by_frame
from lptem_tracker.analysis.order import cluster_shapes, lattice_sites, mean_order, nematic_order
from lptem_tracker.analysis.potential import potential_well
from lptem_tracker.analysis.quantiles import fair_doubt
from lptem_tracker.analysis.radial import PairCorrelation, pair_correlation

if TYPE_CHECKING:
    from lptem_tracker.analysis.bodies import Bodies
    from lptem_tracker.analysis.clusters import History
    from lptem_tracker.calibration import Calibration

Ints = npt.NDArray[np.int64]

_FRAME_BUDGET = 200
_ROW_BUDGET = 200_000
UNLIKELY = 0.05  # probability of so unequal numbers of attachments and detachments at equilibrium
LATTICE_PSI6 = 0.7


def measure_structure(bodies: Bodies, history: History, calibration: Calibration) -> tuple[dict[str, Any], list[str]]:
    """Measure structure over the whole movie.

    Returns
    -------
    structure : dict
        `g_r` (`r_<L>`, `g`, `g_std`), `pair_potential` (`well_depth_kT`, `well_depth_std_kT`, `well_r_<L>`,
        `well_depth_uncorrected_kT`, `area_fraction`), `psi6_interior_mean`, `psi4_interior_mean`,
        `nearest_neighbour_<L>`, `lattice` (`n_sites`, `rms_<L>`, `lindemann`), `nematic_order`, `clusters`.
    warnings : list of str
    """
    unit, scale = calibration.units.length, calibration.units.nm_per_px
    rows = np.flatnonzero(bodies.is_real[bodies.particle])
    out: dict[str, Any] = {"g_r": None, "pair_potential": None, "psi6_interior_mean": None}
    if len(rows) == 0:
        return out, []
    warnings: list[str] = []
    found = pair_correlation(bodies, rows)
    if found is not None:
        out["g_r"] = {
            f"r_{unit}": (found.r * scale).round(5).tolist(), "g": found.g.round(6).tolist(),
            "g_std": found.g_std.round(6).tolist(), "n_frames": found.n_frames,
        }  # fmt: skip
        out["pair_potential"] = _potential(bodies, rows, found, history, calibration, warnings)
    frames = _some_frames(bodies, rows)
    out.update(mean_order(bodies, frames, scale, unit))
    if (out["psi6_interior_mean"] or 0) > LATTICE_PSI6 or (out["psi4_interior_mean"] or 0) > LATTICE_PSI6:
        sites = lattice_sites(bodies, rows)
        if sites is not None:
            rms = sites.pop("rms_px")
            out["lattice"] = {**sites, f"rms_{unit}": rms * scale}
    out["nematic_order"] = nematic_order(bodies, frames)
    out["clusters"] = cluster_shapes(bodies, history, scale, unit)
    return out, warnings


def _some_frames(bodies: Bodies, rows: Ints) -> list[Ints]:
    frames = rows_by_frame(bodies, rows)
    most = min(_FRAME_BUDGET, max(1, int(_ROW_BUDGET / (len(rows) / len(frames)))))
    return list(frames.some(np.unique(np.linspace(0, len(frames) - 1, most).astype(int))))


def _potential(
    bodies: Bodies,
    rows: Ints,
    found: PairCorrelation,
    history: History,
    calibration: Calibration,
    warnings: list[str],
) -> dict[str, Any] | None:
    well = potential_well(bodies, rows, found)
    if well is None:
        return None
    unit, scale = calibration.units.length, calibration.units.nm_per_px
    area = np.nan_to_num(np.pi * bodies.half_length[rows] * bodies.half_width[rows])
    fraction = float(found.density * area.mean())
    note = "The pair potential holds only at equilibrium, with reversible contacts between like particles"
    formed, broken = (sum(event.kind == kind for event in history.joinings) for kind in ("attach", "detach"))
    if formed + broken:
        note += f"; here {formed} attached and {broken} detached"
        if fair_doubt(formed, formed + broken) < UNLIKELY:
            note += ", which is not equilibrium"
    if not well.corrected:
        note += (
            "; −kT ln g could not be corrected for density (too few particles or frames, or too small a field) and "
            "holds when dilute only"
        )
    warnings.append(note + ".")
    return {
        "well_depth_kT": well.depth_kt, "well_depth_std_kT": well.depth_std_kt, f"well_r_{unit}": well.r_px * scale,
        "well_depth_uncorrected_kT": well.raw_depth_kt, "area_fraction": fraction,
        f"r_{unit}": (found.r * scale).round(5).tolist(),
        "u_kT": [round(float(u), 5) if np.isfinite(u) else None for u in well.potential_kt],
    }  # fmt: skip
