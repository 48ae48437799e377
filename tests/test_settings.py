"""Settings: layers, origins, TOML in and out, refusals."""

import pytest

from lptem_tracker.errors import SettingsError
from lptem_tracker.settings import Settings


def test_later_layers_win_and_origins_say_which(tmp_path):
    """Command line over file over default, each named."""
    file = tmp_path / "run.toml"
    file.write_text("[link]\nmax_gap_frames = 2\nwindow_frames = 4\n", encoding="utf-8")
    settings = Settings.load(file, {"link.max_gap_frames": 7, "detect.weights": None})
    assert (settings.link.max_gap_frames, settings.link.window_frames) == (7, 4)
    origins = settings.origins
    assert origins["link.max_gap_frames"] == "command line"
    assert origins["link.window_frames"] == "run.toml"
    assert origins["detect.weights"] == "default"


def test_toml_written_is_read_back_equal(tmp_path):
    """What a run folder records gives the same settings again, also tuples and None."""
    settings = Settings.load(overrides={"movie.roi": (1, 2, 30, 40), "movie.pixel_size_nm": 0.5})
    file = tmp_path / "settings.toml"
    file.write_text(settings.to_toml(), encoding="utf-8")
    assert Settings.load(file).flat() == settings.flat()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[link]\nmax_gap = 2\n", "Unknown setting link.max_gap; known here: .*max_gap_frames"),
        ("[links]\n", "Unknown setting links; known here: movie"),
        ("[link]\nmax_gap_frames = -1\n", "link.max_gap_frames = -1 .* It is: Frames that a particle may be missing"),
        ("[link\n", "not valid TOML"),
        ("[movie]\npixel_size_nm = true\n", "pixel_size_nm = True is not valid: true and false are no values here"),
        ("[link]\nmax_gap_frames = true\n", "max_gap_frames = True is not valid: true and false are no values here"),
        ("[movie]\npixel_size_nm = 1e300\n", "pixel_size_nm = 1e.300 is not valid: .*less than or equal to 1000000000"),
        ("[movie]\nexposure_s = 1e-300\n", "exposure_s = 1e-300 is not valid: .*greater than or equal to"),
        ("[link]\nmax_displacement_px = inf\n", "max_displacement_px = inf is not valid: .*finite"),
        ("[link]\nmax_gap_frames = 9000000000000000000\n", "max_gap_frames = 9000000000000000000 is not valid"),
        ("[detect]\nblob_diameter_px = 1e9\n", "blob_diameter_px = 1000000000.0 is not valid"),
        ("link = 3\n", "link"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, text, words):
    """An unknown name tells the known ones; a bad value tells its limit."""
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words) as raised:
        Settings.load(file)
    assert "\n" not in str(raised.value)


def test_missing_file_is_named(tmp_path):
    """The option that gave the path is in the sentence."""
    with pytest.raises(SettingsError, match="--config"):
        Settings.load(tmp_path / "none.toml")


def test_settings_cannot_be_changed_in_place():
    """A run's settings are what they were when it began."""
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.link.max_gap_frames = 3


def test_every_setting_is_described():
    """The description is the documentation: none may be missing."""
    for section in type(Settings()).model_fields:
        fields = type(getattr(Settings(), section)).model_fields
        assert all(field.description for field in fields.values()), section


def test_what_is_not_set_says_what_stands_in_its_place():
    """A reader of --dry-run learns what None means, setting by setting."""
    shown = Settings.load(overrides={"link.max_gap_frames": 3}).shown()
    assert shown["detect.weights"] == "the shipped ones"
    assert shown["movie.pixel_size_nm"] == "from the metadata"
    assert shown["link.max_gap_frames"] == "3"
    assert all(shown.values())


def test_switches_take_true_and_false():
    """Where true and false are the values they stay so."""
    settings = Settings.load(overrides={"report.overlay": False, "link.drift": True})
    assert (settings.report.overlay, settings.link.drift) == (False, True)
