"""Round trips lose nothing that a format can hold."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.calibration import Calibration
from lptem_tracker.errors import InputError, MissingExtraError, OutputError, SettingsError
from lptem_tracker.export import FORMATS, export_run, geff_files, read_detections, read_tracks, run_files
from lptem_tracker.export.imagej_roi import polygon_roi
from lptem_tracker.export.outlines import bounding_boxes
from lptem_tracker.export.trackmate_write import write_trackmate
from lptem_tracker.run import open_run

MakeRun = Callable[..., Path]
COLUMNS = ["particle", "frame", "x", "y", "x_std", "y_std", "width", "height", "angle", "area", "radius", "confidence",
           "class_id", "observed"]  # fmt: skip


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["frame", "particle"], ignore_index=True)[COLUMNS]


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("format", "table"), [("csv", "tracks.csv"), ("parquet", "tracks.parquet"), ("trackmate", ""), ("geff", "")]
)
def test_a_round_trip_loses_nothing(make_run: MakeRun, format: str, table: str, calibrated: bool) -> None:
    """Every column of the tracks comes back, with what was filled in, to the last digit but one."""
    if format == "geff":
        pytest.importorskip("geff", reason="the optional library geff is not installed")
    run = open_run(make_run(calibrated=calibrated))
    path = export_run(run, format)[0]
    back = read_tracks(path)
    pd.testing.assert_frame_equal(_ordered(back), _ordered(run.tracks), rtol=1e-14, atol=0)
    if format in {"trackmate", "geff"}:
        found = (back.attrs.get("pixel_size_nm"), back.attrs.get("frame_interval_s"))
        assert found == ((2.0, 0.0125) if calibrated else (None, None))
    assert len(read_detections(path)) == len(run.detections)


def test_a_single_position_keeps_its_particle_in_trackmate(tmp_path: Path) -> None:
    """TrackMate has no track of one spot; the number is kept beside it."""
    table = pd.DataFrame({"particle": [4, 4, 9], "frame": [0, 1, 1], "x": [1.0, 2.0, 8.0], "y": 0.0})
    path = write_trackmate(tmp_path / "t.xml", table, Calibration(), shape=(2, 10, 10))
    assert read_tracks(path)["particle"].tolist() == [4, 4, 9]


def test_a_track_edited_in_trackmate_counts_as_edited(tmp_path: Path) -> None:
    """When its user joins two tracks there, the numbers stored by us no longer hold."""
    table = pd.DataFrame({"particle": [1, 1, 2, 2], "frame": [0, 1, 2, 3], "x": [1.0, 2.0, 3.0, 4.0], "y": 0.0})
    path = write_trackmate(tmp_path / "t.xml", table, Calibration(), shape=(4, 10, 10))
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("</Track>", '<Edge SPOT_SOURCE_ID="1" SPOT_TARGET_ID="2" />\n</Track>', 1), encoding="utf-8"
    )
    assert read_tracks(path)["particle"].nunique() == 1


def test_trackmate_opens_in_another_reader(make_run: MakeRun, tmp_path: Path) -> None:
    """The graph library's own TrackMate reader finds the spots, links, units and nanometres."""
    convert = pytest.importorskip("geff.convert", reason="the optional library geff is not installed")
    run = open_run(make_run())
    path = export_run(run, "trackmate")[0]
    with pytest.warns(UserWarning, match="Missing tag"):
        convert.from_trackmate_xml_to_geff(path, tmp_path / "t.geff", overwrite=True)
    import geff

    graph, metadata = geff.read(tmp_path / "t.geff")
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (200, 195)
    assert {axis.unit for axis in metadata.axes} == {"nanometer", "second"}
    back = read_tracks(tmp_path / "t.geff", pixel_size_nm=2.0).sort_values(["frame", "particle"], ignore_index=True)
    ours = run.tracks.sort_values(["frame", "particle"], ignore_index=True)
    assert back["x"].to_numpy() == pytest.approx(ours["x"].to_numpy(), rel=1e-12)


def test_geff_validates(make_run: MakeRun) -> None:
    """The format's own check passes."""
    geff = pytest.importorskip("geff", reason="the optional library geff is not installed")
    geff.validate_structure(export_run(open_run(make_run()), "geff")[0])


def test_a_missing_library_is_named(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the command that installs it."""

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(geff_files, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r'python -m pip install "\.\[geff\]"'):
        export_run(open_run(make_run()), "geff")


def test_trackpy_takes_the_exported_csv(make_run: MakeRun) -> None:
    """An independent library computes the MSD of a particle at constant speed: 0.25 px² at lag 1, 1 at lag 2."""
    trackpy = pytest.importorskip("trackpy")
    table = pd.read_csv(export_run(open_run(make_run()), "csv")[0])
    first = table[(table["particle"] == 3) & (table["frame"] <= 20)]
    assert trackpy.msd(first, 1.0, 1.0, max_lagtime=2)["msd"].tolist() == pytest.approx([0.25, 1.0])


def test_yolo_labels_are_relative_to_the_frame(make_run: MakeRun) -> None:
    """The still particle at (20, 20) with 12 × 8 px in a 128 × 96 frame."""
    paths = export_run(open_run(make_run()), "yolo")
    kind, x, y, w, h = (float(v) for v in paths[0].read_text(encoding="utf-8").splitlines()[0].split())
    assert (kind, x, y, w, h) == pytest.approx((0, 20.5 / 128, 20.5 / 96, 12 / 128, 8 / 96), abs=1e-6)
    assert len(list((paths[-1].parent / "images").glob("*.png"))) == 40


def test_frames_without_particles_have_an_empty_label_file(make_run: MakeRun) -> None:
    """Background frames are labels too: an empty file, not none."""
    run = open_run(make_run())
    seen = run.detections[run.detections["frame"] != 7]
    paths = export_run(open_run(make_run("less", detections=seen, movie=False)), "yolo")
    assert not (paths[-1].parent / "images").exists()
    assert len(paths) == 41
    assert paths[7].read_text(encoding="utf-8") == ""


def test_coco_holds_boxes_outlines_and_tracks(make_run: MakeRun) -> None:
    """A box in px from the first pixel's corner; the track's number; nothing that was filled in."""
    run = open_run(make_run())
    content = json.loads(export_run(run, "coco")[0].read_text(encoding="utf-8"))
    assert len(content["images"]) == 40
    assert len(content["annotations"]) == int(run.tracks["observed"].sum())
    first = next(a for a in content["annotations"] if a["track_id"] == 0 and a["image_id"] == 0)
    assert first["bbox"] == pytest.approx([14.5, 16.5, 12, 8])
    assert [(kind["id"], kind["name"]) for kind in content["categories"]] == [(first["category_id"], "particle")]
    outline = np.reshape(first["segmentation"], (-1, 2))
    assert [*outline.min(0), *outline.max(0)] == pytest.approx([14.5, 16.5, 26.5, 24.5], abs=1e-3)


def test_boxes_enclose_turned_particles_and_end_at_the_frame() -> None:
    """A rod of 20 × 4 at 90° is 4 wide and 20 high; at the border the box is cut."""
    table = pd.DataFrame({"x": [50.0, 0.0], "y": [50.0, 0.0], "width": 20.0, "height": 4.0, "angle": np.pi / 2})
    boxes = bounding_boxes(table, (100, 100))
    assert boxes[0] == pytest.approx([48, 40, 52, 60])
    assert boxes[1] == pytest.approx([-0.5, -0.5, 2, 10])


def test_imagej_outlines_read_back(make_run: MakeRun) -> None:
    """One region a row; corners, slice and name are where ImageJ's format has them."""
    run = open_run(make_run())
    with zipfile.ZipFile(export_run(run, "imagej-roi")[0]) as archive:
        assert len(archive.namelist()) == len(run.tracks)
        content = archive.read("000001-p0.roi")
    assert content[:4] == b"Iout"
    n, options, position = (struct.unpack_from(f, content, o)[0] for f, o in ((">H", 16), (">h", 50), (">i", 56)))
    assert (n, options & 128, position) == (32, 128, 1)
    x = np.frombuffer(content, ">f4", n, 64 + 4 * n)
    assert (x.min(), x.max()) == pytest.approx((14.5, 26.5))


def test_imagej_outlines_open_in_another_reader() -> None:
    """An independent reader finds the same corners."""
    roifile = pytest.importorskip("roifile", reason="the library roifile is not installed")
    points = np.array([[10.25, 20.5], [30.75, 21.0], [25.0, 40.125]])
    roi = roifile.ImagejRoi.frombytes(polygon_roi(points, "abc", 5))
    assert roi.coordinates() == pytest.approx(points)
    assert (roi.name, roi.position) == ("abc", 5)


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun) -> None:
    """No date or order of hashing is in any file."""
    run = open_run(make_run())
    for format in ("csv", "parquet", "trackmate", "napari", "imagej-roi", "coco"):
        first = [p.read_bytes() for p in export_run(run, format)]
        assert [p.read_bytes() for p in export_run(run, format, force=True)] == first


@pytest.mark.parametrize(
    ("format", "writer"),
    [("trackmate", "write_trackmate"), ("imagej-roi", "write_imagej_roi"), ("coco", "write_coco")],
)
def test_an_export_that_fails_leaves_the_earlier_one(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, format: str, writer: str
) -> None:
    """A file is written whole or not at all: one that is stopped midway is not there, and what was there stays."""
    run = open_run(make_run())
    (path,) = export_run(run, format)
    before = path.read_bytes()

    def stopped(part: Path, *_: object, **__: object) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(run_files, writer, stopped)
    with pytest.raises(KeyboardInterrupt):
        export_run(run, format, force=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_unknown_format_names_the_known_ones(make_run: MakeRun) -> None:
    """The message lists all eight."""
    with pytest.raises(SettingsError, match=", ".join(FORMATS)):
        export_run(open_run(make_run()), "excel")


def test_a_run_without_tables_says_so(tmp_path: Path) -> None:
    """Nothing to export is an error, not an empty folder."""
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="holds no tables"):
        export_run(open_run(tmp_path), "csv")


@pytest.mark.parametrize("format", list(FORMATS))
def test_what_is_there_is_not_replaced_unasked(make_run: MakeRun, tmp_path: Path, format: str) -> None:
    """Neither a file of the user's in the place of the export, nor a folder with something in it, is touched."""
    run = open_run(make_run())
    movie = tmp_path / "run.tif"
    before = movie.read_bytes()
    labels = tmp_path / "labels" / "labels"
    labels.mkdir(parents=True)
    (labels / "frame_000000.txt").write_text("0 0.5 0.5 0.1 0.1", encoding="utf-8")
    for target in (movie, labels.parent):
        with pytest.raises(OutputError, match=r"--force|is a folder"):
            export_run(run, format, target)
    assert movie.read_bytes() == before
    assert (labels / "frame_000000.txt").read_text(encoding="utf-8") == "0 0.5 0.5 0.1 0.1"


def test_a_folder_is_never_replaced_by_a_geff(make_run: MakeRun, tmp_path: Path) -> None:
    """Also with force only a GEFF gives way: its folder is removed as a whole."""
    pytest.importorskip("geff", reason="the library geff is not installed")
    run, data = open_run(make_run()), tmp_path / "data"
    data.mkdir()
    (data / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not replaced"):
        export_run(run, "geff", data, force=True)
    assert (data / "notes.txt").read_text(encoding="utf-8") == "mine"
    for _ in range(2):
        export_run(run, "geff", tmp_path / "tracks.geff", force=True)
    assert len(read_tracks(tmp_path / "tracks.geff")) == len(run.tracks)


def test_labels_leave_out_what_has_no_position(make_run: MakeRun) -> None:
    """A row whose place is not known is no label, and the JSON holds no NaN."""
    tracks = pd.DataFrame({"particle": [0, 1], "frame": [0, 0], "x": [9.0, np.nan], "y": [8.0, 4.0], "radius": 3.0})
    run = open_run(make_run(tracks=tracks, detections=tracks.drop(columns="particle"), movie=False))

    def refuse(name: str) -> None:
        raise ValueError(name)

    content = json.loads(export_run(run, "coco")[0].read_text(encoding="utf-8"), parse_constant=refuse)
    assert [item["track_id"] for item in content["annotations"]] == [0]
    label = next(path for path in export_run(run, "yolo") if path.name == "frame_000000.txt")
    assert len(label.read_text(encoding="utf-8").splitlines()) == 1
