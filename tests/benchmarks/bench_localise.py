"""Refinement against the Cramér-Rao bound, the isolated particle, and trackpy, on particles of known place.

Every image is rendered here, independently of the package: blurred shapes by their distance to the
outline, then counting noise, then the camera. Bounds come from the Fisher information of the same
images by finite differences, averaged over sub-pixel places (Poisson; Kay 1993, eq. 3.31).

    python tests/benchmarks/bench_localise.py [--quick] [--seed N] [--only disks rods ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage, optimize
from scipy.special import erfc
from scipy.stats import ncx2

from lptem_tracker.detect.refine import refine, settle_profile
from lptem_tracker.movie.base import Frame

RELATIVE_CONTRAST = 0.3

Array = np.ndarray


def soft(distance: Array, blur: float) -> Array:
    """Share of the contrast at a signed distance inside a straight edge."""
    return 0.5 * erfc(-distance / (np.sqrt(2) * blur))


def disk(x: Array, y: Array, p: Array) -> Array:
    """p = x0, y0, radius, blur."""
    return soft(p[2] - np.hypot(x - p[0], y - p[1]), p[3])


def rod(x: Array, y: Array, p: Array) -> Array:
    """p = x0, y0, half length, half width, angle, blur."""
    c, s = np.cos(p[4]), np.sin(p[4])
    u, v = c * (x - p[0]) + s * (y - p[1]), c * (y - p[1]) - s * (x - p[0])
    return soft(p[3] - np.hypot(np.maximum(np.abs(u) - (p[2] - p[3]), 0), v), p[5])


def ellipse(x: Array, y: Array, p: Array) -> Array:
    """p = x0, y0, half axes, angle, blur; distance to the outline by bisection on the confocal parameter."""
    c, s = np.cos(p[4]), np.sin(p[4])
    u, v = np.abs(c * (x - p[0]) + s * (y - p[1])), np.abs(c * (y - p[1]) - s * (x - p[0]))
    a, b = p[2], p[3]
    lo, hi = np.full_like(u, -(min(a, b) ** 2) + 1e-9), np.full_like(u, (np.hypot(u, v).max() + a) ** 2)
    for _ in range(60):
        t = 0.5 * (lo + hi)
        outside = (a * u / (t + a * a)) ** 2 + (b * v / (t + b * b)) ** 2 > 1
        lo, hi = np.where(outside, t, lo), np.where(outside, hi, t)
    fx, fy = a * a * u / (lo + a * a), b * b * v / (lo + b * b)
    inside = (u / a) ** 2 + (v / b) ** 2 < 1
    return soft(np.where(inside, 1, -1) * np.hypot(u - fx, v - fy), p[5])


def thick(x: Array, y: Array, p: Array, power: float) -> Array:
    """p = x0, y0, radius, blur: thickness (1 - ρ²/R²)^power, blurred in both directions by fine quadrature."""
    over = 5
    side = np.arange(over) / over - (over - 1) / (2 * over)
    total = np.zeros_like(x)
    for dx in side:
        for dy in side:
            inside = np.maximum(1 - ((x + dx - p[0]) ** 2 + (y + dy - p[1]) ** 2) / p[2] ** 2, 0)
            total += np.where(inside > 0, inside**power, 0)
    return ndimage.gaussian_filter(total / over**2, np.sqrt(max(p[3] ** 2 - 1 / 12, 0.01)))


def sphere(x: Array, y: Array, p: Array) -> Array:
    """Projected thickness of a sphere over its diameter."""
    return thick(x, y, p, 0.5)


def facetted(x: Array, y: Array, p: Array) -> Array:
    """Between a plate and a sphere."""
    return thick(x, y, p, 0.25)


def crystal(x: Array, y: Array, p: Array) -> Array:
    """Projected thickness of a truncated octahedron in a general orientation, over its largest; p as of `thick`.

    The radius is that of the disk of equal area; lines of sight are cut by the planes of the facets.
    """
    square, slanted = np.eye(3), np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / np.sqrt(3)
    normals, reach = np.concatenate([square, slanted]), np.r_[np.full(3, 1.0), np.full(4, np.sqrt(0.75))]
    turn = np.linalg.qr(np.array([[0.9, 0.3, -0.2], [-0.1, 0.8, 0.5], [0.35, -0.4, 0.75]]))[0]
    normals = normals @ turn

    def chord(u: Array, v: Array) -> Array:
        top, low = np.full(u.shape, np.inf), np.full(u.shape, -np.inf)
        for (a, b, c), limit in zip(normals, reach):
            ends = (np.array([-1.0, 1.0])[:, None, None] * limit - a * u - b * v) / c
            top, low = np.minimum(top, ends.max(axis=0)), np.maximum(low, ends.min(axis=0))
        return np.maximum(top - low, 0.0)

    v, u = np.mgrid[-1.6:1.6:401j, -1.6:1.6:401j]
    whole = chord(u, v)
    scale = p[2] / np.sqrt((whole > 0).sum() * 0.008**2 / np.pi)
    over = 5
    side = np.arange(over) / over - (over - 1) / (2 * over)
    total = sum(chord((x + dx - p[0]) / scale, (y + dy - p[1]) / scale) for dx in side for dy in side)
    return ndimage.gaussian_filter(total / over**2 / whole.max(), np.sqrt(max(p[3] ** 2 - 1 / 12, 0.01)))


def plate(x: Array, y: Array, p: Array) -> Array:
    """Equally thick, blurred in both directions (Rice 1945): the contrast is half a little inside of the true rim."""
    return ncx2.cdf((p[2] / p[3]) ** 2, 2, ((x - p[0]) ** 2 + (y - p[1]) ** 2) / p[3] ** 2)


def lag_one(blur: float) -> float:
    """Correlation of neighbouring pixels of white noise after `ndimage.gaussian_filter`."""
    kernel = ndimage.gaussian_filter1d(np.eye(1, 41, 20).ravel(), blur)
    return float((kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum())


@dataclass(frozen=True)
class Case:
    """One condition: a shape, its parameters beside the place, noise, and where its neighbours lie."""

    name: str
    shape: Callable[[Array, Array, Array], Array]
    rest: tuple[float, ...]
    snr: float
    turns: bool = False
    correlation: float = 0.0
    gap: float | None = None
    gradient: float = 0.0

    @property
    def size(self) -> float:
        """Largest half extent in px."""
        return self.rest[0]

    @property
    def mtf(self) -> float:
        """Blur of the camera in px whose sampled kernel gives the correlation at lag 1."""
        return 0.0 if self.correlation == 0 else float(optimize.brentq(lambda s: lag_one(s) - self.correlation, 0.3, 2))

    @property
    def radius(self) -> float:
        """Radius in px where the contrast falls to half: a camera's blur moves a rim inwards by σ²/2R (Rice 1945)."""
        return self.rest[0] - (self.mtf**2 / (2 * self.rest[0]) if self.shape is disk else 0.0)

    @property
    def level(self) -> float:
        """Electrons per pixel for which contrast over the noise of one pixel is `snr`."""
        impulse = np.zeros((41, 41))
        impulse[20, 20] = 1
        kept = (ndimage.gaussian_filter(impulse, self.mtf) ** 2).sum() if self.mtf else 1.0
        return float((self.snr / RELATIVE_CONTRAST) ** 2 * kept)

    @property
    def side(self) -> int:
        """Side of the cell that one particle (or pair) has to itself, in px."""
        extra = 2 * self.size + (self.gap or 0) if self.gap is not None else 0
        return int(2 * (2 * self.size + 10) + 2 * extra) | 1


def frame_of(case: Case, count: int, rng: np.random.Generator) -> tuple[Array, pd.DataFrame]:
    """Return a frame with `count` cells, one particle or touching pair in each, and the truth."""
    across, side = int(np.ceil(np.sqrt(count))), case.side
    level = case.level
    mean = np.full((across * side, across * side), level)
    truth = []
    y, x = np.mgrid[:side, :side].astype(float)
    for k in range(count):
        row, column = divmod(k, across)
        place = side // 2 + rng.uniform(-0.5, 0.5, 2)
        rest = list(case.rest)
        if case.turns:
            rest[-2] = rng.uniform(-np.pi / 2, np.pi / 2)
        share = case.shape(x, y, np.r_[place, rest])
        places = [place]
        if case.gap is not None:
            turn = rng.uniform(0, 2 * np.pi)
            places.append(place + (2 * case.size + case.gap) * np.array([np.cos(turn), np.sin(turn)]))
            share = share + case.shape(x, y, np.r_[places[1], rest])
        mean[row * side : (row + 1) * side, column * side : (column + 1) * side] -= RELATIVE_CONTRAST * level * share
        truth += [(px + column * side, py + row * side, *rest) for px, py in places]
    if case.gradient:
        mean *= 1 + case.gradient * np.linspace(-0.5, 0.5, mean.shape[1])[None, :]
    counts = rng.poisson(np.maximum(mean, 1e-9)).astype(np.float64)
    if case.mtf:
        counts = ndimage.gaussian_filter(counts, case.mtf)
    names = ["x", "y", *[f"p{i}" for i in range(len(case.rest))]]
    return counts.astype(np.float32), pd.DataFrame(truth, columns=names)


def bound(case: Case, places: int = 8) -> tuple[Array, float]:
    """Cramér-Rao standard deviations of x0, y0 and `rest`, level, contrast and blur unknown too; and a median distance.

    The median is that of normally distributed places of the same covariance. A camera's blur can be undone, and so
    neither adds nor takes information: the bound is that before it.
    """
    rng = np.random.default_rng(0)
    side, level = case.side, case.level
    y, x = np.mgrid[:side, :side].astype(float)
    covs = []
    for _ in range(places):
        rest = list(case.rest)
        if case.turns:
            rest[-2] = rng.uniform(-np.pi / 2, np.pi / 2)
        p = np.r_[side // 2 + rng.uniform(-0.5, 0.5, 2), rest]
        image = level * (1 - RELATIVE_CONTRAST * case.shape(x, y, p))
        rows = [np.ones_like(x), -level * case.shape(x, y, p)]
        for k in range(len(p)):
            step = np.zeros(len(p))
            step[k] = 1e-3
            rows.insert(
                k, -level * RELATIVE_CONTRAST * (case.shape(x, y, p + step) - case.shape(x, y, p - step)) / 2e-3
            )
        jac = np.array([r.ravel() for r in rows])
        covs.append(np.linalg.inv((jac / image.ravel()) @ jac.T)[: len(p), : len(p)])
    places_off = np.concatenate([rng.multivariate_normal(np.zeros(2), cov[:2, :2], 4000) for cov in covs])
    return np.sqrt(np.mean([np.diag(cov) for cov in covs], axis=0)), float(np.median(np.hypot(*places_off.T)))


def boxes(case: Case, truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Boxes as a network gives them: places 0.5 px off, sizes 10 % off; of turned shapes the upright box."""
    n = len(truth)
    if case.turns:
        c, s = np.abs(np.cos(truth["p2"])), np.abs(np.sin(truth["p2"]))
        a, b = truth["p0"], truth["p1"]
        w, h = 2 * ((a - b) * c + b), 2 * ((a - b) * s + b)
    else:
        w = h = 2 * truth["p0"]
    w, h = w * np.exp(rng.normal(0, 0.1, n)), h * np.exp(rng.normal(0, 0.1, n))
    return pd.DataFrame({
        "frame": 0, "x": truth["x"] + rng.normal(0, 0.5, n), "y": truth["y"] + rng.normal(0, 0.5, n),
        "width": w, "height": h, "angle": 0.0,
    })  # fmt: skip


def measure(case: Case, frames: int, per_frame: int, seed: int = 0) -> dict[str, Array | float]:
    """Refine some frames of a case, as one movie; return errors, errors over their standard errors, and shares."""
    rng = np.random.default_rng(seed)
    tables, truths = [], []
    seconds = 0.0
    for _ in range(frames):
        image, truth = frame_of(case, per_frame, rng)
        table = boxes(case, truth, rng)
        start = time.process_time()
        tables.append(refine([Frame(0, image)], table))
        seconds += time.process_time() - start
        truths.append(truth)
    out, truth = settle_profile(pd.concat(tables, ignore_index=True)), pd.concat(truths, ignore_index=True)
    error = out[["x", "y"]].to_numpy() - truth[["x", "y"]].to_numpy()
    kept = (np.hypot(*error.T) < max(case.rest[0] / 2, 1)) & out["fit_ok"].to_numpy()
    return {"out": out, "truth": truth, "error": error, "kept": kept, "us": 1e6 * seconds / len(out)}


def pulls(result: dict, columns: tuple[str, str] = ("x_std", "y_std")) -> Array:
    """Errors of the kept particles over their reported standard errors."""
    return (result["error"] / result["out"][list(columns)].to_numpy())[result["kept"]]


def report(case: Case, frames: int, per_frame: int, seed: int) -> dict[str, float]:
    """Measure one case, print its line, return its figures."""
    result = measure(case, frames, per_frame, seed)
    limit, median = bound(case)
    ok, e, out = result["kept"], result["error"], result["out"]
    place = float(np.sqrt((limit[0] ** 2 + limit[1] ** 2) / 2))
    figures = {
        "ratio": float(np.sqrt((e[ok] ** 2).mean()) / place),
        "kept": float(ok.mean()),
        "pull": float(pulls(result).std()),
        "scatter": float(1 / np.sqrt(2 * pulls(result).size)),
        "bias": float(np.abs(e[ok].mean(axis=0)).max() / place),
        "us": result["us"],
    }
    text = f"{case.name:34s} bound {place:.4f}  RMSE/bound {figures['ratio']:.3f}  kept {figures['kept']:.3f}"
    text += f"  pull {figures['pull']:.3f} ± {figures['scatter']:.3f}"
    if case.turns:
        angle = out["angle"].to_numpy() - result["truth"]["p2"].to_numpy()
        angle = (angle + np.pi / 2) % np.pi - np.pi / 2
        angle = angle[ok]
        robust = np.abs(angle) < 0.5
        figures["angle"] = float(np.sqrt((angle[robust] ** 2).mean()) / limit[4])
        figures["angle_pull"] = float((angle / out["angle_std"].to_numpy()[ok])[robust].std())
        mean = 0.5 * np.angle(np.exp(2j * angle).mean())
        figures["angle_bias"] = float(mean / (angle[robust].std() / np.sqrt(len(angle))))
        text += f"  angle/bound {figures['angle']:.3f} pull {figures['angle_pull']:.3f}"
        text += f" bias {figures['angle_bias']:+.1f}σ lost {1 - robust.mean():.3f}"
        aspect = out["aspect_ratio"].to_numpy()[ok] * case.rest[1] / case.rest[0] - 1
        text += f"  median error {np.median(np.hypot(*e.T)):.2f} px (bound {median:.2f})"
        text += f"  aspect {100 * aspect.mean():+.1f} %"
    else:
        r = out["radius"].to_numpy()[ok]
        true = case.radius
        figures["radius_bias"] = float(r.mean() / true - 1)
        pull = (r - true) / out["radius_std"].to_numpy()[ok]
        figures["radius_pull"], figures["radius_rms"] = float(pull.std()), float(np.sqrt((pull**2).mean()))
        text += (
            f"  radius {100 * figures['radius_bias']:+.2f} % (±{100 * r.std() / true / np.sqrt(len(r)):.2f})"
            f" RMSE/bound {np.sqrt(((r - true) ** 2).mean()) / limit[2]:.2f}"
            f" pull {figures['radius_pull']:.3f}, with its bias {figures['radius_rms']:.2f}"
        )
    text += f"  {out['profile'].mode()[0]} p {out['profile_probability'].median():.3f}"
    text += f" share {out['profile_share'].median():.2f}"
    kinds = out["shape"].value_counts(normalize=True)
    print(f"{text}  {figures['us']:.0f} µs  {' '.join(f'{k}:{v:.2f}' for k, v in kinds.items())}", flush=True)
    return figures


def disks() -> list[Case]:
    """Disks of the table in the field's comparison."""
    return [Case(f"disk R {r} SNR {s}", disk, (r, 1.0), s) for r in (4, 8, 15) for s in (1, 2, 4, 8)]


def correlated() -> list[Case]:
    """The same under a camera's blur."""
    return [
        Case(f"disk R {r} SNR {s} lag-1 {c}", disk, (r, 1.0), s, correlation=c)
        for r in (4, 8, 15) for s in (2, 4) for c in (0.2, 0.4)
    ]  # fmt: skip


def rods() -> list[Case]:
    """Rods and ellipses of half width 5 px at any angle."""
    out = [
        Case(f"rod aspect {a} SNR {s}", rod, (5.0 * a, 5.0, 0.0, 1.0), s, turns=True) for a in (2, 3, 5) for s in (1, 4)
    ]
    return out + [Case(f"ellipse aspect {a} SNR 4", ellipse, (5.0 * a, 5.0, 0.0, 1.0), 4, turns=True) for a in (1.5, 3)]


def spheres() -> list[Case]:
    """Particles whose contrast falls towards the rim."""
    return [Case(f"sphere R {r} SNR {s}", sphere, (r, 1.0), s) for r in (4, 6, 8, 15) for s in (1, 2, 4)]


def profiles() -> list[Case]:
    """Other profiles of thickness, and a wider blur."""
    out = [Case(f"{f.__name__} R {r} SNR 4", f, (r, 1.0), 4) for f in (plate, facetted, crystal) for r in (4, 8, 15)]
    return out + [Case(f"{f.__name__} R 8 blur 2 SNR 4", f, (8, 2.0), 4) for f in (plate, sphere)]


def pairs() -> list[Case]:
    """Touching pairs; their bound is the isolated particle's."""
    return [
        Case(f"pair R {r} gap {g} SNR {s}", disk, (r, 1.0), s, gap=g) for r in (4, 8) for g in (0, 1, 2) for s in (2, 4)
    ]


def field() -> list[Case]:
    """A rod as in published movies of one: per-pixel SNR 0.9, correlated noise, alone in its frame."""
    return [Case("rod 40 x 12 px SNR 0.9 lag-1 0.17", rod, (20.0, 6.0, 0.0, 1.5), 0.9, turns=True, correlation=0.17)]


GROUPS = {
    "disks": disks,
    "correlated": correlated,
    "rods": rods,
    "spheres": spheres,
    "profiles": profiles,
    "pairs": pairs,
    "field": field,
}


def peers(count: int) -> None:
    """Print RMSE over bound of trackpy, its mask and smoothing suited to the size, beside ours."""
    import warnings

    import trackpy

    trackpy.quiet()
    for radius, snr in ((4, 4), (8, 2), (8, 8), (15, 4)):
        case = Case("peer", disk, (radius, 1.0), snr)
        rng = np.random.default_rng(2)
        image, truth = frame_of(case, count, rng)
        diameter = int(3 * radius + 3) | 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = trackpy.locate(image, diameter, invert=True, noise_size=max(1, radius / 4), smoothing_size=diameter)
        places = truth[["x", "y"]].to_numpy()
        off = found[["x", "y"]].to_numpy()[:, None, :] - places[None]
        nearest = np.hypot(off[..., 0], off[..., 1]).argmin(axis=0)
        error = off[nearest, np.arange(len(places))]
        ok = np.hypot(*error.T) < radius / 2
        ours = refine([Frame(0, image)], boxes(case, truth, rng))[["x", "y"]].to_numpy() - places
        limit = bound(case)[0][0]
        print(f"R {radius} SNR {snr}: trackpy RMSE/bound {np.sqrt((error[ok] ** 2).mean()) / limit:.2f} "
              f"(found {ok.mean():.2f}), ours {np.sqrt((ours**2).mean()) / limit:.2f}")  # fmt: skip


def speed(seconds: float = 4.0) -> None:
    """Print particles a second at R 8 in batches of 16 frames."""
    case = Case("speed", disk, (8.0, 1.0), 4.0)
    rng = np.random.default_rng(1)
    frames, tables = [], []
    for index in range(16):
        image, truth = frame_of(case, 144, rng)
        frames.append(Frame(index, image))
        tables.append(boxes(case, truth, rng).assign(frame=index))
    table = pd.concat(tables, ignore_index=True)
    refine(frames, table)
    wall = cpu = np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start, used = time.perf_counter(), time.process_time()
        refine(frames, table)
        wall, cpu = min(wall, time.perf_counter() - start), min(cpu, time.process_time() - used)
    n = len(table)
    print(f"speed at R 8: {n / wall:.0f} particles/s here; {1e6 * cpu / n:.0f} µs of one core each, "
          f"that is {2 * n / cpu:.0f} particles/s on two idle cores")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the particles")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[*GROUPS, "speed", "peers"])
    arguments = parser.parse_args()
    frames = 2 if arguments.quick else 8
    for name, cases in GROUPS.items():
        if arguments.only and name not in arguments.only:
            continue
        alone = name == "field"
        found = [
            report(case, 50 * frames if alone else frames, 1 if alone else 100, arguments.seed) for case in cases()
        ]
        print(
            f"-- {name}: RMSE/bound median {np.median([f['ratio'] for f in found]):.3f} "
            f"worst {max(f['ratio'] for f in found):.3f}; "
            f"pulls {min(f['pull'] for f in found):.3f} to {max(f['pull'] for f in found):.3f}"
        )
    if not arguments.only or "peers" in arguments.only:
        peers(36 if arguments.quick else 144)
    if not arguments.only or "speed" in arguments.only:
        speed()


if __name__ == "__main__":
    main()
