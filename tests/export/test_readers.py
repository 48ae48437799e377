"""Tables of positions from other tools, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lptem_tracker.errors import TableError
from lptem_tracker.export import read_detections, read_tracks

SPOTS = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,VISIBILITY
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility
,,,(quality),{unit},{unit},{unit},(sec),,{unit},
ID7,7,0,4.5,10.0,20.0,0,0,0,2.5,1
ID8,8,0,4.0,10.5,20.5,0,1,1,2.5,1
ID9,9,,1.0,50.0,60.0,0,1,1,2.5,1
"""


def _file(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "particle,frame,x,y\n3,0,1.5,2.5\n3,1,1.75,2.5\n",
        "track_id,frame,x,y\n3,0,1.5,2.5\n3,1,1.75,2.5\n",
        "Frame;Track_ID;X;Y\n0;3;1.5;2.5\n1;3;1.75;2.5\n",
        "\ufeffTRACK\tFRAME\tx_px\ty_px\n3\t0\t1.5\t2.5\n3\t1\t1.75\t2.5\n",
        ",y,x,mass,size,ecc,signal,raw_mass,ep,frame,particle\n0,2.5,1.5,9,2,0,1,1,0.1,0,3\n1,2.5,1.75,9,2,0,1,1,0.1,1,3\n",
        "particle,frame,x_nm,y_nm\n3,0,3.0,5.0\n3,1,3.5,5.0\n",
    ],
    ids=["ours", "track_id", "semicolons", "tabs", "trackpy", "nanometres"],
)
def test_spellings_of_a_tracks_table(tmp_path: Path, text: str) -> None:
    """The same two positions come out of each spelling, as observed and in px."""
    table = read_tracks(_file(tmp_path, text), pixel_size_nm=2.0)
    assert table[["particle", "frame", "x", "y"]].to_numpy().tolist() == [[3, 0, 1.5, 2.5], [3, 1, 1.75, 2.5]]
    assert table["observed"].all()


def test_columns_of_other_tools_are_kept(tmp_path: Path) -> None:
    """What we do not know stays as it is."""
    table = read_tracks(_file(tmp_path, "particle,frame,x,y,ecc,note\n0,0,1,2,0.25,good\n"))
    assert table.loc[0, ["ecc", "note"]].tolist() == [0.25, "good"]


def test_trackmate_spots_in_px(tmp_path: Path) -> None:
    """The three rows of names and units are no data; the spot without a track is left out, and it is said."""
    table = read_tracks(_file(tmp_path, SPOTS.format(unit="(pixel)")))
    assert table[["particle", "frame", "x", "y", "radius"]].to_numpy().tolist() == [
        [0, 0, 10, 20, 2.5],
        [0, 1, 10.5, 20.5, 2.5],
    ]
    assert table.attrs["notes"][-1] == "1 position in no track left out."


def test_trackmate_spots_in_microns_need_the_pixel_size(tmp_path: Path) -> None:
    """10 µm at 500 nm/px are 20 px; without a pixel size the option is named."""
    path = _file(tmp_path, SPOTS.format(unit="(micron)"))
    assert read_tracks(path, pixel_size_nm=500.0)["x"].tolist() == [20.0, 21.0]
    with pytest.raises(TableError, match="--pixel-size-nm"):
        read_tracks(path)


def test_spots_without_a_track_are_detections(tmp_path: Path) -> None:
    """As detections all three spots count."""
    table = read_detections(_file(tmp_path, SPOTS.format(unit="(pixel)")))
    assert len(table) == 3
    assert "particle" not in table


def test_filled_positions_are_no_detections(tmp_path: Path) -> None:
    """Rows that a linker filled in were never detected."""
    text = "particle,frame,x,y,observed\n0,0,1,1,True\n0,1,2,2,False\n0,2,3,3,True\n"
    assert read_detections(_file(tmp_path, text))["frame"].tolist() == [0, 2]


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    """17 digits in, the same double out."""
    values = np.random.default_rng(0).normal(500, 100, 200)
    table = pd.DataFrame({"particle": 0, "frame": range(200), "x": values, "y": values[::-1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    assert (read_tracks(tmp_path / "t.csv")["x"].to_numpy() == values).all()


def test_a_real_edge_table_and_its_session_agree(shared_data: Path) -> None:
    """TrackMate's edges as CSV and its XML give the same paths; the one merge is cut, and it is said."""
    folder = shared_data / "trackmate_files"
    tables = [read_tracks(folder / f"trackmate_tracks_with_merging.{ending}") for ending in ("csv", "xml")]
    paths = [
        {
            tuple(rows.sort_values("frame")[["frame", "x", "y"]].round(9).itertuples(index=False, name=None))
            for _, rows in t.groupby("particle")
        }
        for t in tables
    ]
    assert paths[0] == paths[1]
    assert sorted(len(path) for path in paths[0]) == [10, 21, 26, 26, 50]
    assert all("1 link of merging or splitting tracks cut" in " ".join(t.attrs["notes"]) for t in tables)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", b"frame,x\n0,1\n", "needs the columns particle, y; it has: frame, x"),
        ("a.csv", b"particle,frame,x,y\n0,0,left,2\n", "must be numeric; found 'left'"),
        ("a.csv", b"particle,frame,x,y\n0,0.5,1,2\n", "whole numbers"),
        ("a.csv", b"particle,frame,x,y\n0,-1,1,2\n", "Frames count from 0"),
        ("a.csv", b"particle,frame,x,y\n0,0,1,2\n0,0,1,2\n", "once"),
        ("a.csv", b"particle,frame,x,y\n", "holds no tracks"),
        ("a.csv", b"\xff\xfe\x00\x01\x02", "is no CSV table"),
        ("a.parquet", b"PAR1 not really", "cannot be read as Parquet"),
        ("a.parquet", b"", "is empty"),
        ("a.pkl", b"\x80\x04", "is a .csv, .parquet or TrackMate .xml"),
        ("a.xml", b"<html></html>", "no TrackMate session"),
        ("a.xml", b"<TrackMate><Model>", "no well-formed"),
        ("a.xml", b"<TrackMate version='7'><Model/></TrackMate>", "no visible spots"),
        (
            "a.xml",
            b"<TrackMate><Spot ID='1' FRAME='0' POSITION_X='a' POSITION_Y='0'/></TrackMate>",
            "damaged TrackMate",
        ),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Each says what was expected and what came, in one line."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=message.replace(".", r"\.")) as caught:
        read_tracks(path)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(TableError, match=r"nowhere\.csv"):
        read_tracks(tmp_path / "nowhere.csv")


def test_entities_of_an_xml_are_never_expanded(tmp_path: Path) -> None:
    """A document type, which could hold a bomb or read files, is refused before anything is expanded."""
    bomb = '<!DOCTYPE a [<!ENTITY b "' + "x" * 100 + '"><!ENTITY c "&b;&b;">]><TrackMate>&c;</TrackMate>'
    with pytest.raises(TableError, match="document type"):
        read_tracks(_file(tmp_path, bomb, "a.xml"))


def test_parquet_with_python_objects_is_not_unpickled(tmp_path: Path) -> None:
    """Metadata that Python left in the file is not looked at."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"particle": [0], "frame": [0], "x": [1.0], "y": [2.0]})
    pq.write_table(table.replace_schema_metadata({b"pandas": b"no json at all"}), tmp_path / "a.parquet")
    assert read_tracks(tmp_path / "a.parquet")["x"].tolist() == [1.0]
