"""Tests of the patches that a scorer reads beside the masks of the same results."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm.models.hosts.mask_encoding import EncodesMasks
from msrcnn_mm.models.hosts.probability_fields import logit_patches, map_patches
from tests.support import tiny
from tests.support.tiny_hosts import pair, tiny_config

FAMILIES = [
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
    "solov2/solov2_r50_fpn_1x_coco.py",
    "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py",
    "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py",
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    "yolact/yolact_r50_1xb8-55e_coco.py",
]
SIDE = 112  # fine, so that a pasted patch has the borders of the mask


@pytest.fixture(scope="module", params=FAMILIES)
def host(request: pytest.FixtureRequest) -> nn.Module:
    model, _ = pair(tiny_config(request.param))
    for head in model.modules():
        if isinstance(head, EncodesMasks):
            head.patch_side = SIDE
    return model


def predict(model: nn.Module) -> list[InstanceData]:
    """Returns the detections in two smooth images of unequal scales, the second one padded."""
    torch.manual_seed(1)
    images, samples = tiny.inputs(model, False, [(3, 192, 256), (3, 192, 192)])
    images = F.interpolate(torch.randn(2, 3, 4, 5) * 2, images.shape[-2:], mode="bicubic")
    for sample in samples:
        height, width = sample.img_shape
        size = (height // 2, width * 2 // 3)
        factors = (width / size[1], height / size[0])
        sample.set_metainfo(dict(ori_shape=size, scale_factor=factors))
    with torch.no_grad():
        return [sample.pred_instances for sample in model.predict(images, samples)]


def test_a_patch_in_its_box_is_the_mask(host: nn.Module) -> None:
    ious = []
    for results in predict(host):
        masks, size = results.masks, results.masks.shape[-2:]
        pasted, _ = _do_paste_mask(
            results.mask_patches[:, None], results.mask_boxes, *size, skip_empty=False
        )
        both = ((pasted >= 0.5) & masks).sum(dim=(1, 2))
        either = ((pasted >= 0.5) | masks).sum(dim=(1, 2))
        ious.append((both / either)[masks.sum(dim=(1, 2)) >= 60])
    # the smallest masks have a few pixels
    assert torch.cat(ious).quantile(0.25) > 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_maps_and_no_boxes(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 8, 1200).to(dtype)
    boxes = torch.tensor([[1001, 1, 1006, 7], [3, 0, 1199, 8], [1003, 2, 1004, 3]])
    of = torch.tensor([1, 0, 1])
    assert torch.equal(
        map_patches(maps[of], boxes, 7), map_patches(maps[of].float(), boxes.float(), 7)
    )
    assert torch.equal(
        logit_patches(maps, of, boxes, 7), logit_patches(maps.float(), of, boxes.float(), 7)
    )
