"""An inferencer whose predictions keep the scores of masks."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image

from msrcnn_mm import MaskScoringInferencer
from msrcnn_mm.errors import CheckpointError, UserError
from msrcnn_mm.rescoring.calibrators.calibrated_score import CalibratedScore
from msrcnn_mm.rescoring.calibrators.exponents import Exponents
from msrcnn_mm.rescoring.rescorer import read_rescorer
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.fitted_rescorers import detections_of, rescorer_of, write_calibration
from tests.support.small_runs import CLASSES, small_config

SCORES = {"mask_ious", "mask_scores", "foreground_probs"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Writes a config and a checkpoint beside their data set."""
    config = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES))
    weights = config.parent / "weights.pth"
    model = tiny.build(Config.fromfile(config))
    torch.save(dict(state_dict=model.state_dict(), meta=dict(CLASSES=CLASSES)), weights)
    return config, weights


def predict(kind: type, config: Path, weights: Path, **kwargs: object) -> dict:
    inferencer = kind(str(config), str(weights), device="cpu", show_progress=False)
    image = str(config.parent / "val" / "1.png")
    (prediction,) = inferencer(image, no_save_vis=True, **kwargs)["predictions"]
    return prediction


def test_predictions_keep_the_scores_of_masks(run: tuple[Path, Path], tmp_path: Path) -> None:
    plain = predict(DetInferencer, *run)
    ours = predict(MaskScoringInferencer, *run, out_dir=str(tmp_path), no_save_pred=False)
    assert len(plain["scores"]) > 0
    assert set(ours) == set(plain) | SCORES
    assert {name: ours[name] for name in plain} == plain
    products = np.float32(ours["scores"]) * np.float32(ours["mask_ious"])
    assert ours["mask_scores"] == pytest.approx(products)
    assert json.loads((tmp_path / "preds" / "1.json").read_text()) == ours


def test_a_calibration_of_the_config_is_applied(run: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    write_calibration(file, CalibratedScore("exponents", "class_score", Exponents([2.0])))
    config = Config.fromfile(run[0])
    config.model.test_cfg.calibration = str(file)
    path = run[0].with_name("calibrated.py")
    config.dump(path)
    ours = predict(MaskScoringInferencer, path, run[1])
    squares = [score**2 for score in ours["scores"]]
    assert ours["rescored_scores"] == pytest.approx(squares, abs=2e-6)
    assert "rescored_scores" not in predict(DetInferencer, path, run[1])


def test_views_of_the_config_are_compared(run: tuple[Path, Path]) -> None:
    config = Config.fromfile(run[0])
    views = dict(detector=config.model.type, views=["flip", 1.25], swap=[CLASSES[:2]])
    config.model.update(type="MultiViewDetector", **views)
    path = run[0].with_name("views.py")
    config.dump(path)
    plain = predict(DetInferencer, *run)
    ours = predict(MaskScoringInferencer, path, run[1])
    assert len(plain["scores"]) > 0
    assert set(ours) == set(plain) | SCORES | {"agreement_scores", "consensus"}
    assert {name: ours[name] for name in plain} == plain
    assert all(0 <= score <= 1 for score in ours["consensus"])


def test_a_rescorer_of_the_config_is_applied(
    run: tuple[Path, Path], inferencer: MaskScoringInferencer, tmp_path: Path
) -> None:
    images = [str(path) for path in sorted((run[0].parent / "train").iterdir())]
    images += [image_file(tmp_path / f"{n}.png", 9 * n) for n in range(10)]
    samples = inferencer(images, no_save_vis=True, return_datasamples=True)["predictions"]
    predictions = [sample.pred_instances for sample in samples]
    file = tmp_path / "r.json"
    rescorer_of(predictions, CLASSES).write(file)
    config = Config.fromfile(run[0])
    config.model.test_cfg.rescorer = str(file)
    path = run[0].with_name("rescored.py")
    config.dump(path)
    ours, before = predict(MaskScoringInferencer, path, run[1]), predict(DetInferencer, *run)
    assert set(ours) == set(before) | SCORES | {
        "rescored_scores",
        "expected_ious",
        "expected_precisions",
    }
    assert ours["scores"] == before["scores"]
    (sample,) = inferencer(
        str(run[0].parent / "val" / "1.png"), no_save_vis=True, return_datasamples=True
    )["predictions"]
    expected = read_rescorer(file).score(detections_of([sample.pred_instances], CLASSES))
    assert {n: ours[n] for n in expected.columns()} == {
        name: column.tolist() for name, column in expected.columns().items()
    }
    config.model.test_cfg.rescorer = str(tmp_path / "other.json")
    replace(read_rescorer(file), classes=["cat"]).write(tmp_path / "other.json")
    config.dump(path)
    with pytest.raises(UserError, match=r"other\.json: .* not fitted on the model's disk"):
        MaskScoringInferencer(str(path), str(run[1]), device="cpu", show_progress=False)


@pytest.fixture(scope="module")
def inferencer(run: tuple[Path, Path]) -> MaskScoringInferencer:
    return MaskScoringInferencer(str(run[0]), str(run[1]), device="cpu", show_progress=False)


def image_file(path: Path, shade: int, orientation: int = 1) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.full((40, 60, 3), shade, np.uint8)).save(path, exif=exif)
    return str(path)


def written(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def write(inferencer: MaskScoringInferencer, inputs: object, out: Path, **options: object) -> dict:
    settings = dict(out_dir=str(out), no_save_pred=False, pred_score_thr=2, **options)
    return inferencer(inputs, **settings)


def test_the_same_name_in_two_folders_gives_two_files(
    inferencer: MaskScoringInferencer, tmp_path: Path
) -> None:
    """Shades show whose picture a file is, scores whose prediction."""
    paths = [image_file(tmp_path / f"cam{n}" / "1.png", 80 * n) for n in (1, 2)]
    predictions = write(inferencer, paths, tmp_path / "out", batch_size=2)["predictions"]
    assert written(tmp_path / "out") == {
        *("vis/cam1/1.png", "vis/cam2/1.png", "preds/cam1/1.json", "preds/cam2/1.json")
    }
    for n in (1, 2):
        picture = np.asarray(Image.open(tmp_path / "out" / "vis" / f"cam{n}" / "1.png"))
        assert (picture == 80 * n).all()
        text = (tmp_path / "out" / "preds" / f"cam{n}" / "1.json").read_text()
        assert json.loads(text) == predictions[n - 1]


def test_a_folder_with_two_formats_of_one_name(
    inferencer: MaskScoringInferencer, tmp_path: Path
) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        image_file(tmp_path / "in" / name, 90)
    write(inferencer, str(tmp_path / "in"), tmp_path / "out")
    assert written(tmp_path / "out" / "vis") == {"a.jpg", "a.png", "b.png"}
    assert written(tmp_path / "out" / "preds") == {"a.jpg.json", "a.png.json", "b.json"}


def test_later_calls_replace_only_files_of_the_same_input(
    inferencer: MaskScoringInferencer, tmp_path: Path
) -> None:
    first, second = (image_file(tmp_path / f"cam{n}" / "1.png", 80 * n) for n in (1, 2))
    for path in (first, second, first, second):
        write(inferencer, path, tmp_path / "out")
    assert written(tmp_path / "out" / "vis") == {"1.png", "1_2.png"}
    assert written(tmp_path / "out" / "preds") == {"1.json", "1_2.json"}
    assert (np.asarray(Image.open(tmp_path / "out" / "vis" / "1_2.png")) == 160).all()
    write(inferencer, second, tmp_path / "other")
    assert written(tmp_path / "other") == {"vis/1.png", "preds/1.json"}


def test_arrays_get_numbers_that_no_file_has(
    inferencer: MaskScoringInferencer, tmp_path: Path
) -> None:
    """The predictions of the first array would be 0.json."""
    arrays = [np.full((40, 60, 3), shade, np.uint8) for shade in (50, 100)]
    inferencer.num_predicted_imgs = inferencer.num_visualized_imgs = 0
    write(inferencer, [image_file(tmp_path / "0.png", 90), *arrays], tmp_path / "out")
    assert written(tmp_path / "out" / "preds") == {"0.json", "0_2.json", "1.json"}
    assert written(tmp_path / "out" / "vis") == {"0.png", "00000001.jpg", "00000002.jpg"}
    write(inferencer, arrays, tmp_path / "out")
    assert len(written(tmp_path / "out")) == 10


def test_pictures_are_turned_as_the_pipeline_turns_them(
    run: tuple[Path, Path], tmp_path: Path
) -> None:
    config = Config.fromfile(run[0])
    config.test_dataloader.dataset.pipeline[0].color_type = "color_ignore_orientation"
    path = run[0].with_name("ignoring.py")
    config.dump(path)
    inferencer = MaskScoringInferencer(str(path), str(run[1]), device="cpu", show_progress=False)
    turned = image_file(tmp_path / "1.png", 90, orientation=6)
    (picture,) = inferencer(turned, return_vis=True, pred_score_thr=0.0)["visualization"]
    assert picture.shape == (40, 60, 3)


def test_nothing_is_written_unless_asked(inferencer: MaskScoringInferencer, tmp_path: Path) -> None:
    path = image_file(tmp_path / "1.png", 90)
    found = inferencer(path, out_dir=str(tmp_path / "out"), no_save_vis=True)
    assert found["visualization"] == [] and not (tmp_path / "out").exists()


def test_weights_that_do_not_fit_are_refused(run: tuple[Path, Path], tmp_path: Path) -> None:
    weights = torch.load(run[1], weights_only=True)
    weights["state_dict"].pop("roi_head.mask_iou_head.fc_mask_iou.weight")
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(
        CheckpointError, match=r"w\.pth: its weights do not fit the model: 1 missing"
    ):
        MaskScoringInferencer(str(run[0]), str(tmp_path / "w.pth"), device="cpu")


def test_classes_that_weights_do_not_name_are_the_configs(
    run: tuple[Path, Path], tmp_path: Path
) -> None:
    weights = torch.load(run[1], weights_only=True)
    torch.save(dict(state_dict=weights["state_dict"]), tmp_path / "w.pth")
    inferencer = MaskScoringInferencer(str(run[0]), str(tmp_path / "w.pth"), device="cpu")
    assert inferencer.model.dataset_meta["classes"] == CLASSES


def test_defaults_of_mmengine_are_no_warning() -> None:
    inferencer = MaskScoringInferencer.__new__(MaskScoringInferencer)
    inferencer.model = SimpleNamespace(dataset_meta=dict(classes=CLASSES))
    backends = [dict(type="LocalVisBackend")]
    visualizer = dict(type="MaskScoreVisualizer", vis_backends=backends, name="no_warning")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = inferencer._init_visualizer(Config(dict(visualizer=visualizer)))
    with patch.object(DetInferencer, "_init_collate", side_effect=AssertionError("searched")):
        assert inferencer._init_collate(Config(dict(test_dataloader={}))) is pseudo_collate
    assert found is not None and found.dataset_meta == dict(classes=CLASSES)
