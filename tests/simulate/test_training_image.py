"""Pictures for training, and their boxes."""

from __future__ import annotations

import numpy as np
import pytest

from lptem_tracker.errors import SettingsError
from lptem_tracker.simulate import random_training_image
from lptem_tracker.simulate.recipes import RECIPES

KINDS = [recipe.__name__ for recipe, _ in RECIPES]


def test_picture_is_fixed_by_the_generator() -> None:
    """The same state of the generator gives the same picture and boxes; the next draw differs."""
    rng = np.random.default_rng(1)
    first, second = random_training_image(rng, 256), random_training_image(rng, 256)
    again = random_training_image(np.random.default_rng(1), 256)
    assert np.array_equal(first[0], again[0])
    assert first[1].equals(again[1])
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_sound_boxes(kind: str) -> None:
    """Boxes lie within the frame, belong to their particle, and mark something that can be seen."""
    for seed in range(4):
        pixels, boxes = random_training_image(np.random.default_rng([7, seed]), 320, kind=kind)
        assert pixels.shape == (320, 320)
        assert pixels.dtype == np.float32
        assert np.isfinite(pixels).all()
        assert pixels.std() > 0
        assert (boxes["x"] - boxes["width"] / 2).min() >= -0.51 or not len(boxes)
        assert (boxes["y"] + boxes["height"] / 2).max() <= 319.51 or not len(boxes)
        assert (boxes[["width", "height"]] >= 1).all().all()
        assert (boxes["integrated_snr"] >= 4).all()
        assert (boxes["visible"] >= 0.1).all()
        assert (boxes["long_px"] >= boxes["short_px"] - 1e-9).all()


def test_pictures_without_particles_have_no_boxes() -> None:
    """The kind without particles never has a box."""
    for seed in range(10):
        assert len(random_training_image(np.random.default_rng(seed), 128, kind="no_particles")[1]) == 0


def test_boxes_mark_a_difference() -> None:
    """Across pictures of clear particles the inside of boxes differs from a ring about them."""
    contrast = []
    for seed in range(30):
        pixels, boxes = random_training_image(np.random.default_rng([3, seed]), 192, kind="dark_field")
        clear = boxes[(boxes["integrated_snr"] > 30) & (boxes["visible"] > 0.99) & (boxes["radius"] > 3)]
        for box in clear.head(5).itertuples():
            y, x = np.indices(pixels.shape)
            away = np.hypot(x - box.centre_x, y - box.centre_y) / box.radius
            contrast.append(pixels[away < 0.6].mean() - pixels[(away > 2) & (away < 3)].mean())
    assert len(contrast) >= 10
    assert np.mean(np.array(contrast) > 0) > 0.85


def test_a_lower_threshold_only_adds_boxes() -> None:
    """Lowering the visibility threshold keeps the boxes that were there."""
    pixels, strict = random_training_image(np.random.default_rng(11), 256, kind="noisy_rods", min_visibility=8)
    same, lax = random_training_image(np.random.default_rng(11), 256, kind="noisy_rods", min_visibility=2)
    assert np.array_equal(pixels, same)
    assert len(lax) >= len(strict)
    assert set(strict["centre_x"]) <= set(lax["centre_x"])


def test_the_range_of_the_field_is_covered() -> None:
    """A few hundred draws hold empty and crowded pictures, tiny and huge particles, faint and clear ones."""
    counts, radii, snr = [], [], []
    for seed in range(60):
        boxes = random_training_image(np.random.default_rng([5, seed]), 256)[1]
        counts.append(len(boxes))
        radii += boxes["radius"].tolist()
        snr += boxes["snr"].tolist()
    assert min(counts) == 0
    assert max(counts) > 300
    assert min(radii) < 3
    assert max(radii) > 50
    assert min(snr) < 0.7
    assert max(snr) > 10


def test_bad_requests_are_refused() -> None:
    """A size too small and a kind unknown are refused in one sentence."""
    with pytest.raises(SettingsError, match="at least 64 px"):
        random_training_image(np.random.default_rng(0), 32)
    with pytest.raises(SettingsError, match="expected one of liquid_cell"):
        random_training_image(np.random.default_rng(0), 128, kind="nothing")
