"""Small movies of every format with known pixels, written by other libraries or by minimal writers of our own."""

from __future__ import annotations

import importlib
import struct
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

SHAPE = (6, 48, 64)


def known_stack(dtype: str = "uint16", shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Return frames that differ from each other and along both axes, using the depth of `dtype`."""
    t, y, x = np.indices(shape)
    if np.dtype(dtype).kind == "f":
        return ((t * 1000 + y * 7 + x) / 3).astype(dtype)
    values = (t * 23 + y * 3 + x) % 200 + 20
    if np.dtype(dtype).itemsize > 1:
        values = values * 100 + t
    return values.astype(dtype)


def write_video(
    path: Path,
    stack: np.ndarray,
    codec: str,
    pix_fmt: str,
    *,
    rate: int = 25,
    pts: list[int] | None = None,
    options: dict[str, str] | None = None,
    source: str | None = None,
) -> Path:
    """Encode a stack of grey frames; `pts` are time stamps in 1/1000 s."""
    source = source or ("gray16le" if stack.dtype == np.uint16 else "gray")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = stack.shape[1], stack.shape[2], pix_fmt
        stream.options = options or {}
        for index, pixels in enumerate(stack):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=source)
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_ncem_emd(path: Path, stack: np.ndarray, *, pixel_nm: float = 0.5, interval_s: float = 0.1) -> Path:
    """Write an EMD file as the NCEM specification (version 0.2) describes it."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/movie")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=stack)
        steps = (("time", "[s]", interval_s), ("y", "[n_m]", pixel_nm), ("x", "[n_m]", pixel_nm))
        for number, (name, unit, step) in enumerate(steps, 1):
            dim = group.create_dataset(f"dim{number}", data=np.arange(stack.shape[number - 1]) * step)
            dim.attrs.update({"name": name, "units": unit})
    return path


def write_ser(path: Path, stack: np.ndarray, *, pixel_m: float = 2e-9, seconds: list[int] | None = None) -> Path:
    """Write a TIA series of images (format description by C. B. Boothroyd, 2010)."""
    n, height, width = stack.shape
    code = {"u1": 1, "u2": 2, "i2": 5, "f4": 7}[stack.dtype.str[1:]]
    name = b"Number"
    header = struct.pack("<HHHIIII", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, n, n)
    dimension = struct.pack("<IddII", n, 0.0, 1.0, 0, len(name)) + name + struct.pack("<I", 0)
    table = len(header) + 8 + len(dimension)
    element = struct.pack("<ddIddIHII", 0.0, pixel_m, 0, 0.0, pixel_m, 0, code, width, height)
    size = len(element) + stack[0].nbytes
    first = table + 8 * n
    offsets = [first + i * size for i in range(n)]
    tags = [first + n * size + i * 8 for i in range(n)]
    body = b"".join(element + frame.tobytes() for frame in stack)
    stamps = b"".join(struct.pack("<HHI", 0x4152, 0, s) for s in (seconds or [1_400_000_000] * n))
    index = struct.pack(f"<{2 * n}I", *offsets, *tags)
    path.write_bytes(header + struct.pack("<II", table, 1) + dimension + index + body + stamps)
    return path


def write_dm4(path: Path, pixels: np.ndarray, scales: list[tuple[float, str]], exposure_s: float | None = None) -> Path:
    """Write a minimal DM4 file: `pixels` (Y, X) or (T, Y, X), `scales` (step, unit) of x, y and time."""
    codes = {"u1": (6, 10), "u2": (10, 4), "i2": (1, 2), "u4": (11, 5), "i4": (7, 3), "f4": (2, 6)}
    data_type, encoded = codes[pixels.dtype.str[1:]]

    def entry(kind: int, name: str, body: bytes) -> bytes:
        return struct.pack(">BH", kind, len(name)) + name.encode() + struct.pack(">Q", len(body)) + body

    def group(name: str, tags: list[bytes]) -> bytes:
        return entry(20, name, struct.pack(">BBQ", 1, 0, len(tags)) + b"".join(tags))

    def simple(name: str, code: int, fmt: str, value: float) -> bytes:
        return entry(21, name, b"%%%%" + struct.pack(">QQ", 1, code) + struct.pack("<" + fmt, value))

    def array(name: str, code: int, n: int, body: bytes) -> bytes:
        return entry(21, name, b"%%%%" + struct.pack(">QQQQ", 3, 20, code, n) + body)

    def text(name: str, value: str) -> bytes:
        return array(name, 4, len(value), value.encode("utf-16-le"))

    dims = [group("", [simple("Origin", 6, "f", 0), simple("Scale", 6, "f", step), text("Units", unit)])
            for step, unit in scales]  # fmt: skip
    brightness = group("Brightness", [simple("Origin", 6, "f", 0), simple("Scale", 6, "f", 1), text("Units", "")])
    image = group("ImageData", [
        group("Calibrations", [brightness, group("Dimension", dims)]),
        array("Data", encoded, pixels.size, pixels.tobytes()),
        simple("DataType", 5, "I", data_type),
        group("Dimensions", [simple("", 5, "I", n) for n in pixels.shape[::-1]]),
        simple("PixelDepth", 5, "I", pixels.itemsize),
    ])  # fmt: skip
    bar = [] if exposure_s is None else [group("DataBar", [simple("Exposure Time (s)", 7, "d", exposure_s)])]
    root = [group("ImageList", [group("", [image, group("ImageTags", bar), text("Name", path.stem)])])]
    body = struct.pack(">BBQ", 1, 0, len(root)) + b"".join(root)
    path.write_bytes(struct.pack(">IQI", 4, len(body) + 8, 1) + body + b"\0" * 8)
    return path


def write_insitu(
    folder: Path, seconds: dict[int, list[int]], write: Callable[[Path, int], object], suffix: str = ".tif"
) -> Path:
    """Write a Gatan in-situ tree; `seconds` maps a second to its frame numbers, `write` gets (path, count)."""
    count = 0
    for second, frames in seconds.items():
        where = folder / "Hour_00" / f"Minute_{second // 60:02d}" / f"Second_{second % 60:02d}"
        where.mkdir(parents=True, exist_ok=True)
        for frame in frames:
            name = f"mov_Hour_00_Minute_{second // 60:02d}_Second_{second % 60:02d}_Frame_{frame:04d}{suffix}"
            write(where / name, count)
            count += 1
    return folder


def write_samples(folder: Path) -> dict[str, Path]:
    """Write one small movie of each format and return them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    deep, shallow, real = known_stack("uint16"), known_stack("uint8"), known_stack("float32")
    made: dict[str, Path] = {}
    made["tiff"] = folder / "plain.tif"
    tifffile.imwrite(made["tiff"], deep, photometric="minisblack", metadata=None)
    made["tiff_deflate"] = folder / "deflate.tif"
    tifffile.imwrite(made["tiff_deflate"], deep, photometric="minisblack", compression="zlib", metadata=None)
    made["bigtiff"] = folder / "big.tif"
    tifffile.imwrite(made["bigtiff"], real, photometric="minisblack", bigtiff=True)
    made["imagej"] = folder / "imagej.tif"
    tifffile.imwrite(made["imagej"], deep, imagej=True, resolution=(2.0, 2.0),
                     metadata={"axes": "TYX", "unit": "nm", "finterval": 0.25})  # fmt: skip
    made["ome"] = folder / "stack.ome.tif"
    tifffile.imwrite(made["ome"], deep, metadata={
        "axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "nm",
        "TimeIncrement": 50.0, "TimeIncrementUnit": "ms"})  # fmt: skip
    made["mp4"] = write_video(folder / "h264.mp4", shallow, "libx264", "yuv420p")
    made["avi"] = write_video(folder / "mjpeg.avi", shallow, "mjpeg", "yuvj420p")
    made["mkv"] = write_video(folder / "ffv1.mkv", deep, "ffv1", "gray16le", options={"slicecrc": "1", "level": "3"})
    made["mov"] = write_video(folder / "mpeg4.mov", shallow, "mpeg4", "yuv420p")
    made["mrc"] = folder / "movie.mrc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.new(made["mrc"], real) as mrc:
            mrc.set_image_stack()
            mrc.voxel_size = 5.0
    made["emd_ncem"] = write_ncem_emd(folder / "ncem.emd", deep)
    made["ser"] = write_ser(folder / "series.ser", deep)
    made["dm4_stack"] = write_dm4(folder / "stack.dm4", real, [(0.2, "nm"), (0.2, "nm"), (0.05, "s")], 0.04)
    made["dm4"] = write_dm4(folder / "single.dm4", deep[0], [(0.2, "nm"), (0.2, "nm")])
    made["tvips"] = _write_tvips(folder / "stream_000.tvips", deep)
    made["npy"] = folder / "array.npy"
    np.save(made["npy"], deep)
    for kind in ("png", "jpg", "bmp"):
        made[kind] = folder / kind
        made[kind].mkdir()
        for index, pixels in enumerate(shallow):
            Image.fromarray(pixels).save(made[kind] / f"frame{index}.{kind}")
    made["tif_folder"] = folder / "tifs"
    made["tif_folder"].mkdir()
    for index, pixels in enumerate(deep):
        tifffile.imwrite(made["tif_folder"] / f"frame{index}.tif", pixels)
    made["insitu"] = write_insitu(folder / "insitu", {5: [0, 1], 6: [0, 1], 7: [0, 1]},
                                  lambda path, i: write_dm4(path, deep[i], [(0.2, "nm")] * 2, 0.4), ".dm4")  # fmt: skip
    return made


def _write_tvips(path: Path, stack: np.ndarray) -> Path:
    tvips = importlib.import_module("rsciio.tvips._api")
    general = np.zeros(1, tvips.TVIPS_RECORDER_GENERAL_HEADER)
    record = np.dtype([*tvips.TVIPS_RECORDER_FRAME_HEADER, ("data", stack.dtype, stack.shape[1:])])
    frames = np.zeros(len(stack), record)
    extra = record.itemsize - stack[0].nbytes
    values = {"size": 256, "version": 2, "dimx": stack.shape[2], "dimy": stack.shape[1],
              "bitsperpixel": 8 * stack.itemsize, "pixelsize": 3, "frameheaderbytes": extra}  # fmt: skip
    for key, value in values.items():
        general[key] = value
    frames["data"], frames["mode"] = stack, 1
    milliseconds = 1000 * 1_500_000_000 + 40 * np.arange(len(stack))
    frames["timestamp"], frames["ms"] = milliseconds // 1000, milliseconds % 1000
    path.write_bytes(general.tobytes() + frames.tobytes())
    return path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Movies of every format, by name; tests must not change them."""
    return write_samples(tmp_path_factory.mktemp("samples") / "made")


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The writers of this file, for tests that need a movie of their own."""
    return SimpleNamespace(
        stack=known_stack, video=write_video, emd=write_ncem_emd, ser=write_ser, dm4=write_dm4, insitu=write_insitu
    )
