"""Tests statistics of mask probabilities against a plain loop, and in the hosts' results."""

import numpy as np
import pytest
import torch

from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.models.scorers.mask_statistics import NAMES, mask_statistics
from msrcnn_mm.rescoring.features.own import MASK_STATISTICS, own_features
from tests.support import tiny, tiny_yolact
from tests.support.tiny_yolact import ellipses


def plain(p: np.ndarray, foreground: np.ndarray) -> dict[str, float]:
    """Computes the statistics of the (h, w) probabilities of one box."""
    p = p.astype(float)
    total = entropy = on = rest = rim = 0.0
    rim_cells = 0
    height, width = p.shape
    for y in range(height):
        for x in range(width):
            v = p[y, x]
            total += v
            entropy -= sum(q * np.log(q) for q in (v, 1 - v) if q > 0)
            if foreground[y, x]:
                on += v
            else:
                rest += v
            if y in (0, height - 1) or x in (0, width - 1):
                rim += v
                rim_cells += 1
    area = foreground.sum()

    def over(a: float, b: float) -> float:
        return a / b if b else 0.0

    return {
        "background_mean": over(rest, p.size - area),
        "uncertain_share": over(((p > 0.2) & (p < 0.8)).sum(), p.size),
        "stability": over((p >= 0.7).sum(), (p >= 0.3).sum()),
        "wide_stability": over((p >= 0.9).sum(), (p >= 0.1).sum()),
        "maximum": p.max() if p.size else 0.0,
        "entropy": over(entropy, p.size),
        "foreground_entropy": over(entropy, area),
        "expected_iou": over(on, area + rest),
        "rim_mean": over(rim, rim_cells),
    }


def compare(found: torch.Tensor, p: np.ndarray, foreground: np.ndarray) -> None:
    expected = plain(p, foreground)
    assert set(NAMES) == set(expected)
    for name, value in zip(NAMES, found.tolist(), strict=True):
        assert value == pytest.approx(expected[name], abs=1e-5), name


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


@pytest.mark.parametrize("side", [1, 2, 28])
def test_maps_of_whole_boxes(side: int) -> None:
    probs = maps(0, 30, side)
    found = mask_statistics(probs, probs >= 0.5)
    assert found.dtype == torch.float32 and found.isfinite().all()
    for one, p in zip(found, probs.numpy(), strict=True):
        compare(one, p, p >= 0.5)


def test_boxes_in_larger_maps() -> None:
    probs = maps(1, 40, 20)
    rng = np.random.default_rng(0)
    inside = torch.zeros(probs.shape, dtype=torch.bool)
    boxes = []
    for box in inside:
        y1, x1 = (int(v) for v in rng.integers(0, 20, 2))
        y2, x2 = y1 + int(rng.integers(0, 15)), x1 + int(rng.integers(0, 15))  # some are empty
        box[y1:y2, x1:x2] = True
        boxes.append((slice(y1, y2), slice(x1, x2)))
    assert not inside.flatten(1).any(dim=1).all()
    probs = probs * inside
    for one, p, box in zip(
        mask_statistics(probs, probs > 0.5, inside), probs.numpy(), boxes, strict=True
    ):
        compare(one, p[box], p[box] > 0.5)


def test_no_masks() -> None:
    empty = torch.zeros(0, 28, 28)
    assert mask_statistics(empty, empty > 0.5).shape == (0, len(NAMES))
    assert mask_statistics(empty, empty > 0.5, empty > 0).shape == (0, len(NAMES))


def test_half_precision_is_summed_in_full() -> None:
    probs = torch.full((1, 28, 28), 0.875, dtype=torch.float16)
    compare(mask_statistics(probs, probs >= 0.5)[0], probs[0].float().numpy(), probs[0].numpy() > 0)


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
