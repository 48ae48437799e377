"""Raw outputs to boxes, and suppression of doubles."""

import numpy as np
import pytest

from lptem_tracker.detect.decode import decode, suppress


def raw_output(shape, entries):
    """An output with logit -20 everywhere but at (stride, row, column): (left, top, right, bottom, logit)."""
    total = sum((shape[0] // s) * (shape[1] // s) for s in (4, 8, 16, 32))
    raw = np.zeros((5, total), np.float32)
    raw[4] = -20
    start = 0
    for stride in (4, 8, 16, 32):
        rows, columns = shape[0] // stride, shape[1] // stride
        for (s, row, column), values in entries.items():
            if s == stride:
                raw[:, start + row * columns + column] = values
        start += rows * columns
    return raw


def test_boxes_by_hand():
    """Anchor (row 2, column 5) of stride 8 has its centre at (44, 20); 1, 2, 3, 4 strides spread from there."""
    raw = raw_output((64, 96), {(8, 2, 5): (1, 2, 3, 4, 0.0)})
    boxes, scores = decode(raw, (64, 96), min_score=0.1)
    assert boxes.tolist() == [[44 - 8, 20 - 16, 44 + 24, 20 + 32]]
    assert scores.tolist() == [0.5]


def test_every_stride_is_decoded():
    """One anchor of each stride gives a box centred on that anchor."""
    raw = raw_output((64, 64), {(s, 1, 0): (0.5, 0.5, 0.5, 0.5, 3.0) for s in (4, 8, 16, 32)})
    boxes, _ = decode(raw, (64, 64), min_score=0.1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert centres.tolist() == [[s / 2, 1.5 * s] for s in (4, 8, 16, 32)]


def test_wrong_anchor_count_is_refused():
    """An output that does not belong to the image's shape is an error, not a shift."""
    with pytest.raises(ValueError, match="anchors"):
        decode(np.zeros((5, 100), np.float32), (64, 64), min_score=0.1)


def test_turned_boxes_are_dropped():
    """A box whose right side lies left of its left side is no box."""
    raw = raw_output((32, 32), {(4, 3, 3): (-2, 1, -2, 1, 2.0)})
    assert len(decode(raw, (32, 32), min_score=0.1)[0]) == 0


def brute_force(boxes, scores, limit):
    """Greedy suppression, pair by pair."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    for i in order:
        for j in kept:
            w = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2])
            shared = np.prod(np.clip(w, 0, None))
            union = np.prod(boxes[i, 2:] - boxes[i, :2]) + np.prod(boxes[j, 2:] - boxes[j, :2]) - shared
            if shared > limit * union:
                break
        else:
            kept.append(i)
    return kept


def test_suppression_agrees_with_brute_force():
    """On 300 crowded boxes of mixed sizes the rows kept are those of the pair-by-pair algorithm."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 100, (300, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(3, 25, (300, 2))], 1).astype(np.float32)
    scores = rng.random(300).astype(np.float32)
    assert suppress(boxes, scores, max_overlap=0.4).tolist() == brute_force(boxes.astype(float), scores, 0.4)


def test_touching_particles_both_stay():
    """Two boxes side by side with a tenth of overlap are two particles."""
    boxes = np.array([[0, 0, 10, 10], [9, 0, 19, 10]], np.float32)
    assert sorted(suppress(boxes, np.array([0.9, 0.8], np.float32), max_overlap=0.5)) == [0, 1]


def test_nested_box_goes_on_request():
    """A small box inside a better large one has little overlap in all, and goes where nesting is limited."""
    boxes = np.array([[0, 0, 30, 30], [5, 5, 12, 12]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert len(suppress(boxes, scores, max_overlap=0.5)) == 2
    assert suppress(boxes, scores, max_overlap=0.5, max_nested=0.85).tolist() == [0]
