import copy

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

from msrcnn_mm.errors import CheckpointError, SettingError
from tests.support import tiny
from tests.support.tiny_hosts import predictions, tiny_config

HOSTS = {
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py": (4, 8, 16, 32),
    "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py": (4, 8, 16, 32),
    "htc/htc-without-semantic_r50_fpn_1x_coco.py": (4, 8, 16, 32),
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": (4, 8, 16, 32),
    "solov2/solov2_r50_fpn_1x_coco.py": (8, 16, 32),
    "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py": (8, 16, 32),
    "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py": (8, 16, 32),
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py": (8,),
    "yolact/yolact_r50_1xb8-55e_coco.py": (8, 16, 32),
}


@pytest.fixture(scope="module", params=HOSTS)
def host(request, tmp_path_factory):
    """A small host's config and weights, and the strides of its maps."""
    config = tiny_config(request.param)
    model = tiny.build(Config(dict(model=config)))
    path = tmp_path_factory.mktemp("host") / "host.pth"
    torch.save(dict(state_dict=model.state_dict()), path)
    return config, str(path), HOSTS[request.param]


def channels_of(config, strides):
    from msrcnn_mm.models.hosts.frozen_host import FrozenHost  # noqa: F401

    model = MODELS.build(copy.deepcopy(config)).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.zeros(1, 3, 64, 64))
    return next(m.size(1) for m in maps if 64 // m.size(-1) == strides[0])


def frozen(host, scorer="TPShareHead", **more):
    config, path, strides = host
    settings = dict(type=scorer, num_classes=3)
    if scorer != "FastMaskIoUHead":
        settings["in_channels"] = channels_of(config, strides)
    return MODELS.build(
        ConfigDict(
            type="FrozenHost", host=copy.deepcopy(config), checkpoint=path, scorer=settings,
            featmap_strides=strides, **more,
        )
    )


def training_batch(model):
    """Two images with three instances each, of half the network's input's size."""
    torch.manual_seed(1)
    batch = tiny.inputs(model, False, [(3, 96, 128), (3, 96, 96)])
    rng = np.random.default_rng(0)
    for sample in batch[1]:
        size = tuple(side // 2 for side in sample.img_shape)
        sample.set_metainfo(dict(ori_shape=size, scale_factor=(2.0, 2.0)))
        masks = np.zeros((3, *size), np.uint8)
        for mask in masks:
            top, left = rng.integers(0, 20, 2)
            mask[top : top + 25, left : left + 25] = 1
        sample.ignored_instances = InstanceData()
        sample.gt_instances = InstanceData(
            labels=torch.tensor([0, 1, 2]), bboxes=torch.zeros(3, 4),
            masks=BitmapMasks(masks, *size),
        )
    return batch


def test_results_are_the_hosts(host):
    model = frozen(host).eval()
    alone = tiny.build(Config(dict(model=copy.deepcopy(host[0])))).eval()
    alone.load_state_dict(torch.load(host[1], weights_only=True)["state_dict"])
    for mine, expected in zip(predictions(model), predictions(alone), strict=True):
        assert set(mine.keys()) - set(expected.keys()) == {"mask_scores"}
        for field in expected.keys():  # noqa: SIM118
            assert torch.equal(mine[field], expected[field]), field
        assert ((mine.mask_scores >= 0) & (mine.mask_scores <= 1)).all()
        assert len(mine.mask_scores) == len(mine) > 0


@pytest.mark.parametrize("scorer", ["TPShareHead", "MaskIoUHead", "FastMaskIoUHead"])
def test_only_the_scorer_learns(host, scorer):
    model = frozen(host, scorer)
    model.init_weights()
    model.train()
    before = copy.deepcopy(model.host.state_dict())
    optimizer = torch.optim.SGD(model.scorer.parameters(), 0.1)
    loss = model.loss(*training_batch(model))["loss_mask_iou"]
    assert loss.isfinite()
    loss.backward()
    optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in model.host.state_dict().items())
    assert not any(p.grad is not None for p in model.host.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.scorer.parameters())
