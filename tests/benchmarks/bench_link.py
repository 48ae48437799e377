"""Print how near the linker comes to the bound and to its peers, in the same run.

::

    python tests/benchmarks/bench_link.py [--quick] [--reference link_bench.py] [--data FOLDER] [--only PART…]

Parts: ``identity`` (IDF1 and HOTA over those of the global optimum and of the peers), ``speed`` (detections per
CPU-second over trackpy's), ``linear`` (cost against the number of particles), ``lattices`` (real films, needs
``--data``), ``belief`` (are links that are said to be 90 % sure right in 90 % of the cases), ``memory`` (of ten million
detections), ``movies`` (through our own detector; takes minutes), ``reference`` (another benchmark's scenes).
The bound is the exact assignment of the whole film under the true parameters, by SciPy; where steps are not
Brownian it is not the most probable one, and an oracle stands beside it that knows each particle's velocity or state.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from link_scenes import GAP, SCENES, bound, hungarian_ids, laptrack_ways, scene, trackpy_ids, trackpy_ways

from lptem_tracker.evaluate.tracking import score_tracks
from lptem_tracker.link import LinkOptions, link, link_stream


def scores(table: pd.DataFrame, ids: np.ndarray) -> tuple[float, float, float]:
    """Return IDF1, HOTA and link F1."""
    truth = table.assign(particle=table["true"])[table["true"] >= 0]
    out = score_tracks(truth, table.assign(particle=ids), max_distance_px=1e-6, max_gap_frames=GAP)
    return out.idf1, out.hota, out.link_f1


def ours(table: pd.DataFrame, **options: object) -> np.ndarray:
    """Link without a word about the film."""
    return link(table[["frame", "x", "y"]], max_gap_frames=GAP, **options)["particle"].to_numpy()[: len(table)]  # type: ignore[arg-type]


def best(table: pd.DataFrame, ways: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the scores of the way with the best IDF1; NaN where there is none."""
    return max((scores(table, ids) for ids in ways), default=(np.nan, np.nan, np.nan))


def identity(quick: bool, only: list[int] | None, scenes: list[str] | None, seed: int) -> None:
    """Print IDF1, HOTA and their ratios to the bound and to the best peer."""
    print(
        "identity, IDF1/HOTA/link F1: ours is told nothing; bound and peers are told the true step, at their best gate"
    )
    sizes = {100: (200, 1 if quick else 3), **({} if quick else {1000: (30, 1), 5000: (8, 1)})}
    for n, (frames, seeds) in sizes.items():
        if only is not None and n not in only:
            continue
        for name, options in SCENES.items():
            if scenes is not None and name not in scenes:
                continue
            sigma = float(np.hypot(options["sigma"], options.get("speed", 0) / np.sqrt(2)))
            rows: dict[str, list[tuple[float, float, float]]] = {}
            for fresh in range(seed, seed + seeds):
                table = scene(n, frames, seed=fresh, **options)  # type: ignore[arg-type]
                got = {
                    "ours": scores(table, ours(table)),
                    "frame by frame": scores(table, ours(table, window_frames=1)),
                    "bound": scores(table, bound(table, sigma)),
                    "oracle": scores(table, bound(table, options["sigma"], oracle=True)),
                    "trackpy": best(table, trackpy_ways(table, sigma)),
                    "laptrack": best(table, laptrack_ways(table, sigma)),
                    "one-frame Hungarian": scores(table, hungarian_ids(table, sigma)),
                }
                for way, value in got.items():
                    rows.setdefault(way, []).append(value)
            mean = {way: np.mean(values, 0) for way, values in rows.items()}
            peer = np.nanmax([mean[way] for way in ("trackpy", "laptrack", "one-frame Hungarian")], axis=0)
            print(
                f"  {name:17s} N {n:4d} × {frames:3d}: "
                + "; ".join(f"{way} {v[0]:.3f}/{v[1]:.3f}/{v[2]:.4f}" for way, v in mean.items())
            )
            print(
                f"      ours/bound {mean['ours'][0] / mean['bound'][0]:.3f}/{mean['ours'][1] / mean['bound'][1]:.3f}, "
                f"ours/best peer {mean['ours'][0] / peer[0]:.3f}/{mean['ours'][1] / peer[1]:.3f}, "
                f"ours/oracle {mean['ours'][0] / mean['oracle'][0]:.3f}/{mean['ours'][1] / mean['oracle'][1]:.3f}",
                flush=True,
            )


def cpu(run: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of several runs in s, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def speed(quick: bool) -> None:
    """Print detections per CPU-second over trackpy's at sigma 0.10."""
    print("speed at sigma 0.10: detections per CPU-second (asked: plain >= 3 x trackpy, windowed >= 1 x)")
    for n, frames in ((100, 200), (1000, 40)) if quick else ((100, 200), (300, 100), (1000, 60), (5000, 20)):
        for core in (0.5, 0.0):
            table = scene(n, frames, 0.10, 0, core=core)
            bare, reach = table[["frame", "x", "y"]], 3.5
            repeats = 5 if n <= 300 else 2
            peer = len(table) / cpu(lambda b=bare, reach=reach: trackpy_ids(b, reach), repeats)
            plain = len(table) / cpu(
                lambda b=bare, reach=reach: link(b, max_displacement_px=reach, max_gap_frames=GAP, window_frames=1),
                repeats,
            )
            window = len(table) / cpu(lambda b=bare, reach=reach: link(b, max_gap_frames=GAP), repeats)
            print(
                f"  N {n:5d} core {core}: trackpy {peer / 1e3:.0f} k/s; "
                f"plain {plain / 1e3:.0f} k/s = {plain / peer:.2f} x; "
                f"windowed default {window / 1e3:.0f} k/s = {window / peer:.2f} x",
                flush=True,
            )


def linear(quick: bool) -> None:
    """Print the time per detection from 100 to 10,000 particles a frame."""
    print("cost against N at fixed density, windowed default, sigma 0.10, microseconds per detection")
    for n in (100, 1000) if quick else (100, 1000, 10_000):
        table = scene(n, max(200_000 // n, 20) if n < 10_000 else 20, 0.10, 1)[["frame", "x", "y"]]
        print(
            f"  N {n:6d}: {cpu(lambda t=table: link(t, max_gap_frames=GAP), 1) / len(table) * 1e6:.2f}",
            flush=True,
        )


def lattices(folder: Path) -> None:
    """Print links and drift of real lattices whose identities were shuffled in each frame."""
    print("real lattices (asked: all links right, drift within 0.5 nm)")
    for name in ("Cube_22mM", "Prism"):
        raw = pd.read_csv(folder / "phonon_lattices" / f"PhononLattice_{name}_raw.csv")
        fixed = pd.read_csv(folder / "phonon_lattices" / f"PhononLattice_{name}_corrected.csv")
        table = raw.rename(columns={"x_nm": "x", "y_nm": "y"}).sample(frac=1, random_state=0)
        out = link(table)
        seen = out[out["observed"]]
        wrong = int(
            (seen.groupby("track_id")["particle"].nunique() != 1).sum()
            + (seen.groupby("particle")["track_id"].nunique() != 1).sum()
        )
        both = seen.merge(fixed, on=["track_id", "frame"]).sort_values(["frame", "track_id"])
        # the authors' frames are centred: their translation is that of the raw centroid
        middle = both.groupby("frame")[["x", "y"]].mean().to_numpy()
        ours = both.groupby("frame")[["drift_x", "drift_y"]].mean().to_numpy()
        apart = (middle - ours) - (middle - ours).mean(0)
        print(
            f"  {name}: {seen['track_id'].nunique()} particles × {seen['frame'].nunique()} frames, "
            f"tracks with a wrong link {wrong}, "
            f"translation off by {np.abs(apart).max():.3f} nm at most"
        )


def belief(quick: bool) -> None:
    """Print how often links of a given posterior are right."""
    print("posterior of links: said → right (number)")
    other: dict[str, dict[str, float]] = {
        "core, 0.15": {"sigma": 0.15, "core": 0.5},
        "core, 0.35": {"sigma": 0.35, "core": 0.4},
        "gas, 0.05": {"sigma": 0.05},
        "gas, 0.15": {"sigma": 0.15},
        "gas, 0.35": {"sigma": 0.35},
        "velocity 0.2": {"sigma": 0.08, "speed": 0.2},
        "hop 0.1": {"sigma": 0.12, "hop": True},
    }
    # the factors were chosen on the scenes of `SCENES`, seed 31, what is said of links after doubtful ones on 40–42
    for name, options in {**({} if quick else SCENES), **other}.items():
        table = scene(70, 60 if quick else 150, seed=83, **options)  # type: ignore[arg-type]
        out = link(table, max_gap_frames=GAP, fill=False)
        at = out.sort_values(["particle", "frame"])
        before = at.groupby("particle")["true"].shift()
        linked = at["link_confidence"].notna() & before.notna()
        right = (at["true"] == before) & (at["true"] >= 0)
        said = at["link_confidence"][linked].to_numpy()
        hit = right[linked].to_numpy()
        text = []
        for lo, hi in ((0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.97), (0.97, 0.999), (0.999, 1.01)):
            some = (said >= lo) & (said < hi)
            if some.sum() > 20:
                text.append(f"{said[some].mean():.3f}→{hit[some].mean():.3f} ({some.sum()})")
        print(f"  {name}: " + ", ".join(text), flush=True)


def memory(quick: bool) -> None:
    """Print the peak of Python and NumPy memory beyond input and output table."""
    print("memory beyond input and output table, MB (asked: < 500 at 1e7 detections)")
    base = scene(1000, 20, 0.05, 3)[["frame", "x", "y"]]
    for many in (200_000, 400_000) if quick else (10_000_000,):
        copies = many // len(base) + 1
        table = pd.DataFrame({name: np.tile(base[name].to_numpy(), copies) for name in ("frame", "x", "y")})
        table["frame"] += 20 * np.repeat(np.arange(copies), len(base))
        tracemalloc.start()
        begin = time.process_time()
        out = link(table, max_gap_frames=GAP, fill=False)
        spent, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = int(out.drop(columns=[*table.columns]).memory_usage(index=False).sum())
        del out
        print(
            f"  {len(table):9d} detections, {spent:.0f} s of CPU: peak beyond the input {peak / 1e6:.0f} MB, of it new "
            f"columns {size / 1e6:.0f} MB, beyond both {(peak - size) / 1e6:.0f} MB",
            flush=True,
        )
        _stream_memory(base, copies)


def _stream_memory(base: pd.DataFrame, copies: int) -> None:
    def chunks() -> Iterator[pd.DataFrame]:
        for k in range(copies):
            yield base.assign(frame=base["frame"] + 20 * k)

    tracemalloc.start()
    rows = sum(len(part) for part in link_stream(chunks, LinkOptions(max_gap_frames=GAP, fill=False)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"  {rows:9d} detections streamed: peak {peak / 1e6:.0f} MB in all", flush=True)


def movies(cache: Path | None) -> None:
    """Print HOTA of tracks of rendered movies through our own detector over that of linked true detections.

    Beside it stands what true detections give that err in position as ours say they do: HOTA asks for 0.25 px
    at its strictest, and no detector places particles better than the noise of their pixels allows.
    """
    from rendered_scenes import RENDERED, rendered_scene

    print("rendered movies: HOTA at 5 px over that of linked true detections (asked: ratio >= 0.95)")
    rng = np.random.default_rng(0)
    for name, seed in (("flat disks", 13), ("fast flat disks", 17), ("slow, drifting spheres", 16), ("spheres", 18)):
        done = rendered_scene(name, RENDERED[name], seed, cache)
        truth = done.movie.truth
        told = truth[["frame", "x", "y", "radius"]]
        std = done.tracks.loc[done.tracks["observed"], ["x_std", "y_std"]].dropna().to_numpy()
        error = rng.normal(size=(len(told), 2)) * std[rng.integers(0, len(std), len(told))]
        placed = told.assign(x=told["x"] + error[:, 0], y=told["y"] + error[:, 1])
        own, exact, blurred = (
            score_tracks(truth, found, max_distance_px=5.0) for found in (done.tracks, link(told), link(placed))
        )
        print(
            f"  {name}: ours {own.hota / exact.hota:.3f}, true detections with our errors of position "
            f"{blurred.hota / exact.hota:.3f}: ours over that {own.hota / blurred.hota:.3f}; IDF1 {own.idf1:.3f}, "
            f"{own.rmse_px:.2f} px, switches {own.id_switches}",
            flush=True,
        )


def reference(path: Path, quick: bool) -> None:
    """Print ours in another benchmark's scenes and scores, beside its bound."""
    spec = importlib.util.spec_from_file_location("reference_bench", path)
    assert spec is not None
    assert spec.loader is not None
    other: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["reference_bench"] = other
    spec.loader.exec_module(other)
    print(f"scenes of {path.name}: IDF1/HOTA of its global optimum and of ours")
    for core in (5.0, 0.0):
        for ratio in (0.10, 0.25):
            rows = []
            for seed in range(1 if quick else 3):
                data = other.simulate(100, 200, ratio, seed=seed, exclusion=core)
                top = other.score(data, other.map_global(data, data.params()), isbi=False)
                mine = other.score(data, ours(data.df()), isbi=False)
                told = other.score(data, ours(data.df(), max_displacement_px=data.params()["radius"]), isbi=False)
                rows.append([s[k] for s in (top, mine, told) for k in ("idf1", "hota")])
            a = np.mean(rows, 0)
            print(
                f"  core {core / 10:.1f} sigma {ratio:.2f}: optimum {a[0]:.3f}/{a[1]:.3f}, "
                f"ours {a[2]:.3f}/{a[3]:.3f} = "
                f"{a[2] / a[0]:.3f}/{a[3] / a[1]:.3f}, told its radius {a[4] / a[0]:.3f}/{a[5] / a[1]:.3f}",
                flush=True,
            )


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--reference", type=Path, help="another linking benchmark's module")
    parser.add_argument("--data", type=Path, help="folder of the real data sets")
    parser.add_argument(
        "--only", nargs="+", default=["identity", "speed", "linear", "lattices", "belief", "memory", "reference"]
    )
    parser.add_argument("--particles", type=int, nargs="+", help="of `identity` only these numbers of particles")
    parser.add_argument("--cache", type=Path, help="of `movies` a folder that keeps detections")
    parser.add_argument("--scenes", nargs="+", choices=[*SCENES], help="of `identity` only these")
    parser.add_argument("--seed", type=int, default=100, help="of `identity` the first one")
    given = parser.parse_args()
    parts: dict[str, Callable[[bool], None]] = {
        "identity": lambda quick: identity(quick, given.particles, given.scenes, given.seed),
        "speed": speed,
        "linear": linear,
        "belief": belief,
        "memory": memory,
    }
    for name in given.only:
        if name in parts:
            parts[name](given.quick)
        elif name == "movies":
            movies(given.cache)
        elif name == "lattices" and given.data:
            lattices(given.data)
        elif name == "reference" and given.reference:
            reference(given.reference, given.quick)


if __name__ == "__main__":
    main()
