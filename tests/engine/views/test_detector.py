"""Detectors with views, against runs of the plain detector whose results are compared as files."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.errors import SettingError, UserError
from msrcnn_mm.rescoring.features.agreement import agreement, with_columns
from msrcnn_mm.rescoring.features.views import View, kinds_of
from tests.support import tiny, tiny_hosts, tiny_yolact

ADDED = {"agreement_scores", "consensus", "view_agreement", "mask_rles"}
CLASSES = ("left", "right", "round")
SHAPES = [(3, 96, 128), (3, 80, 64)]
VIEWS = ["flip", 0.8, 1.25]


def ms_rcnn() -> Config:
    return tiny.tiny_config().model


def yolact() -> Config:
    return tiny_yolact.tiny_config().model


def with_views(model: Any, views: Any = VIEWS, **settings: Any) -> Config:
    merged = {**model, "type": "MultiViewDetector", "detector": model["type"], "views": views}
    return Config(dict(model={**merged, **settings}))


def batch(model: nn.Module) -> tuple[torch.Tensor, list[DetDataSample]]:
    """Returns random images at half and at a third of their original size, padded to one."""
    inputs, samples = tiny.inputs(model, False, SHAPES)
    for index, sample in enumerate(samples, 2):
        height, width = sample.img_shape
        sample.set_metainfo(
            dict(ori_shape=(height * index, width * index), scale_factor=(1 / index, 1 / index))
        )
    return inputs, samples


@torch.no_grad()
def predict(model: nn.Module) -> list[InstanceData]:
    inputs, samples = batch(model)
    return [sample.pred_instances for sample in model(inputs, samples, mode="predict")]


@torch.no_grad()
def predict_view(model: nn.Module, view: Any) -> list[InstanceData]:
    """Predicts a view of the batch by the plain model, each step by hand."""
    inputs, samples = batch(model)
    images = [
        image[:, : sample.img_shape[0], : sample.img_shape[1]]
        for image, sample in zip(inputs, samples, strict=True)
    ]
    if view == "flip":
        images = [image[:, :, range(image.shape[2] - 1, -1, -1)] for image in images]
    else:
        sizes = [[round(view * side) for side in image.shape[1:]] for image in images]
        images = [
            F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
            for image, size in zip(images, sizes, strict=True)
        ]
    sides = [-(-max(image.shape[axis] for image in images) // 32) * 32 for axis in (1, 2)]
    canvas = inputs.new_zeros(2, 3, *sides)
    for place, image, sample in zip(canvas, images, samples, strict=True):
        height, width = image.shape[1:]
        place[:, :height, :width] = image
        original = sample.ori_shape
        factors = (
            sample.scale_factor if view == "flip" else (width / original[1], height / original[0])
        )
        sample.set_metainfo(
            dict(img_shape=(height, width), scale_factor=factors, batch_input_shape=tuple(sides))
        )
    return [sample.pred_instances for sample in model.predict(canvas, samples)]


def as_file(predictions: list[InstanceData], path: Path) -> Detections:
    detections = [to_detections(to_arrays(one), i, range(9)) for i, one in enumerate(predictions)]
    write_results(Detections.concatenate(detections), path)
    return load_results(path)


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("", VIEWS),
        ("", ["flip"]),
        ("yolact", VIEWS),
        ("solov2/solov2_r50_fpn_1x_coco.py", VIEWS),
        ("condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py", VIEWS),
        ("rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py", VIEWS),
        ("mask2former/mask2former_r50_8xb2-lsj-50e_coco.py", VIEWS),
    ],
)
def test_agreement_is_that_of_results_files(name: str, views: list, tmp_path: Path) -> None:
    ours = {"": ms_rcnn, "yolact": yolact}
    model = ours[name]() if name in ours else tiny_hosts.tiny_config(name)
    plain = tiny.build(Config(dict(model=model))).eval()
    found = predict(tiny.build(with_views(model, views)).eval())
    expected = predict(plain)
    file = as_file(expected, tmp_path / "plain.json")
    of_views = [
        View(str(view), as_file(predict_view(plain, view), tmp_path / "v.json"), view == "flip")
        for view in views
    ]
    columns = [agreement(file, view.brought_back()) for view in of_views]
    compared = with_columns(file, kinds_of(of_views), columns)
    assert compared.consensus is not None and compared.extras is not None
    assert (compared.consensus > 0).sum() > 4
    start = 0
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours.keys()) == set(theirs.keys()) | ADDED
        assert len(theirs) > 4
        for name, value in theirs.items():
            assert torch.equal(ours[name], value), name
        for rle, mask in zip(ours.mask_rles, theirs.masks, strict=True):
            assert np.array_equal(mask_utils.decode(rle), mask)
        part = slice(start, start := start + len(ours))
        assert ours.agreement_scores.numpy() == pytest.approx(compared.agreement_scores[part])
        assert ours.consensus.numpy() == pytest.approx(compared.consensus[part])
        assert ours.consensus.dtype == torch.float64
        for entry, extra in zip(ours.view_agreement, compared.extras[part], strict=True):
            row = dict(extra["view_agreement"])
            assert entry.pop("views") == row.pop("views")
            assert entry == pytest.approx(row)


def test_it_is_the_detector_in_all_but_prediction() -> None:
    model = ms_rcnn()
    plain = tiny.build(Config(dict(model=model)))
    ours = tiny.build(with_views(model))
    ours.load_state_dict(plain.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(plain.state_dict())
    assert isinstance(ours, type(plain))
    assert ours.test_cfg == plain.test_cfg and ours.view_kinds == ["mirrored", "scaled", "scaled"]
    losses, expected = tiny.train_step(ours), tiny.train_step(plain)
    assert set(losses) == set(expected)
    same = copy.deepcopy(ours).eval()  # as an average of weights is made
    for rescale in (False, True):
        result = same.predict(*batch(same), rescale=rescale)
        assert ("consensus" in result[0].pred_instances) == rescale


def test_images_without_detections() -> None:
    model = ms_rcnn()
    model.test_cfg.rcnn.score_thr = 0.999
    for views in (VIEWS, ["flip"]):
        for found in predict(tiny.build(with_views(model, views)).eval()):
            assert len(found) == 0
            assert found.consensus.shape == found.agreement_scores.shape == (0,)
            assert found.view_agreement == found.mask_rles == []


@MODELS.register_module()
class _Sided(BaseDetector):
    """Finds one object, the pixels > 0; it is "left" if its left half is brighter."""

    masks = True
    copies = 1

    def predict(self, inputs: Any, samples: Any, rescale: bool = True) -> Any:
        found = []
        for image, sample in zip(inputs, samples, strict=True):
            height, width = sample.img_shape
            pixels = image[:1, :height, :width]
            pixels = F.interpolate(pixels[None], sample.ori_shape, mode="nearest")[0]
            columns = pixels[0].amax(0).nonzero()[:, 0]
            middle = int(columns.float().mean()) + 1
            label = int(pixels[..., :middle].sum() < pixels[..., middle:].sum())
            one = InstanceData(bboxes=torch.zeros(1, 4), scores=torch.tensor([0.9]))
            one.labels = torch.tensor([label])
            if self.masks:
                one.masks = pixels > 0
            found.append(InstanceData.cat([one] * self.copies))
        return self.add_pred_to_datasample(samples, found)

    loss = _forward = extract_feat = None


def sided(**settings: Any) -> Any:
    init_default_scope("mmdet")
    model = dict(type="MultiViewDetector", detector="_Sided", views=VIEWS, **settings)
    return MODELS.build(model).eval()


def sided_batch(images: int = 20) -> tuple[torch.Tensor, list[DetDataSample]]:
    """Returns images of a left and a right object by turns, away from the middle."""
    inputs = torch.zeros(images, 3, 40, 64)
    inputs[:, :, 10:30, 5:25] = 1
    inputs[::2, :, 10:30, 5:15] = 2
    inputs[1::2, :, 10:30, 15:25] = 2
    meta = dict(img_shape=(40, 60), ori_shape=(80, 120), scale_factor=(0.5, 0.5), img_id=1)
    return inputs, [DetDataSample(metainfo=meta) for _ in range(images)]


def test_classes_that_a_mirror_swaps_are_paired() -> None:
    for swap in ([], [("left", "right")]):
        model = sided(swap=swap)
        model.dataset_meta = dict(classes=CLASSES)
        samples = model(*sided_batch(), mode="predict")
        for sample in samples:
            (entry,) = sample.pred_instances.view_agreement
            assert entry["views"] == ["mirrored", "scaled", "scaled"]
            assert (entry["agreement_min"] > 0.7) == bool(swap)
        warning = model.tally.swap_warning(CLASSES)
        assert (warning is None) == bool(swap)
        if warning:
            assert "'left' as 'right', 'right' as 'left'" in warning
            assert "--swap 'left=right' " in warning
        cost = model.tally.cost()
        assert cost.startswith("seconds an image: plain 0.0")
        assert all(part in cost for part in (", flip ", ", 0.8 ", ", 1.25 ", ", agreement "))
        assert model.tally.images == 20


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (
            dict(classes=("left", "rigth")),
            "swap: 'right' is no class of the model, which has 'left",
        ),
        (None, r"classes are not known: add custom_hooks = \[dict\(type='MultiViewHook'\)\]"),
    ],
)
def test_unknown_classes_to_swap_are_refused(meta: Any, words: str) -> None:
    model = sided(swap=[("left", "right")])
    model.dataset_meta = meta
    with pytest.raises(UserError, match=words):
        model(*sided_batch(1), mode="predict")


def test_a_model_without_masks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Sided, "masks", False)
    with pytest.raises(UserError, match="this model predicts no masks"):
        sided()(*sided_batch(1), mode="predict")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(detector=None), "detector=None is no detector of MMDetection: name the type"),
        (dict(views=[]), r"views must be a list such as \['flip', 0.8, 1.25\], not \[\]"),
        (dict(views="flip"), "views must be a list"),
        (dict(views=0.8), "views must be a list"),
        (dict(views=["flop"]), "'flop' must be 'flip' or a factor"),
        (dict(views=[1.0]), "1.0 must be 'flip' or a factor"),
        (dict(views=[-0.5]), "-0.5 must be 'flip' or a factor"),
        (dict(views=[float("nan")]), "nan must be 'flip' or a factor"),
        (dict(views=[float("inf")]), "inf must be 'flip' or a factor"),
        (dict(views=[True]), "True must be 'flip' or a factor"),
        (dict(views=["flip", 0.8, "flip"]), "'flip' is given twice"),
        (dict(swap=["left", "right"]), "swap must be pairs of class names"),
        (dict(swap="lr"), "swap must be pairs of class names"),
        (dict(swap=[("left",)]), "swap must be pairs of class names"),
        (dict(views=[0.8], swap=[("left", "right")]), "add 'flip' to the views"),
        (dict(detector="ResNet"), "detector='ResNet' is no detector of MMDetection"),
        (dict(detector="MaskRNN"), "detector='MaskRNN' is no detector of MMDetection"),
        (dict(detector="DetTTAModel"), "detector='DetTTAModel' is no detector of MMDetection"),
    ],
)
def test_settings_are_checked(settings: dict, words: str) -> None:
    init_default_scope("mmdet")
    model = dict(type="MultiViewDetector", detector="_Sided", views=["flip"])
    with pytest.raises(SettingError, match=words):
        MODELS.build({**model, **settings})
