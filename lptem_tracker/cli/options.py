"""Options that several commands share; each names the setting that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lptem_tracker.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

SETTING_OF = {
    "pixel_size_nm": "movie.pixel_size_nm",
    "frame_interval_s": "movie.frame_interval_s",
    "exposure_s": "movie.exposure_s",
    "frames": "movie.frames",
    "roi": "movie.roi",
    "detector": "detect.detector",
    "weights": "detect.weights",
    "device": "detect.device",
    "confidence": "detect.confidence",
    "max_displacement_px": "link.max_displacement_px",
    "max_gap_frames": "link.max_gap_frames",
    "link_window": "link.window_frames",
    "temperature_k": "motion.temperature_k",
    "viscosity_pa_s": "motion.viscosity_pa_s",
}


class Roi(click.ParamType):  # type: ignore[type-arg]
    """X,Y,WIDTH,HEIGHT in px."""

    name = "X,Y,WIDTH,HEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the four whole numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if len(parts) != 4 or not all(part.strip().lstrip("-").isdigit() for part in parts):
            self.fail(f"{value!r} is not four whole numbers X,Y,WIDTH,HEIGHT in px", param, ctx)
        return tuple(int(part) for part in parts)


class Size(click.ParamType):  # type: ignore[type-arg]
    """WIDTHxHEIGHT in px."""

    name = "WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (width, height)."""
        if isinstance(value, tuple):
            return value[0], value[1]
        width, _, height = str(value).lower().partition("x")
        if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
            self.fail(f"{value!r} is not WIDTHxHEIGHT in px, such as 512x512", param, ctx)
        return int(width), int(height)


def combined(*decorators: Decorator[F]) -> Decorator[F]:
    """Return one decorator that adds several options, shown in the order given."""

    def add(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return add


scale_options = combined(
    click.option("--pixel-size-nm", type=float, help="Side of a pixel in nm. [default: from the metadata]"),
    click.option("--frame-interval-s", type=float, help="Time between frames in s. [default: from the metadata]"),
    click.option("--exposure-s", type=float, help="Exposure of a frame in s. [default: from the metadata]"),
)
config_option = click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file of settings; options given here win."
)
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Run folder to write."
)
force_option = click.option("--force", is_flag=True, help="Replace the results that the output already holds.")
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
detect_options = combined(
    click.option(
        "--detector", type=click.Choice(["yolo", "blob"]), help="Trained network, or classical. [default: yolo]"
    ),
    click.option("--weights", help="Your own detector (.pt, .onnx). [default: the shipped one]"),
    click.option("--device", help="auto, cpu, cuda or cuda:N. [default: auto]"),
    click.option("--confidence", type=float, help="Drop detections below this probability. [default: 0.5]"),
    click.option("--frames", metavar="A:B", help="Only frames A to B-1. [default: all]"),
    click.option("--roi", type=Roi(), help="Only this region, in px. [default: the whole frame]"),
)
link_options = combined(
    click.option("--max-displacement-px", type=float, help="Longest step in px. [default: from the data]"),
    click.option("--max-gap-frames", type=int, help="Frames a particle may be missing. [default: 5]"),
    click.option("--link-window", type=int, help="Frames decided together; 1: frame by frame. [default: 8]"),
)
liquid_options = combined(
    click.option("--temperature-k", type=float, help="Liquid temperature in K, for the hydrodynamic radius."),
    click.option("--viscosity-pa-s", type=float, help="Liquid viscosity in Pa s, for the hydrodynamic radius."),
)


def settings_from(config: Path | None, options: Mapping[str, Any]) -> Settings:
    """Combine defaults, the settings file and the options that were given.

    Raises
    ------
    SettingsError
        A value is out of range, or the file has an unknown setting.
    """
    from lptem_tracker.settings import Settings

    given = {SETTING_OF[name]: value for name, value in options.items() if name in SETTING_OF}
    return Settings.load(config, given)
