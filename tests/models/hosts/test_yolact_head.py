"""Tests of YOLACT's box head against MMDetection's, and on images without objects."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import dense_heads
from mmdet.registry import MODELS
from torch import nn

from msrcnn_mm.models.hosts.yolact_head import YOLACTHead
from tests.support import tiny, tiny_yolact
from tests.support.tiny_yolact import ellipses, losses

SHAPE = (288, 256)
YOLACT = "yolact_plus/yolact_r50_1xb8-55e_coco.py"
PLUS = "yolact_plus/yolact-plus_r50_1xb8-55e_coco.py"


@pytest.fixture
def model() -> nn.Module:
    return tiny.build(tiny_yolact.tiny_config(YOLACT))


def test_replaces_the_built_in(model: nn.Module) -> None:
    assert MODELS.get("YOLACTHead") is YOLACTHead
    assert type(model.bbox_head) is YOLACTHead


@pytest.mark.parametrize("name", [YOLACT, PLUS])
def test_losses_of_images_with_objects_are_mmdetections_to_the_last_bit(name: str) -> None:
    model = tiny.build(tiny_yolact.tiny_config(name))
    config = tiny_yolact.tiny_config(name)
    config.model.bbox_head.type = dense_heads.YOLACTHead
    theirs = tiny.build(config)
    theirs.load_state_dict(model.state_dict(), strict=True)
    assert type(theirs.bbox_head) is dense_heads.YOLACTHead
    batch = ellipses([SHAPE] * 2, [4, 1])
    torch.manual_seed(0)  # the masks to train on are drawn
    ours = losses(model, batch)
    torch.manual_seed(0)
    for key, loss in losses(theirs, batch).items():
        assert torch.equal(ours[key], loss), key


def background_losses(model: nn.Module, batch: dict) -> torch.Tensor:
    """Returns the (N, A) cross entropies of all anchors with background."""
    data = model.data_preprocessor(batch, True)
    scores, *_ = model.bbox_head(model.extract_feat(data["inputs"]))
    classes = tiny_yolact.CLASSES + 1
    anchors = [level.permute(0, 2, 3, 1).reshape(len(level), -1, classes) for level in scores]
    logits = torch.cat(anchors, 1)
    background = torch.full(logits.shape[:2], classes - 1)
    return F.cross_entropy(logits.transpose(1, 2), background, reduction="none")


def test_an_image_without_objects_counts_as_one_with_one_positive_anchor(model: nn.Module) -> None:
    batch = ellipses([SHAPE] * 2, [0, 0])
    worst = background_losses(model, batch).sort(descending=True).values[:, :3]
    found = losses(model, batch)
    torch.testing.assert_close(found["loss_cls"], worst.sum()[None] / 2)
    assert found["loss_bbox"] == 0


def test_the_images_of_a_batch_are_mined_each_for_itself(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = ellipses([SHAPE] * 2, [4, 0])
    full = dict(inputs=mixed["inputs"][:1], data_samples=mixed["data_samples"][:1])
    model.backbone.eval()  # batch normalisation would mix the images
    monkeypatch.setattr(model, "train", lambda: model)
    worst = background_losses(model, mixed)[1].sort(descending=True).values[:3]
    alone, found = losses(model, full)["loss_cls"], losses(model, mixed)["loss_cls"]
    head = model.bbox_head
    positives = len(head._raw_positive_infos["sampling_results"][0].pos_inds)
    assert positives > 1
    torch.testing.assert_close(found, (alone * positives + worst.sum()) / (positives + 1))


@pytest.mark.parametrize("name", [YOLACT, PLUS])
@pytest.mark.parametrize("counts", [[0, 0], [3, 0]])
def test_losses_without_objects_have_the_usual_size(name: str, counts: list[int]) -> None:
    model = tiny.build(tiny_yolact.tiny_config(name))
    usual = losses(model, ellipses([SHAPE] * 2, [3, 3]))
    found = losses(model, ellipses([SHAPE] * 2, counts))
    assert 0.2 < found["loss_cls"] / usual["loss_cls"] < 1.5
    sum(found.values()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key


def test_anchors_of_neither_kind_are_not_mined(model: nn.Module) -> None:
    head = model.bbox_head
    scores = torch.tensor([[9.0, 0, 0, 0], [0, 0, 0, 0], [5.0, 0, 0, 0]], requires_grad=True)
    boxes, labels = torch.zeros(3, 4, requires_grad=True), torch.full((3,), 3)
    weights = torch.tensor([0.0, 1, 1])
    loss, _ = head.OHEMloss_by_feat_single(
        scores, boxes, torch.zeros(3, 4), labels, weights, boxes.detach(), boxes.detach(), 1
    )
    expected = F.cross_entropy(scores[1:], labels[1:], reduction="sum")
    torch.testing.assert_close(loss, expected[None])


@pytest.mark.parametrize("ratio", [1, 5])
def test_the_ratio_is_the_configs(model: nn.Module, ratio: int) -> None:
    model.bbox_head.train_cfg.neg_pos_ratio = ratio
    batch = ellipses([SHAPE], [0])
    worst = background_losses(model, batch).sort(descending=True).values[:, :ratio]
    torch.testing.assert_close(losses(model, batch)["loss_cls"], worst.sum()[None])
