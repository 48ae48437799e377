"""Draws the pictures of an overlay, one frame at a time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import InputError, SettingsError
from lptem_tracker.memory import give_back
from lptem_tracker.movie.base import Movie
from lptem_tracker.report import annotate, drawing, palette
from lptem_tracker.report.clusters import row_clusters
from lptem_tracker.report.colouring import Colouring, colour_rows
from lptem_tracker.report.contrast import Contrast, estimate_contrast
from lptem_tracker.report.options import OverlayOptions
from lptem_tracker.report.scene import Scene
from lptem_tracker.report.source import drawn_tracks, frame_times, measured_tracks
from lptem_tracker.report.view import SIDES, View, fit_view
from lptem_tracker.run import Run

SHOWN_EVENTS = ("attach", "detach", "coalesce", "nucleate", "dissolve")


class Painter:
    """Draws the pictures of an overlay, one frame at a time.

    Parameters
    ----------
    run : Run
    movie : Movie
        Read only to find the contrast.
    options : OverlayOptions
    sides : (least, largest)
        Of the picture in px, where the options give no zoom.

    Attributes
    ----------
    picture_size : (width, height)
    times_s : numpy.ndarray or None
    flash_frames : int
        Frames for which an event's mark is seen.
    """

    flash_frames = 20

    def __init__(self, run: Run, movie: Movie, options: OverlayOptions, *, sides: tuple[int, int] = SIDES) -> None:
        if not (run.path / "tracks.parquet").exists():
            raise InputError(
                f"{run.path} holds no tracks to draw; make them with: lptem-tracker link {run.path} -o {run.path}"
            )
        self._options = options
        self._calibration: Calibration = run.calibration
        tracks = measured_tracks(run) if options.colour_by == "cluster" else drawn_tracks(run)
        colouring = _colouring(run, tracks, options.colour_by)
        self._scene, self._legend = Scene(tracks, colouring), colouring.legend
        del tracks  # the scene holds what it needs of them
        give_back()
        self._view = _first_view(movie, self._scene, options, sides)
        self._pen = drawing.Pen.for_picture(self._view.width, self._view.height)
        start, stop = options.frames or (0, len(movie))
        stop = min(stop, len(movie))
        self._contrast: Contrast = estimate_contrast(movie, start=start, stop=stop, smooth_px=options.smooth_px)
        self._bare = estimate_contrast(movie, start=start, stop=stop) if options.side_by_side else self._contrast
        self._events = _events(run) if options.events else None
        self.times_s = frame_times(run, movie)
        self._clock = annotate.Clock(self.times_s, len(movie))
        self.picture_size = (self._view.width * (1 + options.side_by_side), self._view.height)

    def paint(self, pixels: NDArray[Any], frame: int) -> NDArray[np.uint8]:
        """Return the picture of a frame, shape (height, width, 3), R, G, B.

        Parameters
        ----------
        pixels : numpy.ndarray
            Shape (Y, X).
        frame : int
        """
        view = self._view_of(frame)
        grey = view.render(self._contrast.apply(pixels, frame))
        canvas: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        bare = self._bare_picture(pixels, frame, view) if self._options.side_by_side else None
        drawing.draw_trails(canvas, self._scene, frame, view, self._pen, self._options.trail_frames)
        if self._options.outline != "none":
            drawing.draw_outlines(
                canvas, self._scene, frame, view, self._pen, self._options.outline, self._options.follow
            )
        if self._options.ids:
            drawing.draw_ids(canvas, self._scene, frame, view, self._pen)
        self._draw_events(canvas, frame, view)
        if self._legend is not None:
            annotate.draw_legend(canvas, self._legend, self._pen)
        target = canvas if bare is None else bare
        if self._options.scale_bar:
            annotate.draw_scale_bar(target, self._calibration.pixel_size_nm, view.scale, self._pen)
        if self._options.time_stamp:
            annotate.draw_time(target, self._clock.text(frame), self._pen)
        return canvas if bare is None else np.concatenate([bare, canvas], axis=1)

    def _bare_picture(self, pixels: NDArray[Any], frame: int, view: View) -> NDArray[np.uint8]:
        """Return the frame as it was recorded, without smoothing."""
        grey = view.render(self._bare.apply(pixels, frame))
        picture: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        return picture

    def _view_of(self, frame: int) -> View:
        if self._options.follow is None:
            return self._view
        place = self._scene.position(self._options.follow, frame)
        return self._view if place is None else self._view.moved_to(*place)

    def _draw_events(self, canvas: NDArray[np.uint8], frame: int, view: View) -> None:
        if self._events is None:
            return
        since = frame - self._events["frame"].to_numpy()
        for event in self._events[(since >= 0) & (since < self.flash_frames)].itertuples():
            centre = view.points(np.array([event.x, event.y], dtype=float))
            age = (frame - int(event.frame)) / self.flash_frames
            kind = str(event.kind)
            drawing.draw_event(
                canvas, kind, centre, age, palette.EVENT[kind], self._pen, self._event_radius(event, view)
            )

    def _event_radius(self, event: Any, view: View) -> float:
        sizes = self._scene.size[self._scene.rows(int(event.frame))]
        known = sizes[np.isfinite(sizes)]
        typical = float(np.median(known)) if known.size else 12.0
        return max(1.1 * typical * view.scale, 1.2 * self._pen.font)


def _colouring(run: Run, tracks: pd.DataFrame, by: str) -> Colouring:
    measured = by in {"D", "motion"} and (run.path / "particles.csv").exists()
    return colour_rows(
        tracks,
        by,
        particles=run.particles if measured else None,
        clusters=row_clusters(tracks, run.settings.events) if by == "cluster" else None,
        calibration=run.calibration,
    )


def _events(run: Run) -> pd.DataFrame | None:
    if not (run.path / "events.csv").exists():
        return None
    events = run.events
    return events[events["kind"].isin(SHOWN_EVENTS) & events["x"].notna() & events["y"].notna()]


def _first_view(movie: Movie, scene: Scene, options: OverlayOptions, sides: tuple[int, int]) -> View:
    shape = (movie.shape[1], movie.shape[2])
    if options.crop is not None and options.follow is None:
        checked_crop(options.crop, shape)
    if options.follow is None:
        return fit_view(shape, crop=options.crop, zoom=options.zoom, binning=options.binning, sides=sides)
    place = scene.position(options.follow, 0)
    if place is None:
        raise InputError(f"Particle {options.follow} is not in the tracks of this run; choose one of particles.csv.")
    mine = scene.size[scene.particle == options.follow]
    known = mine[np.isfinite(mine)]
    side = int(np.clip(6 * np.median(known) if known.size else 64, 48, min(shape)))
    box = options.crop or (0, 0, side, side)
    return fit_view(shape, crop=box, zoom=options.zoom, binning=options.binning, sides=sides).moved_to(*place)


def checked_crop(crop: tuple[int, int, int, int], shape: tuple[int, int]) -> None:
    """Refuse a region that does not lie in a frame of shape (Y, X).

    Raises
    ------
    SettingsError
    """
    x, y, width, height = crop
    if min(x, y) < 0 or min(width, height) < 1 or x + width > shape[1] or y + height > shape[0]:
        raise SettingsError(
            f"The crop X,Y,WIDTH,HEIGHT = {x},{y},{width},{height} does not lie in the frame of "
            f"{shape[1]}x{shape[0]} px."
        )
