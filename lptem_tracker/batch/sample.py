"""Several movies of one sample: a run folder each, and one summary over all of them."""

from __future__ import annotations

import os
from collections import Counter
from itertools import count
from pathlib import Path

import pandas as pd

from lptem_tracker.analysis.pool import Part, pool
from lptem_tracker.errors import LptemError, OutputError, SettingsError
from lptem_tracker.pipeline import analyze
from lptem_tracker.progress import Progress
from lptem_tracker.run import Run, RunWriter
from lptem_tracker.settings import Settings

SAMPLE_FILES = ("particles.csv", "summary.json")


def analyze_sample(
    sources: list[str],
    output: Path,
    *,
    settings: Settings,
    force: bool,
    resume: bool,
    progress: Progress,
) -> list[Run]:
    """Analyse one movie into `output`, or several into folders of their own below it.

    With several movies `output` also gets ``particles.csv`` (every particle once, with its movie) and
    ``summary.json`` (pooled over all movies). A movie that fails is named and the others are analysed.

    Parameters
    ----------
    sources : list of str
    output : pathlib.Path
    settings : Settings
    force, resume : bool
        As in `analyze`, for each movie.
    progress : Progress

    Returns
    -------
    list of Run

    Raises
    ------
    LptemError
        The only movie, or every one of them, failed.
    """
    if len(sources) == 1:
        return [analyze(sources[0], output, settings=settings, force=force, resume=resume, progress=progress)]
    names = _folder_names(sources)
    runs: list[Run] = []
    failed: list[str] = []
    with RunWriter(output, force=force, only=SAMPLE_FILES) as writer:
        for source, name in zip(sources, names):
            try:
                run = analyze(source, output / name, settings=settings, force=force, resume=resume, progress=progress)
            except OutputError:
                raise
            except LptemError as error:
                failed.append(f"{source}: {error}")
                progress.note(f"{source} was left out: {error}")
                continue
            runs.append(run)
        if not runs:
            raise SettingsError(f"None of the {len(sources)} movies could be analysed; the first: {failed[0]}")
        particles = pd.concat([run.particles.assign(movie=run.path.name) for run in runs], ignore_index=True)
        writer.write_table("particles.csv", particles)
        parts = [Part(run.path.name, run.tracks, run.particles, run.calibration) for run in runs]
        writer.write_json("summary.json", {**pool(parts, settings), "failed": failed})
        writer.finish()
    return runs


def _folder_names(sources: list[str]) -> list[str]:
    """Return one folder name a movie: its stem, numbered where two are alike."""
    # absolute first: the name of ".." is that of a folder, never the way out of the output
    places = [Path(os.path.abspath(source.rstrip("/\\*") or ".")) for source in sources]
    stems = [place.stem or "movie" for place in places]
    many = {stem for stem, n in Counter(stems).items() if n > 1}
    taken = set(stems) - many
    names = []
    for stem in stems:
        numbered = (f"{stem}-{number}" for number in count(1))
        names.append(next(name for name in numbered if name not in taken) if stem in many else stem)
        taken.add(names[-1])
    return names
