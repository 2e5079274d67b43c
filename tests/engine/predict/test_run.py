"""A run from images to outputs: what is written, and what a killed run leaves to do."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image as Pillow

from msrcnn_mm import MaskScoringInferencer
from msrcnn_mm.coco.annotations import AnnotationFile, load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.adapters.visualizer import MaskScoreVisualizer
from msrcnn_mm.engine.predict.predictor import Predictor
from msrcnn_mm.engine.predict.run import Run, predict
from msrcnn_mm.engine.runs.testing import add_views
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image, find_images
from msrcnn_mm.runtime.journal import Record
from msrcnn_mm.runtime.outputs import Outputs, Summary
from msrcnn_mm.runtime.run import begin
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config

THRESHOLD = 0.002
FILES = ("results.json", "images.json", "polygons.json", "counts.csv")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a config ``tiny.py``, ``weights.pth`` and a folder ``in`` of six images."""
    root = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES)).parent
    model = tiny.build(Config.fromfile(root / "tiny.py"))
    torch.save(dict(state_dict=model.state_dict()), root / "weights.pth")
    for number in range(5):
        path = root / "in" / f"cam{number % 2}" / f"{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40 + number, 60, 3), np.uint8)
        Pillow.fromarray(pixels).save(path)
    (root / "in" / "broken.png").write_text("")
    return root


def outputs_of(folder: Path, **flags: bool) -> Outputs:
    return Outputs(folder, **(flags or dict(draw=True, polygons=True, csv=True)))


def start(root: Path, outputs: Outputs, overwrite: bool = False, **changes: Any) -> Summary:
    config = Config.fromfile(root / "tiny.py")
    if "views" in changes:
        add_views(config, changes.pop("views"), ())
    settings = dict(choice=Choice("mask_score", THRESHOLD), batch_size=2, device="cpu")
    run = Run(config, "tiny.py", (), str(root / "weights.pth"), **{**settings, **changes})
    return predict(run, find_images(str(root / "in"), outputs.pictures), outputs, overwrite)


@pytest.fixture(scope="module")
def whole(root: Path) -> Path:
    """Makes the outputs of a run that was not killed."""
    summary = start(root, outputs_of(root / "whole"))
    assert (summary.images, len(summary.skipped)) == (5, 1)
    assert 0 < summary.selected < summary.detections
    return root / "whole"


def test_results_are_the_inferencers(root: Path, whole: Path) -> None:
    images = AnnotationFile.read(whole / "images.json")
    names = {key: entry["file_name"] for key, entry in images.images.items()}
    # the third in the order of the names is broken
    assert names == {
        2: "cam0/0.png", 3: "cam0/1.png", 4: "cam0/2.png", 5: "cam1/0.png", 6: "cam1/1.png"
    }  # fmt: skip
    assert [c["name"] for c in images.categories] == list(CLASSES)
    inferencer = MaskScoringInferencer(
        str(root / "tiny.py"), str(root / "weights.pth"), device="cpu", show_progress=False
    )
    detections = load_results(whole / "results.json", images.coco())
    for key, name in names.items():
        (one,) = inferencer(str(root / "in" / name), no_save_vis=True)["predictions"]
        own = [index for index, i in enumerate(detections.image_ids) if i == key]
        assert detections.class_scores[own] == pytest.approx(one["scores"], abs=1e-5)
        assert detections.mask_scores[own] == pytest.approx(one["mask_scores"], abs=1e-5)
        assert detections.foreground_probs[own] == pytest.approx(one["foreground_probs"], abs=1e-5)
    skipped = json.loads((whole / "images.json").read_text())["skipped"]
    assert [entry["file_name"] for entry in skipped] == ["broken.png"]
    assert "broken.png cannot be read by LoadImageFromFile" in skipped[0]["reason"]


def test_polygons_counts_and_pictures_are_of_the_selected(root: Path, whole: Path) -> None:
    detections = load_results(whole / "results.json")
    areas = mask_areas(detections.masks)
    kept = np.flatnonzero((detections.mask_scores >= THRESHOLD) & (areas > 0))
    annotations = load_annotations(whole / "polygons.json").dataset["annotations"]
    assert [a["score"] for a in annotations] == detections.mask_scores[kept].tolist()
    assert [a["image_id"] for a in annotations] == [detections.image_ids[k] for k in kept]
    lines = list(csv.DictReader((whole / "counts.csv").open()))
    assert len(lines) == 5 * len(CLASSES)
    assert sum(int(line["count"]) for line in lines) == len(kept)
    assert sum(int(line["area"]) for line in lines) == areas[kept].sum()
    assert {line["file_name"] for line in lines} == {
        str(path.relative_to(whole / "pictures")) for path in (whole / "pictures").rglob("*.png")
    }
    drawn = np.asarray(Pillow.open(whole / "pictures" / "cam0" / "0.png"))
    plain = np.asarray(Pillow.open(root / "in" / "cam0" / "0.png"))
    assert drawn.shape == plain.shape and (drawn != plain).any()


def test_a_killed_run_goes_on_where_it_was(
    root: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    original = Predictor.predict

    def spy(self: Predictor, images: Sequence[Image], numbers: Sequence[int]) -> list[Record]:
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.extend(image.name for image in images)
        return original(self, images, numbers)

    monkeypatch.setattr(Predictor, "predict", spy)
    outputs = outputs_of(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        start(root, outputs)
    assert not outputs.results.exists() and outputs.journal.exists()
    with pytest.raises(UserError, match=r"other settings \(--draw, --score-by, --score-thr\)"):
        start(root, outputs_of(tmp_path, csv=True))
    seen.append("killed")
    start(root, outputs)
    assert seen[:4] == ["broken.png", "cam0/0.png", "cam0/1.png", "cam0/2.png"]
    assert seen[4:] == ["killed", "cam1/0.png", "cam1/1.png"]
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    assert not outputs.journal.exists()


def test_outputs_are_replaced_only_where_asked(root: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.png").write_text("")
    with pytest.raises(UserError, match=r"pictures: exists: name another folder by --out, or add"):
        start(root, outputs_of(tmp_path, draw=True))
    start(root, outputs_of(tmp_path, csv=True))
    with pytest.raises(UserError, match=r"results\.json: exists: name another folder"):
        start(root, outputs_of(tmp_path, polygons=True))
    running, message = begin(outputs_of(tmp_path), {}, True), "another process is predicting into"
    with running, pytest.raises(UserError, match=message):
        start(root, outputs_of(tmp_path, polygons=True), overwrite=True)
    start(root, outputs_of(tmp_path, polygons=True), overwrite=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"pictures", "results.json", "images.json", "polygons.json"}


def test_a_score_of_views(root: Path, tmp_path: Path) -> None:
    choice = Choice("consensus", 0.04)
    with pytest.raises(UserError, match=r"--score-by consensus: the model predicts class_score, "):
        start(root, outputs_of(tmp_path, csv=True), choice=choice)
    assert [*tmp_path.iterdir()] == []
    summary = start(root, outputs_of(tmp_path, draw=True), choice=choice, views=["flip"])
    detections = load_results(tmp_path / "results.json")
    assert summary.selected == (detections.consensus >= 0.04).sum() > 0


def test_tiles_are_joined_and_drawn(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes: list[torch.Tensor] = []
    original = MaskScoreVisualizer.add_datasample

    def spy(self: MaskScoreVisualizer, name: str, image: Any, sample: Any, **kwargs: Any) -> None:
        boxes.append(sample.pred_instances.bboxes)
        original(self, name, image, sample, **kwargs)

    monkeypatch.setattr(MaskScoreVisualizer, "add_datasample", spy)
    outputs = outputs_of(tmp_path)
    summary = start(root, outputs, tiles=32)
    assert (summary.images, len(summary.skipped)) == (5, 1)
    images = AnnotationFile.read(tmp_path / "images.json").coco()
    detections = load_results(tmp_path / "results.json", images)  # of the images' sizes
    assert len(detections) == summary.detections > summary.selected > 0
    pictures = {path.name for path in (tmp_path / "pictures" / "cam0").iterdir()}
    assert {"0_0_0.png", "0_28_8.png"} <= pictures
    assert Pillow.open(tmp_path / "pictures" / "cam0" / "0_28_8.png").size == (32, 32)
    inside = torch.cat(boxes)  # of a tile, or matplotlib would widen its picture
    assert inside.min() >= 0 and inside.max() <= 32 and len(inside) > summary.selected


def test_without_one_readable_image_it_is_an_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_text("")
    for name in ("tiny.py", "weights.pth"):
        (tmp_path / name).symlink_to(root / name)
    with pytest.raises(UserError, match="none of 1 images can be predicted"):
        start(tmp_path, outputs_of(tmp_path / "out"))
    assert [*(tmp_path / "out").iterdir()] == []
