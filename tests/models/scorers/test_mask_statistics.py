"""Tests statistics of mask probabilities against a plain loop, and in the hosts' results."""

import numpy as np
import pytest
import torch

from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.models.scorers.box_cells import BoxCells, box_cells, map_cells
from msrcnn_mm.models.scorers.mask_statistics import NAMES, mask_statistics
from msrcnn_mm.rescoring.features.own import MASK_STATISTICS, own_features
from tests.support import tiny, tiny_yolact
from tests.support.plain_statistics import compare
from tests.support.tiny_yolact import ellipses


def maps(seed: int, many: int, side: int) -> torch.Tensor:
    """Returns probabilities of all kinds: sure, unsure, empty, full, 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0, 12, many)[:, None, None]
    shift = torch.linspace(-6, 6, many)[torch.randperm(many, generator=generator)][:, None, None]
    probs = (torch.randn(many, side, side, generator=generator) * scale + shift).sigmoid()
    probs[0], probs[1] = 0, 1
    return probs


def test_names_are_those_that_the_features_read() -> None:
    assert NAMES == MASK_STATISTICS


def in_cells(probs: torch.Tensor, cells: BoxCells) -> torch.Tensor:
    p = probs[cells.at]
    return mask_statistics(p, p > 0.5, cells)


@pytest.mark.parametrize("side", [1, 2, 28])
def test_whole_maps(side: int) -> None:
    probs = maps(0, 30, side)
    found = in_cells(probs, map_cells(probs))
    assert found.dtype == torch.float32 and found.isfinite().all()
    for one, p in zip(found, probs.numpy(), strict=True):
        compare(one, p, p > 0.5)


def test_boxes_in_larger_maps() -> None:
    probs = maps(1, 40, 20)
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (40, 2))
    boxes = np.hstack((corners, np.minimum(corners + rng.integers(0, 15, (40, 2)), 20)))
    assert (boxes[:, :2] == boxes[:, 2:]).any()  # an empty one
    found = in_cells(probs, box_cells(torch.from_numpy(boxes)))
    for one, p, (x1, y1, x2, y2) in zip(found, probs.numpy(), boxes, strict=True):
        compare(one, p[y1:y2, x1:x2], p[y1:y2, x1:x2] > 0.5)


def test_empty_boxes_alone() -> None:
    assert not in_cells(torch.ones(3, 4, 4), box_cells(torch.zeros(3, 4))).any()


def test_no_masks() -> None:
    empty = torch.zeros(0, 28, 28)
    assert in_cells(empty, map_cells(empty)).shape == (0, len(NAMES))


def test_half_precision_is_summed_in_full() -> None:
    probs = torch.full((1, 28, 28), 0.875, dtype=torch.float16)
    found = in_cells(probs, map_cells(probs))
    compare(found[0], probs[0].float().numpy(), probs[0].numpy() > 0)


@pytest.mark.parametrize("name", ["mask_rcnn/mask-rcnn", "ms_rcnn/ms-rcnn"])
def test_results_of_mask_rcnn_have_those_of_the_predicted_class(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.build(tiny.tiny_config(f"{name}_r50_fpn_1x_coco.py")).eval()
    logits = []
    forward = model.roi_head.mask_head.forward
    monkeypatch.setattr(
        model.roi_head.mask_head, "forward", lambda x: logits.append(forward(x)) or logits[-1]
    )
    with torch.no_grad():
        samples = model.predict(*tiny.inputs(model, False, [(3, 96, 128), (3, 96, 96)]))
    labels = torch.cat([sample.pred_instances.labels for sample in samples])
    found = torch.cat([sample.pred_instances.mask_statistics for sample in samples])
    assert len(labels) > 10
    for one, maps_of_classes, label in zip(found, logits[0], labels.tolist(), strict=True):
        p = maps_of_classes[label].sigmoid().numpy()
        compare(one, p, p >= 0.5)


def test_results_of_yolact_have_those_of_the_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.build(tiny_yolact.tiny_config()).eval()
    head, seen = model.mask_head, []
    add = head._add_masks

    def keep(cropped: list, results: list, *rest: object) -> list:
        seen.append((cropped, [result.bboxes.clone() for result in results]))
        return add(cropped, results, *rest)

    monkeypatch.setattr(head, "_add_masks", keep)
    results = tiny_yolact.predictions(model, ellipses([(288, 256)] * 2, [4, 3]))
    cropped, boxes = seen[0]
    for result, masks, image_boxes in zip(results, cropped, boxes, strict=True):
        assert len(result) == 10
        rows, columns = masks.shape[1:]
        for one, p, box in zip(result.mask_statistics, masks, image_boxes, strict=True):
            x1, y1, x2, y2 = (box / torch.tensor([256, 288, 256, 288])).tolist()
            # cells whose number is in [x1 - 1, x2 + 1), as MMDetection crops
            ys = [y for y in range(rows) if y1 * rows - 1 <= y < y2 * rows + 1]
            xs = [x for x in range(columns) if x1 * columns - 1 <= x < x2 * columns + 1]
            part = p[ys][:, xs].numpy()
            compare(one, part, part > 0.5)


def test_they_travel_into_rows_and_features() -> None:
    model = tiny.build(tiny.tiny_config()).eval()
    with torch.no_grad():
        (sample,) = model.predict(*tiny.inputs(model, False, [(3, 96, 128)]))
    instances = sample.pred_instances
    detections = to_detections(to_arrays(instances), 4, range(10))
    for row, values in zip(detections.to_rows(), instances.mask_statistics, strict=True):
        assert list(row["mask_statistics"]) == list(NAMES)
        assert list(row["mask_statistics"].values()) == pytest.approx(values.tolist(), abs=5e-5)
    columns = own_features(detections)
    assert set(NAMES) <= columns.keys()
