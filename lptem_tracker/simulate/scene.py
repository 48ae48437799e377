"""What a simulated movie shows: particles, their motion and fate, the optics and the camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import SettingsError
from lptem_tracker.simulate.camera import mtf_noise_factor
from lptem_tracker.simulate.presets import PRESETS
from lptem_tracker.simulate.shapes import Shape

MotionKind = Literal["immobile", "brownian", "confined", "directed", "fractional", "ctrw", "switching", "mixture"]


class Scene(BaseModel):
    """A movie to simulate; frozen, validated, with the unit in each name.

    Raises
    ------
    SettingsError
        From `make`: a name is unknown or a value is out of range.

    Examples
    --------
    >>> Scene.make("brownian", n_frames=10).n_frames
    10
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # frame and time
    width_px: int = Field(512, ge=32, le=8192, description="Width of a frame in px.")
    height_px: int = Field(512, ge=32, le=8192, description="Height of a frame in px.")
    n_frames: int = Field(100, ge=1, description="Frames of the movie.")
    pixel_size_nm: float = Field(1.0, gt=0, description="Side of a pixel in nm.")
    frame_interval_s: float = Field(0.1, gt=0, description="Time between frame starts in s.")
    exposure_s: float | None = Field(None, gt=0, description="Exposure in s; None: the frame interval.")
    # particles
    count: int = Field(30, ge=0, le=5000, description="Particles at the start.")
    radius_nm: float = Field(8.0, gt=0, description="Median radius of the disk of equal area in nm.")
    radius_sd: float = Field(0.08, ge=0, le=1, description="Standard deviation of the logarithm of the radius.")
    shapes: tuple[Shape, ...] = Field(("sphere",), min_length=1, description="Shapes, drawn with equal chance.")
    aspect: float = Field(1.0, ge=1, le=12, description="Long over short axis, of shapes that have one.")
    arrangement: Literal["random", "hexagonal", "square", "pairs"] = Field(
        "random", description="Where particles start."
    )
    spacing: float = Field(1.2, ge=1, description="Lattice only: spacing over the particle's diameter.")
    lattice_rms: float = Field(
        0.02, ge=0, le=0.3, description="Lattice only: rms displacement of a site over the spacing."
    )
    core_gap_px: float = Field(
        3.0, description="Smallest surface gap of particles that do not stick; negative: they may overlap."
    )
    # motion
    motion: MotionKind = Field("brownian", description="How particles move.")
    D_nm2_s: float = Field(
        20.0, ge=0, description="Diffusion coefficient in nm²/s; K in nm²/s^alpha for fractional motion."
    )
    D2_nm2_s: float = Field(
        2.0, ge=0, description="Second diffusion coefficient, of mixtures and of the slow state of switching."
    )
    fraction2: float = Field(0.5, ge=0, le=1, description="mixture: share of particles with the second coefficient.")
    alpha: float = Field(
        0.7, gt=0, lt=2, description="fractional: exponent of the MSD; ctrw: exponent of the waiting times (< 1)."
    )
    confinement_rms_nm: float = Field(5.0, gt=0, description="confined: rms distance from the centre per axis in nm.")
    speed_nm_s: float = Field(0.0, ge=0, description="directed: speed in nm/s, in each particle's own direction.")
    hop_nm: float = Field(6.0, ge=0, description="ctrw: rms hop per axis in nm.")
    wait_s: float = Field(
        0.2, gt=0, description="ctrw: shortest waiting time in s; switching: mean stay in a state in s."
    )
    Dr_rad2_s: float = Field(0.0, ge=0, description="Rotational diffusion coefficient in rad²/s.")
    drift_x_nm_s: float = Field(0.0, description="Stage drift along x in nm/s.")
    drift_y_nm_s: float = Field(0.0, description="Stage drift along y in nm/s.")
    jump_rate_s: float = Field(0.0, ge=0, description="Stage jumps a second.")
    jump_nm: float = Field(20.0, ge=0, description="Rms length of a stage jump per axis in nm.")
    boundary: Literal["open", "reflect"] = Field(
        "open", description="Particles leave the frame, or turn back at its edge."
    )
    # events
    sticking: float = Field(0.0, ge=0, le=1, description="Probability that two particles that meet stay together.")
    break_rate_s: float = Field(0.0, ge=0, description="Bonds broken a second and bond.")
    coalesce_rate_s: float = Field(0.0, ge=0, description="Coalescences a second and bond.")
    n_attach: int = Field(0, ge=0, description="Pairs that meet and stay together at planned times.")
    n_detach: int = Field(0, ge=0, description="Pairs that meet and part again at planned times.")
    n_coalesce: int = Field(0, ge=0, description="Pairs that meet and become one at planned times.")
    n_nucleate: int = Field(0, ge=0, description="Particles that appear and grow.")
    n_dissolve: int = Field(0, ge=0, description="Particles that shrink and vanish.")
    growth_nm_s: float = Field(0.0, description="Growth of every radius in nm/s.")
    ripening_K_nm3_s: float = Field(
        0.0, ge=0, description="Ostwald ripening: d<R>³/dt in nm³/s in the steady state (LSW)."
    )
    flat: bool = Field(False, description="Coalescence keeps the area (flat deposits) instead of the volume.")
    # optics and camera
    contrast: float = Field(
        0.30, gt=0, lt=1, description="Loss of intensity under a particle's thickest point, as a fraction."
    )
    snr: float | None = Field(2.0, gt=0, description="Per-pixel contrast over noise; None: from dose_e_px.")
    dose_e_px: float | None = Field(None, gt=0, description="Electrons a pixel and frame; needs snr=None.")
    dark_field: bool = Field(False, description="Bright particles on dark, as in annular dark-field STEM.")
    profile: float | None = Field(
        None, ge=0, le=2, description="Exponent of the thickness (1 - q²)^p; None: by shape, 0: flat."
    )
    blur_px: float = Field(0.7, ge=0, le=10, description="Standard deviation of the optical blur in px.")
    fringe: float = Field(0.0, ge=0, le=0.5, description="Depth of the Fresnel fringe at edges.")
    lattice_fringes: float = Field(0.0, ge=0, le=1, description="Modulation by lattice fringes.")
    flashing: float = Field(
        0.0, ge=0, le=1, description="Loss of contrast while a particle turns away from diffraction."
    )
    background_swing: float = Field(0.3, ge=0, le=3, description="Logarithm of brightest over darkest background.")
    background_period_s: float | None = Field(
        None, gt=0, description="Time in which the background turns into another and back in s; None: it is still."
    )
    texture: float = Field(
        0.0, ge=0, le=1, description="Relative standard deviation of the support's texture; it drifts with the stage."
    )
    smears: float = Field(0.0, ge=0, description="Mean number of out-of-focus smears a frame; they are no particles.")
    contamination: int = Field(0, ge=0, description="Faint soft spots that stay with the stage; they are no particles.")
    lag1: float = Field(
        0.2, ge=0, le=0.7, description="Correlation of the shot noise of neighbouring pixels; readout noise is white."
    )
    gain: float | None = Field(
        None, gt=0, description="Counts per electron; None: the background fills 40 % of the depth."
    )
    offset: float = Field(10.0, ge=0, description="Counts without electrons.")
    readout_e: float = Field(0.3, ge=0, description="Readout noise in electrons.")
    depth: Literal["uint8", "uint16", "float32"] = Field("uint8", description="Depth of the file.")
    hot_pixels: int = Field(0, ge=0, description="Pixels that are always bright.")

    @model_validator(mode="after")
    def _consistent(self) -> Scene:
        if self.exposure_s is not None and self.exposure_s > self.frame_interval_s * (1 + 1e-9):
            raise ValueError(
                f"exposure_s ({self.exposure_s:g}) is longer than frame_interval_s ({self.frame_interval_s:g})"
            )
        if (self.snr is None) == (self.dose_e_px is None):
            raise ValueError("give either snr or dose_e_px, and None for the other")
        if self.motion == "ctrw" and self.alpha >= 1:
            raise ValueError(f"ctrw needs an alpha below 1, got {self.alpha:g}")
        planned = 2 * (self.n_attach + self.n_detach + self.n_coalesce) + self.n_dissolve
        if planned > self.count:
            raise ValueError(f"the planned events need {planned} particles, and count is {self.count}")
        if self.motion == "fractional" and (self.sticking or planned > self.n_dissolve):
            raise ValueError("fractional motion cannot be combined with sticking or planned meetings")
        return self

    @classmethod
    def make(cls, scene: str | Scene | Mapping[str, Any] | None = None, **changes: Any) -> Scene:
        """Return a scene from a preset's name, another scene or a mapping, with some values changed.

        Raises
        ------
        SettingsError
            There is no such preset, a name is unknown, or a value is out of range.
        """
        if isinstance(scene, str):
            if scene not in PRESETS:
                raise SettingsError(f"Unknown scene {scene!r}; expected one of {', '.join(PRESETS)}.")
            values = dict(PRESETS[scene])
        elif isinstance(scene, Scene):
            values = scene.model_dump()
        else:
            values = dict(scene or {})
        if changes.get("dose_e_px") is not None and "snr" not in changes:
            changes["snr"] = None
        elif changes.get("snr") is not None and "dose_e_px" not in changes:
            changes["dose_e_px"] = None
        try:
            return cls.model_validate({**values, **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name, reason = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            if not name:
                raise SettingsError(f"The scene is not valid: {reason}.") from None
            if first["type"] == "extra_forbidden":
                raise SettingsError(
                    f"Unknown scene value {name}; known: {', '.join(sorted(cls.model_fields))}."
                ) from None
            raise SettingsError(f"Scene value {name} is not valid: {reason}.") from None

    @property
    def calibration(self) -> Calibration:
        """Scale and timing as a file's metadata would give them."""
        return Calibration(
            pixel_size_nm=self.pixel_size_nm,
            frame_interval_s=self.frame_interval_s,
            exposure_s=self.exposure_s or self.frame_interval_s,
            pixel_size_source="metadata",
            frame_interval_source="metadata",
            exposure_source="metadata",
        )

    @property
    def electrons(self) -> float:
        """Mean electrons a pixel and frame on the background.

        Per-pixel SNR = contrast · sqrt(N) / f with f the noise factor of the camera's point spread, solved for N with
        the readout noise included.
        """
        if self.dose_e_px is not None:
            return self.dose_e_px
        snr = self.snr or 1.0
        f = mtf_noise_factor(self.lag1)
        a, b = (self.contrast / snr) ** 2, f * f
        # contrast² N² / snr² = f² N + readout²
        return float(b + (b * b + 4 * a * self.readout_e**2) ** 0.5) / (2 * a)

    @property
    def counts_per_electron(self) -> float:
        """Gain of the camera in counts per electron."""
        if self.gain is not None:
            return self.gain
        top = {"uint8": 255.0, "uint16": 20000.0, "float32": 1.0}[self.depth]
        level = self.electrons * (1.0 if not self.dark_field else 1.0 + self.contrast)
        return 1.0 if self.depth == "float32" else 0.4 * top / level
