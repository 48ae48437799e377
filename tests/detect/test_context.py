"""What its company says of a detection."""

import numpy as np
import pytest

from lptem_tracker.detect.context import FEATURES, features, judge
from lptem_tracker.detect.message_passing import LINKS, ready

SCORE_AND_POLARITY = [[float(name in ("score", "polarity"))] for name in FEATURES]
RULE = ready({
    "mean": [0.0] * len(FEATURES),
    "scale": [1.0] * len(FEATURES),
    "members": [{
        "own": [SCORE_AND_POLARITY, [6.0]],
        "message": [[[0.0]] * (2 + len(LINKS)), [0.0]],
        "frame": [[[0.0]], [0.0]],
        "beside": [[[1.0], [0.0], [0.0], [0.0]], [0.0]],
        "answer": [[[1.0]], [-6.0]],
    }],
})  # fmt: skip
"""Judges by the sum of the score's log odds and the polarity, nearly: SiLU(x + 6) is about x + 6."""


def picture(polarity):
    """Flat disks of radius 5 px and contrast +-3 on an empty background, with their boxes."""
    image = np.zeros((80, 40 * len(polarity)), np.float32)
    y, x = np.indices(image.shape)
    boxes = []
    for k, sign in enumerate(polarity):
        centre = 40 * k + 20
        image[np.hypot(x - centre, y - 40) <= 5] = 3 * sign
        boxes.append([centre - 5, 35, centre + 6, 46])
    return image, np.array(boxes, np.float32)


def test_features_of_a_known_picture():
    """Five alike dark disks: no spread of sizes, contrast 3 over the inner area, one polarity, the typical contrast."""
    image, boxes = picture([-1] * 5)
    value = features(image, boxes, np.full(5, 0.8, np.float32))
    assert value.shape == (5, len(FEATURES))
    assert value[:, 0] == pytest.approx(np.log(0.8 / 0.2), rel=1e-5)
    assert value[:, 1] == pytest.approx(0.0, abs=1e-12)
    inner = 7**2  # a box of 11 px, shrunk to 0.35 of its side to both sides of the middle
    assert value[:, 2] == pytest.approx(np.log(3 * np.sqrt(inner) + 0.1), rel=0.02)
    trust = 5 * 0.8**2 / (5 * 0.8**2 + 0.25)
    assert value[:, 3] == pytest.approx(trust * (3 / 3.2) ** 2, rel=1e-6)
    assert value[:, 4] == pytest.approx(0.0, abs=1e-9)
    assert value[:, 5] == pytest.approx(trust, rel=1e-6)
    assert value[:, 6] == pytest.approx(np.log(5 * 0.8 * inner / image.size + 1e-4), rel=1e-6)


def test_the_odd_one_out_is_judged_harder():
    """A bright spot among five dark ones of equal score ends below them, and the inverted picture gives the same."""
    image, boxes = picture([-1, -1, 1, -1, -1])
    scores = np.full(5, 0.6, np.float32)
    judged = judge(image, boxes, scores, RULE)
    assert judged[2] < 0.6 < judged[0]
    assert np.allclose(judge(-image, boxes, scores, RULE), judged, atol=1e-6)


def test_without_a_rule_nothing_changes():
    """Weights without a rule, and frames without detections, keep their scores."""
    image, boxes = picture([1])
    assert judge(image, boxes, np.array([0.3], np.float32), None).tolist() == [np.float32(0.3)]
    assert len(judge(image, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), RULE)) == 0


def test_boxes_at_the_border_stay_finite():
    """Boxes that leave the frame or shrink to nothing give finite features."""
    image, _ = picture([1, 1])
    boxes = np.array([[-4, -4, 3, 3], [70, 70, 95, 95], [10, 10, 10.2, 10.2]], np.float32)
    assert np.isfinite(features(image, boxes, np.array([0.0, 1.0, 0.5], np.float32))).all()


def test_a_lone_faint_spot_does_not_vouch_for_itself():
    """The same spot is judged lower alone than beside sure ones of its kind."""
    image, boxes = picture([-1, -1, -1])
    alone = judge(image, boxes[:1], np.array([0.3], np.float32), RULE)
    beside = judge(image, boxes, np.array([0.3, 0.9, 0.9], np.float32), RULE)
    assert alone[0] < beside[0]
