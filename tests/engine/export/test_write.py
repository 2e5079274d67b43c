"""An exported detector beside the detector itself: detections, scores, masks, files, commands."""

import json
import signal
import sys
from collections import OrderedDict
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.adapters.inferencer import MaskScoringInferencer
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.rescorer import Rescorer
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import prepare
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.fitted_rescorers import rescorer_of
from tests.support.processes import run_python
from tests.support.small_runs import CLASSES, small_config

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason=f"needs {package}: requirements/onnx.txt")

IMAGES = [(52, 60), (97, 64), (33, 32)]  # much padding has equal scores, in no order
NMS_PRE = 60  # fewer than the anchors of the first level
FINEST = 8  # so that boxes of these images are pooled from several levels


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a Mask Scoring R-CNN, ``tiny``, a Mask R-CNN, ``plain``, and images.

    Of each there are ``.py``, ``.pth`` and ``.onnx``, exported by the command.
    """
    root = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES)).parent
    config = Config.fromfile(root / "tiny.py")
    config.model.test_cfg.rcnn.score_thr = 0.01
    config.model.test_cfg.rpn.nms_pre = NMS_PRE
    config.model.backbone.update(  # fewer layers are exported faster
        num_stages=2, out_indices=(0, 1), strides=(1, 2), dilations=(1, 1)
    )
    config.model.neck.update(in_channels=[8, 16], num_outs=3)
    config.model.rpn_head.anchor_generator.strides = [4, 8, 16]
    for name in ("bbox_roi_extractor", "mask_roi_extractor"):
        config.model.roi_head[name].update(finest_scale=FINEST, featmap_strides=[4, 8])
    config.dump(root / "tiny.py")
    plain = config.copy()
    plain.model.type = "MaskRCNN"
    plain.model.roi_head.type = "StandardRoIHead"
    for name in ("mask_iou_head", "mask_iou_roi_extractor"):
        plain.model.roi_head.pop(name, None)
    plain.model.train_cfg.rcnn.pop("mask_thr_binary", None)
    plain.dump(root / "plain.py")
    for name in ("tiny", "plain"):
        model = tiny.build(Config.fromfile(root / f"{name}.py"))
        for key, parameter in model.named_parameters():  # else all masks and scores are alike
            if key.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.3)
            elif key.endswith(("rpn_conv.weight", "rpn_cls.weight", "fc_cls.weight")):
                parameter.data *= 10
        torch.save(dict(state_dict=model.state_dict()), root / f"{name}.pth")
        files = [str(root / f"{name}.{suffix}") for suffix in ("py", "pth", "onnx")]
        import_module("msrcnn_mm.cli.export").main(files)
    (root / "in").mkdir()
    for number, size in enumerate(IMAGES):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(root / "in" / f"{number}.png"), cv2.blur(pixels, (5, 5)))
    return root


@pytest.fixture(scope="module")
def inferencers(root: Path) -> dict[str, MaskScoringInferencer]:
    return {
        name: MaskScoringInferencer(
            str(root / f"{name}.py"), str(root / f"{name}.pth"), device="cpu", show_progress=False
        )
        for name in ("tiny", "plain")
    }


def samples_of(inferencer: MaskScoringInferencer, pixels: np.ndarray) -> InstanceData:
    inputs = [(pixels, inferencer.pipeline(pixels))]
    (sample,) = inferencer.forward(inferencer.collate_fn(inputs)[1])
    return sample.pred_instances


def compare(found: Detections, expected: Detections) -> None:
    assert len(found) == len(expected) > 0
    assert found.category_ids == expected.category_ids
    for name in ("class_scores", "mask_ious", "mask_scores"):
        if getattr(expected, name) is None:
            assert getattr(found, name) is None
            continue
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-5), name
    # a cell whose probability rounds to the other side of the threshold counts here
    assert found.foreground_probs == pytest.approx(expected.foreground_probs, abs=2e-3)
    assert found.boxes == pytest.approx(expected.boxes, abs=1e-3)
    for mine, theirs in zip(found.masks, expected.masks, strict=True):
        assert (mask_utils.decode(mine) != mask_utils.decode(theirs)).sum() <= 2
    for mine, theirs in zip(found.extras, expected.extras, strict=True):
        expected_row = pytest.approx(theirs["mask_statistics"], abs=5e-3, rel=0.02)
        assert mine["mask_statistics"] == expected_row


@pytest.mark.parametrize("name", ["tiny", "plain"])
def test_detections_are_those_of_the_detector(
    root: Path, inferencers: dict[str, MaskScoringInferencer], name: str
) -> None:
    detector = OnnxDetector(root / f"{name}.onnx", threads=1)
    ids = [category["id"] for category in detector.settings.categories]
    assert detector.settings.classes == [*CLASSES]
    assert ("mask_score" in detector.scores) == (name == "tiny")
    levels = set()
    for number in range(len(IMAGES)):
        pixels = cv2.imread(str(root / "in" / f"{number}.png"))
        expected = to_detections(to_arrays(samples_of(inferencers[name], pixels)), 1, ids)
        found = detector.predict(pixels)
        compare(found, expected)
        inputs = prepare(pixels, detector.settings)
        assert inputs.image.shape[2] * inputs.image.shape[3] / 16 * 3 > NMS_PRE
        sides = np.sqrt((found.boxes[:, 2:] * inputs.scale[:2]).prod(axis=1))
        levels |= {*np.floor(np.log2(sides / FINEST + 1e-6)).clip(0, 1).astype(int).tolist()}
    assert levels == {0, 1}


@pytest.fixture(scope="module")
def rescorer(root: Path, inferencers: dict[str, MaskScoringInferencer]) -> Rescorer:
    """Fits a re-scorer to the Mask Scoring R-CNN's results in PyTorch."""
    random = np.random.default_rng(9)
    images = [cv2.blur(random.integers(0, 256, (48, 48, 3), np.uint8), (5, 5)) for _ in range(12)]
    fitted = rescorer_of([samples_of(inferencers["tiny"], one) for one in images], CLASSES)
    fitted.write(root / "rescorer.json")
    return fitted


def test_rescored_scores_are_those_of_results_of_pytorch(
    root: Path, inferencers: dict[str, MaskScoringInferencer], rescorer: Rescorer
) -> None:
    detector = OnnxDetector(root / "tiny.onnx", root / "rescorer.json")
    ids = [category["id"] for category in detector.settings.categories]
    for number in range(len(IMAGES)):
        pixels = cv2.imread(str(root / "in" / f"{number}.png"))
        torchs = to_detections(to_arrays(samples_of(inferencers["tiny"], pixels)), 1, ids)
        expected = rescorer.score(torchs).added_to(torchs)
        found = detector.predict(pixels)
        assert len({*expected.rescored_scores.tolist()}) > 5
        for name in ("rescored_scores", "expected_ious", "expected_precisions"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-6)


def test_rescorers_that_do_not_fit_are_refused_at_the_start(
    root: Path, tmp_path: Path, rescorer: Rescorer
) -> None:
    command = import_module("msrcnn_mm.cli.predict_onnx").main
    low = replace(rescorer.detector, score_quantiles=[0.0001 * k for k in range(21)])
    viewed = replace(rescorer, method=replace(rescorer.method, views=["mirrored"]))
    for name, other, says in (
        ("plain", rescorer, "the results lack mask_iou, which the re-scorer was fitted with: fit"),
        ("tiny", replace(rescorer, classes=["cat"]), "not fitted on the model's disk, box, star"),
        (
            "tiny",
            replace(rescorer, detector=low),
            "no class scores up to 0.01, which 100% of",
        ),
        ("tiny", viewed, "with views, which an exported model does not compare: fit one on"),
    ):
        other.write(tmp_path / "r.json")
        words = [str(root / "in"), str(root / f"{name}.onnx"), "--out", str(tmp_path / "out")]
        with pytest.raises(UserError, match=rf"^\S+r\.json: .*{says}") as caught:
            command([*words, "--rescorer", str(tmp_path / "r.json")])
        assert "\n" not in str(caught.value)
        assert [*(tmp_path / "out").iterdir()] == []


class Branching(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 0 else x


def test_a_failure_is_one_line(capfd: pytest.CaptureFixture) -> None:
    write = import_module("msrcnn_mm.engine.export.write")
    network = torch.nn.Sequential(OrderedDict(stem=torch.nn.ReLU(), head=Branching()))
    with pytest.raises(UserError, match=r"^head cannot be exported: Could not guard on") as caught:
        write.translated(network, (torch.ones(2),), ["x"], ["y"], (None,))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_norms_of_the_heads_are_replaced() -> None:
    write = import_module("msrcnn_mm.engine.export.write")
    plain = torch.nn.BatchNorm2d(3, affine=False).eval()
    head = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3), plain).eval()
    for norm in head[1:]:
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    torch.nn.init.uniform_(head[1].weight)
    torch.nn.init.uniform_(head[1].bias)
    x = torch.rand(4, 3, 5, 5)
    with torch.no_grad():
        expected = head(x)
        write._replace_norms(head)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in head.modules())
        torch.testing.assert_close(head(x), expected)


def test_an_image_without_detections(root: Path, tmp_path: Path) -> None:
    onnx = import_module("onnx")
    model = onnx.load(root / "tiny.onnx")
    names = {tensor.name: tensor for tensor in model.graph.initializer}
    bias = names["detector.roi_head.bbox_head.fc_cls.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.float32([0, 0, 0, 99]), bias.name))
    onnx.save(model, tmp_path / "tiny.onnx")
    found = OnnxDetector(tmp_path / "tiny.onnx").predict(np.zeros((50, 40, 3), np.uint8))
    assert len(found) == 0 and found.masks == [] and found.boxes.shape == (0, 4)


def test_other_precisions(root: Path, tmp_path: Path) -> None:
    onnx = import_module("onnx")
    precision = import_module("msrcnn_mm.engine.export.precision")
    write = import_module("msrcnn_mm.engine.export.write")
    whole = OnnxDetector(root / "tiny.onnx")
    images = sorted((root / "in").iterdir())
    pixels = cv2.imread(str(images[1]))
    expected = whole.predict(pixels)
    changes = {
        "fp16": precision.in_fp16,
        "int8": lambda model: precision.in_int8(model, whole.settings, images),
    }
    for name, change in changes.items():
        model = change(onnx.load(root / "tiny.onnx"))
        path = tmp_path / f"{name}.onnx"
        write.write_model(write.with_settings(model, whole.settings), path)
        found = OnnxDetector(path).predict(pixels)
        assert len(found) > 0
        gap = abs(found.class_scores[0] - expected.class_scores[0])
        assert 0 < gap < {"fp16": 0.01, "int8": 0.2}[name]
        assert path.stat().st_size < 0.9 * (root / "tiny.onnx").stat().st_size
    kinds = {node.op_type for node in model.graph.node}
    assert "QuantizeLinear" in kinds and "QLinearConv" not in kinds


def test_int8_leaves_out_images_that_the_model_does_not_take(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    usable = import_module("msrcnn_mm.engine.export.precision").usable_images
    settings = OnnxDetector(root / "tiny.onnx").settings
    images = [tmp_path / "broken.png", root / "in" / "1.png", tmp_path / "thin.png"]
    images[0].write_text("")
    cv2.imwrite(str(images[2]), np.zeros((1, 10000, 3), np.uint8))
    assert usable(images, settings) == images[1:2]
    broken, thin = capsys.readouterr().err.splitlines()
    assert "broken.png is left out: the image" in broken and "thin.png is left out: an" in thin
    with pytest.raises(UserError, match="none of 1 images can be used to measure ranges"):
        usable(images[:1], settings)


def test_the_file_has_standard_operators_alone(root: Path) -> None:
    model = import_module("onnx").load(root / "tiny.onnx")
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions
    kinds = {node.op_type for node in model.graph.node}
    assert {"RoiAlign", "NonMaxSuppression"} <= kinds
    import_module("onnx.checker").check_model(model)


KILLED = """
import os, signal, sys
from msrcnn_mm.cli.predict_onnx import main
from msrcnn_mm.runtime.detector import OnnxDetector

original = OnnxDetector.predict

def predict(self, pixels, image_id):
    if image_id == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, pixels, image_id)

OnnxDetector.predict = predict
main(sys.argv[1:])
"""


def test_predict_onnx_goes_on_where_it_was_killed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = import_module("msrcnn_mm.cli.predict_onnx").main
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for path in (root / "in").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "broken.png").write_text("")
    (folder / "notes.md").write_text("")
    words = [str(folder), str(root / "tiny.onnx"), "--csv", "--out", str(out)]
    assert run_python("-c", KILLED, *words).returncode == -signal.SIGKILL
    assert [path.name for path in out.iterdir()] == ["unfinished.jsonl"]
    with pytest.raises(UserError, match=r"other settings \(model\): give that run's to finish it"):
        command([str(folder), str(root / "plain.onnx"), "--out", str(out)])
    calls: list[int] = []
    original = OnnxDetector.predict

    def spy(self: OnnxDetector, pixels: np.ndarray, image_id: int = 1) -> Detections:
        calls.append(image_id)
        return original(self, pixels, image_id)

    monkeypatch.setattr(OnnxDetector, "predict", spy)
    command(words)
    assert calls == [3]
    shown = capsys.readouterr()
    assert "1 files are no images by their names (.md) and are left out" in shown.err
    assert "3 images, 1 skipped" in shown.out
    images = json.loads((out / "images.json").read_text())
    assert [image["file_name"] for image in images["images"]] == ["0.png", "1.png", "2.png"]
    (skipped,) = images["skipped"]
    assert "broken.png cannot be read" in skipped["reason"]
    detections = load_results(out / "results.json")
    assert detections.mask_scores is not None and detections.foreground_probs is not None
    detector, rows = OnnxDetector(root / "tiny.onnx"), []
    for image in images["images"]:
        pixels = cv2.imread(str(folder / image["file_name"]))
        rows += original(detector, pixels, image["id"]).to_rows()
    assert json.loads((out / "results.json").read_text()) == rows
    with pytest.raises(UserError, match=r"results\.json: exists: name another folder by --out"):
        command(words)
    resumed = {path.name: path.read_bytes() for path in out.iterdir()}
    calls.clear()
    command([*words, "--overwrite"])
    assert calls == [1, 2, 3]
    assert resumed == {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_page_shows_it(root: Path, tmp_path: Path) -> None:
    app_onnx = import_module("msrcnn_mm.app.onnx_model")
    path = str(root / "tiny.onnx")
    model = app_onnx.OnnxModel(path)
    assert (model.name, [c["name"] for c in model.categories]) == ("tiny.onnx", [*CLASSES])
    found = model.find(root / "in" / "1.png", "mine.png")
    pixels = cv2.imread(str(root / "in" / "1.png"))
    assert (found.picture == pixels[..., ::-1]).all()
    assert found.rows == OnnxDetector(path).predict(pixels).to_rows()
    (tmp_path / "upload").write_text("no image")
    with pytest.raises(UserError, match=r"^the image mine\.png cannot be read"):
        model.find(tmp_path / "upload", "mine.png")
    with pytest.raises(UserError, match=r"--score-by consensus: .* has class_score, maskness, "):
        app_onnx.OnnxModel(path, score="consensus")


def test_the_benchmark_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words: list[Any] = [root / "tiny.py", root / "tiny.pth", root / "val.json"]
    words += [root / "val", root / "tiny.onnx", "--count", "1"]
    monkeypatch.setattr(sys, "argv", ["onnx_runtime", *map(str, words)])
    import_module("benchmarks.onnx_runtime").main()
    assert "without counterpart: 0" in capsys.readouterr().out
