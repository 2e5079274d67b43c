"""Tests of scorers on frozen hosts: what nine hosts give, and what their scorers learn."""

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm.errors import CheckpointError, SettingError
from msrcnn_mm.models.scorers.seen_detections import SeenDetections
from msrcnn_mm.models.weights import compare_weights
from tests.support import tiny
from tests.support.tiny_hosts import predictions, tiny_config

Host = tuple[ConfigDict, str, tuple[int, ...]]

MASK_RCNN = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
READS_MAPS = dict(type="MaskIoUHead", num_classes=3, in_channels=32)
HOSTS = {
    MASK_RCNN: (4, 8, 16, 32),
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
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Returns a small host's config and weights, and the strides of its maps."""
    return _host(request.param, tmp_path_factory.mktemp("host") / "host.pth")


def _host(name: str, path: Path, seed: int = 0) -> Host:
    config = tiny_config(name)
    model = tiny.build(Config(dict(model=copy.deepcopy(config))), seed)
    torch.save(dict(state_dict=model.state_dict()), path)
    return config, str(path), HOSTS[name]


@pytest.fixture(scope="module")
def mask_rcnn(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return _host(MASK_RCNN, tmp_path_factory.mktemp("host") / "host.pth")


def channels_of(config: ConfigDict, strides: tuple[int, ...]) -> int:
    model = MODELS.build(copy.deepcopy(config)).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.zeros(1, 3, 64, 64))
    return next(m.size(1) for m in maps if 64 // m.size(-1) == strides[0])


def frozen(of: Host, kind: str = "TPShareHead", **more: Any) -> nn.Module:
    config, path, strides = of
    settings = dict(type=kind, num_classes=3)
    if kind == "MaskIoUHead":
        settings["in_channels"] = channels_of(config, strides)
    model = dict(
        type="FrozenHost",
        host=copy.deepcopy(config),
        checkpoint=path,
        scorer=settings,
        featmap_strides=strides,
    )
    return MODELS.build(ConfigDict(model | more))


def training_batch(model: nn.Module) -> Any:
    """Two images with three instances each, of half the network's input's size."""
    torch.manual_seed(1)
    # CondInst normalises groups of the coarsest map, which must have more than one cell
    batch = tiny.inputs(model, False, [(3, 160, 192), (3, 160, 160)])
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
            labels=torch.tensor([0, 1, 2]),
            bboxes=torch.zeros(3, 4),
            masks=BitmapMasks(masks, *size),
        )
    return batch


def test_results_are_the_hosts(host: Host) -> None:
    model = frozen(host).eval()
    alone = tiny.build(Config(dict(model=copy.deepcopy(host[0])))).eval()
    alone.load_state_dict(torch.load(host[1], weights_only=True)["state_dict"])
    for mine, expected in zip(predictions(model), predictions(alone), strict=True):
        assert set(mine.keys()) - set(expected.keys()) == {"rescored_scores"}
        for field in expected.keys():  # noqa: SIM118
            assert torch.equal(mine[field], expected[field]), field
        assert ((mine.rescored_scores >= 0) & (mine.rescored_scores <= 1)).all()
        assert len(mine.rescored_scores) == len(mine) > 0


def test_only_the_scorer_learns(host: Host) -> None:
    learns_alone(frozen(host))


@pytest.mark.parametrize("scorer", ["MaskIoUHead", "FastMaskIoUHead"])
def test_the_scorers_of_the_papers_learn(mask_rcnn: Host, scorer: str) -> None:
    learns_alone(frozen(mask_rcnn, scorer))


def learns_alone(model: nn.Module) -> None:
    model.init_weights()
    model.train()
    before = copy.deepcopy(model.host.state_dict())
    optimizer = torch.optim.SGD(model.scorer.parameters(), 0.1)
    loss = model.loss(*training_batch(model))["loss_tp_share"]
    assert loss.isfinite()
    loss.backward()
    optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in model.host.state_dict().items())
    assert not any(p.grad is not None for p in model.host.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.scorer.parameters())


def test_a_checkpoint_holds_the_scorer_alone_and_goes_with_its_host_only(
    mask_rcnn: Host, tmp_path: Path
) -> None:
    model = frozen(mask_rcnn)
    model.init_weights()
    weights = model.state_dict()
    assert {name.split(".")[0] for name in weights} == {"scorer", "host_fingerprint"}
    again = frozen(mask_rcnn)
    again.load_state_dict(weights)
    assert not str(compare_weights(again, weights))
    for name, value in again.host.state_dict().items():
        assert torch.equal(value, model.host.state_dict()[name])
    other = frozen(_host(MASK_RCNN, tmp_path / "other.pth", seed=1))
    with pytest.raises(CheckpointError, match="trained on another host"):
        other.load_state_dict(weights)


def test_the_host_predicts_an_image_once(mask_rcnn: Host, tmp_path: Path) -> None:
    model = frozen(mask_rcnn, cache_dir=str(tmp_path / "cache"))
    model.init_weights()
    batch = training_batch(model)
    first = model.loss(*copy.deepcopy(batch))["loss_tp_share"]
    assert len([*(tmp_path / "cache").rglob("*.npz")]) == 2
    model.host.predict = None  # a call would fail
    assert torch.equal(model.loss(*copy.deepcopy(batch))["loss_tp_share"], first)


def one_mask_moves(_: torch.Tensor, sample: DetDataSample) -> None:
    sample.gt_instances.masks.masks[0] = np.roll(sample.gt_instances.masks.masks[0], 1)


def labels_change(_: torch.Tensor, sample: DetDataSample) -> None:
    sample.gt_instances.labels += 1


def instances_become_crowds(_: torch.Tensor, sample: DetDataSample) -> None:
    sample.ignored_instances, sample.gt_instances = sample.gt_instances, InstanceData()


def pixels_change(image: torch.Tensor, _: DetDataSample) -> None:
    image += 0.01


@pytest.mark.parametrize(
    "change", [one_mask_moves, labels_change, instances_become_crowds, pixels_change]
)
def test_another_image_or_annotation_is_not_read_from_the_cache(
    mask_rcnn: Host, tmp_path: Path, change: Any
) -> None:
    model = frozen(mask_rcnn, cache_dir=str(tmp_path / "cache"))
    images, samples = training_batch(model)
    model.loss(images, copy.deepcopy(samples))
    model.host.predict = None  # a call fails
    model.loss(images, copy.deepcopy(samples))
    change(images[0], samples[0])
    with pytest.raises(TypeError):
        model.loss(images, samples)


def test_an_image_is_seen_alike_in_every_batch_and_precision(
    mask_rcnn: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = frozen(mask_rcnn, cache_dir=str(tmp_path / "cache"))
    images, samples = training_batch(model)
    model.loss(images, copy.deepcopy(samples))
    monkeypatch.setattr(model.host, "predict", None)  # a call fails
    alone = samples[1]
    alone.set_metainfo(dict(batch_input_shape=(160, 160)))
    model.loss(images[1:, :, :, :160], [copy.deepcopy(alone)])
    monkeypatch.undo()

    model = frozen(mask_rcnn)
    seen: list[SeenDetections] = []

    def record(found: SeenDetections, _: torch.Tensor) -> dict:
        seen.append(found)
        return {}

    monkeypatch.setattr(model.scorer, "quality_loss", record)
    model.loss(images[1:], [copy.deepcopy(alone)])
    with torch.autocast("cpu", torch.bfloat16):
        model.loss(images[1:], [copy.deepcopy(alone)])
    model.predict(images[1:, :, :, :160].contiguous(), [alone])
    for field in fields(SeenDetections):
        assert torch.equal(getattr(seen[0], field.name), getattr(seen[1], field.name)), field.name
    assert torch.equal(seen[0].scores, alone.pred_instances.scores)


def test_a_narrow_image_has_features_of_the_right_maps(mask_rcnn: Host) -> None:
    model = frozen(mask_rcnn, "MaskIoUHead")
    maps = [torch.full((1, 2, -(-32 // s), 6400 // s), s) * 1.0 for s in (4, 8, 16, 32, 64)]
    boxes = torch.tensor([[0.0, 0.0, 300.0, 32.0], [0.0, 0.0, 6400.0, 32.0]])
    (found,) = model.inputs.features(maps, [boxes], 6400)
    # of RoIs with areas of 98 ** 2 and 453 ** 2 pixels
    assert found.mean(dim=(1, 2, 3)).tolist() == [4, 32]


def test_a_file_that_a_kill_cut_off_is_made_again(mask_rcnn: Host, tmp_path: Path) -> None:
    model = frozen(mask_rcnn, cache_dir=str(tmp_path / "cache"))
    batch = training_batch(model)
    first = model.loss(*copy.deepcopy(batch))["loss_tp_share"]
    for path in (tmp_path / "cache").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    assert torch.equal(model.loss(*batch)["loss_tp_share"], first)


def test_the_cache_of_another_host_is_refused(mask_rcnn: Host, tmp_path: Path) -> None:
    frozen(mask_rcnn, cache_dir=str(tmp_path / "cache")).train()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["host.json"]
    frozen(mask_rcnn, cache_dir=str(tmp_path / "cache")).train()
    other = frozen(
        _host(MASK_RCNN, tmp_path / "other.pth", seed=1), cache_dir=str(tmp_path / "cache")
    )
    other.eval()  # a test needs no cache
    with pytest.raises(SettingError, match="detections of another host: name another folder"):
        other.train()


def with_settings(host: Host, **settings: Any) -> Host:
    config, path, strides = host
    config = copy.deepcopy(config)
    config.test_cfg.rcnn.update(settings)
    return config, path, strides


def test_a_test_may_have_other_settings_and_the_cache_keeps_them_apart(
    mask_rcnn: Host, tmp_path: Path
) -> None:
    model, fewer = (
        frozen(host, cache_dir=str(tmp_path))
        for host in (mask_rcnn, with_settings(mask_rcnn, max_per_img=3))
    )
    fewer.load_state_dict(model.state_dict())
    assert torch.equal(fewer.host_fingerprint, model.host_fingerprint)
    nested = copy.deepcopy(mask_rcnn)
    nested[0].roi_head.test_cfg = dict(nms=dict(class_agnostic=True))
    other = frozen(nested, cache_dir=str(tmp_path))
    for files, one in ((2, model), (4, fewer), (4, model), (6, other)):
        one.loss(*training_batch(one))
        assert len([*tmp_path.rglob("*.npz")]) == files


def test_a_host_that_finds_nothing_is_warned_of_once(
    mask_rcnn: Host, capfd: pytest.CaptureFixture
) -> None:
    model = frozen(with_settings(mask_rcnn, score_thr=1.1))
    batch = training_batch(model)
    for _ in range(52):  # of two images each
        model.loss(*batch)
    assert capfd.readouterr().err.count("the host finds nothing in 100 training images") == 1


def test_images_without_detections_or_instances_cost_nothing(mask_rcnn: Host) -> None:
    model = frozen(with_settings(mask_rcnn, score_thr=1.1))
    loss = model.loss(*training_batch(model))["loss_tp_share"]
    loss.backward()
    assert loss == 0
    model = frozen(mask_rcnn)
    inputs, samples = training_batch(model)
    for sample in samples:
        sample.gt_instances = sample.gt_instances[:0]
    loss = model.loss(inputs, samples)["loss_tp_share"]  # all are false alarms
    assert loss > 0 and loss.isfinite()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(host="evil.py"), "must be a model's settings"),
        (dict(host="mmdet::mask_rcnn/none.py"), "there is no such config"),
        (dict(scorer=dict(type="SmoothL1Loss")), "cannot score a host"),
        (dict(scorer=dict(type="ReLU", num_classes=3)), "scorer='ReLU' cannot score a host"),
        (dict(checkpoint=None), "checkpoint is missing"),
        (dict(checkpoint=3), "checkpoint=3 must be a string"),
        (dict(cache_dir=3), "cache_dir=3 must be a string"),
        (dict(test_cfg=dict(rcnn={})), "test_cfg.rcnn has no effect: .* are model.host.test_cfg"),
        (dict(data_preprocessor=dict(pad_mask=True)), "data_preprocessor has no type"),
        (dict(scorer=READS_MAPS, featmap_strides=4), "featmap_strides=4 must be a list of"),
        (dict(scorer=READS_MAPS, featmap_strides=[]), r"featmap_strides=\[\] must be a list of"),
        (dict(scorer=dict(type="TPShareHead", num_classes=2)), "num_classes=2: the host has 3"),
        (dict(scorer=READS_MAPS, featmap_strides=(3,)), "feature maps have strides"),
    ],
)
def test_a_wrong_setting_is_refused(mask_rcnn: Host, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        model = frozen(mask_rcnn, **settings)
        predictions(model.eval())


def test_a_host_without_masks_and_weights_of_another_are_refused(mask_rcnn: Host) -> None:
    _, path, strides = mask_rcnn
    boxes = tiny_config("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py")
    with pytest.raises(SettingError, match="gives no masks"):
        frozen((boxes, path, strides))
    solo = tiny_config("solov2/solov2_r50_fpn_1x_coco.py")
    with pytest.raises(CheckpointError, match="do not fit the host"):
        frozen((solo, path, strides))


def test_annotations_of_another_size_are_refused(mask_rcnn: Host) -> None:
    model = frozen(mask_rcnn)
    inputs, samples = training_batch(model)
    for sample in samples:
        masks = np.zeros((3, *sample.img_shape), np.uint8)
        sample.gt_instances.masks = BitmapMasks(masks, *sample.img_shape)
    with pytest.raises(SettingError, match="load the annotations after the image is resized"):
        model.loss(inputs, samples)
