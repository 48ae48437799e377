"""Labels of a user: read from YOLO and COCO, checked, split by movie; fine-tuning on them."""

import json

import cv2
import numpy as np
import pytest

from lptem_tracker.errors import InputError
from lptem_tracker.training.fine_tune import crop, fine_tune
from lptem_tracker.training.labels import read_labels, split


def labelled_folder(folder, n=12, rows="0 0.5 0.25 0.25 0.125\n"):
    """Pictures of 80 by 64 px of two movies, each with one labelled dark box."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for k in range(n):
        name = f"{'ab'[k % 2]}_frame_{k:04d}"
        image = rng.poisson(100, (64, 80))
        image[12:20, 30:50] = 40
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image.astype(np.uint8))
        (folder / "labels" / f"{name}.txt").write_text(rows, encoding="utf-8")
    return folder


def test_yolo_fractions_become_px(tmp_path):
    """Centre (0.5, 0.25) and size (0.25, 0.125) of an 80 by 64 px picture are the box 30, 12 to 50, 20."""
    items = read_labels(labelled_folder(tmp_path))
    assert len(items) == 12
    assert items[0].boxes.tolist() == [[30, 12, 50, 20]]
    assert {item.movie for item in items} == {"a", "b"}


def test_coco_gives_the_same(tmp_path):
    """The same boxes as a COCO file are read the same."""
    folder = labelled_folder(tmp_path)
    names = sorted(p.name for p in (folder / "images").iterdir())
    content = {
        "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
        "annotations": [{"image_id": k, "category_id": 1, "bbox": [30, 12, 20, 8]} for k in range(12)],
        "categories": [{"id": 1, "name": "particle"}],
    }
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    a, b = read_labels(folder), read_labels(folder / "labels.json")
    assert [item.boxes.tolist() for item in a] == [item.boxes.tolist() for item in b]


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("0 1.5 0.5 0.1 0.1\n", "does not lie in the picture"),
        ("3 0.5 0.5 0.1 0.1\n", "class 3"),
        ("0 0.5 0.5\n", "5 numbers"),
        ("rod at the left\n", "expected `class x y width height`"),
        ("0 0.5 0.5 0 0.1\n", "does not lie"),
        ("", "not one box"),
    ],
)
def test_labels_that_do_not_fit_are_one_sentence(tmp_path, rows, word):
    """Boxes outside, other classes, short rows, words and no boxes at all are each named."""
    with pytest.raises(InputError, match=word):
        read_labels(labelled_folder(tmp_path, rows=rows))


def test_too_few_and_none(tmp_path):
    """Nine pictures are too few; a folder without labels, a missing one and a label without picture are errors."""
    with pytest.raises(InputError, match="at least 10"):
        read_labels(labelled_folder(tmp_path / "few", n=9))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label files"):
        read_labels(tmp_path / "empty")
    with pytest.raises(InputError, match="neither"):
        read_labels(tmp_path / "nothing")
    orphan = labelled_folder(tmp_path / "orphan")
    (orphan / "labels" / "other.txt").write_text("0 0.5 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(InputError, match="not there"):
        read_labels(orphan)


def test_split_keeps_movies_apart(tmp_path):
    """No movie is on both sides; a single movie gives its last frames."""
    items = read_labels(labelled_folder(tmp_path))
    train, held = split(items, 0.2, np.random.default_rng(0))
    assert {i.movie for i in train}.isdisjoint(i.movie for i in held)
    one = [i for i in items if i.movie == "a"] * 2
    train, held = split(one, 0.2, np.random.default_rng(0))
    assert [i.name for i in held] == [i.name for i in one[-2:]]


def test_crop_moves_boxes(tmp_path):
    """A crop of a picture smaller than it keeps the box on its pixels."""
    item = read_labels(labelled_folder(tmp_path))[0]
    image, boxes = crop(item.image, item.boxes, 96, np.random.default_rng(0))
    left, top, right, bottom = boxes[0].astype(int)
    assert image.shape == (96, 96)
    assert (image[top:bottom, left:right] == 40).all()


def test_fine_tuning_writes_weights_and_a_report(tmp_path):
    """A short fine-tuning leaves a report with scores before and after, and never returns worse weights."""
    said = []
    data, output = labelled_folder(tmp_path / "data"), tmp_path / "out"
    path = fine_tune(data, output, minutes=0.02, size=64, batch=2, device="cpu", say=said.append)
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["n_train"] + report["n_held_out"] == 12
    assert path.is_file()
    if report["improved"]:
        assert report["after"]["f1"] >= report["before"]["f1"]
    assert any("before: F1" in line for line in said)


def test_pictures_of_one_name_in_two_folders_keep_their_own_labels(tmp_path):
    """`train/images/a.png` and `val/images/a.png` are labelled by the text file of their own folder."""
    for n, part in enumerate(("train", "val"), 1):
        for kind in ("images", "labels"):
            (tmp_path / part / kind).mkdir(parents=True)
        for k in range(6):
            cv2.imwrite(str(tmp_path / part / "images" / f"a{k}.png"), np.zeros((40, 40), np.uint8))
            rows = "0 0.5 0.5 0.25 0.25\n" * n
            (tmp_path / part / "labels" / f"a{k}.txt").write_text(rows, encoding="utf-8")
    assert sorted(len(item.boxes) for item in read_labels(tmp_path)) == [1] * 6 + [2] * 6
    (tmp_path / "val" / "labels" / "b.txt").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.txt labels a picture that is not there"):
        read_labels(tmp_path)
