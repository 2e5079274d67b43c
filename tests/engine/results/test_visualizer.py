"""Pictures of results: the detections above the threshold, and their labels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from msrcnn_mm.engine.results.visualizer import MaskScoreVisualizer

IMAGE = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects every label text that is drawn."""
    drawn: list[str] = []
    draw = MaskScoreVisualizer.draw_texts

    def spy(self: MaskScoreVisualizer, text: str, *args: object, **kwargs: object) -> object:
        drawn.append(text)
        return draw(self, text, *args, **kwargs)

    monkeypatch.setattr(MaskScoreVisualizer, "draw_texts", spy)
    return drawn


def sample(scores: list[float], mask_scores: list[float] | None = None) -> DetDataSample:
    count = len(scores)
    masks = torch.zeros(count, 120, 160, dtype=torch.bool)
    boxes = torch.zeros(count, 4)
    for i in range(count):
        masks[i, 10:40, 10 + 30 * i : 35 + 30 * i] = True
        boxes[i] = torch.tensor([10 + 30 * i, 10, 35 + 30 * i, 40])
    fields = {
        "bboxes": boxes,
        "labels": torch.arange(count) % 2,
        "scores": torch.tensor(scores),
        "masks": masks,
    }
    if mask_scores is not None:
        fields["mask_scores"] = torch.tensor(mask_scores)
    return DetDataSample(pred_instances=InstanceData(**fields))


def draw(
    data_sample: DetDataSample | None, thr: float = 0.5, score_by: str = "mask_scores"
) -> np.ndarray:
    visualizer = MaskScoreVisualizer(name="drawing", score_by=score_by)
    visualizer.dataset_meta = {"classes": ("ring", "star"), "palette": [(220, 20, 60), (0, 0, 230)]}
    visualizer.add_datasample("image", IMAGE, data_sample, draw_gt=False, pred_score_thr=thr)
    return visualizer.get_image()


def test_threshold_follows_mask_scores(texts: list[str]) -> None:
    draw(sample([0.9, 0.6, 0.8], [0.45, 0.55, 0.7]))
    assert texts == ["star, class 60.0, mask: 55.0", "ring, class 80.0, mask: 70.0"]


def test_threshold_follows_class_scores_where_asked(texts: list[str]) -> None:
    draw(sample([0.9, 0.4], [0.45, 0.55]), score_by="scores")
    assert texts == ["ring, mask 45.0, class: 90.0"]


def test_without_mask_scores_as_mmdetection(texts: list[str]) -> None:
    draw(sample([0.9, 0.4]))
    assert texts == ["ring: 90.0"]


def test_no_classes_known(texts: list[str]) -> None:
    visualizer = MaskScoreVisualizer(name="bare")
    visualizer.add_datasample("image", IMAGE, sample([0.9], [0.8]), draw_gt=False)
    assert texts == ["class 0, class 90.0, mask: 80.0"]


def test_data_sample_stays_as_it_is() -> None:
    data_sample = sample([0.9, 0.4], [0.45, 0.55])
    draw(data_sample)
    instances = data_sample.pred_instances
    assert torch.equal(instances.scores, torch.tensor([0.9, 0.4]))
    assert "label_names" not in instances


@pytest.mark.parametrize(
    "data_sample",
    [None, DetDataSample(), sample([], []), sample([0.2], [0.1])],
    ids=["no sample", "no predictions", "no detections", "none above the threshold"],
)
def test_nothing_to_draw_leaves_the_image(data_sample: DetDataSample | None) -> None:
    assert np.array_equal(draw(data_sample), IMAGE)


def test_masks_are_drawn_where_they_are_and_written(tmp_path: Path) -> None:
    visualizer = MaskScoreVisualizer(name="written")
    out_file = tmp_path / "drawn.png"
    data_sample = sample([0.9, 0.9], [0.8, 0.2])
    visualizer.add_datasample("image", IMAGE, data_sample, draw_gt=False, out_file=str(out_file))
    changed = np.any(cv2.imread(str(out_file)) != IMAGE, axis=2)
    assert changed[20:35, 12:33].all()
    assert not changed[60:].any()


def test_score_by_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match=r"score_by must be one of scores, mask_sc.*, not 'mask"):
        MaskScoreVisualizer(name="wrong", score_by="mask_ious")
