"""Scores of assembly events on staged scenes whose truth is known.

Run ``python tests/benchmarks/bench_events.py [--quick] [--rendered | --crowds] [--seed N]``. Printed are F1 within 5
frames and by identity (and within 2 and 10), false events in scenes without any, and the error of the number of
clusters; of crowds, the attachments and detachments claimed where there is none, and the share that is found where
particles stick, by identity at any time.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from assembly_scenes import Recipe, Scene, degrade, make_scene

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.calibration import Calibration
from lptem_tracker.evaluate.events import (
    SCORED_KINDS,
    cluster_count_error,
    identify_particles,
    match_events,
    score_events,
)
from lptem_tracker.settings import EventSettings

PLAIN = Recipe()
SCENES = {
    "plain": PLAIN,
    "near passes, rests, growth": dataclasses.replace(PLAIN, near_pass=14, rest=10, grow=12),
    "blobs": dataclasses.replace(PLAIN, blob=8, attach=14),
    "product gets a new number": dataclasses.replace(PLAIN, coalesce=10, attach=16, fresh_id=1.0),
    "radius jumps late": dataclasses.replace(PLAIN, coalesce=10, attach=16, late_jump=4),
    "fast": dataclasses.replace(PLAIN, step=2.5),
    "dense": dataclasses.replace(PLAIN, n=90, attach=24, detach=12, coalesce=10),
    "exits": dataclasses.replace(PLAIN, exits=14),
}
QUIET = dataclasses.replace(
    PLAIN, attach=0, detach=0, coalesce=0, nucleate=0, dissolve=0, near_pass=20, rest=15, grow=6, exits=4
)


def measured(scene: Scene, tracks: pd.DataFrame):
    return measure_assembly(tracks, Calibration(), EventSettings(), field_px=scene.field, n_frames=scene.frames)


def linked(scene: Scene, seed: int) -> pd.DataFrame:
    from lptem_tracker.link import link

    return link(degrade(scene, seed + 1000))


def evaluate(name: str, recipe: Recipe, seeds: range, total: Counter, *, degraded: bool, verbose: bool) -> None:
    errors, counts = [], Counter()
    for seed in seeds:
        scene = make_scene(recipe, seed)
        tracks = linked(scene, seed) if degraded else scene.tracks
        result = measured(scene, tracks)
        events = identify_particles(result.events, tracks, scene.tracks) if degraded else result.events
        for limit in (2, 5, 10):
            for kind, score in score_events(events, scene.events, max_frames=limit, field_px=scene.field).items():
                counts[limit, kind] += np.array([score.n_matched, score.n_found, score.n_truth])
        if "n_clusters" in result.kinetics:
            errors.append(cluster_count_error(result.kinetics["n_clusters"], scene.n_clusters))
        if verbose:
            show_misses(events, scene, seed)
    for key, value in counts.items():
        total[key] += value
    rms = 100 * float(np.sqrt(np.mean(np.square(errors)))) if errors else float("nan")
    cells = "  ".join(f"{kind} {f1(counts[5, kind]):.3f}" for kind in SCORED_KINDS)
    print(
        f"  {name:28s} F1 {f1(counts[5, 'all']):.3f} (2: {f1(counts[2, 'all']):.3f}, 10: {f1(counts[10, 'all']):.3f})  {cells}  N_c rms {rms:.2f} %"  # noqa: E501
    )


def f1(counts: np.ndarray) -> float:
    matched, found, true = counts
    return 2 * matched / (found + true) if found + true else 1.0


def show_misses(events: pd.DataFrame, scene: Scene, seed: int) -> None:
    found, truth = (t[t["kind"].isin(SCORED_KINDS)].reset_index(drop=True) for t in (events, scene.events))
    pairs = match_events(found, truth)
    for what, table, used in (("false", found, pairs["found"]), ("missed", truth, pairs["truth"])):
        left = table.drop(index=list(used))
        for row in left.itertuples():
            print(
                f"      seed {seed} {what}: {row.kind} frame {row.frame} {row.particle_a} {row.particle_b} at {row.x:.0f}, {row.y:.0f}"  # noqa: E501
            )


def rendered(seeds: range, cache: Path | None, *, verbose: bool) -> None:
    """Score movies that go through simulated optics and camera, the shipped detector, refinement and linker."""
    from rendered_scenes import QUIET as NO_EVENTS
    from rendered_scenes import RENDERED, rendered_scene

    total: Counter = Counter()
    for offset, (name, changes) in enumerate(RENDERED.items()):
        counts: Counter = Counter()
        errors = []
        for seed in seeds:
            scene = rendered_scene(name, changes, 1000 + len(RENDERED) * seed + offset, cache)
            truth, n_frames = scene.movie.events, len(scene.movie)
            result = measure_assembly(
                scene.tracks, scene.movie.calibration, EventSettings(), field_px=scene.field, n_frames=n_frames
            )
            events = identify_particles(result.events, scene.tracks, scene.movie.truth)
            for kind, score in score_events(events, truth, field_px=scene.field).items():
                counts[kind] += np.array([score.n_matched, score.n_found, score.n_truth])
            true_clusters = scene.movie.truth.groupby("frame")["cluster"].nunique().to_numpy()
            errors.append(cluster_count_error(result.kinetics["n_clusters"], true_clusters))
            if verbose:
                show_misses(events, Scene(scene.tracks, truth, scene.field, n_frames, true_clusters), seed)
        for kind, value in counts.items():
            total[kind] += value
        cells = "  ".join(f"{kind} {f1(counts[kind]):.3f}" for kind in SCORED_KINDS)
        rms = 100 * float(np.sqrt(np.mean(np.square(errors))))
        print(f"  {name:28s} F1 {f1(counts['all']):.3f}  {cells}  N_c rms {rms:.2f} %", flush=True)
    cells = "  ".join(f"{kind} {f1(total[kind]):.3f}" for kind in SCORED_KINDS)
    print(f"  all: F1 {f1(total['all']):.4f} (reach 0.90), of {total['all'][2]} true events; {cells}", flush=True)
    false, rows = 0, 0
    for offset, (name, changes) in enumerate(list(NO_EVENTS.items())[: len(seeds) + 1]):
        scene = rendered_scene(f"quiet {name}", changes, 2000 + len(NO_EVENTS) * seeds[0] + offset, cache)
        found = measure_assembly(
            scene.tracks, scene.movie.calibration, EventSettings(), field_px=scene.field, n_frames=len(scene.movie)
        ).events
        false += int(found["kind"].isin(SCORED_KINDS).sum())
        rows += len(scene.movie.truth)
    print(f"  no events: {false} false in {rows} particle-frames of movies without any")


def quiet(seeds: range, *, degraded: bool) -> None:
    false, rows = 0, 0
    for seed in seeds:
        scene = make_scene(QUIET, 500 + seed)
        tracks = linked(scene, seed) if degraded else scene.tracks
        events = measured(scene, tracks).events
        false += int(events["kind"].isin(SCORED_KINDS).sum())
        rows += len(scene.tracks)
        if false:
            print(events[events["kind"].isin(SCORED_KINDS)].to_string())
    print(
        f"  no events: {false} false in {rows} particle-frames ({1000 * false / rows:.3f} per 1,000; reach 0 in 20,000)"
    )


def crowds(seeds: range) -> None:
    """Count what is claimed in dense films of free particles, and what is found where particles stick."""
    from crowd_tracks import FREE, STICKY, make_film

    for name, crowd in {**FREE, **STICKY}.items():
        false, found, true, hits, late = 0, 0, 0, 0, []
        for seed in seeds:
            film = make_film(crowd, 3000 + seed)
            events = measure_assembly(
                film.tracks, Calibration(), EventSettings(), field_px=film.field, n_frames=film.frames
            ).events
            false += int(events["kind"].isin(["attach", "detach"]).sum())
            pairs = [
                {frozenset((int(e.particle_a), int(e.particle_b))): int(e.frame) for e in table.itertuples()}
                for table in (film.events, events[events["kind"] == "attach"])
            ]
            true, found = true + len(pairs[0]), found + len(pairs[1])
            both = pairs[0].keys() & pairs[1].keys()
            hits += len(both)
            late += [pairs[1][pair] - pairs[0][pair] for pair in both]
        if name in FREE:
            print(f"  {name:20s} {false} attached or detached in {len(seeds)} films, where none is", flush=True)
        else:
            half = np.percentile(late, [25, 75]) if late else (np.nan, np.nan)
            print(
                f"  {name:20s} {true} attached, {found} claimed, {hits} of them right; half of these {half[0]:+.0f} to "
                f"{half[1]:+.0f} frames off",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed of each scene")
    parser.add_argument("--verbose", action="store_true", help="print each missed and false event")
    parser.add_argument("--only", choices=["true", "linked"], help="one kind of tracks only")
    parser.add_argument("--rendered", action="store_true", help="movies end to end at a per-pixel SNR of 2, only")
    parser.add_argument("--crowds", action="store_true", help="dense films of free or sticky particles, only")
    parser.add_argument("--cache", type=Path, help="folder that keeps the detections of rendered movies")
    parser.add_argument("--seed", type=int, default=0, help="first seed; each scene takes the ones that follow")
    args = parser.parse_args()
    if args.rendered:
        print("rendered movies, end to end, per-pixel SNR 2:")
        rendered(range(args.seed, args.seed + (1 if args.quick else 2)), args.cache, verbose=args.verbose)
        return
    seeds = range(args.seed, args.seed + (1 if args.quick else 4))
    if args.crowds:
        print("dense films of 300 to 800 particles of 3 to 4 px:")
        crowds(seeds)
        return
    for degraded, title, reach in ((False, "true tracks", 0.98), (True, "degraded detections, linked", 0.95)):
        if args.only and (args.only == "linked") != degraded:
            continue
        began = time.perf_counter()
        total: Counter = Counter()
        print(f"{title}:")
        for name, recipe in SCENES.items():
            evaluate(name, recipe, seeds, total, degraded=degraded, verbose=args.verbose)
        print(
            f"  all: F1 {f1(total[5, 'all']):.4f} (reach {reach}), of {total[5, 'all'][2]} true events; {time.perf_counter() - began:.0f} s"  # noqa: E501
        )
        quiet(seeds, degraded=degraded)


if __name__ == "__main__":
    main()
