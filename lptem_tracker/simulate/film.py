"""Turning the truth of a frame into pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lptem_tracker.simulate import fields
from lptem_tracker.simulate.camera import digitise, expose
from lptem_tracker.simulate.dynamics import FrameTruth, Story
from lptem_tracker.simulate.paths import N_PARTS
from lptem_tracker.simulate.scene import Scene
from lptem_tracker.simulate.shapes import extents, make_outlines, slopes
from lptem_tracker.simulate.stamp import label_image, new_particles, stamp

Pixels = NDArray[np.float32]
Array = NDArray[np.float64]

_FUSED_STEPS = 12
_LONGEST_FUSED = float(np.log(1.75))
_STILL_PX = 0.02


class Film:
    """The optics and the camera of a scene.

    Parameters
    ----------
    scene : Scene
    story : Story
        The truth to be filmed.
    """

    def __init__(self, scene: Scene, story: Story) -> None:
        self.scene, self.story = scene, story
        rng = np.random.default_rng([story.seed, 3])
        shape = (scene.height_px, scene.width_px)
        self._beam = (
            fields.illumination(rng, shape, scene.background_swing)
            if scene.background_swing
            else np.ones(shape, np.float32)
        )
        self._beam /= np.float32(self._beam.mean())
        self._change = None
        if scene.background_period_s is not None and scene.background_swing:
            other = fields.illumination(rng, shape, scene.background_swing)
            self._change = np.log(other / np.float32(other.mean()) / self._beam)
        self._support = _support(scene, rng)
        self._hot = rng.integers(0, shape[0] * shape[1], scene.hot_pixels)
        plan = story.plan
        fused = [
            make_outlines("ellipse", 1, rng, aspect=float(np.exp(s)))
            for s in np.linspace(0, _LONGEST_FUSED, _FUSED_STEPS)
        ]
        self._outlines = np.vstack([plan.outlines, *fused])
        self._slope = slopes(self._outlines)
        self._fringe_phase = rng.uniform(0, np.pi, (2, len(plan.xy)))

    def particles(self, truth: FrameTruth) -> tuple[NDArray[Any], Array]:
        """Return the drawable records of a frame's particles and their reach, shapes (m,) and (m, 4)."""
        scene, plan, ids = self.scene, self.story.plan, truth.ids
        out = new_particles(len(ids))
        out["x"], out["y"] = truth.xy[:, 0], truth.xy[:, 1]
        out["radius"], out["angle"] = truth.radius, truth.angle
        step = np.rint(truth.stretch / _LONGEST_FUSED * (_FUSED_STEPS - 1)).astype(int).clip(0, _FUSED_STEPS - 1)
        # a particle that has fused loses its own outline: an ellipse that rounds off
        out["outline"] = np.where(truth.stretch > 0, len(plan.xy) + step, ids)
        out["profile"] = plan.profile[ids]
        depth = scene.contrast if scene.dark_field else -np.log1p(-scene.contrast)
        out["depth"] = depth * np.minimum(truth.radius / plan.radius[ids], 1.0)
        if scene.flashing:
            out["depth"] *= 1 - scene.flashing * np.cos(truth.tilt) ** 8
        if scene.fringe:
            out["fringe"], out["fringe_px"] = scene.fringe, 1.2 + scene.blur_px
        if scene.lattice_fringes:
            turn = self._fringe_phase[0][ids] + truth.angle
            out["mod1"], out["phase"] = scene.lattice_fringes * np.abs(np.sin(truth.tilt)), self._fringe_phase[1][ids]
            out["k1x"], out["k1y"] = 2 * np.pi / 3.1 * np.cos(turn), 2 * np.pi / 3.1 * np.sin(turn)
        return out, extents(self._outlines[out["outline"]], truth.radius, truth.angle)

    def clean(self, index: int) -> Pixels:
        """Return the expected electrons in each pixel of a frame before the camera, float32 (Y, X)."""
        scene, truth = self.scene, self.story.frame(index)
        image = self._behind(index)
        self._smears(image, index)
        if scene.dark_field:
            # the support scatters little: the particles stand on a dim pedestal
            image *= np.float32(1.0)
        particles, reach = self.particles(truth)
        sub_x, sub_y = (np.moveaxis(truth.parts[:, :, k] - truth.xy[:, k], 0, 1).copy() for k in (0, 1))
        if sub_x.size and max(float(np.abs(sub_x).max()), float(np.abs(sub_y).max())) < _STILL_PX:
            sub_x, sub_y = sub_x[:, :1] * 0, sub_y[:, :1] * 0
        if len(particles):
            stamp(
                image,
                particles,
                self._outlines,
                self._slope,
                reach,
                sub_x=sub_x,
                sub_y=sub_y,
                additive=scene.dark_field,
            )
        if scene.blur_px > 0.1:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), scene.blur_px), np.float32)
        return np.asarray(np.maximum(image, 0) * np.float32(scene.electrons), np.float32)

    def frame(self, index: int) -> NDArray[Any]:
        """Return one picture, (Y, X) in the scene's depth."""
        scene = self.scene
        rng = np.random.Generator(np.random.SFC64([self.story.seed, 2, index]))
        gain = scene.counts_per_electron
        counts = expose(
            self.clean(index), rng, lag1=scene.lag1, gain=gain, offset=scene.offset, readout=scene.readout_e * gain
        )
        if len(self._hot):
            counts.ravel()[self._hot] = scene.offset + 2.2 * gain * scene.electrons
        return digitise(counts, scene.depth)

    def mask(self, index: int) -> NDArray[np.int32]:
        """Return particle number + 1 at each pixel, 0 where there is none, int32 (Y, X)."""
        truth = self.story.frame(index)
        particles, reach = self.particles(truth)
        shape = (self.scene.height_px, self.scene.width_px)
        picture: NDArray[np.int32] = label_image(
            shape, particles, (truth.ids + 1).astype(np.int32), self._outlines, reach
        )
        return picture

    def axes(self, truth: FrameTruth) -> tuple[Array, Array]:
        """Return each particle's extents along and across its angle, shapes (m,)."""
        particles, _ = self.particles(truth)
        box = extents(self._outlines[particles["outline"]], truth.radius, np.zeros(len(truth.ids)))
        return box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]

    def _behind(self, index: int) -> Pixels:
        beam = self._beam
        if self._change is not None:
            turn = index * self.scene.frame_interval_s / (self.scene.background_period_s or 1.0)
            beam = beam * np.exp(np.float32(np.sin(np.pi * turn) ** 2) * self._change)
        if self._support is None:
            return np.array(beam)
        dx, dy = self.story.drift[index]
        height, width = beam.shape
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        moved = cv2.warpAffine(
            self._support, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        return np.asarray(beam * moved, np.float32)

    def _smears(self, image: Pixels, index: int) -> None:
        scene = self.scene
        if scene.smears == 0:
            return
        rng = np.random.default_rng([self.story.seed, 4, index])
        haze = np.zeros(image.shape, np.float32)
        radius = scene.radius_nm / scene.pixel_size_nm
        n = int(rng.poisson(scene.smears))
        for _ in range(n):
            at = (int(rng.uniform(0, scene.width_px)), int(rng.uniform(0, scene.height_px)))
            axes = (max(2, int(radius * rng.uniform(1, 3))), max(2, int(radius * rng.uniform(0.7, 1.2))))
            cv2.ellipse(haze, at, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.1, 0.3)), -1)
        if n:
            image *= np.exp(-np.float32(scene.contrast) * cv2.GaussianBlur(haze, (0, 0), 1.2 * radius))


def _support(scene: Scene, rng: np.random.Generator) -> Pixels | None:
    """Return what drifts with the stage: texture and contamination, mean about 1, or None."""
    shape = (scene.height_px, scene.width_px)
    if scene.texture == 0 and scene.contamination == 0:
        return None
    support = np.ones(shape, np.float32)
    if scene.texture:
        support *= np.exp(np.float32(scene.texture) * fields.fractal(rng, shape, max(shape) / 6, 3, 0.8))
    radius = scene.radius_nm / scene.pixel_size_nm
    for _ in range(scene.contamination):
        spot = np.zeros(shape, np.float32)
        at = (int(rng.uniform(0, shape[1])), int(rng.uniform(0, shape[0])))
        cv2.circle(spot, at, max(2, int(radius * rng.uniform(1, 2.5))), float(rng.uniform(0.2, 0.5)), -1)
        support *= np.exp(-np.float32(scene.contrast) * cv2.GaussianBlur(spot, (0, 0), 1.5 * radius))
    return support


__all__ = ["N_PARTS", "Film"]
