"""Which movies a batch holds, and what they are called."""

import pytest

from lptem_tracker.batch.plan import plan_batch
from lptem_tracker.batch.sample import _folder_names
from lptem_tracker.errors import MovieError, TableError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Folders with movies, an in-situ tree among them."""
    for name in ("a/one.tif", "a/two.tif", "b/one.tif", "b/one.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for second in (0, 1):
        folder = tmp_path / "c" / "Hour_00" / "Minute_00" / f"Second_0{second}"
        folder.mkdir(parents=True)
        for frame in range(3):
            (folder / f"x_Hour_00_Minute_00_Second_0{second}_Frame_000{frame}.dm4").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_follow_the_folders_and_are_told_apart(tree):
    """Two movies of one stem get their suffix; others keep their relative path."""
    items = plan_batch(["**/*.tif", "**/*.mp4"])
    assert [item.name for item in items] == ["a/one", "a/two", "b/one_tif", "b/one_mp4"]
    assert {item.sample for item in items} == {"all"}


def test_frames_of_an_in_situ_tree_are_one_movie(tree):
    """Six frame files below Hour_00 are the folder that holds them."""
    (item,) = plan_batch(["c/**/*.dm4"])
    assert item.source == "c"


def test_a_movie_named_twice_is_analysed_once(tree):
    """Overlapping patterns do not repeat a movie."""
    assert len(plan_batch(["a/*.tif", "a/one.tif"])) == 2


def test_a_pattern_that_matches_nothing_is_refused(tree):
    """The pattern is named."""
    with pytest.raises(MovieError, match="nothing-here"):
        plan_batch(["nothing-here/*.tif"])


def test_conditions_name_samples_by_path_name_or_stem(tree):
    """A movie is found by its path, its file name or its stem."""
    table = tree / "conditions.csv"
    table.write_text("movie,sample\na/one.tif,A\ntwo,B\n", encoding="utf-8")
    assert [item.sample for item in plan_batch(["a/*.tif"], table)] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("movie\none\n", "columns movie and sample"), ("movie,sample\nnone,A\n", "no movie of this batch")],
)
def test_conditions_that_do_not_fit_are_refused(tree, text, words):
    """A missing column and an unknown movie are one sentence each."""
    table = tree / "conditions.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=words):
        plan_batch(["a/*.tif"], table)


def test_movies_of_one_sample_get_folders_of_their_own():
    """Equal stems are numbered, a trailing separator does not matter."""
    assert _folder_names(["x/a.tif", "y/a.tif", "frames/"]) == ["a-1", "a-2", "frames"]
