"""Pictures by a second, plain simulator that shares no line with the shipped one: what a stranger would test with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

SHAPES = ("disk", "ellipse", "square", "rod", "triangle", "spot")
_FINE = 4


@dataclass(frozen=True)
class PlainScene:
    """A picture, its boxes, and what was drawn: `integrated_snr` allows for the noise's correlation."""

    pixels: np.ndarray
    truth: pd.DataFrame
    shape: str
    radius: float
    snr: float
    integrated_snr: float


def plain_scene(rng: np.random.Generator, size: int = 384) -> PlainScene:
    """Draw like particles that do not overlap on an even or sloping background, with white or correlated noise."""
    radius = float(np.exp(rng.uniform(np.log(3), np.log(40))))
    snr = float(np.exp(rng.uniform(np.log(1), np.log(6))))
    shape = str(rng.choice(SHAPES))
    cover = np.exp(rng.uniform(np.log(0.005), np.log(0.25)))
    count = int(np.clip(cover * size**2 / (np.pi * radius**2), 1, 600))
    fine = np.zeros((size * _FINE, size * _FINE), np.float32)
    boxes: list[tuple[float, float, float, float]] = []
    circles = np.zeros((0, 3))
    aspect = {"rod": rng.uniform(1.8, 4), "ellipse": rng.uniform(1.2, 1.8)}.get(shape, 1.0)
    for _ in range(count * 40):
        if len(boxes) == count:
            break
        r, (x, y), turn = radius * rng.uniform(0.85, 1.15), rng.uniform(0, size, 2), rng.uniform(0, np.pi)
        outline = _outline(shape, r, aspect, turn)
        reach = np.hypot(*outline.T).max()
        if (np.hypot(circles[:, 0] - x, circles[:, 1] - y) < circles[:, 2] + reach + 1).any():
            continue
        circles = np.vstack([circles, (x, y, reach)])
        boxes.append((x, y, *np.ptp(outline, axis=0)))
        cv2.fillPoly(fine, [np.rint(_FINE * (outline + np.array([x + 0.5, y + 0.5]))).astype(np.int32)], 1.0)
    signal = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    signal = cv2.GaussianBlur(signal, (0, 0), 0.35 * radius if shape == "spot" else rng.uniform(0.5, 1.0))
    noise, spread = rng.standard_normal((size, size), dtype=np.float32), 1.0
    if rng.random() < 0.5:
        sigma = rng.uniform(0.35, 0.55)
        kernel = cv2.getGaussianKernel(9, sigma)
        spread = 1 / float((kernel**2).sum())
        noise = cv2.GaussianBlur(noise, (9, 9), sigma) * np.float32(spread)
    picture = rng.choice([-1, -1, 1]) * np.float32(snr) * signal + noise
    slope = np.linspace(0, 1, size, dtype=np.float32)
    picture += np.float32(rng.choice([0, 0, 3, 12])) * (slope[None] + slope[:, None] ** 2)
    truth = pd.DataFrame(boxes, columns=["x", "y", "width", "height"])
    return PlainScene(
        np.float32(500) + np.float32(25) * picture,
        truth,
        shape,
        radius,
        snr,
        snr * np.sqrt(np.pi) * radius / spread,
    )


def _outline(shape: str, radius: float, aspect: float, turn: float) -> np.ndarray:
    """Return the corners of a shape whose area is that of a disk of `radius`, shape (n, 2)."""
    if shape in ("disk", "spot", "ellipse"):
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        points = np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], axis=1)
    else:
        n = 3 if shape == "triangle" else 4
        angle = np.arange(n) * 2 * np.pi / n + np.pi / n
        points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(2 * np.pi / (n * np.sin(2 * np.pi / n)))
        points *= (np.sqrt(aspect), 1 / np.sqrt(aspect))
    turned = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return radius * turned
