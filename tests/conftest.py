"""Fixtures that every test may use."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# several test processes share the cores: threads of OpenMP that wait for one another by spinning take a hundred
# times as long there; libraries read this when they are loaded, so it comes first
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
import tifffile

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of the real data sets; the test is skipped where they are not at hand."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets (../shared/data) are not at hand")
    return SHARED


def run_tables(n_frames: int = 40, *, calibrated: bool = True) -> dict[str, pd.DataFrame]:
    """Tables of five particles: one still, one in a gap, one on a circle, two that meet in frame 20."""
    frame = np.arange(n_frames)
    turn = 2 * np.pi * frame / n_frames
    walk = np.random.default_rng(1).normal(0, 0.8, (n_frames, 2)).cumsum(axis=0)
    meet = np.minimum(frame, 20)
    paths = {
        0: (np.full(n_frames, 20.0), np.full(n_frames, 20.0)),
        1: (60 + walk[:, 0], 25 + walk[:, 1]),
        2: (95 + 15 * np.cos(turn), 60 + 15 * np.sin(turn)),
        3: (20 + meet * 0.5, np.full(n_frames, 70.0)),
        4: (54 - meet * 0.5, np.full(n_frames, 70.0)),
    }
    blocks = []
    for particle, (x, y) in paths.items():
        block = pd.DataFrame({"particle": particle, "frame": frame, "x": x, "y": y})
        block = block.assign(x_std=0.1, y_std=0.12, width=12.0, height=8.0, angle=0.02 * frame, area=np.pi * 24.0)
        block = block.assign(radius=np.sqrt(24.0), confidence=0.9, class_id=0)
        block["observed"] = ~((particle == 1) & (frame >= 10) & (frame < 13))
        blocks.append(block)
    tracks = pd.concat(blocks).sort_values(["frame", "particle"], ignore_index=True)
    detections = tracks[tracks["observed"]].drop(columns=["particle", "observed"]).reset_index(drop=True)
    length, time = ("nm", "s") if calibrated else ("px", "frame")
    suffix = f"{length}2_{time}"
    particles = pd.DataFrame({"particle": range(5), "frame_first": 0, "frame_last": n_frames - 1})
    particles = particles.assign(
        n_observed=[n_frames, n_frames - 3, n_frames, n_frames, n_frames],
        **{f"D_{suffix}": [0.5, 100.0, 40.0, 9.0, None]},
    )
    particles = particles.assign(
        D_ci_low=particles[f"D_{suffix}"] * 0.7,
        D_ci_high=particles[f"D_{suffix}"] * 1.5,
        alpha=[0.1, 1.0, 1.6, 0.8, None],
        alpha_ci_low=[0.0, 0.8, 1.3, 0.5, None],
        alpha_ci_high=[0.3, 1.2, 1.9, 1.1, None],
        motion=["immobile", "brownian", "directed", "confined", "unknown"],
        **{f"radius_{length}": 9.8},
    )
    lags = np.arange(1, 10)
    msd = pd.DataFrame({"particle": np.repeat(range(4), 9), "lag_frames": np.tile(lags, 4)})
    scale = np.array([0.5, 100.0, 40.0, 9.0])[msd["particle"]]
    step = 0.0125 if calibrated else 1.0
    msd = msd.assign(
        **{
            f"lag_{time}": msd["lag_frames"] * step,
            f"msd_{length}2": 4 * scale * msd["lag_frames"] * step,
            "n_pairs": 30,
        }
    )
    event = {"kind": "attach", "frame": 20, "frame_last": n_frames - 1, "particle_a": 3, "particle_b": 4, "cluster": 0}
    events = pd.DataFrame([event | {"x": 37.0, "y": 70.0, "score": 0.97}])
    return {"tracks": tracks, "detections": detections, "particles": particles, "msd": msd, "events": events}


def run_pixels(tracks: pd.DataFrame, shape: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Return the frames (T, Y, X), uint16, of dark disks at the tracks' positions on a grey ramp with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    frames = []
    for _, rows in tracks.groupby("frame"):
        picture = 1000 + 2.0 * x + rng.normal(0, 30, shape)
        for row in rows.itertuples():
            picture -= 350 / (1 + np.exp((np.hypot(x - row.x, y - row.y) - row.radius) * 2))
        frames.append(picture)
    return np.asarray(frames).round().astype(np.uint16)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small run folder with known content, without any detection."""

    def make(name: str = "run", *, calibrated: bool = True, movie: bool = True, **tables: pd.DataFrame | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        content: dict[str, pd.DataFrame | None] = {**run_tables(calibrated=calibrated), **tables}
        for key, table in content.items():
            if table is None:
                continue
            if key in {"tracks", "detections"}:
                table.to_parquet(folder / f"{key}.parquet", index=False)
            if key != "detections":
                table.to_csv(folder / f"{key}.csv", index=False)
        calibration = {"pixel_size_nm": 2.0, "frame_interval_s": 0.0125, "exposure_s": 0.0125} if calibrated else {}
        record: dict[str, Any] = {"version": "0", "calibration": calibration, "movie": {}}
        if movie:
            source = tmp_path / f"{name}.tif"
            tifffile.imwrite(source, run_pixels(run_tables()["tracks"]), photometric="minisblack")
            record["movie"] = {"source": str(source), "format": "TIFF", "shape": [40, 96, 128], "dtype": "uint16"}
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        ensemble = (
            {"D_nm2_s": 60.0, "D_ci95": [40.0, 85.0], "alpha": 0.96, "localization_nm": 0.3} if calibrated else {}
        )
        summary = {"ensemble": ensemble, "quality": {"warnings": ["Few particles: 5."]}}
        (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        return folder

    return make
