"""Tests rescored scores in the predictions of a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import HOOKS

from msrcnn_mm.engine.adapters import rescored_scores
from msrcnn_mm.engine.hooks.rescorer import RescorerHook
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibrators.calibrated_score import CalibratedScore
from msrcnn_mm.rescoring.calibrators.exponents import Exponents
from msrcnn_mm.rescoring.calibrators.isotonic import Isotonic
from msrcnn_mm.rescoring.calibrators.temperature import Temperature
from msrcnn_mm.rescoring.rescorer import read_rescorer
from tests.support import tiny
from tests.support.fitted_rescorers import detections_of, rescorer_of, write_calibration

MASK_RCNN = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
MS_RCNN = "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py"
SHAPES = [(3, 96, 128), (3, 64, 64)]


CLASSES = ("ring", "star", "box")


def predict(
    name: str,
    rescorer: Path | None,
    score_thr: float = 0.0,
    shapes: list[tuple[int, int, int]] = SHAPES,
) -> list:
    config = tiny.tiny_config(name)
    config.model.test_cfg.rcnn.score_thr = score_thr
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


def write(path: Path, method: str, score: str, calibrator: Any) -> Path:
    return write_calibration(path, CalibratedScore(method, score, calibrator))


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
def test_its_results_have_scores_of_one_corrected(
    name: str, method: str, score: str, calibrator: object, expected, tmp_path: Path
) -> None:
    results = predict(name, write(tmp_path / "c.json", method, score, calibrator))
    plain = predict(name, None)
    assert sum(len(one) for one in plain) > 0
    for one, before in zip(results, plain, strict=True):
        assert set(one.keys()) == {*before.keys(), "rescored_scores"}
        for field in before.keys():  # noqa: SIM118
            assert torch.equal(one[field], before[field]), field
        s, f = (before[field].double().numpy() for field in ("scores", "foreground_probs"))
        i = before.mask_ious.double().numpy() if "mask_ious" in before else None
        np.testing.assert_allclose(one.rescored_scores.numpy(), expected(s, i, f), atol=2e-6)


def test_without_a_detection_there_are_none(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "mask_score", Exponents([1.0, 1.0]))
    for one in predict(MS_RCNN, file, score_thr=1.1):
        assert one.rescored_scores.shape == (0,)


def test_a_score_that_the_detector_lacks(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "mask_score", Exponents([1.0, 1.0]))
    with pytest.raises(UserError, match="have no mask score"):
        predict(MASK_RCNN, file)


def test_a_file_fitted_anew_is_read_anew(tmp_path: Path) -> None:
    values = []
    for exponent in (1.0, 2.0):
        file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([exponent]))
        values.append(torch.cat([one.rescored_scores for one in predict(MASK_RCNN, file)]))
    torch.testing.assert_close(values[1], values[0] ** 2)


def test_a_model_without_instances_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([1.0]))
    config = tiny.tiny_config(MASK_RCNN)
    config.model.test_cfg.rescorer = str(file)
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
    hook = RescorerHook(rescorer=file)
    hook.before_test(runner)
    with torch.no_grad():
        results = runner.model.test_step(packed)
    hook.after_test(runner)
    assert len(results) == 2
    assert [len(one) for one in hook._class_scores] == [len(s.pred_instances) for s in results]
    for sample in results:
        instances = sample.pred_instances
        torch.testing.assert_close(
            instances.rescored_scores, instances.scores.double() ** 2, atol=2e-6, rtol=0
        )


def test_data_sets_that_differ_in_colours(fitted: Path) -> None:
    """Their ``ConcatDataset`` has a list of meta information."""
    model = tiny.build(tiny.tiny_config(MASK_RCNN))
    runner = runner_of(model)
    dataset = runner.test_loop.dataloader.dataset
    dataset.metainfo = [dict(classes=CLASSES, palette=[colour] * 3) for colour in (1, 2)]
    RescorerHook().before_test(runner)
    RescorerHook(rescorer=fitted).before_test(runner)
    dataset.metainfo = [dict(one, classes=("ring", "star", "bag")) for one in dataset.metainfo]
    with pytest.raises(UserError, match="not fitted on the model's bag"):
        RescorerHook(rescorer=fitted).before_test(runner)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits a re-scorer to predictions of twelve images of an MS R-CNN."""
    predictions = predict(MS_RCNN, None, shapes=[(3, 64 + 8 * n, 96) for n in range(12)])
    file = tmp_path_factory.mktemp("fitted") / "r.json"
    rescorer_of(predictions, CLASSES).write(file)
    return file


def test_its_results_have_rescored_scores(fitted: Path) -> None:
    """They are those of the whole results file, though images come one by one."""
    results = predict(MS_RCNN, fitted)
    plain = predict(MS_RCNN, None)
    expected = read_rescorer(fitted).score(detections_of(plain, CLASSES)).columns()
    for name, column in expected.items():
        found = torch.cat([one[name] for one in results])
        assert found.dtype == torch.float64 and found.tolist() == column.tolist()
    assert len(set(expected["rescored_scores"])) > 5
    for one, before in zip(results, plain, strict=True):
        assert set(one.keys()) == {*before.keys(), *expected}
        for field in before.keys():  # noqa: SIM118
            assert torch.equal(one[field], before[field]), field


def test_class_scores_of_another_detector_are_noticed_at_the_end(
    fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = RescorerHook(rescorer=fitted)
    known = read_rescorer(fitted).detector
    assert known is not None
    same = np.resize(known.score_quantiles, round(known.detections_per_image))
    for scores, warnings in ((same, 0), (np.full(len(same), 2.0), 1)):
        hook.before_test(runner_of(torch.nn.Identity()))
        hook._class_scores += [scores] * 10
        hook.after_test(runner_of(torch.nn.Identity()))
        found = capsys.readouterr().err
        assert found.count("of another detector or score threshold") == warnings


def test_a_model_with_views(fitted: Path, tmp_path: Path) -> None:
    """A re-scorer that was fitted with the model's views takes their agreement."""
    config = tiny.tiny_config(MS_RCNN)
    config.model.test_cfg.rcnn.score_thr = 0.0
    config.model.update(type="MultiViewDetector", detector=config.model.type, views=["flip"])
    model = tiny.build(config).eval()
    shapes = [(3, 64 + 8 * n, 96) for n in range(10)]
    plain = [sample.pred_instances for sample in run(model, RescorerHook(), shapes)]
    rescorer = rescorer_of(plain, CLASSES)
    assert rescorer.method.views == ["mirrored"]
    rescorer.write(tmp_path / "v.json")
    hook = RescorerHook(rescorer=tmp_path / "v.json")
    found = [sample.pred_instances for sample in run(model, hook, shapes)]
    expected = rescorer.score(detections_of(plain, CLASSES)).scores
    assert torch.cat([one.rescored_scores for one in found]).tolist() == expected.tolist()
    with pytest.raises(
        UserError, match=r"v\.json: .* 1 mirrored view, and the model gives no views"
    ):
        predict(MS_RCNN, tmp_path / "v.json")
    RescorerHook(rescorer=fitted).before_test(runner_of(model))  # it needs none


def test_old_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "c.json", "exponents", "class_score", Exponents([1.0]))
    rescored_scores._warn_of_old_name.cache_clear()
    model = torch.nn.Identity()
    for hook in (RescorerHook(calibration=file), RescorerHook(calibration=file)):
        hook.before_test(runner_of(model))
    (warning,) = capsys.readouterr().err.splitlines()
    assert "test_cfg.calibration is now called model.test_cfg.rescorer" in warning
    with pytest.raises(UserError, match="has calibration and rescorer, which is its name now"):
        RescorerHook(calibration=file, rescorer=file).before_test(runner_of(model))
    assert HOOKS.get("CalibrationHook") is HOOKS.get("RescorerHook") is RescorerHook


def test_without_a_detection_there_are_no_rescored_scores(fitted: Path) -> None:
    for one in predict(MS_RCNN, fitted, score_thr=1.1):
        assert one.rescored_scores.shape == (0,)


def test_a_model_that_lacks_a_feature(fitted: Path) -> None:
    with pytest.raises(UserError, match="the results lack mask_iou") as caught:
        predict(MASK_RCNN, fitted)
    assert "\n" not in str(caught.value)


def test_other_classes_are_refused_at_load(fitted: Path) -> None:
    model = tiny.build(tiny.tiny_config(MS_RCNN)).eval()
    hook = RescorerHook(rescorer=fitted)
    with pytest.raises(UserError, match=r"r\.json: .* not fitted on the model's cat, but on ring"):
        hook.before_test(runner_of(model, ("ring", "cat")))
    hook.before_val(runner_of(model, ("star", "box")))  # some of them, in another order
    hook.after_val(runner_of(model))
