"""Networks that see each detection beside its neighbours."""

import numpy as np
import pytest

from lptem_tracker.detect import message_passing
from lptem_tracker.detect.message_passing import LINKS, NEAREST, judged_together, neighbour_graph, ready
from lptem_tracker.errors import WeightsError


def random_rule(rng, features=3, hidden=4, members=2):
    """A rule of random numbers."""
    sizes = {
        "own": (features, hidden),
        "message": (2 * hidden + len(LINKS), hidden),
        "frame": (hidden, hidden),
        "beside": (4 * hidden, hidden),
        "answer": (hidden, 1),
    }
    return {
        "mean": [0.0] * features,
        "scale": [1.0] * features,
        "members": [
            {name: [rng.normal(size=size).tolist(), rng.normal(size=size[1]).tolist()] for name, size in sizes.items()}
            for _ in range(members)
        ],
    }


def random_boxes(rng, n):
    """Boxes of many sizes."""
    centre, half = rng.uniform(0, 300, (n, 2)), np.exp(rng.uniform(0.5, 3, (n, 2)))
    return np.hstack([centre - half, centre + half])


def test_links_of_three_boxes_by_hand():
    """Two 10 px boxes 5 px apart and one of 20 px at 30 px, of the other polarity."""
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [25, -5, 45, 15.0]])
    seen = neighbour_graph(boxes, np.array([0.5, 2.0, -1.0]))
    assert seen.nearest[:, :2].tolist() == [[1, 2], [0, 2], [1, 0]]
    assert seen.there[..., 0].tolist() == [[1, 1] + [0] * (NEAREST - 2)] * 3
    link = {name: seen.link[:, :2, k] for k, name in enumerate(LINKS)}
    distance = np.array([[0.5, 3.0], [0.5, 2.5], [1.25, 1.5]])
    assert link["distance"] == pytest.approx(np.log(distance + 0.1), rel=1e-6)
    assert link["relative_size"] == pytest.approx(np.log([[1, 2], [1, 2], [0.5, 0.5]]), abs=1e-6)
    assert link["overlap"] == pytest.approx(np.array([[50 / 150, 0], [50 / 150, 0], [0, 0]]), abs=1e-6)
    assert link["same_polarity"].tolist() == [[1, -1], [1, -1], [-1, -1]]
    assert link["reach"] == pytest.approx(distance / 3 - 1, abs=1e-6)
    assert link["close"] == pytest.approx(np.exp(-(distance**2) / 2), rel=1e-5)


def test_a_rule_of_one_unit_by_hand():
    """One hidden unit and two detections: every layer's sum written out."""
    layers = {
        "own": [[[1.0]], [0.5]],
        "message": [[[0.3], [0.7], *[[0.1]] * len(LINKS)], [0.2]],
        "frame": [[[2.0]], [-1.0]],
        "beside": [[[1.0], [0.5], [0.25], [-1.0]], [0.1]],
        "answer": [[[3.0]], [-0.5]],
    }
    rule = ready({"mean": [1.0], "scale": [2.0], "members": [layers]})
    boxes = np.array([[0, 0, 10, 10], [8, 0, 18, 10.0]])
    seen = neighbour_graph(boxes, np.ones(2))
    value = np.array([[0.0], [4.0]])

    def silu(x):
        return x / (1 + np.exp(-x))

    own = silu((value[:, 0] - 1) / 2 + 0.5)
    link = [np.log(0.9), 0.0, 20 / 180, 1.0, 0.8 / 3 - 1, np.exp(-0.32)]
    said = silu(0.3 * own + 0.7 * own[::-1] + 0.1 * sum(link) + 0.2)
    frame = silu(2 * own - 1).mean()
    beside = silu(own + 0.5 * said + 0.25 * said * link[5] - frame + 0.1)
    expected = 1 / (1 + np.exp(-(3 * beside - 0.5)))
    assert judged_together(value, seen, rule) == pytest.approx(expected, rel=1e-5)


def test_the_order_of_the_detections_does_not_matter():
    """Shuffled detections get the same probabilities, in their order."""
    rng = np.random.default_rng(1)
    rule, boxes, value = ready(random_rule(rng)), random_boxes(rng, 60), rng.normal(size=(60, 3))
    polarity, order = rng.normal(size=60), rng.permutation(60)
    one = judged_together(value, neighbour_graph(boxes, polarity), rule)
    other = judged_together(value[order], neighbour_graph(boxes[order], polarity[order]), rule)
    assert other == pytest.approx(one[order], abs=2e-6)


def test_crowds_are_looked_at_in_parts(monkeypatch):
    """The parts of a crowd give what the whole gives."""
    rng = np.random.default_rng(2)
    rule, value = ready(random_rule(rng)), rng.normal(size=(50, 3))
    seen = neighbour_graph(random_boxes(rng, 50), np.ones(50))
    whole = judged_together(value, seen, rule)
    monkeypatch.setattr(message_passing, "_TOGETHER", 7)
    assert judged_together(value, seen, rule) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, NEAREST, NEAREST + 5])
def test_few_boxes_and_boxes_of_one_place(n):
    """A lone box has no neighbours; boxes of the same centre are each other's, and never their own."""
    boxes = np.tile([10.0, 10.0, 20.0, 20.0], (n, 1))
    seen = neighbour_graph(boxes, np.ones(n))
    others = seen.nearest[seen.there[..., 0] > 0].reshape(n, -1)
    assert others.shape == (n, min(n - 1, NEAREST))
    assert (others != np.arange(n)[:, None]).all()
    assert np.isfinite(judged_together(np.zeros((n, 3)), seen, ready(random_rule(np.random.default_rng(n))))).all()


def test_a_rule_of_an_earlier_version_is_refused_in_words():
    """Weights that judge by plain layers are told how to be mended."""
    with pytest.raises(WeightsError, match="earlier version"):
        ready({"mean": [0.0], "scale": [1.0], "members": [[[[[1.0]], [0.0]]]]})
