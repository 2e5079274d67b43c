"""Tests of the differences between the authors' convention and MMDetection's."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch import Tensor

from msrcnn_mm.interop.conversion import convert
from msrcnn_mm.interop.yolact_checkpoints import FORMAT
from msrcnn_mm.interop.yolact_convention import AuthorsYOLACTHead, YOLACTAnchorGenerator
from tests.configs.config_files import difference, load, plain
from tests.configs.test_yolact_configs import ANCHORS, DCN, RESCORING
from tests.support.checkpoints.yolact_files import light_weights
from tests.support.tiny import CONFIGS

CONFIG = ConfigDict(score_thr=0.05, iou_thr=0.5, top_k=200, max_per_img=100)
META = {"img_shape": (100, 200), "ori_shape": (50, 50), "scale_factor": (4.0, 2.0)}


def head() -> AuthorsYOLACTHead:
    coder = {"type": "DeltaXYWHBBoxCoder", "clip_border": False}
    init_default_scope("mmdet")
    return AuthorsYOLACTHead(
        2, 4, anchor_generator={"type": "YOLACTAnchorGenerator"}, bbox_coder=coder, feat_channels=4
    )


def results(boxes: list, scores: list, rescale: bool = False) -> tuple[list, list, list]:
    found = head()._bbox_post_process(
        torch.tensor(boxes).float().view(-1, 4),
        torch.tensor(scores),
        torch.zeros(len(boxes), 32),
        CONFIG,
        rescale,
        META,
    )
    assert len(found.coeffs) == len(found.bboxes)
    return (
        found.bboxes.tolist(),
        [round(s, 6) for s in found.scores.tolist()],
        found.labels.tolist(),
    )


def test_boxes_are_cut_to_the_image_after_nms() -> None:
    """Half of the first lies outside, so the second is not the same before it is cut."""
    boxes = [[-40, 0, 40, 40], [0, 0, 40, 40], [150, 50, 300, 120]]
    scores = [[0.9, 0, 0.1], [0.8, 0, 0.2], [0, 0.7, 0.3]]
    found, kept, labels = results(boxes, scores)
    assert found[:3] == [[0, 0, 40, 40], [0, 0, 40, 40], [150, 50, 200, 100]]
    assert kept[:3] == [0.9, 0.8, 0.7]
    assert labels[:3] == [0, 0, 1]


def test_boxes_of_the_original_image_are_cut_to_it() -> None:
    found, *_ = results([[-40, 0, 400, 400]], [[0.9, 0, 0.1]], rescale=True)
    assert found[0] == [0, 0, 50, 50]


def test_a_box_stays_with_all_classes_if_one_exceeds_the_threshold() -> None:
    boxes = [[0, 0, 40, 40], [60, 0, 90, 40]]
    _, scores, labels = results(boxes, [[0.9, 0.01, 0.09], [0.04, 0.03, 0.93]])
    assert scores == [0.9, 0.01]
    assert labels == [0, 1]


@pytest.mark.parametrize("scores", [[[0.01, 0.02, 0.97]], [[0.05, 0.05, 0.9]]])
def test_no_box_above_the_threshold(scores: list) -> None:
    assert results([[0, 0, 40, 40]], scores) == ([], [], [])
    assert CONFIG.score_thr == 0.05  # it is not changed for others


def sides(generator: YOLACTAnchorGenerator, level: int) -> Tensor:
    boxes = generator.base_anchors[level]
    return boxes[:, 2:] - boxes[:, :2]


def test_shapes_follow_each_other_within_a_scale() -> None:
    found = sides(YOLACTAnchorGenerator(scales_per_octave=2), 0)
    root = 2**0.5
    shapes = torch.tensor([[1, 1], [1 / root, root], [root, 1 / root]]) * 24
    assert torch.allclose(found, torch.cat((shapes, shapes * root)))
    squares = sides(YOLACTAnchorGenerator(square=True), 1)
    assert torch.allclose(squares, 48 * torch.tensor([1, 1 / root, root])[:, None].expand(3, 2))


HEAD, NECK, SPLIT = "model.bbox_head", "model.neck", "dataloader.dataset.pipeline"
PLUS = DCN | ANCHORS | RESCORING | {f"{HEAD}.anchor_generator.square": False}
DEEPER = {
    "model.backbone.depth": 101,
    "model.backbone.init_cfg.checkpoint": "torchvision://resnet101",
}
PIPELINES = {
    "train_pipeline",
    "test_pipeline",
    *(f"{use}_{SPLIT}" for use in ("train", "val", "test")),
}
AUTHORS = {
    f"{NECK}.type": "YOLACTFPN",
    f"{HEAD}.type": "AuthorsYOLACTHead",
    f"{HEAD}.anchor_generator.type": "YOLACTAnchorGenerator",
    f"{HEAD}.anchor_generator.square": True,
    f"{HEAD}.bbox_coder.clip_border": False,
    "model.test_cfg.nms_pre": -1,
}
SMALL = {"image_size": 400, "sides": (17, 34, 69, 139, 279)}
LARGE = {"image_size": 700, "sides": (30, 61, 122, 244, 488)}


@pytest.mark.parametrize(
    ("name", "base", "changes", "pipelines"),
    [
        ("yolact_r50_authors", "yolact_r50_1xb8-800k_coco", AUTHORS, PIPELINES),
        ("yolact_r101_authors", "yolact_r50_authors", DEEPER, set()),
        ("yolact-plus_r50_authors", "yolact_r50_authors", PLUS, set()),
        (
            "yolact-plus_r101_authors",
            "yolact_r101_authors",
            PLUS | {"model.backbone.dcn_interval": 3},
            set(),
        ),
        *(
            (
                f"yolact_r101_authors_im{settings['image_size']}",
                "yolact_r101_authors",
                {f"{HEAD}.anchor_generator.{key}": value for key, value in settings.items()},
                PIPELINES,
            )
            for settings in (SMALL, LARGE)
        ),
    ],
)
def test_a_config_changes_what_its_name_says(
    name: str, base: str, changes: dict, pipelines: set[str]
) -> None:
    """test_yolact_network.py compares the pipelines."""
    ours, theirs = (load(f"yolact_plus/{config}.py").to_dict() for config in (name, base))
    found = difference(ours, theirs)
    assert {key for key in found if key.endswith("pipeline")} == pipelines
    assert plain({k: v for k, v in found.items() if not k.endswith("pipeline")}) == changes


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("plus", [False, True])
def test_converted_weights_are_exactly_the_config_s(depth: int, plus: bool) -> None:
    name = f"yolact{'-plus' * plus}_r{depth}_authors.py"
    config = Config.fromfile(CONFIGS / "yolact_plus" / name)
    config.model.backbone.init_cfg = None
    init_default_scope("mmdet")
    model = MODELS.build(config.model)
    converted = convert(light_weights(depth, plus), (FORMAT,)).checkpoint["state_dict"]
    model.load_state_dict(converted, strict=True)
    assert converted.keys() == model.state_dict().keys()
