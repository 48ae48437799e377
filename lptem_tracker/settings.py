"""Every setting of every stage: frozen, validated, with unit, default and meaning in one place.

A value comes from the defaults, then a TOML file, then the command line or keyword arguments; the
last one given wins, and `Settings.origins` says which that was. Unknown names are errors. A value of
None means "estimated from the data", and the run reports what was estimated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator

from lptem_tracker.errors import SettingsError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where they would be taken for 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are no values here")
        return value


class MovieSettings(_Section):
    """Which part of the movie is analysed, and its scale."""

    pixel_size_nm: float | None = Field(
        None, ge=1e-9, le=1e9, description="Side of a pixel in nm; None: from the metadata."
    )
    frame_interval_s: float | None = Field(
        None, ge=1e-15, le=1e9, description="Time between frame starts in s; None: from the metadata."
    )
    exposure_s: float | None = Field(
        None, ge=1e-15, le=1e9, description="Exposure of a frame in s; None: from the metadata."
    )
    frames: str | None = Field(
        None, pattern=r"^\d*:\d*$", description="Frames A:B to analyse, from A to B-1; None: all."
    )
    roi: tuple[int, int, int, int] | None = Field(
        None, description="Region X,Y,WIDTH,HEIGHT in px; None: the whole frame."
    )


class DetectSettings(_Section):
    """How particles are found."""

    detector: Literal["yolo", "blob"] = Field("yolo", description="yolo: the trained network; blob: classical trackpy.")
    weights: str | None = Field(None, description="Weights file of a YOLO detector; None: the shipped ones.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    confidence: float = Field(0.5, ge=0, le=1, description="Detections below this probability are dropped.")
    batch_frames: int | None = Field(None, ge=1, description="Frames a batch; None: as memory allows.")
    blob_diameter_px: float | None = Field(
        None, gt=2, le=10_000, description="blob only: particle diameter in px; None: found from the image."
    )
    scales: Literal["auto", "all"] = Field(
        "auto",
        description="yolo only. auto: 64 frames whose particles are all large are searched at 1/2 or 11/16 of the "
        "resolution where that shows as many; all: always at full resolution too.",
    )
    refine: bool = Field(True, description="Fit position and shape on the raw pixels after detection.")


class LinkSettings(_Section):
    """How detections become tracks."""

    max_displacement_px: float | None = Field(
        None, gt=0, description="Largest distance between successive sights in px; None: estimated."
    )
    max_gap_frames: int = Field(
        5, ge=0, le=1_000_000, description="Frames that a particle may be missing without losing its identity."
    )
    window_frames: int = Field(
        8, ge=1, le=1_000_000, description="Frames over which links are decided together; 1: frame by frame."
    )
    motion: Literal["auto", "brownian", "velocity", "mixed"] = Field(
        "auto", description="Motion model of the Kalman filter."
    )
    drift: bool = Field(True, description="Estimate the common motion and take it out before linking.")
    faint: bool = Field(
        True, description="Keep faint detections (yolo only) where the track of a sure particle goes through them."
    )
    min_track_frames: int = Field(
        3, ge=1, description="Shorter tracks are left out of measurements (they stay in the table)."
    )


class MotionSettings(_Section):
    """How motion is measured."""

    max_lag_fraction: float = Field(0.25, gt=0, le=1, description="Longest MSD lag as a share of the track's length.")
    min_points: int = Field(10, ge=4, description="Observed positions below which a particle gets no D of its own.")
    remove_drift: bool = Field(True, description="Remove the common motion left between tracks before estimating D.")
    confidence_level: float = Field(
        0.95, gt=0.5, lt=1, description="Level of the intervals of D, alpha, localisation error and rotation."
    )
    bootstrap: int = Field(400, ge=0, description="Resamplings over tracks for ensemble intervals.")
    seed: int = Field(0, ge=0, description="Seed of the resampling.")
    temperature_k: float | None = Field(
        None, ge=100, le=5000, description="Liquid temperature in K (not in °C), for the hydrodynamic radius."
    )
    viscosity_pa_s: float | None = Field(
        None, gt=0, description="Liquid viscosity in Pa s, for the hydrodynamic radius."
    )


class EventSettings(_Section):
    """When two particles touch, and what counts as an event."""

    contact_on_px: float | None = Field(
        None, ge=0, description="Surface gap at which a contact begins in px; None: from the data."
    )
    contact_off_px: float | None = Field(
        None, ge=0, description="Surface gap at which a contact ends in px; None: twice contact_on_px."
    )
    min_contact_frames: int = Field(5, ge=1, description="Frames in contact before a bond counts.")
    min_separation_frames: int = Field(5, ge=1, description="Frames apart before a bond is broken.")
    border_px: float | None = Field(
        None, ge=0, description="Distance from the border within which particles enter and leave; None: from the size."
    )


class ReportSettings(_Section):
    """What is drawn."""

    overlay: bool = Field(True, description="Write overlay.mp4.")
    report: bool = Field(True, description="Write report.html.")
    trail_frames: int = Field(40, ge=0, description="Length of the trails in frames.")
    colour_by: Literal["particle", "speed", "D", "motion", "cluster"] = Field(
        "particle", description="Colour of boxes and trails."
    )


_SECTIONS = ("movie", "detect", "link", "motion", "events", "report")


class Settings(_Section):
    """All settings of a run.

    Examples
    --------
    >>> Settings.load(overrides={"link.max_gap_frames": 2}).link.max_gap_frames
    2
    """

    movie: MovieSettings = MovieSettings()
    detect: DetectSettings = DetectSettings()
    link: LinkSettings = LinkSettings()
    motion: MotionSettings = MotionSettings()
    events: EventSettings = EventSettings()
    report: ReportSettings = ReportSettings()
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(
        cls,
        config: str | Path | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        overrides_origin: str = "command line",
    ) -> Settings:
        """Combine defaults, a TOML file and overrides.

        Parameters
        ----------
        config : path, optional
            TOML file with the sections of this class.
        overrides : mapping of str to value, optional
            ``"section.name": value``; entries whose value is None are left out.
        overrides_origin : str
            What `origins` calls them.

        Raises
        ------
        SettingsError
            The file cannot be read, a name is unknown, or a value is out of its range.
        """
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        if config is not None:
            values = _read_toml(Path(config))
            for section, entries in values.items():
                for name in entries if isinstance(entries, dict) else ():
                    origins[f"{section}.{name}"] = Path(config).name
        for key, value in (overrides or {}).items():
            if value is None:
                continue
            section, _, name = key.partition(".")
            entries = values.setdefault(section, {})
            if not isinstance(entries, dict):
                raise SettingsError(f"[{section}] must be a table of settings, got {entries!r}.")
            entries[name] = value
            origins[key] = overrides_origin
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None
        settings._origins.update(origins)
        return settings

    @property
    def origins(self) -> dict[str, str]:
        """Where each value comes from: ``default``, the file's name, or ``command line``."""
        return {key: self._origins.get(key, "default") for key in self.flat()}

    def flat(self) -> dict[str, Any]:
        """Return every setting as ``"section.name": value``."""
        return {f"{s}.{name}": value for s in _SECTIONS for name, value in getattr(self, s).model_dump().items()}

    def shown(self) -> dict[str, str]:
        """Return every setting as a person reads it; for None, what stands in its place."""
        out = {}
        for key, value in self.flat().items():
            section, _, name = key.partition(".")
            meaning = type(getattr(self, section)).model_fields[name].description or ""
            out[key] = (meaning.partition("None: ")[2].rstrip(".") or "not given") if value is None else str(value)
        return out

    def to_toml(self) -> str:
        """Return the settings as TOML, each with its meaning; values of None are commented out."""
        import tomli_w

        lines: list[str] = []
        for section in _SECTIONS:
            lines.append(f"[{section}]")
            model = getattr(self, section)
            for name, field in type(model).model_fields.items():
                value = getattr(model, name)
                lines.append(f"# {field.description}")
                if value is None:
                    lines.append(f"# {name} =")
                else:
                    lines.append(tomli_w.dumps({name: list(value) if isinstance(value, tuple) else value}).strip())
            lines.append("")
        return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read ({error.strerror}); check --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _names(first["loc"])
        return f"Unknown setting {name}; known here: {', '.join(known)}."
    meaning = _meaning(first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"Setting {name} = {first['input']!r} is not valid: {reason}." + (f" It is: {meaning}" if meaning else "")


def _meaning(loc: tuple[int | str, ...]) -> str:
    """Return the description of the setting at a place of the tree; nothing where there is none."""
    if len(loc) < 2 or loc[0] not in _SECTIONS:
        return ""
    field = type(getattr(Settings(), str(loc[0]))).model_fields.get(str(loc[1]))
    return (field.description or "") if field else ""


def _names(loc: tuple[int | str, ...]) -> list[str]:
    if len(loc) > 1 and loc[0] in _SECTIONS:
        return sorted(type(getattr(Settings(), str(loc[0]))).model_fields)
    return list(_SECTIONS)
