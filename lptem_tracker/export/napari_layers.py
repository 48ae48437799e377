"""A run as napari's layers (movie, points, tracks, events), its reader plugin, and its window."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import InputError, MissingExtraError
from lptem_tracker.movie.base import Movie
from lptem_tracker.report.contrast import estimate_contrast
from lptem_tracker.report.source import measured_tracks, open_run_movie
from lptem_tracker.run import Run, open_run

LayerData = tuple[Any, dict[str, Any], str]
_LEAST_POINT_PX = 6.0


class LazyFrames:
    """A movie as napari takes an array: frames are read when they are looked at.

    Parameters
    ----------
    movie : Movie
        Stays open as long as the layer lives.
    """

    ndim = 3

    def __init__(self, movie: Movie) -> None:
        self._movie, self._lock = movie, Lock()
        self.shape, self.dtype = movie.shape, movie.dtype

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the part of the movie that a NumPy index of one to three axes names."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, slice):
            chosen = range(*first.indices(len(self)))
            stack = np.stack([self._read(n) for n in chosen]) if len(chosen) else np.empty((0, *self.shape[1:]))
            part: NDArray[Any] = stack[(slice(None), *rest)]
        else:
            part = self._read(int(first))[tuple(rest)]
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def _read(self, index: int) -> NDArray[Any]:
        # napari may slice from several threads, and a file has one position
        with self._lock:
            return self._movie.read(index).pixels


def layers(run: Run) -> list[LayerData]:
    """Return a run as napari's layers: movie, points, tracks and events, as far as the run has them.

    Parameters
    ----------
    run : Run

    Returns
    -------
    list of (data, options, kind)
        As napari's reader plugins give them; axes are (T, Y, X), in nm where the pixel size is known.

    Raises
    ------
    InputError
        The run has neither a movie that is still there nor tables of positions.
    """
    nm = run.calibration.pixel_size_nm
    shared: dict[str, Any] = {"scale": [1.0, nm or 1.0, nm or 1.0]}
    if nm is not None:
        shared["units"] = ("pixel", "nm", "nm")
    found = [*_image(run), *_positions(run), *_events(run)]
    if not found:
        raise InputError(f"{run.path} holds no positions and its movie is not at hand: there is nothing to show.")
    return [(data, {**shared, **options}, kind) for data, options, kind in found]


def _image(run: Run) -> list[LayerData]:
    try:
        movie = open_run_movie(run)
    except InputError:
        return []
    contrast = estimate_contrast(movie, samples=5)
    limits = [float(contrast.low.min()), float(contrast.high.max())]
    return [(LazyFrames(movie), {"name": "movie", "contrast_limits": limits, "colormap": "gray"}, "image")]


def _positions(run: Run) -> list[LayerData]:
    if (run.path / "tracks.parquet").exists():
        table = measured_tracks(run)
        seen = table[table["observed"]]
        return [_points(seen), (*_tracks(run, table), "tracks")] if len(table) else []
    return [_points(run.detections)] if (run.path / "detections.parquet").exists() else []


def _points(table: pd.DataFrame) -> LayerData:
    """Return rings of the particles' size."""
    size = np.full(len(table), np.nan)
    if "radius" in table:
        size = 2 * table["radius"].to_numpy(dtype=float)
    known = size[np.isfinite(size) & (size > 0)]
    usual = float(np.median(known)) if known.size else 2 * _LEAST_POINT_PX
    options = {
        "name": "points",
        "features": _numbers(table, ("particle", "confidence", "radius", "x_std", "y_std")),
        "size": np.where(size > 0, np.maximum(size, _LEAST_POINT_PX), usual),
        "face_color": "transparent",
        "border_color": "#e69f00",
        "border_width": 0.08,
    }
    return table[["frame", "y", "x"]].to_numpy(dtype=float), options, "points"


def _tracks(run: Run, table: pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return the paths; what was measured of a particle stands on each of its positions, for colouring."""
    features = _numbers(table, ("confidence", "radius"))
    if (run.path / "particles.csv").exists() and len(run.particles):
        own = run.particles.drop_duplicates("particle").set_index("particle")
        for name in own.columns[own.columns.str.match(r"(D_|alpha$|v_)") & ~own.columns.str.contains("_ci_")]:
            if pd.api.types.is_numeric_dtype(own[name].dtype):
                # napari colours by value and takes no blank
                features[name] = table["particle"].map(own[name]).fillna(0.0).to_numpy(dtype=float)
    return table[["particle", "frame", "y", "x"]].to_numpy(dtype=float), {"name": "tracks", "features": features}


def _numbers(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    return table[[name for name in names if name in table]].fillna(0.0).reset_index(drop=True)


def _events(run: Run) -> list[LayerData]:
    if not (run.path / "events.csv").exists():
        return []
    events = run.events[run.events["x"].notna() & run.events["y"].notna()]
    if events.empty:
        return []
    options = {
        "name": "events",
        "features": pd.DataFrame({"kind": events["kind"].to_numpy()}),
        "text": {"string": "{kind}", "color": "#cc79a7", "anchor": "upper_left"},
        "size": 20,
        "face_color": "transparent",
        "border_color": "#cc79a7",
    }
    return [(events[["frame", "y", "x"]].to_numpy(dtype=float), options, "points")]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return napari's reader for a run folder, or for the ``run.json`` in one; None for anything else."""
    if not isinstance(path, str) and len(path) != 1:
        return None
    folder = _folder(path)
    names = ("tracks.parquet", "detections.parquet")
    if not (folder.is_dir() and any((folder / name).exists() for name in names)):
        return None
    return lambda chosen: layers(open_run(_folder(chosen)))


def _folder(path: str | list[str]) -> Path:
    given = Path(path if isinstance(path, str) else path[0])
    return given.parent if given.name == "run.json" else given


def add_layers(viewer: Any, content: list[LayerData]) -> None:
    """Put layers into a viewer (or viewer model) of napari, with a scale bar, at the first frame."""
    for data, options, kind in content:
        getattr(viewer, f"add_{kind}")(data, **options)
    viewer.scale_bar.visible = True
    viewer.dims.set_current_step(0, 0)


def view(run: Run, *, block: bool = True) -> Any:
    """Open a run in a napari window.

    Parameters
    ----------
    run : Run
    block : bool
        Return when the window is closed.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    MissingExtraError
        napari, or the window toolkit that it needs, is not installed.
    InputError
        The run has nothing to show.
    """
    try:
        napari = import_module("napari")
    except ImportError:
        raise MissingExtraError(
            "The viewer is napari, which is optional; install it in the source folder of lptem-tracker with: "
            'python -m pip install ".[napari]"'
        ) from None
    content = layers(run)
    try:
        viewer = napari.Viewer(title=f"{run.path.resolve().name} – lptem-tracker")
    except ImportError:
        raise MissingExtraError(
            'napari needs a window toolkit; install one with: python -m pip install "napari[all]"'
        ) from None
    add_layers(viewer, content)
    if block:
        napari.run()
    return viewer
