"""The progress page of a batch: every movie, how it fares, the way to its report; at the end the samples' results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lptem_tracker.batch.many import Outcome
from lptem_tracker.report.labels import column_label, figure
from lptem_tracker.run import Run, write_text

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4}
.failed{color:#b42318}.waiting{color:#667085}.done,.present{color:#067647}
.done,.present,.failed,.waiting{white-space:nowrap}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}a{color:#58a6ff}
.failed{color:#ff7b72}.done,.present{color:#56d364}}
"""
_WORDS = {"done": "done", "present": "done before", "failed": "failed", "waiting": "waiting"}
_ENSEMBLE = ("D_nm2_s", "D_px2_s", "D_nm2_frame", "D_px2_frame", "alpha", "motion")
_POPULATION = ("radius_nm", "radius_px", "aspect_ratio")


def write_batch_page(output: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write ``index.html`` into the batch's folder; it renews itself while movies are waiting.

    Once none is, and ``summary.json`` is there, it tells what was measured of each sample.

    Parameters
    ----------
    output : pathlib.Path
    outcomes : sequence of Outcome

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OutputError
        It cannot be written.
    """
    counts = Counter(outcome.state for outcome in outcomes)
    told = ", ".join(f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state])
    renew = '<meta http-equiv="refresh" content="10">' if counts["waiting"] else ""
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{renew}<title>Batch</title><style>{_STYLE}</style>'
        f"<h1>{len(outcomes)} movies</h1><p>{told or 'nothing to do'}</p>"
        f"{'' if counts['waiting'] else _results(output)}"
        "<h2>Movies</h2><table><tr><th>movie</th><th>sample</th><th>state</th><th>finished after</th><th></th></tr>"
        f"{''.join(_row(output, outcome) for outcome in outcomes)}</table></html>\n"
    )
    path = output / "index.html"
    write_text(path, text)
    return path


def _row(output: Path, outcome: Outcome) -> str:
    name, place = escape(outcome.name), quote(outcome.name)
    if outcome.state in {"done", "present"}:
        page = "report.html" if (output / outcome.name / "report.html").exists() else ""
        name = f'<a href="{escape(place)}/{page}">{name}</a>'
    seconds = f"{outcome.seconds:.0f} s" if outcome.seconds else ""
    return (
        f"<tr><td>{name}</td><td>{escape(outcome.sample)}</td>"
        f"<td class={outcome.state}>{_WORDS[outcome.state]}</td>"
        f"<td>{seconds}</td><td>{escape(outcome.reason)}</td></tr>"
    )


def _results(output: Path) -> str:
    """Return a table of the samples, a row each; nothing where no movie was measured."""
    samples: Mapping[str, Mapping[str, Any]] = Run(output).summary.get("samples") or {}
    columns = [
        (part, name)
        for part, names in (("ensemble", _ENSEMBLE), ("population", _POPULATION))
        for name in names
        if any((sample.get(part) or {}).get(name) is not None for sample in samples.values())
    ]
    if not samples:
        return ""
    heads = ["sample", "movies", "particles", *(_head(name) for _, name in columns)]
    rows = [
        [
            name,
            str(found["n_movies"]),
            str(found["n_particles"]),
            *(_value(found.get(part) or {}, c) for part, c in columns),
        ]
        for name, found in samples.items()
    ]
    level = next((e["confidence_level"] for s in samples.values() if "confidence_level" in (e := s["ensemble"])), 0.95)
    return (
        f"<h2>Samples</h2><table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
        + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        + f"</table><p>Intervals of motion: {level:.0%}, of sizes: 95%. All figures: "
        + ", ".join(f'<a href="{file}">{file}</a>' for file in ("summary.json", "particles.csv", "batch.csv"))
        + ".</p>"
    )


def _head(name: str) -> str:
    label, unit = column_label(name)
    return f"{label} ({unit})" if unit else label


def _value(found: Mapping[str, Any], name: str) -> str:
    """Return a quantity with its interval, of a distribution the mean; blank where it is not known."""
    value: Any = found.get(name)
    ends = found.get(f"{name.split('_')[0]}_ci95")
    if isinstance(value, dict):
        value, ends = value.get("mean"), value.get("mean_ci95")
    if value is None or isinstance(value, str):
        return value or ""
    return figure(value) + (f" [{figure(ends[0])}, {figure(ends[1])}]" if ends and None not in ends else "")
