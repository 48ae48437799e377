"""Options that several commands share; each names the setting that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lptem_tracker.cli.help import option

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


class Place(click.Path):
    """A path; nothing at all is none, though Python takes it for the present folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value).strip():
            self.fail("the name is empty; give a path ('.' is the present folder)", param, ctx)
        return super().convert(value, param, ctx)


PATH = Place(path_type=Path)


class Frames(click.ParamType):  # type: ignore[type-arg]
    """A:B, frames A to B-1."""

    name = "A:B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, once it is seen to be a range."""
        first, colon, last = str(value).partition(":")
        if not colon or not all(part == "" or part.isdecimal() for part in (first, last)):
            self.fail(f"{value!r} is not a range A:B of frames, such as 100:200 or 100:", param, ctx)
        return str(value)


class Roi(click.ParamType):  # type: ignore[type-arg]
    """X,Y,WIDTH,HEIGHT in px."""

    name = "X,Y,WIDTH,HEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the four whole numbers."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if len(parts) != 4 or not all(part.removeprefix("-").isdecimal() for part in parts):
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
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value!r} is not WIDTHxHEIGHT in px, such as 512x512", param, ctx)
        return int(width), int(height)


def combined(*decorators: Decorator[F]) -> Decorator[F]:
    """Return one decorator that adds several options, shown in the order given."""

    def add(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return add


_METADATA = "from the file's metadata"
_DATA = "estimated from the data"
scale_options = combined(
    option(
        "--pixel-size-nm",
        type=float,
        metavar="NM",
        show_default=_METADATA,
        section="Scale",
        help="Side of a pixel in nm.",
    ),
    option(
        "--frame-interval-s",
        type=float,
        metavar="S",
        show_default=_METADATA,
        section="Scale",
        help="Time from frame to frame in s.",
    ),
    option(
        "--exposure-s",
        type=float,
        metavar="S",
        show_default=_METADATA,
        section="Scale",
        help="Exposure of a frame in s.",
    ),
)
config_option = option("--config", type=PATH, metavar="TOML", help="File of settings; options given here win.")


def output_to(metavar: str, help: str, *, default: str | None = None) -> Callable[[F], F]:
    """Return the option ``-o``; it is required unless `default` says in words where the output goes without it."""
    return option(
        "-o", "--output", type=PATH, metavar=metavar, required=default is None, show_default=default or False, help=help
    )


def device_option(section: str = "") -> Callable[[F], F]:
    """Return the option that chooses CPU or GPU."""
    shown = "auto: a GPU where there is one"
    return option("--device", metavar="NAME", show_default=shown, section=section, help="cpu, cuda or cuda:N.")


def frames_option(section: str, *, default: str) -> Callable[[F], F]:
    """Return the option that chooses a range of frames."""
    told = "Only frames A to B-1, counted from 0."
    return option("--frames", type=Frames(), metavar="A:B", show_default=default, section=section, help=told)


def seed_option(help: str) -> Callable[[F], F]:
    """Return the seed of whatever is drawn at random."""
    return option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True, help=help)


output_option = output_to("RUN", "Run folder to write.")
drawing_options = combined(
    option("--no-overlay", is_flag=True, help="Do not draw overlay.mp4."),
    option("--no-report", is_flag=True, help="Do not write report.html."),
)
force_option = option("--force", is_flag=True, help="Replace the results that the output already holds.")
quiet_option = option("--quiet", is_flag=True, help="Print nothing but errors.")
json_option = option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
detect_options = combined(
    option(
        "--detector",
        type=click.Choice(["yolo", "blob"]),
        show_default="yolo",
        section="Detection",
        help="Trained network, or classical (trackpy).",
    ),
    option(
        "--weights",
        type=Place(),
        metavar="FILE",
        show_default="the shipped ones",
        section="Detection",
        help="Your own detector (.safetensors, .pt, .onnx).",
    ),
    device_option("Detection"),
    option(
        "--confidence",
        type=float,
        metavar="P",
        show_default="0.5",
        section="Detection",
        help="Drop detections below this probability, 0 to 1.",
    ),
    frames_option("Detection", default="all"),
    option("--roi", type=Roi(), show_default="the whole frame", section="Detection", help="Only this region, in px."),
)
link_options = combined(
    option(
        "--max-displacement-px",
        type=float,
        metavar="PX",
        show_default=_DATA,
        section="Linking",
        help="Longest step between frames in px.",
    ),
    option(
        "--max-gap-frames",
        type=int,
        metavar="N",
        show_default="5",
        section="Linking",
        help="Frames a particle may be missing.",
    ),
    option(
        "--link-window",
        type=int,
        metavar="N",
        show_default="8",
        section="Linking",
        help="Frames decided together; 1: frame by frame.",
    ),
)
liquid_options = combined(
    option(
        "--temperature-k",
        type=float,
        metavar="K",
        show_default="not given",
        section="Liquid, for the hydrodynamic radius",
        help="Temperature in K.",
    ),
    option(
        "--viscosity-pa-s",
        type=float,
        metavar="PA_S",
        show_default="not given",
        section="Liquid, for the hydrodynamic radius",
        help="Viscosity in Pa s.",
    ),
)


def settings_from(config: Path | None, options: Mapping[str, Any]) -> Settings:
    """Combine defaults, the settings file and the options that were given.

    Raises
    ------
    click.UsageError
        Weights were given for a detector that has none.
    SettingsError
        A value is out of range, or the file has an unknown setting.
    """
    from lptem_tracker.settings import Settings

    given = {SETTING_OF[name]: value for name, value in options.items() if name in SETTING_OF}
    settings = Settings.load(config, given)
    if options.get("weights") is not None and settings.detect.detector != "yolo":
        raise click.UsageError("--weights are those of --detector yolo; the classical detector has none.")
    return settings
