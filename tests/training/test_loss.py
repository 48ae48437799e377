"""Assignment of anchors to particles, and the loss that follows."""

import pytest
import torch

from lptem_tracker.detect.network import architecture, build
from lptem_tracker.training.loss import DetectionLoss, NearAssigner

SHAPES = [(16, 16), (8, 8), (4, 4), (2, 2)]


def anchors():
    """Centres of the anchors of a 64 px image, in px, and their strides."""
    out = []
    for stride, (rows, columns) in zip((4, 8, 16, 32), SHAPES):
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        out.append(torch.stack([x.flatten(), y.flatten()], 1) * stride + stride / 2)
    return torch.cat(out)


def assign(truth, boxes, topk=10):
    """Assign with equal scores."""
    assigner = NearAssigner(topk)
    assigner.shapes = SHAPES
    n = len(boxes)
    known = torch.ones(1, len(truth), 1)
    return assigner(torch.full((1, n, 1), 0.5), boxes[None], anchors(), torch.zeros_like(known), truth[None], known)


def test_each_particle_keeps_its_best_anchor():
    """Where exactly one anchor predicts a particle's box, that anchor alone gets it, with a target of 1."""
    points = anchors()
    boxes = torch.cat([points - 1, points + 1], 1)
    truth = torch.tensor([[8.0, 8.0, 20.0, 20.0], [40.0, 30.0, 46.0, 36.0]])
    boxes[3 * 16 + 3], boxes[8 * 16 + 10] = truth[0], truth[1]
    _, target, score, positive, index = assign(truth, boxes, 1)
    where = positive[0].nonzero().flatten().tolist()
    assert where == [3 * 16 + 3, 8 * 16 + 10]
    assert torch.equal(target[0, where], truth)
    assert index[0, where].tolist() == [0, 1]
    assert score[0, where].flatten().tolist() == pytest.approx([1.0, 1.0], abs=1e-3)


def test_no_anchor_serves_two_particles():
    """Two particles on the same spot with a box each never share an anchor, and both are served."""
    points = anchors()
    boxes = torch.cat([points - 5, points + 5], 1)
    truth = torch.tensor([[20.0, 20.0, 31.0, 31.0], [22.0, 21.0, 33.0, 32.0]])
    _, _, _, positive, index = assign(truth, boxes)
    owners = index[0][positive[0]]
    assert set(owners.tolist()) == {0, 1}
    assert positive.sum() <= 20


def test_positives_lie_inside_their_particle():
    """Anchors that get a particle of 30 px have their centre within it."""
    points = anchors()
    boxes = torch.cat([points - 15, points + 15], 1)
    _, _, _, positive, _ = assign(torch.tensor([[10.0, 14.0, 40.0, 44.0]]), boxes)
    chosen = points[positive[0]]
    assert len(chosen) == 10
    assert ((chosen > torch.tensor([10.0, 14.0])) & (chosen < torch.tensor([40.0, 44.0]))).all()


def test_images_without_particles_push_scores_down():
    """Without any particle the loss is finite, only of the class term, and its gradient lowers the scores."""
    network = build(architecture(width=0.125)).train()
    loss = DetectionLoss(network)
    empty = {"batch_idx": torch.zeros(0), "cls": torch.zeros(0, 1), "bboxes": torch.zeros(0, 4)}
    value, parts = loss(network(torch.randn(2, 1, 64, 64)), empty)
    value.backward()
    bias = network.model[-1].cv3[0][2].bias.grad
    assert torch.isfinite(value)
    assert parts[0] == 0
    assert (bias > 0).all()


def test_loss_agrees_with_the_library_on_its_own_assignment():
    """With the library's assigner in place of ours the box and class losses differ by less than 15 %."""
    from ultralytics.utils.loss import v8DetectionLoss

    torch.manual_seed(0)
    network = build(architecture(width=0.125)).train()
    ours = DetectionLoss(network)
    batch = {"batch_idx": torch.tensor([0.0, 0.0, 1.0]), "cls": torch.zeros(3, 1),
             "bboxes": torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.7, 0.6, 0.3, 0.2], [0.5, 0.5, 0.12, 0.15]])}  # fmt: skip
    maps = network(torch.randn(2, 1, 128, 128))
    a = ours(maps, batch)[1]
    b = v8DetectionLoss(network).get_assigned_targets_and_loss(maps, batch)[1]
    assert a[:2].tolist() == pytest.approx(b[:2].tolist(), rel=0.15)


def test_faint_particles_neither_raise_nor_lower_scores():
    """Anchors within a faint particle get the network's own score as target and are not positive; others get 0."""
    points = anchors()
    boxes = torch.cat([points - 5, points + 5], 1)
    assigner = NearAssigner(10)
    assigner.shapes = SHAPES
    scores = torch.linspace(0.1, 0.9, len(boxes))[None, :, None]
    truth, known = torch.tensor([[[20.0, 20.0, 32.0, 32.0]]]), torch.ones(1, 1, 1)
    _, _, target, positive, _ = assigner(scores, boxes[None], points, torch.ones(1, 1, 1), truth, known)
    within = ((points > 20) & (points < 32)).all(1)
    assert not positive.any()
    assert torch.equal(target[0, within], scores[0, within])
    assert (target[0, ~within] == 0).all()
