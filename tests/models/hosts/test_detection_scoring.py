"""Tests of scorers that are trained together with the RoI heads of four hosts."""

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import SampleList
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError
from msrcnn_mm.models.hosts import detection_scoring
from msrcnn_mm.models.targets.detection_ious import detection_ious
from msrcnn_mm.models.targets.tp_shares import tp_shares
from tests.support import tiny
from tests.support.tiny_hosts import find_nothing_in_the_second_image, predictions, tiny_config

MASK_RCNN = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
FAMILIES = {
    MASK_RCNN: "DetectionScoringRoIHead",
    "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py": "DetectionScoringCascadeRoIHead",
    "htc/htc-without-semantic_r50_fpn_1x_coco.py": "DetectionScoringHTCRoIHead",
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": "DetectionScoringPointRendRoIHead",
}
READS_MAPS = dict(type="MaskIoUHead", num_classes=3, in_channels=32)
Pair = tuple[nn.Module, nn.Module]
Batch = tuple[Tensor, SampleList]


read = cache(tiny_config)


def host_config(name: str = MASK_RCNN) -> ConfigDict:
    """Returns a small host whose mask heads have batch normalisation."""
    config = copy.deepcopy(read(name))
    heads = config.roi_head.mask_head
    for head in heads if isinstance(heads, list) else [heads]:
        head.norm_cfg = dict(type="BN")
    rcnn = config.train_cfg.rcnn
    for stage in rcnn if isinstance(rcnn, list) else [rcnn]:
        stage.sampler.num = 32
    return config


def joint(config: ConfigDict, kind: str = "TPShareHead", **more: Any) -> nn.Module:
    """Builds the host with a scorer."""
    config = copy.deepcopy(config)
    types = {"Cascade": "Cascade", "HybridTaskCascade": "HTC", "PointRend": "PointRend"}
    family = types.get(config.roi_head.type.removesuffix("RoIHead"), "")
    scorer = dict(type=kind, num_classes=3)
    if kind == "MaskIoUHead":
        scorer["in_channels"] = 32
    settings = dict(type=f"DetectionScoring{family}RoIHead", scorer=scorer)
    config.roi_head.update(settings | more)
    return tiny.build(Config(dict(model=config)))


def with_weights_of(plain: nn.Module, model: nn.Module) -> nn.Module:
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert all(name.startswith("roi_head.scorer.") for name in missing) and not unexpected
    return model


@pytest.fixture(params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Returns a host alone, and one with the same weights and a scorer."""
    return copy.deepcopy(pair_of(request.param))


@cache
def pair_of(name: str) -> Pair:
    config = host_config(name)
    plain = tiny.build(Config(dict(model=copy.deepcopy(config))))
    model = joint(config)
    assert type(model.roi_head).__name__ == FAMILIES[name]
    for parameter, bias in plain.named_parameters():
        if parameter.endswith("bias") and "mask_head" in parameter:
            nn.init.normal_(bias, std=0.5)
    nn.init.normal_(model.roi_head.scorer.out.weight, std=0.01)  # 0 would hide what it reads
    return plain, with_weights_of(plain, model)


def batch_of(model: nn.Module) -> Batch:
    torch.manual_seed(1)
    return tiny.inputs(model, True, [(3, 96, 128), (3, 96, 96)])


def step(model: nn.Module, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Returns the losses of a training step, after the backward pass, and the random state."""
    torch.manual_seed(2)
    losses = model.loss(*copy.deepcopy(batch))
    state = torch.get_rng_state()
    model.parse_losses(losses)[0].backward()
    return losses, state


def test_the_host_trains_as_alone(pair: Pair) -> None:
    plain, model = (one.train() for one in pair)
    model.roi_head.bbox_head.eval()  # modes are kept, also where they differ
    plain.roi_head.bbox_head.eval()
    modes = [module.training for module in model.modules()]
    batch = batch_of(plain)
    (expected, random), (losses, after) = step(plain, batch), step(model, batch)
    scored = losses.pop("loss_tp_share")
    assert scored > 0 and scored.isfinite()
    assert set(losses) == set(expected)
    for name, loss in expected.items():
        if not isinstance(loss, Tensor):  # the RPN's are lists
            loss, losses[name] = torch.stack(loss), torch.stack(losses[name])
        assert torch.equal(losses[name], loss), name
    assert torch.equal(after, random)
    assert [module.training for module in model.modules()] == modes
    assert not any(head.encoder for head in model.modules() if hasattr(head, "encoder"))
    own = dict(model.named_parameters())
    for name, parameter in plain.named_parameters():
        if parameter.grad is not None:
            assert torch.equal(own[name].grad, parameter.grad), name
    buffers = dict(model.named_buffers())
    assert any("mask_head" in name and "running_mean" in name for name in buffers)
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffers[name], buffer), name
    assert all(p.grad is not None for p in model.roi_head.scorer.parameters())
    assert any(p.grad.any() for p in model.roi_head.scorer.parameters())


def test_the_host_begins_with_the_weights_that_it_has_alone() -> None:
    config = host_config()
    states = []
    for build in (
        lambda: tiny.build(Config(dict(model=copy.deepcopy(config)))),
        lambda: joint(config),
    ):
        torch.manual_seed(0)
        model = build()
        model.init_weights()
        states.append(model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_training_pipeline_may_leave_out_the_resize() -> None:
    model = joint(host_config())
    batch = batch_of(model)
    for sample in batch[1]:
        del sample.scale_factor
    losses, _ = step(model, batch)
    assert losses["loss_tp_share"].isfinite()


def test_results_are_the_hosts(pair: Pair) -> None:
    plain, model = (one.eval() for one in pair)
    of_sizes = []
    for rescale in (True, False):
        found = predictions(model, rescale=rescale)
        for mine, expected in zip(found, predictions(plain, rescale=rescale), strict=True):
            assert set(mine.keys()) - set(expected.keys()) == {"rescored_scores"}
            for field in expected.keys():  # noqa: SIM118
                assert torch.equal(mine[field], expected[field]), field
            assert ((mine.rescored_scores >= 0) & (mine.rescored_scores <= 1)).all()
            assert len(mine.rescored_scores) == len(mine) > 0
        of_sizes.append(torch.cat([results.rescored_scores for results in found]))
    torch.testing.assert_close(*of_sizes, rtol=0, atol=1e-4)


def give_ellipses(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a host's masks be ellipses of 50 pixels; those of random weights are noise in slits."""
    heads = model.roi_head.mask_head
    head = heads[-1] if isinstance(heads, nn.ModuleList) else heads
    of_class = head.predict_by_feat

    def predict_by_feat(mask_preds: Any, *args: Any, **kwargs: Any) -> Any:
        sides = torch.linspace(-1, 1, mask_preds[0].shape[-1])
        inside = 4 * (0.9 - (sides[:, None] ** 2 + (sides + 0.2) ** 2).sqrt())
        ellipses = [inside.sigmoid().expand_as(preds) for preds in mask_preds]
        return of_class(ellipses, *args, **{**kwargs, "activate_map": True})

    of_boxes = model.roi_head.predict_bbox

    def predict_bbox(*args: Any, **kwargs: Any) -> list[InstanceData]:
        results_list = of_boxes(*args, **kwargs)
        for results in results_list:
            corners = results.bboxes[:, :2].clamp(max=40)
            results.bboxes = torch.cat((corners, corners + torch.tensor([55.0, 50.0])), dim=1)
        return results_list

    monkeypatch.setattr(head, "predict_by_feat", predict_by_feat)
    monkeypatch.setattr(model.roi_head, "predict_bbox", predict_bbox)


def test_targets_are_those_of_pasted_masks(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances are masks of the host itself, some of them moved by a few pixels."""
    model = pair[1].train()
    head = model.roi_head
    give_ellipses(model, monkeypatch)
    inputs, samples = batch_of(model)
    x = model.extract_feat(inputs)
    model.eval()
    with torch.no_grad():
        proposals = model.rpn_head.predict(x, samples, rescale=False)
        results = head.predict(x, [p.clone() for p in proposals], samples, rescale=False)
    model.train()
    for found, sample in zip(results, samples, strict=True):
        found.masks = found.masks[:, : sample.img_shape[0], : sample.img_shape[1]]
        masks = found.masks.numpy().astype(np.uint8)
        masks[1] = np.roll(masks[1], 3, axis=1)
        masks[2] = np.roll(masks[2], 1, axis=0)
        size = masks.shape[1:]
        sample.gt_instances = InstanceData(
            labels=found.labels[:4], masks=BitmapMasks(masks[:4], *size)
        )
        sample.ignored_instances = InstanceData(
            labels=found.labels[4:6], masks=BitmapMasks(masks[4:6], *size)
        )
    matched: list[tuple[Tensor, ...]] = []

    def record(*args: Tensor) -> Tensor:
        matched.append(args)
        return tp_shares(*args)

    monkeypatch.setattr(detection_scoring, "tp_shares", record)
    seen, shares = head._learned(x, proposals, samples)
    fitting = 0
    for (ious, scores, crowds), found, sample in zip(matched, results, samples, strict=True):
        expected, crowd = detection_ious(found, sample)
        assert torch.equal(crowds, crowd) and crowds.sum() == 2
        assert torch.equal(scores, found.scores)
        fitting += int((expected > 0.5).sum())
        error = (ious - expected).abs()
        assert error.max() < 0.05 and error[expected > 0].mean() < 0.01
    assert fitting >= 10
    of_images = torch.cat([tp_shares(*of_image) for of_image in matched])
    assert torch.equal(shares.nan_to_num(-1), of_images.nan_to_num(-1))
    assert torch.equal(seen.scores, torch.cat([found.scores for found in results]))
    # what is seen in training is what is seen at test
    head.scorer.eval()
    with torch.no_grad():
        quality = head.scorer.quality(seen)
    of_test = torch.cat([found.rescored_scores for found in results])
    torch.testing.assert_close(quality, of_test)


def test_flipped_training_images_have_their_own_masks(pair: Pair) -> None:
    model = pair[1].train()
    batch = batch_of(model)
    expected, _ = step(copy.deepcopy(model), batch)
    for sample in batch[1]:
        sample.set_metainfo(dict(flip=True, flip_direction="horizontal"))
    losses, _ = step(model, batch)
    assert torch.equal(losses["loss_tp_share"], expected["loss_tp_share"])


@pytest.mark.parametrize("scorer", ["MaskIoUHead", "FastMaskIoUHead"])
def test_the_scorers_of_the_papers_learn(scorer: str) -> None:
    model = joint(host_config(), scorer).train()
    losses, _ = step(model, batch_of(model))
    assert losses["loss_tp_share"] > 0
    assert any(p.grad.any() for p in model.roi_head.scorer.parameters())
    for results in predictions(model.eval()):
        assert torch.equal(results.mask_scores, results.scores * results.mask_ious)


def test_images_without_detections(pair: Pair) -> None:
    model = pair[1].train()
    model.roi_head.test_cfg.score_thr = 1.1
    losses, _ = step(model, batch_of(model))
    assert losses["loss_tp_share"] == 0
    for name, parameter in model.roi_head.scorer.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name
    for results in predictions(model.eval()):
        assert len(results) == len(results.rescored_scores) == 0


def test_images_without_instances() -> None:
    model = copy.deepcopy(pair_of(MASK_RCNN)[1]).train()
    inputs, samples = batch_of(model)
    for sample in samples:
        sample.gt_instances = sample.gt_instances[:0]
    losses, _ = step(model, (inputs, samples))
    assert losses["loss_tp_share"] > 0
    assert all(p.grad is not None for p in model.roi_head.scorer.parameters())


def test_one_image_of_a_batch_may_be_without_detections(pair: Pair) -> None:
    model = pair[1].train()
    inputs, samples = batch_of(model)
    find_nothing_in_the_second_image(model)
    losses, _ = step(model, (inputs, samples))
    assert losses["loss_tp_share"] > 0


def test_mixed_precision_trains() -> None:
    model = copy.deepcopy(pair_of(MASK_RCNN)[1]).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.loss(*batch_of(model))
    model.parse_losses(losses)[0].backward()
    assert losses["loss_tp_share"].isfinite()


def test_modes_and_encoders_return_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = copy.deepcopy(pair_of(MASK_RCNN)[1]).train()
    model.roi_head.mask_head.encoder = encoder = object()
    batch = batch_of(model)

    def fails(*args: Any, **kwargs: Any) -> None:
        assert not model.roi_head.mask_head.training
        assert model.roi_head.mask_head.encoder is not encoder
        assert not model.roi_head.mask_head.adds_numbers
        raise KeyboardInterrupt

    monkeypatch.setattr(type(model.roi_head), "predict_mask", fails)
    modes = [module.training for module in model.modules()]
    with pytest.raises(KeyboardInterrupt):
        model.loss(*batch)
    assert [module.training for module in model.modules()] == modes
    assert model.roi_head.mask_head.encoder is encoder
    assert model.roi_head.mask_head.adds_numbers


def test_a_checkpoint_holds_host_and_scorer() -> None:
    plain, model = copy.deepcopy(pair_of(MASK_RCNN))
    again = copy.deepcopy(model)
    for parameter in again.parameters():
        nn.init.zeros_(parameter)
    again.load_state_dict(model.state_dict())
    for mine, expected in zip(predictions(again.eval()), predictions(model.eval()), strict=True):
        assert torch.equal(mine.rescored_scores, expected.rescored_scores)
    names = set(model.state_dict()) - set(plain.state_dict())
    assert names and all(name.startswith("roi_head.scorer.") for name in names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(scorer=dict(type="SmoothL1Loss")), "cannot score a host's detections"),
        (dict(scorer=dict(type="TPShareHaed")), "'TPShareHaed' is no scorer: take TPShareHead"),
        (dict(scorer=dict(num_classes=3)), "is no scorer"),
        (dict(scorer=dict(type="TPShareHead", num_classes=2)), "num_classes=2: bbox_head has 3"),
        (dict(scorer=dict(type="MaskIoUHead", num_classes=3)), "maps have 32 channels: set it"),
        (
            dict(scorer=READS_MAPS, featmap_strides=(4, 64)),
            r"\[4, 64\]: bbox_roi_extractor has \[4, 8, 16, 32\]",
        ),
        (dict(mask_head=None), "mask_head is missing"),
        (dict(mask_head=dict(type="DetectronMaskHead", num_classes=3)), "in its own way"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        joint(host_config(), **settings)


def test_masks_that_are_not_binary_are_refused() -> None:
    config = host_config()
    config.test_cfg.rcnn.mask_thr_binary = -1
    with pytest.raises(SettingError, match="mask_thr_binary=-1 must be in"):
        joint(config)
