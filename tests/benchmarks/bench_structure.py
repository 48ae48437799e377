"""Structure and ripening against what is known: a pair potential, a crystal, LSW ripening.

Run ``python tests/benchmarks/bench_structure.py [--quick] [--seed N]``. Positions of particles with a known potential
are drawn by Metropolis Monte Carlo in a periodic box, of which the middle 80 % is the field that is analysed.
"""

from __future__ import annotations

import argparse

import numba
import numpy as np
import pandas as pd

from lptem_tracker.analysis.assembly import measure_assembly
from lptem_tracker.calibration import Calibration
from lptem_tracker.settings import EventSettings


@numba.njit(cache=False)
def energy(r: float, depth: float, r0: float, width: float) -> float:
    """Morse potential of the given depth at r0; hard below 0.85 r0."""
    if r < 0.85 * r0:
        return 50.0
    if r > r0 + 8 * width:
        return 0.0
    e = np.exp(-(r - r0) / width)
    return depth * (e * e - 2 * e)


@numba.njit(cache=False)
def monte_carlo(xy, box, depth, r0, width, sweeps, every, step, seed):
    np.random.seed(seed)  # noqa: NPY002
    n = len(xy)
    kept = np.empty((sweeps // every, n, 2))
    reach = r0 + 8 * width
    for sweep in range(sweeps):
        for _ in range(n):
            k = np.random.randint(n)  # noqa: NPY002
            s = step if np.random.random() < 0.7 else 10 * step  # noqa: NPY002
            x = (xy[k, 0] + (np.random.random() - 0.5) * s) % box  # noqa: NPY002
            y = (xy[k, 1] + (np.random.random() - 0.5) * s) % box  # noqa: NPY002
            change = 0.0
            for j in range(n):
                if j == k:
                    continue
                dx = abs(x - xy[j, 0])
                dx = min(dx, box - dx)
                dy = abs(y - xy[j, 1])
                dy = min(dy, box - dy)
                if dx < reach and dy < reach:
                    change += energy(np.sqrt(dx * dx + dy * dy), depth, r0, width)
                dx = abs(xy[k, 0] - xy[j, 0])
                dx = min(dx, box - dx)
                dy = abs(xy[k, 1] - xy[j, 1])
                dy = min(dy, box - dy)
                if dx < reach and dy < reach:
                    change -= energy(np.sqrt(dx * dx + dy * dy), depth, r0, width)
            if change <= 0 or np.random.random() < np.exp(-change):  # noqa: NPY002
                xy[k, 0], xy[k, 1] = x, y
        if (sweep + 1) % every == 0:
            kept[sweep // every] = xy
    return kept


def gas(
    depth: float, fraction: float, seed: int, *, frames: int = 600, n: int = 300, r0: float = 20.0, noise: float = 0.0
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Positions of a gas in a field that is the middle 80 % of a periodic box."""
    radius = r0 / 2 * 0.95
    box = float(np.sqrt(n * np.pi * radius**2 / fraction))
    side = int(np.ceil(np.sqrt(n)))
    grid = (np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[:n] + 0.5) * box / side
    kept = monte_carlo(grid.astype(float), box, depth, r0, 2.0, 20 * frames + 1000, 20, 4.0, seed)[50:]
    rng = np.random.default_rng(seed)
    low, high = 0.1 * box, 0.9 * box
    t, p = np.meshgrid(np.arange(len(kept)), np.arange(n), indexing="ij")
    rows = pd.DataFrame(
        {"particle": p.ravel(), "frame": t.ravel(), "x": kept[..., 0].ravel(), "y": kept[..., 1].ravel()}
    )
    rows = rows[rows[["x", "y"]].gt(low).all(axis=1) & rows[["x", "y"]].lt(high).all(axis=1)]
    rows[["x", "y"]] += rng.normal(0, noise, (len(rows), 2)) - low - 0.5
    return rows.assign(radius=radius), (high - low, high - low)


def bench_potential(quick: bool, seed: int) -> None:
    print("well depth of a Morse potential (reach within 5 %):", flush=True)
    for fraction in (0.03, 0.1, 0.2):
        for depth in (1.0, 2.0, 3.0):
            rows, field = gas(depth, fraction, seed, frames=250 if quick else 600)
            well = measure_assembly(rows, Calibration(), EventSettings(), field_px=field).structure["pair_potential"]
            found, raw = well["well_depth_kT"], well["well_depth_uncorrected_kT"]
            print(
                f"  area {100 * fraction:3.0f} %, depth {depth:.1f} kT: {found:.3f} ± {well['well_depth_std_kT']:.3f} "
                f"({100 * (found / depth - 1):+.1f} %; uncorrected {100 * (raw / depth - 1):+.1f} %), at {well['well_r_px']:.2f} px of 20",  # noqa: E501
                flush=True,
            )


def crystal(jitter: float, seed: int, fold: int = 6, n: int = 14, a: float = 24.0) -> tuple[pd.DataFrame, float]:
    """Patch of a crystal with jitter, and the true mean |ψ| over its interior with its own neighbours."""
    rng = np.random.default_rng(seed)
    i, j = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(n)))
    base = np.column_stack([i + 0.5 * (j % 2), j * np.sqrt(3) / 2] if fold == 6 else [i, j]) * a + 60.0
    parts, truth = [], []
    d = np.hypot(*(base[:, None] - base[None]).transpose(2, 0, 1))
    near = (d > 0) & (d < 1.2 * a)
    inner = near.sum(1) == fold
    for t in range(60):
        xy = base + rng.normal(0, jitter * a, base.shape)
        way = xy[None] - xy[:, None]
        order = np.where(near, np.exp(1j * fold * np.arctan2(way[..., 1], way[..., 0])), 0).sum(1) / fold
        truth.append(np.abs(order)[inner].mean())
        parts.append(
            pd.DataFrame({"particle": np.arange(len(xy)), "frame": t, "x": xy[:, 0], "y": xy[:, 1], "radius": 0.4 * a})
        )
    return pd.concat(parts), float(np.mean(truth))


def bench_crystal(seed: int) -> None:
    print("bond order of a crystal's interior (reach 1 %), rms about the site:")
    for fold in (6, 4):
        for jitter in (0.0, 0.03, 0.06):
            rows, truth = crystal(jitter, seed, fold)
            found = measure_assembly(rows, Calibration(), EventSettings(), field_px=(512, 512)).structure
            psi = found[f"psi{fold}_interior_mean"]
            rms = found.get("lattice", {}).get("rms_px", float("nan"))
            true_rms = jitter * 24 * np.sqrt(2)
            print(
                f"  psi{fold}, jitter {jitter:.2f}: {psi:.4f} true {truth:.4f} ({100 * (psi / truth - 1):+.2f} %); rms {rms:.3f} true {true_rms:.3f} px"  # noqa: E501
            )


def ripen(n: int, rate: float, frames: int, seed: int, noise: float = 0.0) -> tuple[pd.DataFrame, float]:
    """Ripening of n particles: dR/dt = (α/R)(1/R* − 1/R), R* the mean so that volume is kept; K = 4α/9."""
    rng = np.random.default_rng(seed)
    u = np.linspace(0.001, 1.4999, 4000)
    density = u**2 * (3 + u) ** (-7 / 3) * (1.5 - u) ** (-11 / 3) * np.exp(-u / (1.5 - u))  # Lifshitz & Slyozov 1961
    cumulative = np.cumsum(density) / density.sum()
    radius = 8 * np.interp((np.arange(n) + 0.5) / n, cumulative, u)
    alpha = 9 / 4 * rate
    place = rng.uniform(20, 2000, (n, 2))
    parts, alive, inner = [], np.ones(n, bool), 40
    for t in range(frames):
        k = np.flatnonzero(alive)
        parts.append(np.column_stack([k, np.full(len(k), t), place[k], radius[k] + rng.normal(0, noise, len(k))]))
        for _ in range(inner):
            mean = radius[alive].mean()
            with np.errstate(divide="ignore", invalid="ignore"):
                cube = radius**3 + 3 * alpha * (radius / mean - 1) / inner
            alive &= cube > 0.2
            radius = np.where(alive, np.maximum(cube, 0.2) ** (1 / 3), 0.0)
    rows = pd.DataFrame(np.concatenate(parts), columns=["particle", "frame", "x", "y", "radius"])
    return rows[rows["radius"] > 1.0].astype({"particle": int, "frame": int}), rate


def bench_ripening(quick: bool, seed: int) -> None:
    print("LSW rate (reach 2 %):")
    for n, noise in ((400, 0.0), (400, 0.2), (2000, 0.0)):
        rows, rate = ripen(n, 2.0, 200, seed, noise)
        kinetics = measure_assembly(rows, Calibration(2.0, 0.5), EventSettings(), field_px=(2048, 2048)).kinetics
        found, true = kinetics["ripening_K_nm3_s"], rate * 8 / 0.5
        print(
            f"  {n} particles, radius noise {noise} px: {found:.3f} ± {kinetics['ripening_K_nm3_s_std']:.3f} true {true:.3f} "  # noqa: E501
            f"({100 * (found / true - 1):+.2f} %), {kinetics['ripening']}"
        )
        if quick:
            break


def bench_ideal_gas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, frames = 100, 200
    rows = pd.DataFrame(
        {
            "particle": np.tile(np.arange(n), frames),
            "frame": np.repeat(np.arange(frames), n),
            "x": rng.uniform(-0.5, 511.5, n * frames),
            "y": rng.uniform(-0.5, 255.5, n * frames),
        }
    )
    g = measure_assembly(rows, Calibration(), EventSettings(), field_px=(512, 256)).structure["g_r"]
    r, values, std = (np.array(g[name]) for name in ("r_px", "g", "g_std"))
    z = (values - 1) / std
    far = r > 0.8 * r[-1]
    print(
        f"g(r) of random points in 512 × 256 px: mean beyond {0.8 * r[-1]:.0f} px {values[far].mean():.4f} (true 1), rms z {np.sqrt(np.mean(z[values > 0] ** 2)):.2f}"  # noqa: E501
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bench_ideal_gas(args.seed)
    bench_crystal(args.seed)
    bench_ripening(args.quick, args.seed)
    bench_potential(args.quick, args.seed)


if __name__ == "__main__":
    main()
