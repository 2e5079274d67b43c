"""Tests of YOLACT's mask head against MMDetection's, and where the two differ."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models import dense_heads
from mmdet.structures.mask import encode_mask_results
from torch import nn

from msrcnn_mm.engine.adapters.mask_encoder import encoded_masks
from msrcnn_mm.models.hosts import mask_encoding
from msrcnn_mm.models.hosts.yolact_protonet import YOLACTProtonet
from tests.support import tiny, tiny_yolact
from tests.support.tiny_yolact import ellipses, losses, predictions

SHAPE = (288, 256)
YOLACT = "yolact_plus/yolact_r50_1xb8-55e_coco.py"
OWN = {"foreground_probs", "mask_statistics"}
PLUS = "yolact_plus/yolact-plus_r50_1xb8-55e_coco.py"


@pytest.fixture
def model() -> nn.Module:
    return tiny.build(tiny_yolact.tiny_config(YOLACT))


@pytest.mark.parametrize(
    ("name", "adds"),
    [(YOLACT, OWN), (PLUS, OWN | {"mask_ious", "mask_scores"})],
)
def test_losses_and_predictions_are_mmdetections(
    name: str, adds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.build(tiny_yolact.tiny_config(name))
    config = tiny_yolact.tiny_config(name)
    config.model.mask_head.type = dense_heads.YOLACTProtonet
    config.model.mask_head.pop("mask_iou_head", None)
    theirs = tiny.build(config)
    weights = {k: v for k, v in model.state_dict().items() if ".mask_iou_head." not in k}
    theirs.load_state_dict(weights, strict=True)
    assert type(model.mask_head) is not type(theirs.mask_head) is dense_heads.YOLACTProtonet
    # three masks at once, and the last one alone
    monkeypatch.setattr(mask_encoding, "_AT_ONCE", 3 * 288 * 256)
    batch = ellipses([SHAPE] * 2, [4, 3])
    ours = losses(model, batch)
    assert ("loss_mask_iou" in ours) == (name == PLUS)
    ours.pop("loss_mask_iou", None)
    torch.testing.assert_close(ours, losses(theirs, batch))
    for rescale in (True, False):
        found = predictions(model, batch, rescale)
        for mine, other in zip(found, predictions(theirs, batch, rescale), strict=True):
            assert len(mine) == 10 and mine.masks.any()
            assert set(mine.keys()) - set(other.keys()) == adds
            for key, value in other.items():
                torch.testing.assert_close(mine[key], value)
        with encoded_masks(model):
            encoded = predictions(model, batch, rescale)
        for mine, other in zip(encoded, found, strict=True):
            rles = encode_mask_results(other.masks.numpy())
            assert mine.masks == [{**rle, "counts": rle["counts"].decode()} for rle in rles]


def test_images_padded_to_a_divisor_train_as_large_as_their_padding(model: nn.Module) -> None:
    batch = ellipses([SHAPE] * 2, [4, 3])
    expected = losses(model, batch)
    # the same pixels, with the last columns as padding
    for sample in batch["data_samples"]:
        sample.set_metainfo(dict(img_shape=(SHAPE[0], SHAPE[1] - 6)))
    found = losses(model, batch)
    torch.testing.assert_close(found["loss_segm"], expected["loss_segm"])
    torch.testing.assert_close(found["loss_mask"], expected["loss_mask"])


def test_a_cell_of_probability_one_half_is_no_foreground(model: nn.Module) -> None:
    """The mask is 0.5 where all prototypes are 0, after their ReLU."""
    (found,) = predictions(model, ellipses([SHAPE], [1]))
    meta = dict(ori_shape=SHAPE, img_shape=SHAPE, batch_input_shape=SHAPE, scale_factor=(1.0, 1.0))
    masks = torch.zeros(1, 72, 64)
    masks[0, 20:40, 20:40] = 0.5
    masks[0, 30:34, 30:34] = 0.9
    (result,) = model.mask_head._add_masks([masks], [found[:1]], [meta], rescale=True)
    assert result.foreground_probs.item() == pytest.approx(0.9)


@pytest.mark.parametrize("name", [YOLACT, PLUS])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_steep_masks_train_in_mixed_precision(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fp16 rounds the probability of logit 9 to 1, bf16 that of logit 7."""
    model = tiny.build(tiny_yolact.tiny_config(name))
    last = [m for m in model.mask_head.protonet.modules() if isinstance(m, nn.Conv2d)][-1]
    last.weight.data *= 12
    entropy, steep = F.binary_cross_entropy, []

    def strict(masks: torch.Tensor, targets: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Refuses to run under autocast, as on a GPU."""
        assert not torch.is_autocast_enabled("cpu") and masks.dtype == torch.float32
        steep.append(masks.detach().max() > 0.9999)
        return entropy(masks, targets, **kwargs)

    monkeypatch.setattr(F, "binary_cross_entropy", strict)
    batch = ellipses([SHAPE], [4])
    if dtype == torch.float16:  # MMDetection's own class fails here
        with monkeypatch.context() as patch:
            patch.setattr(F, "binary_cross_entropy", entropy)
            patch.setattr(YOLACTProtonet, "forward", dense_heads.YOLACTProtonet.forward)
            with torch.autocast("cpu", dtype):
                losses(model, batch)["loss_mask"].backward()
        assert not all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
        model.zero_grad()
    full = losses(model, batch)
    with torch.autocast("cpu", dtype):
        found = losses(model, batch)
    assert all(steep) and len(steep) == 2
    torch.testing.assert_close(found["loss_mask"].float(), full["loss_mask"], rtol=0.05, atol=0)
    sum(found.values()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_model_of_another_type(dtype: torch.dtype) -> None:
    model = tiny.build(tiny_yolact.tiny_config(PLUS)).to(dtype)
    batch = model.data_preprocessor(ellipses([SHAPE], [4]), True)
    found = model.loss(batch["inputs"].to(dtype), batch["data_samples"])
    assert found["loss_mask_iou"] > 0
