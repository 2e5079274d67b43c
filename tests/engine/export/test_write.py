"""An exported detector beside the detector itself: detections, scores, masks, files, commands."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.adapters.inferencer import MaskScoringInferencer
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.detector import OnnxDetector
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason=f"needs {package}: requirements/onnx.txt")

IMAGES = [(40, 60), (97, 64), (33, 32)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes ``tiny.py``, ``weights.pth``, ``model.onnx``, exported by the command, and images."""
    root = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES)).parent
    config = Config.fromfile(root / "tiny.py")
    config.model.test_cfg.rcnn.score_thr = 0.01
    config.dump(root / "tiny.py")
    model = tiny.build(config)
    for name, parameter in model.named_parameters():  # else all masks and scores are alike
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    torch.save(dict(state_dict=model.state_dict()), root / "weights.pth")
    (root / "in").mkdir()
    for number, size in enumerate(IMAGES):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(root / "in" / f"{number}.png"), cv2.blur(pixels, (5, 5)))
    import_module("msrcnn_mm.cli.export").main(
        [str(root / name) for name in ("tiny.py", "weights.pth", "model.onnx")]
    )
    return root


@pytest.fixture(scope="module")
def inferencer(root: Path) -> MaskScoringInferencer:
    config, weights = str(root / "tiny.py"), str(root / "weights.pth")
    return MaskScoringInferencer(config, weights, device="cpu", show_progress=False)


def by_torch(inferencer: MaskScoringInferencer, pixels: np.ndarray, ids: list[int]) -> Detections:
    inputs = [(pixels, inferencer.pipeline(pixels))]
    (sample,) = inferencer.forward(inferencer.collate_fn(inputs)[1])
    return to_detections(to_arrays(sample.pred_instances), 1, ids)


def compare(found: Detections, expected: Detections) -> None:
    assert len(found) == len(expected) > 0
    assert found.category_ids == expected.category_ids
    for name in ("class_scores", "mask_ious", "mask_scores"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-5), name
    # a cell whose probability rounds to the other side of the threshold counts here
    assert found.foreground_probs == pytest.approx(expected.foreground_probs, abs=2e-3)
    assert found.boxes == pytest.approx(expected.boxes, abs=1e-3)
    for mine, theirs in zip(found.masks, expected.masks, strict=True):
        assert (mask_utils.decode(mine) != mask_utils.decode(theirs)).sum() <= 2
    for mine, theirs in zip(found.extras, expected.extras, strict=True):
        expected_row = pytest.approx(theirs["mask_statistics"], abs=5e-3, rel=0.02)
        assert mine["mask_statistics"] == expected_row


def test_detections_are_those_of_the_detector(
    root: Path, inferencer: MaskScoringInferencer
) -> None:
    detector = OnnxDetector(root / "model.onnx", threads=1)
    ids = [category["id"] for category in detector.settings.categories]
    assert detector.settings.classes == [*CLASSES]
    for number in range(len(IMAGES)):
        pixels = cv2.imread(str(root / "in" / f"{number}.png"))
        compare(detector.predict(pixels), by_torch(inferencer, pixels, ids))


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
    model = onnx.load(root / "model.onnx")
    names = {tensor.name: tensor for tensor in model.graph.initializer}
    bias = names["detector.roi_head.bbox_head.fc_cls.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.float32([0, 0, 0, 99]), bias.name))
    onnx.save(model, tmp_path / "model.onnx")
    found = OnnxDetector(tmp_path / "model.onnx").predict(np.zeros((50, 40, 3), np.uint8))
    assert len(found) == 0 and found.masks == [] and found.boxes.shape == (0, 4)


def test_other_precisions(root: Path, tmp_path: Path) -> None:
    onnx = import_module("onnx")
    precision = import_module("msrcnn_mm.engine.export.precision")
    write = import_module("msrcnn_mm.engine.export.write")
    whole = OnnxDetector(root / "model.onnx")
    images = sorted((root / "in").iterdir())
    pixels = cv2.imread(str(images[1]))
    expected = whole.predict(pixels)
    changes = {
        "fp16": precision.in_fp16,
        "int8": lambda model: precision.in_int8(model, whole.settings, images),
    }
    for name, change in changes.items():
        model = change(onnx.load(root / "model.onnx"))
        path = tmp_path / f"{name}.onnx"
        write.write_model(write.with_settings(model, whole.settings), path)
        found = OnnxDetector(path).predict(pixels)
        assert len(found) > 0
        gap = abs(found.class_scores[0] - expected.class_scores[0])
        assert 0 < gap < {"fp16": 0.01, "int8": 0.2}[name]
        assert path.stat().st_size < 0.9 * (root / "model.onnx").stat().st_size
    kinds = {node.op_type for node in model.graph.node}
    assert "QuantizeLinear" in kinds and "QLinearConv" not in kinds


def test_the_file_has_standard_operators_alone(root: Path) -> None:
    model = import_module("onnx").load(root / "model.onnx")
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions
    kinds = {node.op_type for node in model.graph.node}
    assert {"RoiAlign", "NonMaxSuppression"} <= kinds
    import_module("onnx.checker").check_model(model)


def test_predict_onnx(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = import_module("msrcnn_mm.cli.predict_onnx").main
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (root / "in").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "broken.png").write_text("")
    words = [str(folder), str(root / "model.onnx"), "--out", str(tmp_path / "out")]
    command(words)
    shown = capsys.readouterr()
    assert "broken.png cannot be read" in shown.err and "3 images, 1 skipped" in shown.out
    images = json.loads((tmp_path / "out" / "images.json").read_text())
    assert [image["file_name"] for image in images["images"]] == ["0.png", "1.png", "2.png"]
    detections = load_results(tmp_path / "out" / "results.json")
    assert {*detections.image_ids} == {image["id"] for image in images["images"]}
    assert detections.mask_scores is not None and detections.foreground_probs is not None
    with pytest.raises(UserError, match=r"results\.json: exists: name another folder by --out"):
        command(words)
    command([*words, "--overwrite"])


def test_the_page_shows_it(root: Path, tmp_path: Path) -> None:
    app_onnx = import_module("msrcnn_mm.app.onnx_model")
    path = str(root / "model.onnx")
    model = app_onnx.OnnxModel(path)
    assert (model.name, [c["name"] for c in model.categories]) == ("model.onnx", [*CLASSES])
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
    words: list[Any] = [root / "tiny.py", root / "weights.pth", root / "val.json"]
    words += [root / "val", root / "model.onnx", "--count", "1"]
    monkeypatch.setattr(sys, "argv", ["onnx_runtime", *map(str, words)])
    import_module("benchmarks.onnx_runtime").main()
    assert "without counterpart: 0" in capsys.readouterr().out
