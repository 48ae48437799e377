"""A simulated movie: frames on demand, and the whole truth about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lptem_tracker.errors import SettingsError
from lptem_tracker.movie.base import Movie
from lptem_tracker.simulate.dynamics import Event, FrameTruth, Story
from lptem_tracker.simulate.film import Film
from lptem_tracker.simulate.scene import Scene
from lptem_tracker.tables import EVENT_DTYPES, TRACK_DTYPES, empty_table

TRUTH_DTYPES: dict[str, str] = {**TRACK_DTYPES, "rotation": "float64", "slow": "bool", "cluster": "int64"}
"""A tracks table's columns, the orientation without wrapping (rad), whether the particle is in its slow state, and
the smallest particle number of the cluster it is bonded into."""


class SimulatedMovie(Movie):
    """A movie whose truth is known; frames are made when they are read, the same ones every time.

    Parameters
    ----------
    scene : Scene
    seed : int
        The movie is fixed by scene and seed.
    name : str
        What to call it.

    Attributes
    ----------
    scene : Scene
    seed : int
    """

    def __init__(self, scene: Scene, seed: int = 0, name: str = "simulated movie") -> None:
        self.scene, self.seed = scene, seed
        self._story = Story(scene, seed)
        self._film = Film(scene, self._story)
        shape = (scene.n_frames, scene.height_px, scene.width_px)
        times = np.asarray(np.arange(scene.n_frames) * scene.frame_interval_s, np.float64)
        super().__init__(
            name,
            "simulated",
            shape,
            np.dtype(scene.depth),
            scene.calibration,
            {"seed": seed, **scene.model_dump()},
            times,
        )

    def _read(self, index: int) -> NDArray[Any]:
        return self._film.frame(index)

    def clean(self, index: int) -> NDArray[np.float32]:
        """Return the expected electrons in each pixel before the camera, float32 (Y, X)."""
        return self._film.clean(index)

    def mask(self, index: int) -> NDArray[np.int32]:
        """Return particle number + 1 at each pixel of a frame and 0 where there is none, int32 (Y, X)."""
        return self._film.mask(index)

    def frame_truth(self, index: int) -> pd.DataFrame:
        """Return the truth of one frame: the rows of `truth` that belong to it."""
        return _rows(self.scene, self._film, self._story.frame(index), index)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """True tracks: `TRUTH_DTYPES` in px, centres averaged over the exposure, sorted by particle and frame.

        A particle has a row in each frame in which its centre lies inside the frame.
        """
        tables = [self.frame_truth(index) for index in range(len(self))]
        table = pd.concat(tables, ignore_index=True) if tables else empty_table(TRUTH_DTYPES)
        return table.sort_values(["particle", "frame"], kind="stable", ignore_index=True)

    @cached_property
    def events(self) -> pd.DataFrame:
        """True events: `tables.EVENT_DTYPES`, sorted by frame. A score of 1 marks them as certain."""
        listed = [event for index in range(len(self)) for event in self._story.frame(index).events]
        inside = [
            e for e in listed if -0.5 <= e.x < self.scene.width_px - 0.5 and -0.5 <= e.y < self.scene.height_px - 0.5
        ]
        return _event_table([*inside, *_crossings(self.truth, self.scene, listed)], self._clusters())

    def _clusters(self) -> dict[tuple[int, int], int]:
        table = self.truth
        return dict(zip(zip(table["frame"].tolist(), table["particle"].tolist()), table["cluster"].tolist()))

    @cached_property
    def particles(self) -> pd.DataFrame:
        """What each particle is: number, shape, first radius, motion and true D (or K) in nm²/s."""
        plan, scene = self._story.plan, self.scene
        slow = self._story.frame(0).slow if scene.motion == "mixture" else None
        n = len(plan.xy)
        d = np.full(n, 0.0 if scene.motion == "immobile" else scene.D_nm2_s)
        if slow is not None:
            d[self._story.frame(0).ids[slow]] = scene.D2_nm2_s
        planned = np.zeros(n, bool)
        planned[[k for m in plan.meetings for k in (m.a, m.b)]] = True
        return pd.DataFrame(
            {
                "particle": np.arange(n),
                "shape": list(plan.kinds),
                "radius_nm": plan.radius * scene.pixel_size_nm,
                "motion": scene.motion,
                "D_nm2_s": d,
                "planned": planned,
            }
        )

    @property
    def mean_D_nm2_s(self) -> float:
        """True D averaged over all rows of `truth` in nm²/s: a particle in a bonded cluster of n moves with D/n."""
        rows = self.truth
        d = rows["particle"].map(self.particles.set_index("particle")["D_nm2_s"])
        if self.scene.motion == "switching":
            d = d.where(~rows["slow"], self.scene.D2_nm2_s)
        members = rows.groupby(["frame", "cluster"])["particle"].transform("size")
        return float((d / members).mean()) if len(rows) else float("nan")

    @property
    def drift_px(self) -> NDArray[np.float64]:
        """Position of the stage in each frame in px, shape (T, 2), x and y."""
        return self._story.drift


def simulate_movie(
    scene: str | Path | Scene | Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    n_frames: int | None = None,
    **changes: Any,
) -> SimulatedMovie:
    """Simulate a movie with known truth.

    Parameters
    ----------
    scene : str, path, Scene or mapping, optional
        Name of a preset of `scene.PRESETS`, a TOML file of scene values, a Scene, or its values; None: the defaults.
    seed : int
        The same seed gives the same movie.
    n_frames : int, optional
        Frames instead of the scene's.
    **changes
        Any value of `Scene` to use instead; those of None are left as they are.

    Returns
    -------
    SimulatedMovie
        Frames are made when they are read.

    Raises
    ------
    SettingsError
        The scene is unknown or a value of it is out of range.

    Examples
    --------
    >>> simulate_movie("empty", n_frames=3).shape
    (3, 512, 512)
    """
    if seed < 0:
        raise SettingsError(f"A seed is a whole number of at least 0, got {seed}.")
    given = {name: value for name, value in {"n_frames": n_frames, **changes}.items() if value is not None}
    name = "simulated movie"
    if isinstance(scene, str | Path) and str(scene).endswith(".toml"):
        name, scene = Path(scene).name, _read_scene(Path(scene))
    elif isinstance(scene, str | Path):
        name, scene = f"simulated {scene}", str(scene)
    return SimulatedMovie(Scene.make(scene, **given), seed, name)


def _read_scene(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"The scene file {path} cannot be read ({error.strerror}); check --scene.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The scene file {path} is not valid TOML: {error}.") from None
    preset = values.pop("preset", None)
    return {**Scene.make(preset).model_dump(), **values} if preset is not None else values


def _rows(scene: Scene, film: Film, truth: FrameTruth, index: int) -> pd.DataFrame:
    width, height = film.axes(truth)
    x, y = truth.xy[:, 0], truth.xy[:, 1]
    n = len(truth.ids)
    table = pd.DataFrame(
        {
            "particle": truth.ids,
            "frame": np.full(n, index),
            "x": x,
            "y": y,
            "x_std": np.zeros(n),
            "y_std": np.zeros(n),
            "width": width,
            "height": height,
            "angle": (truth.angle + np.pi / 2) % np.pi - np.pi / 2,
            "area": np.pi * truth.radius**2,
            "radius": truth.radius,
            "confidence": np.ones(n),
            "class_id": np.zeros(n, int),
            "observed": np.ones(n, bool),
            "rotation": truth.angle,
            "slow": truth.slow,
            "cluster": truth.cluster,
        }
    ).astype(TRUTH_DTYPES)
    inside = (x >= -0.5) & (x < scene.width_px - 0.5) & (y >= -0.5) & (y < scene.height_px - 0.5)
    return table[inside]


def _crossings(truth: pd.DataFrame, scene: Scene, events: list[Event]) -> list[Event]:
    """Return enter and leave events: tracks that begin or end, or have a gap, at the border."""
    born = {(e.particle_a, e.frame) for e in events if e.kind == "nucleate"}
    gone = {(e.particle_a, e.frame) for e in events if e.kind == "dissolve"} | {
        (e.particle_b, e.frame) for e in events if e.kind == "coalesce"
    }
    found: list[Event] = []
    for particle, rows in truth.groupby("particle", sort=True):
        frame, x, y = (rows[name].to_numpy() for name in ("frame", "x", "y"))
        cut = np.flatnonzero(np.diff(frame) > 1)
        firsts, lasts = np.append(0, cut + 1), np.append(cut, len(frame) - 1)
        for a, b in zip(firsts, lasts):
            if frame[a] > 0 and (particle, frame[a]) not in born:
                found.append(Event("enter", int(frame[a]), int(particle), None, float(x[a]), float(y[a])))
            if frame[b] < scene.n_frames - 1 and (particle, frame[b] + 1) not in gone:
                found.append(Event("leave", int(frame[b]) + 1, int(particle), None, float(x[b]), float(y[b])))
    return found


def _event_table(events: list[Event], clusters: dict[tuple[int, int], int]) -> pd.DataFrame:
    if not events:
        return empty_table(EVENT_DTYPES)
    ordered = sorted(events, key=lambda e: (e.frame, e.kind, e.particle_a))
    rows = {
        "kind": [e.kind for e in ordered],
        "frame": [e.frame for e in ordered],
        "frame_last": [e.frame for e in ordered],
        "particle_a": [e.particle_a for e in ordered],
        "particle_b": [e.particle_b for e in ordered],
        "cluster": [clusters.get((e.frame, e.particle_a), e.particle_a) for e in ordered],
        "x": [e.x for e in ordered],
        "y": [e.y for e in ordered],
        "score": [1.0] * len(ordered),
    }
    return pd.DataFrame({name: pd.Series(values, dtype=EVENT_DTYPES[name]) for name, values in rows.items()})
