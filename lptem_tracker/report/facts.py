"""The page's words: what was analysed, the figures at the top, warnings and methods."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pandas as pd

from lptem_tracker.report.labels import figure, unit_text
from lptem_tracker.report.listed import left_out
from lptem_tracker.report.results import Results

SOURCE_TEXT = {"metadata": "from the file", "user": "given by the user", "unknown": "not known"}


def title(results: Results, folder: str) -> str:
    """Return the movie's name, or the run folder's where it was made from a table."""
    source = results.record.get("movie", {}).get("source")
    return PurePath(str(source).replace("\\", "/")).name if source else folder


def movie_facts(results: Results) -> list[tuple[str, str]]:
    """Return (label, text) pairs that describe the movie and its calibration."""
    movie, calibration = results.record.get("movie", {}), results.calibration
    facts = []
    if movie.get("shape"):
        n, height, width = movie["shape"]
        kind = f"{movie.get('dtype', '')} {movie.get('format', '')}".strip()
        text = f"{n} frames of {width} × {height} px" + (f", {kind}" if kind else "")
        if results.n_frames - results.first_frame < n:
            text += f"; frames {results.first_frame} to {results.n_frames - 1} analysed"
        facts.append(("Movie", text))
    for label, value, unit, source in (
        ("Pixel size", calibration.pixel_size_nm, "nm", calibration.pixel_size_source),
        ("Frame interval", calibration.frame_interval_s, "s", calibration.frame_interval_source),
        ("Exposure", calibration.exposure_s, "s", calibration.exposure_source),
    ):
        text = "not known" if value is None else f"{value:g} {unit} ({SOURCE_TEXT[source]})"
        facts.append((label, text))
    detector = results.record.get("detector") or {}
    if detector.get("name"):
        facts.append(("Detector", str(detector["name"])))
    version = results.record.get("version")
    if version:
        facts.append(("lptem-tracker", str(version)))
    return facts


def key_figures(results: Results) -> list[tuple[str, str, str]]:
    """Return (label, value, remark) of the figures shown at the top."""
    lengths, ensemble, units = results.paths.lengths, results.ensemble, results.calibration.units
    n = len(lengths)
    remark = f"median {lengths.median():g} frames each" if n else "nothing was tracked"
    out = [("Particles", f"{n:,}", remark)]
    d = ensemble.get(results.d_column)
    if isinstance(d, int | float):
        out.append(
            (
                "D, all tracks",
                f"{figure(d)} {unit_text(units.diffusion)}",
                _interval(ensemble.get("D_ci95"), results.level),
            )
        )
    alpha = ensemble.get("alpha")
    if isinstance(alpha, int | float):
        out.append(("α, all tracks", f"{alpha:.2f}", _interval(ensemble.get("alpha_ci95"), results.level)))
    sigma = ensemble.get(f"localization_{units.length}")
    if isinstance(sigma, int | float):
        ends = ensemble.get("localization_ci95")
        most = (ends or [None, None])[1]
        # on its boundary there is only an upper bound
        bound = isinstance(most, int | float) and sigma < 1e-3 * most
        text = f"< {figure(most, 2)}" if bound else figure(sigma, 2)
        remark = "per axis, from the motion itself" if bound or not ends else _interval(ends, results.level)
        out.append(("Localisation error", f"{text} {units.length}", remark))
    motion = ensemble.get("motion")
    if isinstance(motion, str):
        out.append(("Motion", motion, "of all tracks together"))
    if "events.csv" not in results.missing:
        kinds = results.n_events
        text = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind not in {"enter", "leave"})
        inner = int(sum(count for kind, count in kinds.items() if kind not in {"enter", "leave"}))
        out.append(("Events", f"{inner}", text or "no assembly event"))
    return out


def _interval(interval: Any, level: float) -> str:
    if isinstance(interval, list | tuple) and len(interval) == 2 and all(isinstance(v, int | float) for v in interval):
        return f"{level:.0%} interval {figure(interval[0])} to {figure(interval[1])}"
    return "interval not available"


def warnings(results: Results) -> list[str]:
    """Return the reservations of the run, with those that the page itself must add."""
    quality = results.summary.get("quality") or {}
    found = quality.get("warnings") or []
    out = [_sentence(w) for w in found] + [_sentence(w) for w in results.record.get("warnings") or []]
    if results.calibration.pixel_size_nm is None:
        out.append("The pixel size is not known: lengths are in px. Give --pixel-size-nm for nm.")
    if results.calibration.frame_interval_s is None:
        out.append("The frame interval is not known: times are in frames. Give --frame-interval-s for s.")
    found = len(results.paths.lengths), results.tracks["particle"].nunique()
    out += left_out(
        found[1] if results.listed.empty else len(results.listed),
        max(len(results.particles), found[0]),
        "particles",
        "those seen most often, whose paths the map shows; particles.csv, msd.csv and tracks.parquet have all, and "
        "figures and distributions are of all",
    )
    out += left_out(len(results.events), int(results.n_events.sum()), "events", "events.csv has all")
    return list(dict.fromkeys(out))


def _sentence(warning: Any) -> str:
    if isinstance(warning, dict):
        return ": ".join(str(warning[key]) for key in ("warning", "message", "reason") if warning.get(key))
    return str(warning)


def absences(results: Results, *, movie: bool, video: bool) -> dict[str, str]:
    """Return a sentence for each part of the page that stays empty, and what would fill it; else an empty one."""
    out = dict.fromkeys(("tracks", "video", "crops", "motion", "events", "size"), "")
    if results.tracks.empty:
        out["tracks"] = "No particle was tracked in this run, so there is no map and nothing to measure."
    if not video:
        out["video"] = (
            "There is no overlay movie beside this page; lptem-tracker overlay RUN writes it. The slider moves the map."
        )
    if not movie:
        out["crops"] = (
            "The frames were not at hand when this page was made, so it has no pictures of particles and events."
        )
    if results.msd.empty:
        out["motion"] = "No track is long enough to measure its motion."
    if "events.csv" in results.missing:
        out["events"] = "Events were not looked for in this run."
    elif results.events.empty:
        out["events"] = "No event was found."
    if not _has_sizes(results.particles):
        out["size"] = "The tracks hold no sizes."
    return out


def _has_sizes(particles: pd.DataFrame) -> bool:
    return any(name in particles and particles[name].notna().any() for name in ("radius_nm", "radius_px"))


REFERENCES = {
    "Berglund": "A. J. Berglund, Phys. Rev. E 82, 011917 (2010).",
    "Michalet": "X. Michalet and A. J. Berglund, Phys. Rev. E 85, 061916 (2012).",
    "Vestergaard": "C. L. Vestergaard, P. C. Blainey and H. Flyvbjerg, Phys. Rev. E 89, 022726 (2014).",
    "Relich": "P. K. Relich et al., Phys. Rev. E 93, 042401 (2016).",
    "Jaqaman": "K. Jaqaman et al., Nat. Methods 5, 695 (2008).",
    "Kalman": "R. E. Kalman, J. Basic Eng. 82, 35 (1960).",
    "Kuhn": "H. W. Kuhn, Nav. Res. Logist. Q. 2, 83 (1955).",
}


def methods(results: Results) -> tuple[list[str], list[str]]:
    """Return the paragraphs of the methods section and the references that they name."""
    text = results.summary.get("methods") or ""
    pieces = [str(piece) for piece in text] if isinstance(text, list) else [str(text)] if text else []
    link = results.record.get("link") or {}
    detector = (results.record.get("detector") or {}).get("name")
    opening = "Particles were found in each frame"
    opening += f" by the detector {detector}" if detector else ""
    opening += " and linked by a Kalman filter with gated Hungarian assignment (Kalman 1960; Kuhn 1955)"
    opening += (
        "; the common motion of the field was estimated and taken out before linking." if link.get("drift") else "."
    )
    own = [opening] if results.record.get("movie", {}).get("source") else []
    if results.msd.shape[0] and not pieces:
        own.append(
            "Diffusion coefficients are maximum-likelihood estimates with localisation error and motion blur "
            "(Berglund 2010; Michalet 2012); the ensemble value is one likelihood over all tracks."
        )
    paragraphs = own + pieces
    named = " ".join(paragraphs)
    return paragraphs, [text for name, text in REFERENCES.items() if name in named]
