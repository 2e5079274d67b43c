"""Calibrated and rescored scores in the predictions of a run."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import HOOKS

from msrcnn_mm.engine.hooks.rescorer import RescorerHook
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import CalibrationFile
from msrcnn_mm.rescoring.calibrators.exponents import Exponents
from msrcnn_mm.rescoring.calibrators.isotonic import Isotonic
from msrcnn_mm.rescoring.calibrators.temperature import Temperature
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.rescorer import read_rescorer
from tests.support import tiny
from tests.support.fitted_rescorers import detections_of, rescorer_of

MASK_RCNN = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
MS_RCNN = "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py"
SHAPES = [(3, 96, 128), (3, 64, 64)]


CLASSES = ("ring", "star", "box")


def predict(
    name: str,
    calibration: Path | None,
    score_thr: float = 0.0,
    rescorer: Path | None = None,
    shapes: list[tuple[int, int, int]] = SHAPES,
) -> list:
    config = tiny.tiny_config(name)
    config.model.test_cfg.rcnn.score_thr = score_thr
    if calibration is not None:
        config.model.test_cfg.calibration = str(calibration)
    if rescorer is not None:
        config.model.test_cfg.rescorer = str(rescorer)
    model = tiny.build(config).eval()
    return [sample.pred_instances for sample in run(model, RescorerHook(), shapes)]


def runner_of(model: Any, classes: tuple[str, ...] = CLASSES) -> Any:
    dataset = SimpleNamespace(metainfo={"classes": classes})
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    return SimpleNamespace(model=model, test_loop=loop, val_loop=loop)


def run(model: Any, hook: RescorerHook, shapes: list[tuple[int, int, int]] = SHAPES) -> list:
    """Predicts as in a test loop with the hook."""
    runner = runner_of(model)
    inputs, samples = tiny.inputs(model, False, shapes)
    hook.before_test(runner)
    with torch.no_grad():
        results = model(inputs, samples, mode="predict")
    hook.after_test(runner)
    assert not model._forward_hooks
    return results


def write(path: Path, method: str, score: str, calibrator: object) -> Path:
    CalibrationFile(method, score, calibrator, "gt.json", 9, []).write(path)
    return path


@pytest.mark.parametrize(
    ("name", "method", "score", "calibrator", "expected"),
    [
        (MS_RCNN, "exponents", "mask_score", Exponents([2.0, 0.5]), lambda s, i, f: s**2 * i**0.5),
        (MASK_RCNN, "exponents", "maskness", Exponents([1.0, 3.0]), lambda s, i, f: s * f**3),
        (
            MASK_RCNN,
            "isotonic",
            "class_score",
            Isotonic([0, 1], [0.2, 0.6]),
            lambda s, i, f: 0.2 + 0.4 * s,
        ),
        (MS_RCNN, "temperature", "class_score", Temperature(1.0), lambda s, i, f: s),
    ],
)
def test_its_results_have_calibrated_scores(
    name: str, method: str, score: str, calibrator: object, expected, tmp_path: Path
) -> None:
    results = predict(name, write(tmp_path / "c.json", method, score, calibrator))
    plain = predict(name, None)
    assert sum(len(one) for one in plain) > 0
    for one, before in zip(results, plain, strict=True):
        assert set(one.keys()) == {*before.keys(), "calibrated_scores"}
        for field in before.keys():  # noqa: SIM118
            assert torch.equal(one[field], before[field]), field
        s, f = (before[field].double().numpy() for field in ("scores", "foreground_probs"))
        i = before.mask_ious.double().numpy() if "mask_ious" in before else None
        np.testing.assert_allclose(one.calibrated_scores.numpy(), expected(s, i, f), atol=2e-6)


def test_without_a_detection_there_are_none(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "mask_score", Exponents([1.0, 1.0]))
    for one in predict(MS_RCNN, file, score_thr=1.1):
        assert one.calibrated_scores.shape == (0,)


def test_a_score_that_the_detector_lacks(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "mask_score", Exponents([1.0, 1.0]))
    with pytest.raises(UserError, match="have no mask score"):
        predict(MASK_RCNN, file)


def test_a_file_fitted_anew_is_read_anew(tmp_path: Path) -> None:
    values = []
    for exponent in (1.0, 2.0):
        file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([exponent]))
        values.append(torch.cat([one.calibrated_scores for one in predict(MASK_RCNN, file)]))
    torch.testing.assert_close(values[1], values[0] ** 2)


def test_a_model_without_instances_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([1.0]))
    config = tiny.tiny_config(MASK_RCNN)
    config.model.test_cfg.calibration = str(file)
    model = tiny.build(config).eval()
    model.predict = lambda inputs, samples: samples  # as a panoptic model's, without any
    with pytest.raises(UserError, match="predicts no instances"):
        run(model, RescorerHook())


class Wrapper(MMDistributedDataParallel):
    """A wrapper of a model that needs no process group."""

    def __init__(self, module: torch.nn.Module) -> None:
        torch.nn.Module.__init__(self)
        self.module = module


def test_a_file_of_its_own_and_a_model_in_a_wrapper(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([2.0]))
    model = tiny.build(tiny.tiny_config(MASK_RCNN)).eval()
    packed = tiny.demo_mm_inputs(2, image_shapes=SHAPES, num_classes=tiny.CLASSES, with_mask=True)
    runner = runner_of(Wrapper(model))
    hook = RescorerHook(calibration=file)
    hook.before_test(runner)
    with torch.no_grad():
        results = runner.model.test_step(packed)
    hook.after_test(runner)
    assert len(results) == 2
    for sample in results:
        instances = sample.pred_instances
        torch.testing.assert_close(
            instances.calibrated_scores, instances.scores.double() ** 2, atol=2e-6, rtol=0
        )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits a re-scorer to predictions of twelve images of an MS R-CNN."""
    predictions = predict(MS_RCNN, None, shapes=[(3, 64 + 8 * n, 96) for n in range(12)])
    file = tmp_path_factory.mktemp("fitted") / "r.json"
    rescorer_of(predictions, CLASSES).write(file)
    return file


def test_its_results_have_rescored_scores(fitted: Path, tmp_path: Path) -> None:
    """They are those of the whole results file, though images come one by one."""
    calibration = write(tmp_path / "c.json", "temperature", "class_score", Temperature(1.0))
    results = predict(MS_RCNN, calibration, rescorer=fitted)
    plain = predict(MS_RCNN, None)
    rescorer = read_rescorer(fitted)
    expected = rescorer.score(features_of(detections_of(plain, CLASSES))).scores
    found = torch.cat([one.rescored_scores for one in results])
    assert found.dtype == torch.float64 and len(found.unique()) > 5
    assert found.tolist() == expected.tolist()
    for one, before in zip(results, plain, strict=True):
        assert set(one.keys()) == {*before.keys(), "calibrated_scores", "rescored_scores"}
        for field in before.keys():  # noqa: SIM118
            assert torch.equal(one[field], before[field]), field


def test_without_a_detection_there_are_no_rescored_scores(fitted: Path) -> None:
    for one in predict(MS_RCNN, None, score_thr=1.1, rescorer=fitted):
        assert one.rescored_scores.shape == (0,)


def test_a_model_that_lacks_a_feature(fitted: Path) -> None:
    with pytest.raises(UserError, match="the results lack mask_iou") as caught:
        predict(MASK_RCNN, None, rescorer=fitted)
    assert "\n" not in str(caught.value)


def test_other_classes_are_refused_at_load(fitted: Path) -> None:
    model = tiny.build(tiny.tiny_config(MS_RCNN)).eval()
    hook = RescorerHook(rescorer=fitted)
    with pytest.raises(UserError, match=r"r\.json: .* not fitted on the model's cat, but on ring"):
        hook.before_test(runner_of(model, ("ring", "cat")))
    hook.before_val(runner_of(model, ("star", "box")))  # some of them, in another order
    hook.after_val(runner_of(model))


def test_a_rescorer_fitted_with_views_is_refused_at_load(fitted: Path, tmp_path: Path) -> None:
    replace(read_rescorer(fitted), views=["mirrored", "scaled"]).write(tmp_path / "v.json")
    model = tiny.build(tiny.tiny_config(MS_RCNN)).eval()
    with pytest.raises(UserError, match=r"v\.json: .* fitted with 1 mirrored and 1 scaled views"):
        RescorerHook(rescorer=tmp_path / "v.json").before_test(runner_of(model))


def test_the_old_name_of_the_hook() -> None:
    assert HOOKS.get("CalibrationHook") is HOOKS.get("RescorerHook") is RescorerHook
