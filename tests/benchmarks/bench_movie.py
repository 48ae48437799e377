"""Opening and reading large movies: time, memory, and speed against the plain loops of the libraries beneath.

``python tests/benchmarks/bench_movie.py [--quick] [--folder FOLDER] [--only NAME…]`` writes large (mostly sparse)
movies, then opens and reads each in a process of its own and prints

open        time to open in s, without the imports; CPU: imports, opening and first frame in CPU-seconds, for machines
            that have other work (asked: under 2 s); first, last: reading those frames
peak        peak memory of a process that reads 1,000 frames over that of one that reads 100 (asked: constant, ≤ 1.1)
frames/s    frames a CPU-second (of all threads), ours and of a plain loop of tifffile, PyAV, mrcfile, Pillow or
            RosettaSciIO in the same run, and their ratio
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

MADE = runpy.run_path(str(Path(__file__).parents[1] / "movie" / "conftest.py"))

CHILD = """
import sys, time, json
start, used = time.perf_counter(), time.process_time()
from lptem_tracker.movie import open_movie
imported = time.perf_counter()
movie = open_movie(sys.argv[1])
opened = time.perf_counter()
movie.read(0)
used = time.process_time() - used
first, cpu = time.perf_counter(), time.process_time()
n = 0
for frame in movie.frames(0, int(sys.argv[2])):
    n += 1
cpu, done = time.process_time() - cpu, time.perf_counter()
movie.read(len(movie) - 1)
last = time.perf_counter() - done
try:
    from pathlib import Path
    words = Path("/proc/self/status").read_text().split()
    peak = 1024 * int(words[words.index("VmHWM:") + 1])
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(dict(imports=imported - start, open=opened - imported, first=first - opened, shape=movie.shape,
                      rate=n / cpu, last=last, cpu=used, peak=peak)))
"""


def measure(path: Path, n: int) -> dict[str, Any]:
    """Open and read `n` frames in a fresh process."""
    out = subprocess.run([sys.executable, "-c", CHILD, str(path), str(n)], capture_output=True, text=True, check=False)
    if out.returncode:
        raise SystemExit(out.stderr)
    return dict(json.loads(out.stdout))


def sparse_imagej(path: Path, quick: bool) -> Path:
    """An ImageJ stack of many GB under one page: 16-bit, 1024²."""
    import tifffile

    shape = (4_000 if quick else 40_000, 1024, 1024)
    description = f"ImageJ=1.54f\nimages={shape[0]}\nframes={shape[0]}\nunit=nm\nfinterval=0.01\nloop=false\n"
    tifffile.imwrite(path, np.zeros(shape[1:], np.uint16), description=description, metadata=None, byteorder=">")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + (shape[0] - 1) * 2 * 1024 * 1024)
    return path


def paged_tiff(path: Path, quick: bool) -> Path:
    """A BigTIFF of many pages, each with its own tags: 16-bit, 256²."""
    import tifffile

    frame = MADE["known_stack"]("uint16", (1, 256, 256))[0]
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for _ in range(3_000 if quick else 20_000):
            tif.write(frame, contiguous=False, metadata=None)
    return path


def sparse_mrc(path: Path, quick: bool) -> Path:
    """A float MRC of many GB: 1024²."""
    import mrcfile

    n = 2_000 if quick else 40_000
    with mrcfile.new(path, np.zeros((2, 1024, 1024), np.float32)) as mrc:
        mrc.set_image_stack()
        mrc.header.nz = mrc.header.mz = n
    with path.open("r+b") as file:
        file.seek(8)
        file.write(np.int32(n).tobytes())
        file.truncate(1024 + n * 4 * 1024 * 1024)
    return path


def long_ffv1(path: Path, quick: bool) -> Path:
    """A lossless 16-bit video, 512², whose few coded frames are repeated."""
    return _long_video(path, "ffv1", "gray16le", "uint16", 600 if quick else 4_000)


def long_h264(path: Path, quick: bool) -> Path:
    """An 8-bit H.264 video, 512², whose few coded key frames are repeated."""
    return _long_video(path, "libx264", "yuv420p", "uint8", 3_000 if quick else 40_000)


def _long_video(path: Path, codec: str, pix_fmt: str, dtype: str, n: int) -> Path:
    import av

    rng = np.random.default_rng(0)
    top = 60_000 if dtype == "uint16" else 250
    frames = [rng.integers(0, top // 8, (512, 512)).astype(dtype) for _ in range(4)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=100)
        stream.height = stream.width = 512
        stream.pix_fmt, stream.options = (
            pix_fmt,
            {"g": "1", "bf": "0", "tune": "zerolatency"} if codec != "ffv1" else {"g": "1"},
        )
        coded = []
        for pixels in frames:
            coded += stream.encode(
                av.VideoFrame.from_ndarray(pixels, format="gray16le" if dtype == "uint16" else "gray")
            )
        coded += stream.encode()
        blobs = [bytes(packet) for packet in coded]
        for index in range(n):
            packet = av.Packet(blobs[index % len(blobs)])
            packet.stream, packet.pts, packet.dts = stream, index, index
            packet.time_base, packet.is_keyframe = Fraction(1, 100), True
            container.mux(packet)
    return path


def image_folder(path: Path, quick: bool) -> Path:
    """A folder of many PNG frames, 256² (links to a few files)."""
    from PIL import Image

    path.mkdir()
    for index in range(3_000 if quick else 50_000):
        name = path / f"frame_{index}.png"
        if index < 50:
            Image.fromarray(MADE["known_stack"]("uint8", (1, 256, 256))[0]).save(name)
        else:
            os.link(path / f"frame_{index % 50}.png", name)
    return path


def insitu_tree(path: Path, quick: bool) -> Path:
    """A Gatan in-situ tree at 100 frames/s, 256² (links to a few files)."""
    first: list[Path] = []

    def write(where: Path, count: int) -> None:
        if count < 50:
            MADE["write_dm4"](where, MADE["known_stack"]("uint16", (1, 256, 256))[0], [(0.2, "nm"), (0.2, "nm")], 0.01)
            first.append(where)
        else:
            os.link(first[count % 50], where)

    seconds = 30 if quick else 1000
    return Path(MADE["write_insitu"](path, {s: list(range(100)) for s in range(seconds)}, write, ".dm4"))


def plain_tiff(path: Path, n: int) -> Iterator[Any]:
    """Tifffile's own pages."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        if len(tif.pages) > 1:
            for index in range(n):
                yield tif.pages[index].asarray()
        else:
            stack = tifffile.memmap(path, mode="r")
            for index in range(n):
                yield stack[index].astype(stack.dtype.newbyteorder("="))


def plain_mrc(path: Path, n: int) -> Iterator[Any]:
    """A map of mrcfile."""
    import mrcfile

    with mrcfile.mmap(path, permissive=True) as mrc:
        for index in range(n):
            yield np.array(mrc.data[index])


def plain_video(path: Path, n: int) -> Iterator[Any]:
    """PyAV's loop, with threads."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for index, frame in enumerate(container.decode(video=0)):
            if index >= n:
                return
            yield frame.to_ndarray(format="gray16le" if frame.format.name == "gray16le" else "gray")


def plain_images(path: Path, n: int) -> Iterator[Any]:
    """Pillow, file by file."""
    from PIL import Image

    for index in range(n):
        with Image.open(path / f"frame_{index}.png") as image:
            yield np.asarray(image)


def plain_dm(path: Path, n: int) -> Iterator[Any]:
    """RosettaSciIO, file by file."""
    from rsciio.digitalmicrograph import file_reader

    for frame in sorted(path.rglob("*.dm4"))[:n]:
        yield file_reader(str(frame))[0]["data"]


Maker, Plain = Callable[[Path, bool], Path], Callable[[Path, int], Iterator[Any]]
MOVIES: dict[str, tuple[str, Maker, Plain]] = {
    "imagej": ("stack.tif", sparse_imagej, plain_tiff),
    "pages": ("pages.tif", paged_tiff, plain_tiff),
    "mrc": ("movie.mrc", sparse_mrc, plain_mrc),
    "ffv1": ("movie.mkv", long_ffv1, plain_video),
    "h264": ("movie.mp4", long_h264, plain_video),
    "folder": ("folder", image_folder, plain_images),
    "insitu": ("tree", insitu_tree, plain_dm),
}


def main() -> None:
    """Write, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true")
    options.add_argument(
        "--folder", type=Path, help="where the movies are written (several GB where files cannot be sparse)"
    )
    options.add_argument("--only", nargs="*", choices=MOVIES, default=list(MOVIES))
    args = options.parse_args()
    many, few = (500, 50) if args.quick else (1_000, 100)
    print(f"{'movie':8}{'frames':>8}{'GB':>7}{'imports':>9}{'open':>7}{'CPU':>7}{'first':>7}{'last':>7}{'peak MB':>9}"
          f"{'peak ratio':>11}{'frames/s':>10}{'plain':>8}{'speed':>7}")  # fmt: skip
    for name in args.only:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            report(name, Path(folder), args.quick, many, few)


def report(name: str, folder: Path, quick: bool, many: int, few: int) -> None:
    """Measure one movie and print its line."""
    file, make, plain = MOVIES[name]
    path = make(folder / file, quick)
    size = path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    sum(1 for _ in plain(path, many))  # both sides then find the file in the system's cache
    short, long = measure(path, few), measure(path, many)
    start = time.process_time()
    n = sum(1 for _ in plain(path, many))
    rate = n / (time.process_time() - start)
    cells = [
        f"{name:8}{long['shape'][0]:8}{size / 1e9:7.1f}{short['imports']:9.2f}{short['open']:7.2f}{short['cpu']:7.2f}",
        f"{short['first']:7.3f}{short['last']:7.3f}{long['peak'] / 2**20:9.0f}{long['peak'] / short['peak']:11.2f}",
        f"{long['rate']:10.0f}{rate:8.0f}{long['rate'] / rate:7.2f}",
    ]
    print("".join(cells), flush=True)
    shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
