"""The progress page of a batch: every movie, how it fares, and the way to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from lptem_tracker.batch.many import Outcome
from lptem_tracker.run import write_text

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4}
.failed{color:#b42318}.waiting{color:#667085}.done,.present{color:#067647}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}
.failed{color:#ff7b72}.done,.present{color:#56d364}}
"""


def write_batch_page(output: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write ``index.html`` into the batch's folder; it renews itself while movies are waiting.

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
    told = ", ".join(f"{counts[state]} {state}" for state in ("done", "present", "failed", "waiting") if counts[state])
    renew = '<meta http-equiv="refresh" content="10">' if counts["waiting"] else ""
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{renew}<title>Batch</title><style>{_STYLE}</style>'
        f"<h1>{len(outcomes)} movies</h1><p>{told or 'nothing to do'}</p>"
        "<table><tr><th>movie</th><th>sample</th><th>state</th><th>after</th><th></th></tr>"
        f"{''.join(_row(outcome) for outcome in outcomes)}</table></html>\n"
    )
    path = output / "index.html"
    write_text(path, text)
    return path


def _row(outcome: Outcome) -> str:
    name = escape(outcome.name)
    if outcome.state in {"done", "present"}:
        name = f'<a href="{escape(quote(outcome.name))}/report.html">{name}</a>'
    seconds = f"{outcome.seconds:.0f} s" if outcome.seconds else ""
    return (
        f"<tr><td>{name}</td><td>{escape(outcome.sample)}</td><td class={outcome.state}>{outcome.state}</td>"
        f"<td>{seconds}</td><td>{escape(outcome.reason)}</td></tr>"
    )
