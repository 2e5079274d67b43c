"""Tests of foreground probabilities by hand and in the host's results."""

import pytest
import torch
from mmdet.models import roi_heads
from mmdet.models.roi_heads import mask_heads

from msrcnn_mm.models.scorers.maskness import mean_over_cells, mean_over_foreground
from tests.support import tiny


def test_mean_over_the_foreground_alone() -> None:
    probs = torch.tensor([[[0.9, 0.5], [0.1, 0.4]], [[0.3, 0.4], [0.0, 0.49]]])
    assert mean_over_foreground(probs, probs >= 0.5).tolist() == pytest.approx([0.7, 0.0])
    means = mean_over_foreground(probs, probs >= 0.35)
    assert means[1].item() == pytest.approx((0.4 + 0.49) / 2)


def test_no_masks() -> None:
    probs = torch.zeros(0, 28, 28)
    assert mean_over_foreground(probs, probs >= 0.5).shape == (0,)
    none = torch.zeros(0)
    assert mean_over_cells(none, none > 0, none.long()).shape == (0,)


def test_cells_of_masks_of_all_sizes() -> None:
    probs = torch.tensor([0.9, 0.5, 0.1, 0.4, 0.8])
    means = mean_over_cells(probs, probs >= 0.5, torch.tensor([3, 0, 1, 1]))
    assert means.tolist() == pytest.approx([0.7, 0.0, 0.0, 0.8])


MASK_RCNN = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
MS_RCNN = "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py"


@pytest.mark.parametrize("name", [MASK_RCNN, MS_RCNN])
def test_results_have_those_of_the_predicted_class(name: str) -> None:
    model = tiny.build(tiny.tiny_config(name)).eval()
    class_probs = torch.tensor([0.6, 0.3, 0.9])
    head = model.roi_head.mask_head
    torch.nn.init.zeros_(head.conv_logits.weight)
    head.conv_logits.bias.data = class_probs.logit()
    with torch.no_grad():
        samples = model.predict(*tiny.inputs(model, False, [(3, 96, 128), (3, 96, 96)]))
    results = [sample.pred_instances for sample in samples]
    assert len(torch.cat([r.labels for r in results]).unique()) > 1
    expected = torch.tensor([0.6, 0.0, 0.9])  # the second class has no foreground
    for result in results:
        assert torch.allclose(result.foreground_probs, expected[result.labels])


@pytest.mark.parametrize("name", [MASK_RCNN, MS_RCNN])
def test_images_without_a_detection(name: str) -> None:
    config = tiny.tiny_config(name)
    config.model.test_cfg.rcnn.score_thr = 1.1
    model = tiny.build(config).eval()
    with torch.no_grad():
        (sample,) = model.predict(*tiny.inputs(model, False, [(3, 96, 128)]))
    assert sample.pred_instances.foreground_probs.shape == (0,)


def test_other_results_are_those_of_mmdetections_host() -> None:
    config = tiny.tiny_config(MASK_RCNN)
    ours = tiny.build(config).eval()
    config.model.roi_head.type = roi_heads.StandardRoIHead  # by name it would be ours
    config.model.roi_head.mask_head.type = mask_heads.FCNMaskHead
    theirs = tiny.build(config).eval()
    batch = tiny.inputs(ours, False, [(3, 96, 128), (3, 96, 96)])
    with torch.no_grad():
        results = [[s.pred_instances for s in model.predict(*batch)] for model in (ours, theirs)]
    for mine, expected in zip(*results, strict=True):
        assert len(mine) > 0
        del mine.foreground_probs, mine.mask_statistics
        assert set(mine.keys()) == set(expected.keys())
        for field in expected.keys():  # noqa: SIM118
            assert torch.equal(mine[field], expected[field]), field
