"""Pictures of results: the detections above the threshold, and their labels."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.font_manager import fontManager
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer as MMDetectionVisualizer
from mmengine.structures import InstanceData

from msrcnn_mm.engine.adapters.mask_encoder import encode_masks
from msrcnn_mm.engine.adapters.visualizer import DetLocalVisualizer, MaskScoreVisualizer
from tests.support.fonts import CAT, DOG, write_font

IMAGE = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects every label text that is drawn."""
    drawn: list[str] = []
    draw = MaskScoreVisualizer.draw_texts

    def spy(self: MaskScoreVisualizer, text: str, *args: object, **kwargs: object) -> object:
        drawn.append(text)
        return draw(self, text, *args, **kwargs)

    monkeypatch.setattr(MaskScoreVisualizer, "draw_texts", spy)
    return drawn


def sample(scores: list[float], mask_scores: list[float] | None = None) -> DetDataSample:
    count = len(scores)
    masks = torch.zeros(count, 120, 160, dtype=torch.bool)
    boxes = torch.zeros(count, 4)
    for i in range(count):
        masks[i, 10:40, 10 + 30 * i : 35 + 30 * i] = True
        boxes[i] = torch.tensor([10 + 30 * i, 10, 35 + 30 * i, 40])
    fields = {
        "bboxes": boxes,
        "labels": torch.arange(count) % 2,
        "scores": torch.tensor(scores),
        "masks": masks,
    }
    if mask_scores is not None:
        fields["mask_scores"] = torch.tensor(mask_scores)
    return DetDataSample(pred_instances=InstanceData(**fields))


def draw(
    data_sample: DetDataSample | None, thr: float = 0.5, score_by: str | None = None
) -> np.ndarray:
    visualizer = MaskScoreVisualizer(name="drawing", score_by=score_by)
    visualizer.dataset_meta = {"classes": ("ring", "star"), "palette": [(220, 20, 60), (0, 0, 230)]}
    visualizer.add_datasample("image", IMAGE, data_sample, draw_gt=False, pred_score_thr=thr)
    return visualizer.get_image()


def test_threshold_follows_mask_scores(texts: list[str]) -> None:
    draw(sample([0.9, 0.6, 0.8], [0.45, 0.55, 0.7]))
    assert texts == ["star, class 60.0, mask: 55.0", "ring, class 80.0, mask: 70.0"]


def test_encoded_masks_are_drawn_as_others() -> None:
    plain, encoded = (sample([0.9, 0.6, 0.8], [0.45, 0.55, 0.7]) for _ in range(2))
    encoded.pred_instances.masks = encode_masks(encoded.pred_instances.masks)
    assert isinstance(encoded.pred_instances.masks, list)
    assert (draw(plain) == draw(encoded)).all()
    assert (draw(encoded, thr=1) == IMAGE).all()


def test_threshold_follows_class_scores_where_asked(texts: list[str]) -> None:
    draw(sample([0.9, 0.4], [0.45, 0.55]), score_by="scores")
    assert texts == ["ring, mask 45.0, class: 90.0"]


def test_without_mask_scores_as_mmdetection(texts: list[str]) -> None:
    draw(sample([0.9, 0.4]))
    assert texts == ["ring: 90.0"]


@pytest.mark.parametrize(
    ("score_by", "expected"),
    [
        (None, ["star, class 40.0, rescored: 75.0"]),
        ("rescored_scores", ["star, class 40.0, rescored: 75.0"]),
        ("mask_scores", ["ring, class 90.0, mask: 85.0"]),
        ("scores", ["ring, mask 85.0, class: 90.0"]),
    ],
)
def test_rescored_scores_decide_unless_told(
    texts: list[str], score_by: str | None, expected: list[str]
) -> None:
    data_sample = sample([0.9, 0.4], [0.85, 0.3])
    data_sample.pred_instances.rescored_scores = torch.tensor([0.2, 0.75]).double()
    draw(data_sample, score_by=score_by)
    assert texts == expected


def test_rescored_scores_without_mask_scores(texts: list[str]) -> None:
    data_sample = sample([0.9, 0.4])
    data_sample.pred_instances.rescored_scores = torch.tensor([0.2, 0.75]).double()
    draw(data_sample)
    draw(data_sample, score_by="scores")
    assert texts == ["star, class 40.0, rescored: 75.0", "ring, rescored 20.0, class: 90.0"]


@pytest.mark.parametrize("field", ["maskness", "agreement_scores", "consensus"])
def test_any_score_decides_where_asked(texts: list[str], field: str) -> None:
    data_sample = sample([0.9, 0.4], [0.85, 0.8])
    data_sample.pred_instances.set_field(torch.tensor([0.2, 0.75]), field)
    draw(data_sample, score_by=field)
    draw(data_sample)
    name = field.removesuffix("_scores")
    by_mask = ["ring, class 90.0, mask: 85.0", "star, class 40.0, mask: 80.0"]
    assert texts == [f"star, class 40.0, {name}: 75.0", *by_mask]


def test_no_classes_known(texts: list[str]) -> None:
    visualizer = MaskScoreVisualizer(name="bare")
    visualizer.add_datasample("image", IMAGE, sample([0.9], [0.8]), draw_gt=False)
    assert texts == ["class 0, class 90.0, mask: 80.0"]


def test_data_sample_stays_as_it_is() -> None:
    data_sample = sample([0.9, 0.4], [0.45, 0.55])
    draw(data_sample)
    instances = data_sample.pred_instances
    assert torch.equal(instances.scores, torch.tensor([0.9, 0.4]))
    assert "label_names" not in instances


@pytest.mark.parametrize(
    "data_sample",
    [None, DetDataSample(), sample([], []), sample([0.2], [0.1])],
    ids=["no sample", "no predictions", "no detections", "none above the threshold"],
)
def test_nothing_to_draw_leaves_the_image(data_sample: DetDataSample | None) -> None:
    assert np.array_equal(draw(data_sample), IMAGE)


def test_masks_are_drawn_where_they_are_and_written(tmp_path: Path) -> None:
    visualizer = MaskScoreVisualizer(name="written")
    out_file = tmp_path / "drawn.png"
    data_sample = sample([0.9, 0.9], [0.8, 0.2])
    visualizer.add_datasample("image", IMAGE, data_sample, draw_gt=False, out_file=str(out_file))
    changed = np.any(cv2.imread(str(out_file)) != IMAGE, axis=2)
    assert changed[20:35, 12:33].all()
    assert not changed[60:].any()


def test_pictures_are_the_same_again_and_say_nothing_of_edges() -> None:
    one = sample([0.9, 0.6])
    one.pred_instances.bboxes[0, 2:] = torch.tensor([IMAGE.shape[1], IMAGE.shape[0]])
    pictures = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for seed in (0, 1):
            np.random.seed(seed)
            before = np.random.get_state()[1].copy()
            pictures.append(draw(one))
            assert (np.random.get_state()[1] == before).all()
    assert (pictures[0] == pictures[1]).all() and (pictures[0] != IMAGE).any()


def test_score_by_something_else_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"score_by must be one of rescored_.*, consensus, not 'mask"
    ):
        MaskScoreVisualizer(name="wrong", score_by="mask_ious")


@pytest.mark.parametrize("side", [90, 128], ids=["narrower than the label", "small"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_labels_stay_inside_the_picture(side: int, place: float) -> None:
    visualizer = MaskScoreVisualizer(name="small")
    visualizer.set_image(np.full((side, side, 3), 90, np.uint8))
    position = np.array([place * side, place * side])
    visualizer.draw_texts("ring, class 91.0, mask: 85.0", position, font_sizes=6)
    (text,) = visualizer.ax_save.texts
    extent = text.get_window_extent()
    assert min(extent.x0, extent.y0) > -1  # rounded to whole pixels
    assert max(extent.x1, extent.y1) < side + 1


def test_labels_that_fit_stay_in_place() -> None:
    visualizer = MaskScoreVisualizer(name="fits")
    visualizer.set_image(np.full((120, 160, 3), 90, np.uint8))
    visualizer.draw_texts("ring", np.array([90, 60]), font_sizes=6)
    (text,) = visualizer.ax_save.texts
    assert text.get_position() == (90, 60) and text.get_fontsize() == 6


def labelled(kind: str, *classes: str) -> list[np.ndarray]:
    """Draws a detection of each class, warnings as errors."""
    visualizer = VISUALIZERS.build(dict(type=kind, name=f"labels {classes}"))
    visualizer.dataset_meta = dict(classes=classes, palette=len(classes) * [(220, 20, 60)])
    pictures = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for label in range(len(classes)):
            one = sample([0.9], [0.8])
            one.pred_instances.labels[:] = label
            visualizer.add_datasample("image", IMAGE, one, draw_gt=False)
            pictures.append(visualizer.get_image())
    return pictures


KINDS = pytest.mark.parametrize("kind", ["DetLocalVisualizer", "MaskScoreVisualizer"])


@KINDS
@pytest.mark.usefixtures("installed")
def test_names_without_a_font_are_replaced_and_listed(
    kind: str, capsys: pytest.CaptureFixture, texts: list[str]
) -> None:
    first, second, third = labelled(kind, CAT, DOG, "ring")
    assert not np.array_equal(first, second)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "ring" not in said
    assert f"class 0 is {CAT!r}, class 1 is {DOG!r}; install a font" in said
    stand_ins = labelled(kind, "class 0", "class 1", "ring")
    for picture, stand_in in zip((first, second, third), stand_ins, strict=True):
        assert np.array_equal(picture, stand_in)
    assert capsys.readouterr().err == ""


@KINDS
@pytest.mark.usefixtures("installed")
def test_names_are_drawn_with_an_installed_font(
    kind: str, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    """The bar of the second glyph is higher."""
    fontManager.addfont(write_font(tmp_path / "1.ttf", "Bars Sans", CAT + DOG))
    first, second = labelled(kind, CAT, DOG)
    assert not np.array_equal(first, second)
    assert capsys.readouterr().err == ""
    (stand_in,) = labelled(kind, "class 0")
    assert not np.array_equal(first, stand_in)


@KINDS
@pytest.mark.usefixtures("installed")
def test_dollars_are_no_formulas(kind: str) -> None:
    first, second = labelled(kind, "$x$", "$\\nothing$")
    assert not np.array_equal(first, second)


@pytest.mark.usefixtures("installed")
def test_names_of_each_instance_are_replaced_too(
    capsys: pytest.CaptureFixture, texts: list[str]
) -> None:
    """As detectors of open vocabularies give them."""
    visualizer = MaskScoreVisualizer(name="open vocabulary")
    one = sample([0.9, 0.8], [0.8, 0.7])
    one.pred_instances.label_names = [CAT, "a\nstar"]
    for _ in range(2):
        visualizer.add_datasample("image", IMAGE, one, draw_gt=False)
    expected = ["class 0, class 90.0, mask: 80.0", "a star, class 80.0, mask: 70.0"]
    assert texts == 2 * expected
    assert capsys.readouterr().err.count("class 0 is") == 1


def test_stock_configs_get_the_visualizer() -> None:
    assert VISUALIZERS.get("DetLocalVisualizer") is DetLocalVisualizer


@pytest.mark.usefixtures("installed")
def test_other_names_are_drawn_as_by_mmdetection() -> None:
    classes = ("ring", "Zelle \u00df", "50 $")
    visualizer = MMDetectionVisualizer(name="MMDetection's")
    visualizer.dataset_meta = dict(classes=classes, palette=3 * [(220, 20, 60)])
    for label, picture in enumerate(labelled("DetLocalVisualizer", *classes)):
        one = sample([0.9])
        one.pred_instances.labels[:] = label
        np.random.seed(0)  # of the masks' colours
        visualizer.add_datasample("image", IMAGE, one, draw_gt=False)
        assert np.array_equal(picture, visualizer.get_image())
