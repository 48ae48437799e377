"""Commands that take tables: link, measure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lptem_tracker.cli import options as opt
from lptem_tracker.cli.console import say, say_json
from lptem_tracker.cli.help import command, option

if TYPE_CHECKING:
    import pandas as pd

    from lptem_tracker.calibration import Calibration
    from lptem_tracker.settings import Settings

MEASURED = ("particles.csv", "msd.csv", "events.csv", "clusters.csv", "summary.json", "tracks.parquet", "tracks.csv")


@command()
@click.argument("detections", type=click.Path())
@opt.output_option
@opt.config_option
@opt.link_options
@opt.force_option
@opt.quiet_option
@opt.json_option
def link(
    detections: str, output: Path, config: Path | None, force: bool, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Follow particles from frame to frame.

    \b
    lptem-tracker link run -o run                        (a run folder with detections)
    lptem-tracker link detections.csv -o tracks.csv      (any table with frame, x, y)

    Step size, drift, miss and false-alarm rates are estimated from the data unless given.
    """
    from lptem_tracker.cli.targets import Target
    from lptem_tracker.export import read_detections
    from lptem_tracker.link import LinkOptions, link_with
    from lptem_tracker.run import open_run

    settings = opt.settings_from(config, given)
    table = open_run(detections).detections if Path(detections).is_dir() else read_detections(Path(detections))
    with Target(output, ("tracks.parquet", "tracks.csv"), force=force) as target:
        tracks = link_with(table, LinkOptions.from_settings(settings.link))
        report = tracks.attrs.get("link", {})
        tracks.attrs = {}
        ordered = _in_order(tracks) if target.is_folder else tracks
        target.write("tracks.parquet", ordered)
        target.write("tracks.csv", ordered)
        target.write_record({"link": report}, settings)
    if as_json:
        say_json(
            {
                "n_tracks": tracks["particle"].nunique(),
                "n_detections": len(table),
                "output": str(output),
                "link": report,
            }
        )
        return
    say(f"{tracks['particle'].nunique()} tracks of {len(table)} detections → {output}", quiet=quiet)


@command()
@click.argument("tracks", type=click.Path())
@opt.output_option
@opt.config_option
@opt.scale_options
@opt.liquid_options
@option("--field-px", type=opt.Size(), show_default="from the positions, with a warning", help="Field of view in px.")
@option(
    "--rejected",
    type=opt.PATH,
    metavar="CSV",
    show_default="rejected_events.csv of the run",
    help="Events a person rejected (kind,frame,particle_a,particle_b).",
)
@opt.force_option
@opt.quiet_option
@opt.json_option
def measure(
    tracks: str,
    output: Path,
    config: Path | None,
    field_px: tuple[int, int] | None,
    rejected: Path | None,
    force: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure motion, size, events and structure of any tracks table.

    \b
    lptem-tracker measure tracks.csv -o result --pixel-size-nm 0.5 --frame-interval-s 0.05
    lptem-tracker measure trackpy.csv -o result --field-px 512x512
    lptem-tracker measure run -o result                  (a run folder)

    The table has particle, frame, x, y and, where known, radius, angle, x_std, y_std; trackpy's and
    TrackMate's files are taken as they are. Without a scale, results are in px and frames.
    """
    from lptem_tracker.analysis import measure as measure_tracks
    from lptem_tracker.analysis.shelf import shelves_in
    from lptem_tracker.cli.targets import Target
    from lptem_tracker.run import environment

    settings = opt.settings_from(config, given)
    source = _tracks(tracks, settings)
    table, calibration = source.table, source.calibration
    with Target(output, MEASURED, force=force) as target, shelves_in(target.scratch):
        result = measure_tracks(
            source.moved(source.long_enough(settings.link.min_track_frames), -1),
            calibration,
            settings=settings,
            field_px=field_px or source.field_px,
            n_frames=source.n_frames,
            first_frame=source.first_frame,
            rejected_events=_rejected(rejected, tracks),
        )
        ordered = _in_order(table)
        target.write("particles.csv", result.particles)
        target.write("msd.csv", result.msd)
        target.write("events.csv", source.moved(result.events, 1))
        if result.clusters is not None:
            target.write("clusters.csv", result.clusters)
        target.write("tracks.parquet", ordered)
        target.write("tracks.csv", ordered)
        target.write_json("summary.json", result.summary)
        target.write_record({**environment(), "tracks": str(tracks), "calibration": asdict(calibration)}, settings)
    if as_json:
        say_json(result.summary)
        return
    for sentence in result.summary["quality"]["warnings"]:
        if not quiet:
            click.echo(f"Warning: {sentence}", err=True)
    say(f"{result.summary['n_particles']} particles, {len(result.events)} events → {output}", quiet=quiet)


def _in_order(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return tracks as a run folder holds them: by frame, then particle."""
    return tracks.sort_values(["frame", "particle"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Source:
    """A table of tracks, its scale, and what is known of the movie that it comes from."""

    table: pd.DataFrame
    calibration: Calibration
    field_px: tuple[int, int] | None = None
    corner: tuple[int, int] = (0, 0)
    n_frames: int | None = None
    first_frame: int | None = None

    def long_enough(self, least: int) -> pd.DataFrame:
        """Tracks of a run without those that analyze leaves out of measurements; of any other table all."""
        if self.n_frames is None:
            return self.table
        seen = self.table.groupby("particle")["observed"].transform("sum")
        kept = self.table[seen >= min(least, self.n_frames - (self.first_frame or 0))]
        return kept if len(kept) else self.table

    def moved(self, table: pd.DataFrame, sign: int) -> pd.DataFrame:
        """Count positions from the corner of the region (-1), or from that of the whole frame again (1)."""
        if self.corner == (0, 0):
            return table
        return table.assign(x=table["x"] + sign * self.corner[0], y=table["y"] + sign * self.corner[1])


def _tracks(source: str, settings: Settings) -> _Source:
    """Return the table with its scale (the user's first, then the file's), and field and frames where known."""
    from lptem_tracker.export import read_tracks
    from lptem_tracker.run import open_run

    scale = settings.movie.model_dump(include={"pixel_size_nm", "frame_interval_s", "exposure_s"})
    if not (Path(source).is_dir() and (Path(source) / "run.json").exists()):
        table = read_tracks(Path(source), pixel_size_nm=settings.movie.pixel_size_nm)
        return _Source(table, _stated(table).with_user(**scale))
    run = open_run(source)
    known, movie = run.calibration.with_user(**scale), run.record.get("movie", {})
    if not movie.get("shape"):
        return _Source(run.tracks, known)
    n, height, width = movie["shape"]
    x, y, width, height = movie.get("roi") or (0, 0, width, height)
    start, stop = movie.get("frames") or (0, n)
    return _Source(run.tracks, known, (width, height), (x, y), stop, start)


def _stated(table: pd.DataFrame) -> Calibration:
    """Return the scale that a file of tracks states, and say what was converted while reading it."""
    from lptem_tracker.calibration import Calibration

    for note in table.attrs.get("notes", []):
        click.echo(f"Note: {note}", err=True)
    size, interval = table.attrs.get("pixel_size_nm"), table.attrs.get("frame_interval_s")
    return Calibration(
        pixel_size_nm=size,
        frame_interval_s=interval,
        pixel_size_source="metadata",
        frame_interval_source="metadata",
    )


def _rejected(given: Path | None, source: str) -> pd.DataFrame | None:
    """Return the rejected events: of the file given, or of the run folder that is measured."""
    from lptem_tracker.run import read_rejected

    return read_rejected(Path(source)) if given is None else read_rejected(given.parent, given.name)
