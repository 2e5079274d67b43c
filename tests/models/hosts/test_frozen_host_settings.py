"""Tests of the settings of frozen hosts that are refused, and of those a fingerprint depends on."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv.ops import nms
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from msrcnn_mm.engine.predict.predictor import _check_score
from msrcnn_mm.engine.runs.testing import set_rescorer
from msrcnn_mm.errors import CheckpointError, MissingCheckpointError, SettingError, UserError
from msrcnn_mm.evaluation.protocol import RESCORED_SCORE
from msrcnn_mm.models.hosts.host_cache import HostCache, settings_text
from tests.models.hosts.test_frozen_host import MASK_RCNN, Host, _host, frozen, training_batch
from tests.support.tiny_hosts import tiny_config

MASK2FORMER = "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py"
SCORER = dict(type="TPShareHead", num_classes=3)
READS_MAPS = dict(type="MaskIoUHead", in_channels=7, num_classes=3)


@pytest.fixture(scope="module")
def mask_rcnn(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return _host(MASK_RCNN, tmp_path_factory.mktemp("host") / "host.pth")


def build(config: ConfigDict, scorer: dict) -> nn.Module:
    """Builds a frozen host whose weights are not there, so that it is refused before."""
    init_default_scope("mmdet")
    model = dict(type="FrozenHost", host=copy.deepcopy(config), checkpoint="none", scorer=scorer)
    return MODELS.build(ConfigDict(model))


def test_classes_of_a_semantic_branch_are_not_those_of_the_detections() -> None:
    config = tiny_config("htc/htc_r50_fpn_1x_coco.py")
    config.roi_head.semantic_head.num_classes = 7
    with pytest.raises(SettingError, match=r"scorer\.num_classes=7: the host has 3$"):
        build(config, dict(SCORER, num_classes=7))


def test_weights_are_read_once(mask_rcnn: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = CheckpointLoader.load_checkpoint

    def count(name: str, *args: Any, **kwargs: Any) -> dict:
        read.append(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(CheckpointLoader, "load_checkpoint", count)
    frozen(mask_rcnn)
    assert read == [mask_rcnn[1]]


def test_weights_of_a_data_parallel_wrapper_are_loaded(mask_rcnn: Host, tmp_path: Path) -> None:
    config, path, strides = mask_rcnn
    weights = torch.load(path, weights_only=True)["state_dict"]
    wrapped = str(tmp_path / "wrapped.pth")
    torch.save({f"module.{name}": value for name, value in weights.items()}, wrapped)
    loaded = frozen((config, wrapped, strides)).host.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in weights.items())


@pytest.mark.parametrize(
    "name",
    [
        "panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py",
        "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py",
        "maskformer/maskformer_r50_ms-16xb1-75e_coco.py",
    ],
)
def test_a_host_of_panoptic_maps_is_refused(name: str) -> None:
    config = tiny_config(name)
    if "test_cfg" in config and "instance_on" in config.test_cfg:
        config.test_cfg.instance_on = False
    with pytest.raises(SettingError, match="gives panoptic maps and no instances: "):
        build(config, SCORER)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("MaskIoUHead", dict(learns="all_classes")),
        ("MaskIoUHead", dict(mask_iou_thr=0.3)),
        ("MaskIoUHead", dict(box_iou_thr=0.6)),
        ("MaskIoUHead", dict(detach_mask=True)),
        ("FastMaskIoUHead", dict(discard_area=0)),
        ("FastMaskIoUHead", dict(max_masks_to_train=10)),
        ("FastMaskIoUHead", dict(detach_mask=True)),
        ("FastMaskIoUHead", dict(rescore_boxes=True)),
    ],
)
def test_a_setting_without_effect_is_refused(kind: str, settings: dict) -> None:
    (name,) = settings
    with pytest.raises(SettingError, match=f"scorer.{name}=.* has no effect: leave it out"):
        build(tiny_config(MASK_RCNN), dict(type=kind, num_classes=3, **settings))


def test_the_masks_of_all_classes_are_refused() -> None:
    with pytest.raises(SettingError, match="mask_input='all_concat' needs the masks of all"):
        build(tiny_config(MASK_RCNN), dict(READS_MAPS, mask_input="all_concat"))


def test_another_number_of_channels_is_refused() -> None:
    message = "scorer.in_channels=7: the host's feature maps have 32 channels: set it to 32"
    with pytest.raises(SettingError, match=message):  # the neck tells
        build(tiny_config(MASK_RCNN), READS_MAPS)


def test_a_host_without_a_neck_tells_its_channels_at_the_first_batch(tmp_path: Path) -> None:
    config, path, _ = _host(MASK2FORMER, tmp_path / "host.pth")
    model = frozen((config, path, (8,)), scorer=READS_MAPS)
    with pytest.raises(SettingError, match="in_channels=7: the host's feature maps have 16"):
        model.loss(*training_batch(model))


def test_the_fingerprint_depends_on_what_changes_images(mask_rcnn: Host) -> None:
    own = mask_rcnn[0].data_preprocessor
    expected = frozen(mask_rcnn).host_fingerprint
    for same in (own, dict(own, pad_mask=True, pad_seg=True)):
        assert torch.equal(frozen(mask_rcnn, data_preprocessor=same).host_fingerprint, expected)
    changes = [
        dict(mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0]),
        dict(mean=[1.0, 2.0, 3.0], std=[2.0, 1.0, 1.0]),
        dict(bgr_to_rgb=True),
        dict(pad_size_divisor=64),
    ]
    prints = {bytes(expected.tolist())}
    for change in changes:
        model = frozen(mask_rcnn, data_preprocessor=dict(own, **change))
        prints.add(bytes(model.host_fingerprint.tolist()))
    assert len(prints) == 1 + len(changes)


def test_the_fingerprint_does_not_depend_on_training_and_first_weights(mask_rcnn: Host) -> None:
    config, path, strides = mask_rcnn
    other = copy.deepcopy(config)
    other.train_cfg.rcnn.sampler.num = 17
    other.backbone.init_cfg = dict(type="Pretrained", checkpoint="elsewhere.pth")
    fingerprints = [frozen((one, path, strides)).host_fingerprint for one in (config, other)]
    assert torch.equal(*fingerprints)
    other.rpn_head.anchor_generator.scales = [7]
    assert not torch.equal(frozen((other, path, strides)).host_fingerprint, fingerprints[0])


def test_settings_that_are_functions_have_one_text() -> None:
    text = settings_text(dict(a=[dict(type=nms, b=1)], c=nn.ReLU), ("b",))
    assert json.loads(text) == {
        "a": [{"type": "mmcv.ops.nms.nms"}],
        "c": "torch.nn.modules.activation.ReLU",
    }


def test_a_rescorer_may_be_set(mask_rcnn: Host) -> None:
    host, path, _ = mask_rcnn
    model = dict(type="FrozenHost", host=copy.deepcopy(host), checkpoint=path, scorer=SCORER)
    config = Config(dict(model=model))
    set_rescorer(config, "rescorer.json")
    assert MODELS.build(config.model).test_cfg == dict(rescorer="rescorer.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    mask_rcnn: Host, tmp_path: Path, value: float
) -> None:
    config, path, strides = mask_rcnn
    weights = torch.load(path, weights_only=True)["state_dict"]
    weights["roi_head.bbox_head.fc_cls.weight"][0, 0] = value
    spoilt = str(tmp_path / "spoilt.pth")
    torch.save(weights, spoilt)
    with pytest.raises(CheckpointError, match=r"1 weights are not finite numbers .roi_head.bbox"):
        frozen((config, spoilt, strides))


def test_missing_weights_are_said_to_be_the_hosts(mask_rcnn: Host) -> None:
    config, _, strides = mask_rcnn
    with pytest.raises(MissingCheckpointError, match=r"no/host\.pth: .* by model.checkpoint"):
        frozen((config, "no/host.pth", strides))


def test_a_model_with_a_share_head_gives_rescored_scores(mask_rcnn: Host) -> None:
    inferencer = SimpleNamespace(model=frozen(mask_rcnn), rescorer=None)
    _check_score(RESCORED_SCORE, inferencer)  # type: ignore[arg-type]
    inferencer.model = inferencer.model.host
    with pytest.raises(UserError, match="--score-by rescored_score: there is no re-scorer"):
        _check_score(RESCORED_SCORE, inferencer)  # type: ignore[arg-type]


@pytest.mark.parametrize("manifest", ['{"host": "%s"}', '{"host": "%s", "format": 99}', "{", "[]"])
def test_a_cache_of_another_format_is_refused(tmp_path: Path, manifest: str) -> None:
    host = torch.arange(32, dtype=torch.uint8)
    HostCache(str(tmp_path), host)
    file = tmp_path / "host.json"
    file.write_text(manifest.replace("%s", json.loads(file.read_text())["host"]))
    with pytest.raises(SettingError, match="holds files of another format: name another folder"):
        HostCache(str(tmp_path), host)
