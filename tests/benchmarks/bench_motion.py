"""Print how motion is measured against truth, bounds and peers: ``bench_motion.py [--quick] [--only NAME …]``."""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd
from scipy.linalg import toeplitz

from lptem_tracker.analysis import fbm
from lptem_tracker.analysis.anomalous import fbm_family, fit_alpha
from lptem_tracker.analysis.diffusion import Imaging, fit_pooled, fit_tracks
from lptem_tracker.analysis.motion import measure_motion
from lptem_tracker.analysis.motion_fit import fit_motion
from lptem_tracker.analysis.msd import time_averaged_msd
from lptem_tracker.analysis.shared_noise import shared_noise
from lptem_tracker.analysis.trackset import build_trackset
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.diffusion import bound_of_d, score
from lptem_tracker.evaluate.known_paths import as_tracks as table
from lptem_tracker.evaluate.known_paths import (
    brownian_paths,
    directed_paths,
    fractional_paths,
    pinned_paths,
    switching_paths,
    trapped_paths,
)
from lptem_tracker.settings import MotionSettings

BLUR = Imaging(1 / 6)


def line(name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray, truth: float, bound: float) -> None:
    s = score(value, low, high, truth, bound)
    print(
        f"  {name:44s} bias {100 * s.bias:+6.2f} ± {100 * s.bias_std:.2f} %   RMSE/bound {s.rmse_over_bound:5.3f}"
        f"   95 % holds {100 * s.coverage:5.1f} ± {100 * s.coverage_std:.1f} %",
        flush=True,
    )


def bench_d(quick: bool, seed: int) -> None:
    """D per track and pooled over 20: complete, with gaps, with drift."""
    print("D (50 frames, full blur); bar: bias <= 2 %, RMSE/bound <= 1.05, coverage 93-97 %")
    rng, m = np.random.default_rng([1, seed]), 2000 if quick else 8000
    for x in (0.1, 1.0, 10.0):
        xy = brownian_paths(rng, m, 50, 1.0, x)
        fit = fit_tracks(build_trackset(table(xy)), BLUR)
        line(f"x = {x}: per track", fit.d, fit.low, fit.high, 1.0, bound_of_d(1, x, 50, 1 / 6))
        gaps = table(xy).sample(frac=0.75, random_state=0)
        fit = fit_tracks(build_trackset(gaps), BLUR)
        line(
            f"x = {x}: per track, 25 % missing (bound: none)",
            fit.d,
            fit.low,
            fit.high,
            1.0,
            bound_of_d(1, x, 50, 1 / 6),
        )
        for kind in ("plain", "gaps", "drift", "drift, 3 tracks"):
            rows, size = [], 3 if "3" in kind else 20
            for g in range(min(m // size, 100 if quick else 400)):
                part = xy[g * size : (g + 1) * size]
                if "drift" in kind:
                    part = part + np.arange(50)[None, :, None] * np.array([0.7, -0.4])
                tracks = table(part)
                tracks = tracks.sample(frac=0.75, random_state=g) if kind == "gaps" else tracks
                # no track is long enough for the fits of alpha and class: D alone
                fit = fit_motion(build_trackset(tracks), Calibration(1.0, 1.0, 1.0), MotionSettings(min_points=1000))
                rows.append((fit.pooled.d, fit.pooled.low, fit.pooled.high))
            line(f"x = {x}: pooled, {kind}", *np.array(rows).T, 1.0, bound_of_d(1, x, 50, 1 / 6, size))


def bench_differ(quick: bool, seed: int) -> None:
    """Pooled D of particles whose D is log-normal, as often as its interval holds the mean of many of them."""
    print("particles that differ (60 frames, log-normal D); bar: 95 % holds 93-97 %")
    rng = np.random.default_rng([8, seed])
    for width in (0.0, 0.3, 0.6, 1.0):

        def draw(n: int, width: float = width) -> np.ndarray:
            d = np.exp(rng.normal(0, width, (n, 1, 1)))
            return brownian_paths(rng, n, 60, 1.0, 0.0) * np.sqrt(d) + rng.normal(0, np.sqrt(0.3), (n, 60, 2))

        many = [fit_pooled(build_trackset(table(draw(3000))), BLUR, bootstrap=0).d for _ in range(2)]
        for n in (4, 8, 15, 30):
            fits = [fit_pooled(build_trackset(table(draw(n))), BLUR, drift=True) for _ in range(40 if quick else 200)]
            rows = np.array([(fit.d, fit.low, fit.high) for fit in fits])
            line(f"log-normal width {width}: pooled over {n}", *rows.T, float(np.mean(many)), float("nan"))


def bound_of_alpha(alpha: float, x: float, n: int) -> float:
    """Cramér–Rao bound of alpha with K unknown and sigma known (the tighter one)."""

    def covariance(p: np.ndarray) -> np.ndarray:
        return p[1] * toeplitz(fbm.step_covariance(p[0], x / p[1], n - 1, 1.0))

    at, h = np.array([alpha, 1.0]), 1e-4
    inverse = np.linalg.inv(covariance(at))
    slope = [inverse @ (covariance(at + e) - covariance(at - e)) / (2 * h) for e in np.eye(2) * h]
    info = np.array([[np.trace(a @ b) for b in slope] for a in slope])
    return float(np.sqrt(np.linalg.inv(info)[0, 0]))


def bench_alpha(quick: bool, seed: int) -> None:
    """alpha per 200-frame track and pooled over 25."""
    print("alpha (200 frames, full blur); bar: RMSE/bound <= 1.1 (bound: sigma known), coverage 93-97 %")
    rng = np.random.default_rng([2, seed])
    for alpha in (0.5, 1.0, 1.5):
        for x in (0.1, 1.0):
            each, pooled = [], []
            for _ in range(8 if quick else 40):
                xy = fractional_paths(rng, 25, 200, alpha, 1.0, x)
                tracks = build_trackset(table(xy))
                family = fbm_family(tracks, BLUR, None, np.ones(25))
                a = fit_alpha(family, shared_noise([family], float((np.diff(xy, axis=1) ** 2).mean())))
                each.append(np.stack([a.alpha, a.low, a.high]))
                pooled.append(a.pooled[:3])
            line(f"alpha {alpha}, x = {x}: per track", *np.concatenate(each, 1), alpha, bound_of_alpha(alpha, x, 200))
            line(
                f"alpha {alpha}, x = {x}: pooled over 25", *np.array(pooled).T, alpha, bound_of_alpha(alpha, x, 200) / 5
            )


def hopping(rng: np.random.Generator, p: int, n: int) -> np.ndarray:
    """Pinned walks that hop at least once; one that never does is immobile."""
    paths = pinned_paths(rng, 2 * p, n, 2.0, 0.0)
    hops = np.ptp(paths, axis=1).max(1) > 0
    return paths[hops][:p] + rng.normal(0, np.sqrt(0.05), (p, n, 2))


def bench_classes(quick: bool, seed: int) -> None:
    """Share of particles given their class; single tracks of 100 frames among 25 of their kind."""
    print("classes (100 frames, 25 particles a movie); bar: >= 95 % right, <= 5 % of Brownian called anything else")
    rng, cases = (
        np.random.default_rng([3, seed]),
        {
            "brownian x = 0.1": ("brownian", lambda: brownian_paths(rng, 25, 100, 1.0, 0.1, 0.0)),
            "brownian x = 1": ("brownian", lambda: brownian_paths(rng, 25, 100, 1.0, 1.0, 0.0)),
            "brownian x = 10": ("brownian", lambda: brownian_paths(rng, 25, 100, 1.0, 10.0, 0.0)),
            "immobile": ("immobile", lambda: rng.normal(0, 0.3, (25, 100, 2))),
            "confined, rate 0.2": ("confined", lambda: trapped_paths(rng, 25, 100, 1.0, 0.2, 0.1)),
            "directed, 1 step a frame": ("directed", lambda: directed_paths(rng, 25, 100, 1.0, 1.4, 0.1)),
            "subdiffusive, alpha 0.5": ("subdiffusive", lambda: fractional_paths(rng, 25, 100, 0.5, 1.0, 0.1, 0.0)),
            "superdiffusive, alpha 1.5": ("superdiffusive", lambda: fractional_paths(rng, 25, 100, 1.5, 1.0, 0.1, 0.0)),
            "pinned (ctrw)": ("ctrw", lambda: hopping(rng, 25, 100)),
            "switching, 20-fold": ("switching", lambda: switching_paths(rng, 25, 100, (0.1, 2.0), 0.05, 0.02)),
        },
    )
    for name, (truth, make) in cases.items():
        given: list[str] = []
        for _ in range(2 if quick else 8):
            result = measure_motion(table(make()), Calibration(1.0, 1.0, 1e-4), MotionSettings(bootstrap=0))
            given += list(result.particles["motion"])
        kinds, counts = np.unique(given, return_counts=True)
        print(
            f"  {name:28s} {100 * np.mean(np.array(given) == truth):5.1f} %   "
            + ", ".join(f"{k} {c}" for k, c in zip(kinds, counts)),
            flush=True,
        )


def bench_switches(quick: bool, seed: int) -> None:
    """Change points: a tenfold change of D halfway, and false ones in Brownian motion."""
    print("change points; bar: within 2 frames at a tenfold change, <= 0.05 false per 1,000 frames")
    rng, off, found, false, frames = np.random.default_rng([4, seed]), [], 0, 0, 0
    reps = 2 if quick else 8
    for _ in range(reps):
        d = np.where(np.arange(200) < 100, 0.2, 2.0)
        xy = np.cumsum(rng.normal(size=(25, 200, 2)) * np.sqrt(2 * d)[None, :, None], 1)
        out = measure_motion(table(xy), Calibration(1.0, 1.0, 1e-4), MotionSettings(bootstrap=0)).particles
        points = [json.loads(text) for text in out["change_points"]]
        found += sum(bool(p) for p in points)
        off += [min(abs(a - 100) for a in p) for p in points if p]
        for x in (0.1, 1.0):
            xy = brownian_paths(rng, 25, 200, 1.0, x, 0.0)
            out = measure_motion(table(xy), Calibration(1.0, 1.0, 1e-4), MotionSettings(bootstrap=0)).particles
            false += sum(len(json.loads(text)) for text in out["change_points"])
            frames += 25 * 200
    print(
        f"  found {100 * found / (25 * reps):.1f} %, median error {np.median(off):.1f} frames, within 2 frames "
        f"{100 * np.mean(np.array(off) <= 2):.0f} %; false {1000 * false / frames:.3f} per 1,000 frames"
    )


def bench_links(quick: bool, seed: int) -> None:
    """D from linked detections over the truth (5 % missed, 2 % false), ideal gas and hard core."""
    from lptem_tracker.link import link

    print("D of linked detections over the truth; bar: 0.99-1.01 at 0.10, 0.96-1.04 at 0.25 of the spacing")
    for ratio in (0.10, 0.25, 0.40):
        rows = []
        for run in range(1 if quick else 4):
            rng, n, side = np.random.default_rng([5, seed, run]), 100, 100.0
            steps = rng.normal(0, ratio * 10, (200, n, 2))
            steps[0] = rng.uniform(0, side, (n, 2))
            path = np.cumsum(steps, 0) % (2 * side)
            path = np.where(path > side, 2 * side - path, path)
            parts = [
                pd.DataFrame({"frame": t, "x": p[:, 0], "y": p[:, 1]})
                for t, p in enumerate(
                    np.concatenate([q[rng.random(n) > 0.05], rng.uniform(0, side, (rng.poisson(2), 2))]) for q in path
                )
            ]
            tracks = link(pd.concat(parts, ignore_index=True))
            # walls slow particles down: the truth is what true identities give
            ideal = build_trackset(table(path.transpose(1, 0, 2)))
            out = measure_motion(tracks[tracks["particle"] >= 0], Calibration(1.0, 1.0, 1e-4), MotionSettings())
            d = fit_pooled(ideal, Imaging(0.0), bootstrap=0).d
            each = out.particles.dropna(subset=["D_nm2_s"])
            rows.append(
                (
                    out.ensemble["D_nm2_s"] / d,
                    out.ensemble["D_ci95"][0] / d,
                    out.ensemble["D_ci95"][1] / d,
                    out.ensemble["checks"].get("D_link_free_nm2_s", np.nan) / d,
                    out.ensemble["checks"].get("link_correction", 1.0),
                    np.average(each["D_nm2_s"], weights=each["n_observed"]) / d,
                    ((each["D_ci_low"] <= d) & (each["D_ci_high"] >= d)).mean(),
                )
            )
        mean, free = np.mean(rows, 0), np.nanmean([row[3] for row in rows])
        print(
            f"  step/spacing {ratio:.2f}: D/true {mean[0]:.3f} ± {np.std(rows, 0)[0] / np.sqrt(len(rows)):.3f} "
            f"[{mean[1]:.3f}, {mean[2]:.3f}], link-free {free:.3f}, correction {mean[4]:.3f}; "
            f"uncorrected {np.mean([row[0] / row[4] for row in rows]):.3f}; single particles {mean[5]:.3f}, "
            f"95 % holds {100 * mean[6]:.1f} %",
            flush=True,
        )


def bench_speed(quick: bool, seed: int) -> None:
    """MSD of 1,000 tracks of 1,000 frames against trackpy."""
    import trackpy

    n = 300 if quick else 1000
    xy = np.cumsum(np.random.default_rng([6, seed]).normal(size=(n, 1000, 2)), 1)
    tracks = table(xy)
    tracks[["x", "y"]] = xy.reshape(-1, 2)  # far from the origin the peer loses digits
    time_averaged_msd(build_trackset(tracks), 100)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = trackpy.imsd(tracks, 1.0, 1.0, max_lagtime=100)
    middle = time.process_time()
    own, _ = time_averaged_msd(build_trackset(tracks), 100)
    end = time.process_time()
    print(
        f"speed ({n} x 1,000, 100 lags); bar: >= 20x trackpy, equal within 1e-9\n  trackpy {middle - start:.3f} s, "
        f"ours {end - middle:.3f} s: {(middle - start) / (end - middle):.1f}x; largest relative difference "
        f"{np.abs(own / peer.to_numpy().T - 1).max():.1e}"
    )
    for p, m in ((25, 120),) if quick else ((25, 120), (1000, 300)):
        tracks = table(brownian_paths(np.random.default_rng([7, seed]), p, m, 1.0, 1.0))
        start = time.process_time()
        measure_motion(tracks, Calibration(1.0, 1.0, 1.0), MotionSettings())
        print(f"  measure_motion of {p} tracks x {m} frames: {time.process_time() - start:.1f} s of CPU")


PARTS = {
    "speed": bench_speed,
    "d": bench_d,
    "differ": bench_differ,
    "alpha": bench_alpha,
    "classes": bench_classes,
    "switches": bench_switches,
    "links": bench_links,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), help="parts to run")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another set of movies")
    arguments = parser.parse_args()
    for name in arguments.only or PARTS:
        PARTS[name](arguments.quick, arguments.seed)


if __name__ == "__main__":
    main()
