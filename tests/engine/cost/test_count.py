"""Counted costs of detectors against formulas by hand, layer by layer."""

from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.cost import count as cost_module
from msrcnn_mm.engine.cost.count import Cost, PartCost, count_cost
from msrcnn_mm.engine.cost.mac_meter import MacMeter
from msrcnn_mm.engine.cost.random_run import build
from msrcnn_mm.engine.cost.timing import time_in_turns
from msrcnn_mm.errors import UserError
from tests.support import tiny_yolact
from tests.support.tiny import CONFIGS, tiny_config

OURS = str(CONFIGS / "ms_rcnn" / "ms-rcnn_r50_fpn_1x_coco.py")
SHAPE = (64, 96)


def count(config: Config, shape: tuple[int, int] = SHAPE) -> Cost:
    return count_cost(config, "tiny.py", shape)


def part(found: Cost, name: str) -> PartCost:
    (one,) = (part for part in found.parts if part.name == name)
    return one


def conv(channels: int, filters: int, kernel: int, side: int) -> tuple[int, int]:
    """Returns MACs and parameters of a convolution with that side of output (transposed: input)."""
    weights = channels * filters * kernel**2
    return weights * side**2, weights + filters


def fc(inputs: int, outputs: int) -> tuple[int, int]:
    return inputs * outputs, (inputs + 1) * outputs


@pytest.fixture(scope="module")
def default() -> Cost:
    """Builds heads of the paper's sizes: 256 channels, 80 classes."""
    return count_cost(load_config(OURS, None, None, "none"), OURS, SHAPE)


def test_the_mask_iou_head_has_the_papers_039_g(default: Cost) -> None:
    layers = [
        conv(257, 256, 3, 14),
        *[conv(256, 256, 3, 14)] * 2,
        conv(256, 256, 3, 7),
        fc(256 * 7 * 7, 1024),
        fc(1024, 1024),
        fc(1024, 80),
    ]
    head = part(default, "roi_head.mask_iou_head")
    assert head.macs_an_roi == sum(macs for macs, _ in layers)
    assert head.parameters == sum(parameters for _, parameters in layers)
    assert f"{head.macs_an_roi / 1e9:.2f}" == "0.39"
    assert head.rois == [100]
    assert head.macs == 100 * head.macs_an_roi


def test_the_mask_head_has_the_papers_053_g(default: Cost) -> None:
    """Four convolutions, the transposed one of kernel 2 on a side of 14, the classes' masks."""
    layers = [*[conv(256, 256, 3, 14)] * 4, conv(256, 256, 2, 14), conv(256, 80, 1, 28)]
    head = part(default, "roi_head.mask_head")
    assert head.macs_an_roi == sum(macs for macs, _ in layers)
    assert head.parameters == sum(parameters for _, parameters in layers)
    assert f"{head.macs_an_roi / 1e9:.2f}" == "0.53"
    assert head.rois == [100]


def test_the_box_head_runs_on_the_proposals(default: Cost) -> None:
    layers = [fc(256 * 7 * 7, 1024), fc(1024, 1024), fc(1024, 81), fc(1024, 320)]
    head = part(default, "roi_head.bbox_head")
    assert head.macs_an_roi == sum(macs for macs, _ in layers)
    assert head.rois == [1000]
    assert head.macs == 1000 * head.macs_an_roi


def counted_by_hooks(module: nn.Module, *inputs: Any) -> int:
    """Computes MACs of a module's convolutions from the sizes of their outputs."""
    total = 0

    def add(layer: nn.Conv2d, args: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * output.numel()

    handles = [m.register_forward_hook(add) for m in module.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        module(*inputs)
    for handle in handles:
        handle.remove()
    return total


def test_networks_of_the_whole_image_at_its_padded_size() -> None:
    config = tiny_config()
    found = count(config, (60, 90))
    assert found.padded == (64, 96)
    model = build(config, "tiny.py")
    image = torch.zeros(1, 3, 64, 96)
    assert part(found, "backbone").macs == counted_by_hooks(model.backbone, image)
    levels = model.backbone(image)
    assert part(found, "neck").macs == counted_by_hooks(model.neck, levels)
    levels = model.neck(levels)
    assert part(found, "rpn_head").macs == counted_by_hooks(model.rpn_head, levels)
    assert part(found, "rpn_head").rois == []
    assert part(found, "rpn_head").macs_an_roi is None
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.parameters == sum(p.parameters for p in found.parts)
    names = ["backbone", "neck", "rpn_head"]
    heads = ["bbox_head", "mask_head", "mask_iou_head"]
    assert [p.name for p in found.parts] == [*names, *(f"roi_head.{h}" for h in heads)]  # no rest


def test_what_is_reckoned_up_is_what_so_many_rois_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config()
    config.model.test_cfg.rcnn.max_per_img = 20
    reckoned = count(config)
    monkeypatch.setattr(cost_module, "_PROBED_PROPOSALS", 50)
    monkeypatch.setattr(cost_module, "_set_count", lambda *args: None)
    assert count(config) == reckoned
    assert part(reckoned, "roi_head.bbox_head").rois == [50]
    assert part(reckoned, "roi_head.mask_head").rois == [20]


@pytest.mark.parametrize(("kind", "offsets"), [("DCN", 18), ("DCNv2", 27)])
def test_deformable_convolutions(kind: str, offsets: int) -> None:
    """They count as the convolutions that they replace, and those of the offsets."""
    shape = (128, 160)  # mmcv's operator wants a map as large as its kernel at stride 32
    config = tiny_config()
    width = 8
    config.model.backbone.update(depth=50, base_channels=width)
    config.model.neck.in_channels = [4 * width, 8 * width, 16 * width, 32 * width]
    plain = part(count(config, shape), "backbone").macs
    config.model.backbone.update(
        dcn=dict(type=kind, deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
    extra = 0
    for blocks, planes, stride in ((4, 2, 8), (6, 4, 16), (3, 8, 32)):
        places = (shape[0] // stride) * (shape[1] // stride)
        extra += blocks * offsets * planes * width * 9 * places
    assert part(count(config, shape), "backbone").macs == plain + extra


def test_stages_of_a_cascade_add_up() -> None:
    single = tiny_config()
    config = load_config(
        "mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py", None, None, "none"
    )
    for name in ("backbone", "neck", "rpn_head"):
        config.model[name] = single.model[name]
    heads = config.model.roi_head
    for name in ("bbox_roi_extractor", "mask_roi_extractor"):
        heads[name].out_channels = 16
    for head in heads.bbox_head:
        head.update(in_channels=16, fc_out_channels=32, num_classes=3)
    heads.mask_head.update(in_channels=16, conv_out_channels=16, num_classes=3)
    config.model.test_cfg.rpn.max_per_img = 40
    found = count(config)
    box = 16 * 49 * 32 + 32 * 32 + 32 * 4 + 32 * 4  # class-agnostic boxes
    assert part(found, "roi_head.bbox_head").macs_an_roi == 3 * box
    assert part(found, "roi_head.bbox_head").rois == [40]
    assert part(found, "roi_head.mask_head").rois == [100]


def test_a_shared_head_runs_on_proposals_and_on_masks() -> None:
    options = {"model.test_cfg.rpn.max_per_img": 6, "model.test_cfg.rcnn.max_per_img": 2}
    name = "mmdet::mask_rcnn/mask-rcnn_r50-caffe-c4_1x_coco.py"
    found = count(load_config(name, options, None, "none"))
    # the last stage of ResNet-50, from a side of 14 to one of 7
    first = [conv(1024, 512, 1, 7), conv(512, 512, 3, 7), conv(512, 2048, 1, 7)]
    other = [conv(2048, 512, 1, 7), conv(512, 512, 3, 7), conv(512, 2048, 1, 7)]
    macs = sum(macs for macs, _ in [*first, conv(1024, 2048, 1, 7), *other, *other])
    shared = part(found, "roi_head.shared_head")
    assert shared.macs_an_roi == macs
    assert shared.rois == [6, 2]
    assert shared.macs == 8 * macs


def test_detectors_without_roi_heads() -> None:
    config = load_config("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", None, None, "none")
    single = tiny_config()
    config.model.backbone = single.model.backbone
    config.model.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    config.model.bbox_head.update(in_channels=16, feat_channels=16)
    found = count(config)
    assert [p.name for p in found.parts] == ["backbone", "neck", "bbox_head"]
    assert all(p.macs > 0 and p.rois == [] for p in found.parts)


def test_the_scorer_of_yolact_is_a_part_of_its_own() -> None:
    config = tiny_yolact.tiny_config()
    config.model.mask_head.mask_iou_head.num_classes = 80
    config.model.test_cfg.max_per_img = 7
    found = count(config, (552, 552))
    names = ["backbone", "neck", "bbox_head", "mask_head", "mask_head.mask_iou_head"]
    assert [p.name for p in found.parts] == names
    scorer = part(found, "mask_head.mask_iou_head")
    # prototypes of 138 x 138; the sides after each convolution without padding
    layers = [(1, 8, 3, 68), (8, 16, 3, 33), (16, 32, 3, 16), (32, 64, 3, 7), (64, 128, 3, 3)]
    costs = [conv(*layer) for layer in [*layers, (128, 80, 1, 3)]]
    assert scorer.macs_an_roi == sum(macs for macs, _ in costs)
    assert scorer.rois == [7]
    assert scorer.parameters == sum(parameters for _, parameters in costs) == 108_560
    assert sum(p.parameters for p in found.parts) == found.parameters


def test_attention_counts() -> None:
    """Counts projections in and out and two products of L x L, also where torch would fuse them."""
    length, width = 10, 16
    attention = nn.MultiheadAttention(width, 4, batch_first=True).eval()
    x = torch.zeros(1, length, width)
    meter = MacMeter({"attention": attention})
    with meter.running():
        attention(x, x, x, need_weights=False)
    assert meter.macs == 4 * length * width**2 + 2 * length**2 * width


def test_nothing_is_left_behind() -> None:
    config = tiny_config()
    before = config.pretty_text
    count(config)
    assert config.pretty_text == before
    module = nn.Linear(2, 2)
    with MacMeter({"part": module}).running():
        pass
    assert not module._forward_hooks and not module._forward_pre_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_time_is_taken_in_turns_on_full_images() -> None:
    """Equal configs have the same weights, boxes, and as many masks as the config allows."""
    order, boxes = [], {}
    models = []
    for name in ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py"):
        config = tiny_config(name)
        config.model.test_cfg.rcnn.update(score_thr=0.99, max_per_img=20)
        models.append((name, build(config, name)))

    def spied(name: str, predict: Any) -> Any:
        def test_step(data: Any) -> Any:
            order.append(name)
            samples = predict(data)
            boxes[name] = samples[0].pred_instances.bboxes
            return samples

        return test_step

    for name, model in models:
        model.test_step = spied(name, model.test_step)
    steps = []
    timings = time_in_turns(models, SHAPE, 3, "cpu", lambda *step: steps.append(step))
    assert order == [name for name, _ in models] * 4
    assert [len(timing.seconds) for timing in timings] == [3, 3]
    assert all(seconds > 0 for timing in timings for seconds in timing.seconds)
    assert [timing.masks for timing in timings] == [20, 20]
    assert steps[0] == (1, 8) and steps[-1] == (8, 8)
    assert torch.equal(*boxes.values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(type="Nobody"), "the model cannot be built: KeyError: .*Nobody"),
        (dict(neck=dict(out_channels=7)), r"does not run on an image of 64 x 96: RuntimeError"),
    ],
)
def test_a_model_that_cannot_be_built_or_run_is_one_line(change: dict, says: str) -> None:
    config = tiny_config()
    config.merge_from_dict(dict(model=change))
    with pytest.raises(UserError, match=f"^tiny.py: .*{says}") as caught:
        count(config)
    assert "\n" not in str(caught.value)


def test_a_part_inside_another_counts_for_itself() -> None:
    class Host(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scorer = nn.Linear(10, 10)
            self.wide = nn.Linear(10, 1000)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.wide(self.scorer(x))

    host = Host()
    meter = MacMeter({"host": host, "host.scorer": host.scorer})
    with meter.running():
        host(torch.zeros(1, 10))
    assert {call.part: call.macs for call in meter.calls} == {"host": 10_000, "host.scorer": 100}
