"""Makes the pictures of the README from a run of the demo: overlay and report page.

    lptem-tracker demo -o lptem-demo
    python notebooks/images/make_images.py lptem-demo

Needs Chromium (or Chrome) for the page; without it only the overlay is made.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

from lptem_tracker.report.overlay import write_overlay
from lptem_tracker.run import Run, open_run

HERE = Path(__file__).parent
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
LARGEST_BYTES = 300_000
CHOOSE = """<script>document.querySelector('#plot-timeline .hit[data-event="{event}"]')
.dispatchEvent(new MouseEvent("click", {{ bubbles: true }}));</script></body>"""


def save(picture: Image.Image, name: str) -> None:
    """Write a PNG of few enough colours and bytes for a README: many greys, and colours of their own."""
    rgb = np.asarray(picture.convert("RGB"))
    coloured = rgb[np.ptp(rgb.astype(int), axis=2) > 24]
    strip = Image.fromarray(coloured[None, :: max(1, len(coloured) // 20_000)])
    greys = 128
    while True:
        own = np.asarray(strip.quantize(96, kmeans=2).getpalette()[: 3 * 96], dtype=np.uint8)
        palette = Image.new("P", (1, 1))
        palette.putpalette([*np.repeat(np.linspace(0, 255, greys).astype(np.uint8), 3).tolist(), *own.tolist()])
        picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(HERE / name, optimize=True)
        if (HERE / name).stat().st_size <= LARGEST_BYTES or greys <= 8:
            break
        greys //= 2
    print(f"{HERE / name}: {picture.width} x {picture.height} px, {(HERE / name).stat().st_size / 1000:.0f} kB")


def overlay(run: Run, folder: Path) -> None:
    """Save the frame of the first coalescence."""
    events = run.events[run.events["kind"] == "coalesce"]
    frame = int(events["frame"].iloc[0]) if len(events) else 10
    path = write_overlay(run, folder / "frame.mkv", frames=(frame + 2, frame + 3), outline="ellipse", zoom=2.0)
    with av.open(str(path)) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    save(Image.fromarray(np.ascontiguousarray(picture)), "overlay.png")


def shot(page: Path, size: tuple[int, int]) -> Image.Image:
    """Return a page as Chromium draws it."""
    png = page.with_suffix(".png")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=6000"]
    options += [f"--window-size={size[0]},{size[1]}", f"--user-data-dir={page.parent / 'profile'}"]
    subprocess.run(
        [str(BROWSER), *options, f"--screenshot={png}", page.as_uri()], check=True, capture_output=True, timeout=120
    )
    return Image.open(png).convert("RGB")


def report(run: Run, folder: Path) -> None:
    """Save the top of the report page with one event chosen."""
    html = (run.path / "report.html").read_text(encoding="utf-8")
    html = html.replace("script-src 'sha256-", "script-src 'unsafe-inline' 'x-").replace(
        "<html lang", '<html data-theme="light" lang'
    )
    html = html.replace(run.record["movie"]["source"], "lptem-demo/simulation/movie.tif")
    page = folder / "report.html"
    event = int(run.events.index[run.events["kind"] == "coalesce"][0])
    page.write_text(html.replace("</body>", CHOOSE.format(event=event)), encoding="utf-8")
    if (run.path / "overlay.mp4").exists():
        shutil.copy(run.path / "overlay.mp4", folder)
    picture = shot(page, (1400, 1500))
    save(picture.resize((1000, round(picture.height * 1000 / picture.width)), Image.Resampling.LANCZOS), "report.png")


def main() -> None:
    """Make the pictures of the run that is named on the command line."""
    run = open_run(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        overlay(run, folder)
        if BROWSER is not None:
            report(run, folder)


if __name__ == "__main__":
    main()
