"""Coalescences as growth movies show them, one a scene, drawn broadly about what was measured on real ones.

Run ``python tests/benchmarks/coalescence_draws.py [--quick]``. Printed are recall and precision by what becomes of the
identity. The last distance of the centres is 1.05, 1.27 and 1.89 sums of radii at the 10, 50 and 90 % marks, the
projected area afterwards 0.60, 0.93 and 1.07 of the sum.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
import pandas as pd

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings

FIELD = 300.0
FATES = ("larger goes on", "smaller goes on", "new number")


def draw(seed: int) -> tuple[pd.DataFrame, dict]:
    """One scene: tracks with `particle, frame, x, y, radius`, and the truth about its coalescence."""
    rng = np.random.default_rng(seed)
    mark = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    reach = np.interp(rng.random(), mark, [0.95, 1.05, 1.27, 1.89, 2.05])
    area = np.interp(rng.random(), mark, [0.55, 0.60, 0.93, 1.07, 1.15])
    before, after = (int(np.exp(rng.uniform(np.log(6), np.log(80)))) for _ in range(2))
    large = float(np.exp(rng.uniform(np.log(5), np.log(18))))
    small = large * rng.uniform(0.45, 1.0)
    noise, error, step = rng.uniform(0.01, 0.06), rng.uniform(0.1, 0.6), rng.uniform(0.05, 1.0)
    growth = rng.uniform(-0.001, 0.004)
    blob = int(rng.choice([0, 0, 0, 1, 2, 3]))
    fate = FATES[int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
    turn = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(turn), np.sin(turn)])
    centre = np.full(2, FIELD / 2) + rng.normal(0, 20, 2)
    far = reach * (large + small)
    share = small**2 / (large**2 + small**2)
    first_distance = far + rng.uniform(0, 20)
    numbers = {"larger goes on": 0, "smaller goes on": 1, "new number": 2}
    rows = []
    for frame in range(before + after):
        centre = centre + rng.normal(0, step / 2, 2)
        size = 1 + growth * frame
        if frame < before:
            distance = far + (first_distance - far) * (before - 1 - frame) / before
            if frame >= before - blob:
                continue
            rows.append((0, frame, *(centre - share * distance * way), large * size))
            rows.append((1, frame, *(centre + (1 - share) * distance * way), small * size))
        else:
            rows.append((numbers[fate], frame, *centre, np.sqrt(area * (large**2 + small**2)) * size))
    for k in range(int(rng.integers(2, 9))):
        place = rng.uniform(20, FIELD - 20, 2)
        if np.hypot(*(place - FIELD / 2)) < 90:
            continue
        start, radius = 0 if rng.random() < 0.8 else int(rng.integers(0, before)), rng.uniform(4, 15)
        for frame in range(start, before + after):
            place = place + rng.normal(0, step, 2)
            rows.append((10 + k, frame, *place, radius * (1 + growth * frame)))
    table = pd.DataFrame(rows, columns=["particle", "frame", "x", "y", "radius"])
    table[["x", "y"]] += rng.normal(0, error, (len(table), 2))
    table["radius"] *= 1 + rng.normal(0, noise, len(table))
    table = table[(rng.random(len(table)) > 0.02) | (table["particle"] < 3)]
    truth = {"frame": before, "blob": blob, "fate": fate, "area": area, "reach": reach, "ratio": small / large,
             "before": before - blob, "after": after, "noise": noise}  # fmt: skip
    return table, truth


def found_of(table: pd.DataFrame, truth: dict) -> tuple[bool, int]:
    """Whether the coalescence was found within 5 frames with its two particles, and how many others were found."""
    n = int(table["frame"].max()) + 1
    result = measure_assembly(table, Calibration(), EventSettings(), field_px=(FIELD, FIELD), n_frames=n)
    events = result.events[result.events["kind"] == "coalesce"]
    right = [
        abs(event.frame - truth["frame"]) <= 5 and {event.particle_a, event.particle_b} == {0, 1}
        for event in events.itertuples()
    ]
    return any(right), len(right) - int(any(right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 draws instead of 400")
    parser.add_argument("--first-seed", type=int, default=50_000)
    parser.add_argument("--verbose", action="store_true", help="print each missed one")
    args = parser.parse_args()
    counts: Counter = Counter()
    for seed in range(args.first_seed, args.first_seed + (100 if args.quick else 400)):
        table, truth = draw(seed)
        right, false = found_of(table, truth)
        for name in ("all", truth["fate"], f"{truth['blob']} frames as one blob or unseen"):
            counts[name] += np.array([1, right, false])
        if args.verbose and not right:
            print("    missed", seed, {k: round(v, 2) if isinstance(v, float) else v for k, v in truth.items()})
    for name, (n, right, false) in sorted(counts.items()):
        print(f"  {name:32s} recall {right / n:.3f} of {n}  precision {right / max(right + false, 1):.3f}")


if __name__ == "__main__":
    main()
