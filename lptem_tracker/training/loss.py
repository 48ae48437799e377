"""The loss of ultralytics' YOLO26 with a task-aligned assignment whose cost does not depend on crowding.

The library's assigner fills arrays of (images, particles of the fullest image, anchors): 2,000 particles a frame need
tens of GB. Here each particle only meets the anchors near its centre.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from lptem_tracker.detect.network import STRIDES, ultralytics_quietly

_REACH = 2
"""Candidates are the (2 reach + 1)^2 cells around the centre on each level."""


class NearAssigner(nn.Module):
    """Task-aligned assignment (Feng et al. 2021, TOOD, eqs 6-7) among the anchors near each particle's centre.

    Parameters
    ----------
    topk : int
        Anchors a particle may claim.
    """

    def __init__(self, topk: int) -> None:
        super().__init__()
        self.topk = topk
        self.shapes: list[tuple[int, int]] = []

    @torch.no_grad()
    def forward(
        self, scores: Tensor, boxes: Tensor, anchors: Tensor, labels: Tensor, truth: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Assign truth boxes (B, N, 4) to anchors (A, 2), given scores (B, A, 1) and boxes (B, A, 4), all in px.

        Truth of label 1 is faint: what the network thinks of the anchors within is taken for right.

        Returns
        -------
        labels (B, A), boxes (B, A, 4), scores (B, A, 1), is_positive (B, A), index of truth (B, A)
        """
        batch, n_anchors = scores.shape[:2]
        image, row = (
            known.squeeze(-1).bool().nonzero(as_tuple=True) if truth.shape[1] else (anchors.new_zeros(0).long(),) * 2
        )
        index = torch.zeros((batch, n_anchors), dtype=torch.long, device=scores.device)
        target_boxes = torch.zeros_like(boxes)
        target_scores = torch.zeros_like(scores)
        positive = torch.zeros((batch, n_anchors), dtype=torch.bool, device=scores.device)
        if len(image) == 0:
            return index, target_boxes, target_scores, positive, index
        unsure = labels[image, row, 0] > 0
        box = truth[image, row]
        candidate, inside = self._candidates(box, anchors)
        flat = image[:, None] * n_anchors + candidate
        left_alone = flat[inside & unsure[:, None]]
        target_scores.view(-1)[left_alone] = scores.reshape(-1)[left_alone].to(target_scores.dtype)
        inside &= ~unsure[:, None]
        overlap = _ciou(box[:, None], boxes.reshape(-1, 4)[flat]) * inside
        metric = scores.reshape(-1)[flat].clamp(min=1e-9).sqrt() * overlap.pow(6) + 1e-12 * inside
        chosen = _best(metric, self.topk) & inside
        # an anchor wanted by several particles goes to the one it overlaps best
        key = overlap + 1e-6 * torch.rand_like(overlap)
        best = torch.full((batch * n_anchors,), -1.0, device=key.device, dtype=key.dtype)
        best.scatter_reduce_(0, flat[chosen], key[chosen], "amax")
        chosen &= key >= best[flat]
        metric, overlap = metric * chosen, overlap * chosen
        share = metric / (metric.amax(1, keepdim=True) + 1e-12) * overlap.amax(1, keepdim=True)
        where = flat[chosen]
        owner = torch.arange(len(box), device=flat.device)[:, None].expand_as(flat)[chosen]
        target_boxes.view(-1, 4)[where] = box[owner]
        target_scores.view(-1)[where] = share[chosen].to(target_scores.dtype)
        positive.view(-1)[where] = True
        index.view(-1)[where] = row[owner]
        return torch.zeros_like(index), target_boxes, target_scores, positive, index

    def _candidates(self, box: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return indices (N, K) of the anchors around each box's centre and whether they lie inside it."""
        centre = (box[:, :2] + box[:, 2:]) / 2
        half = ((box[:, 2:] - box[:, :2]) / 2).clamp(min=STRIDES[1] / 2)
        step = torch.arange(-_REACH, _REACH + 1, device=box.device)
        dy, dx = (grid.reshape(1, -1) for grid in torch.meshgrid(step, step, indexing="ij"))
        start, found, good = 0, [], []
        for stride, (rows, columns) in zip(STRIDES, self.shapes):
            x = (centre[:, :1] / stride).floor().long() + dx
            y = (centre[:, 1:] / stride).floor().long() + dy
            on_grid = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            index = start + y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
            found.append(index)
            good.append(on_grid & ((anchors[index] - centre[:, None]).abs() < half[:, None]).all(-1))
            start += rows * columns
        return torch.cat(found, 1), torch.cat(good, 1)


def _best(metric: Tensor, k: int) -> Tensor:
    """Mark the k largest positive entries of each row."""
    value, where = metric.topk(min(k, metric.shape[1]), dim=1)
    return torch.zeros_like(metric, dtype=torch.bool).scatter_(1, where, value > 0)


def _ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (Zheng et al. 2020, eq. 10), at least 0, of boxes left, top, right, bottom."""
    from ultralytics.utils.metrics import bbox_iou

    a = a.expand_as(b)
    shape = b.shape[:-1]
    iou: Tensor = bbox_iou(a.reshape(-1, 4), b.reshape(-1, 4), xywh=False, CIoU=True)
    return iou.reshape(shape).clamp(min=0)


class DetectionLoss:
    """Sum of the overlap, classification and distance losses.

    Parameters
    ----------
    network : torch.nn.Module
        From `detect.network.build`, on its device.
    box, cls, dfl : float
        Gains of the overlap, classification and distance terms.
    topk : int
        Anchors a particle may claim.
    """

    def __init__(self, network: Any, *, box: float = 7.5, cls: float = 0.5, dfl: float = 1.5, topk: int = 10) -> None:
        ultralytics_quietly()
        from ultralytics.utils.loss import v8DetectionLoss

        network.args = SimpleNamespace(box=box, cls=cls, dfl=dfl)
        self.loss = v8DetectionLoss(network)
        self.assigner = NearAssigner(topk)
        self.loss.assigner = self.assigner

    def __call__(self, maps: dict[str, Any], batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the loss per image and its parts (box, cls, distance).

        Parameters
        ----------
        maps : dict
            What the network returns in training.
        batch : dict
            `batch_idx` (N,), `cls` (N, 1), 1 for particles too faint to be asked for, `bboxes` (N, 4) as centre and
            size, as fractions of the image.
        """
        self.assigner.shapes = [(f.shape[2], f.shape[3]) for f in maps["feats"]]
        boxes, scores = maps["boxes"].float(), maps["scores"].float()
        # only the shapes and the dtype of the feature maps are read
        feats = [boxes.new_zeros(1).expand(len(boxes), 1, *shape) for shape in self.assigner.shapes]
        _, value, _ = self.loss.get_assigned_targets_and_loss({"boxes": boxes, "scores": scores, "feats": feats}, batch)
        return value.sum(), value.detach()
