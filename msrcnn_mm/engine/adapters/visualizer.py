"""Draws results with labels in any script, and results whose masks have their own score."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import get_cachedir
from mmdet import visualization
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from msrcnn_mm.errors import SettingError, first_names, warn

from .label_fonts import DEFAULT, MAX_LENGTH, drawable, font_families
from .mask_encoder import masks_of

_NAMES = {
    "rescored_scores": "rescored",
    "mask_scores": "mask",
    "scores": "class",
    "maskness": "maskness",
    "agreement_scores": "agreement",
    "consensus": "consensus",
}


@contextmanager
def _quiet_and_repeatable() -> Iterator[None]:
    """Fixes the random part of the masks' colours, and drops warnings of what reaches an edge."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Warning: The .* is out of bounds", UserWarning)
            yield
    finally:
        np.random.set_state(state)


@VISUALIZERS.register_module(force=True)
class DetLocalVisualizer(visualization.DetLocalVisualizer):
    """Replaces MMDetection's class of the same name and draws names of classes in any script.

    The colours of masks, which MMDetection draws at random, are the same in every picture of the
    same instances. A name is drawn with an installed font that has its characters. One that no font
    has, or of more than 60 characters, is replaced by ``class 3``, the number of its label, and a
    warning lists the replaced names. A ``$`` is drawn as it is, and a line break as a space.

    Args:
        name: The visualizer's name, by which mmengine finds it.
        *args: Other arguments of MMDetection's class.
        **kwargs: Likewise.
    """

    def __init__(self, name: str = "visualizer", *args: Any, **kwargs: Any) -> None:
        super().__init__(name, *args, **kwargs)
        self._replaced: set[str] = set()

    def draw_texts(self, *args: Any, **kwargs: Any) -> Any:
        """Draws texts, each with a font that has its characters."""
        before = len(self.ax_save.texts)
        drawn = super().draw_texts(*args, **kwargs)
        for text in self.ax_save.texts[before:]:
            text.set_parse_math(False)
            families = font_families(text.get_text())
            if families not in (None, [DEFAULT]) and kwargs.get("font_properties") is None:
                text.set_fontfamily(families)
        return drawn

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: Sequence[str] | None, *args: Any
    ) -> np.ndarray:
        """Draws instances with labels that can be drawn."""
        if "labels" in instances:
            labelled = instances.new()
            labelled.label_names = self._label_names(instances, classes)
            instances = labelled
        if isinstance(instances.get("masks"), list):  # D RLEs
            decoded = instances.new()
            masks = decoded.pop("masks")
            if masks:
                decoded.masks = masks_of(masks)
            instances = decoded
        with _quiet_and_repeatable():
            return super()._draw_instances(image, instances, classes, *args)

    def _draw_panoptic_seg(
        self, image: np.ndarray, segments: Any, classes: Sequence[str], *args: Any
    ) -> np.ndarray:
        """Draws a panoptic segmentation with labels that can be drawn."""
        names = self._drawable(classes, range(len(classes)))
        return super()._draw_panoptic_seg(image, segments, names, *args)

    def _draw_sem_seg(
        self, image: np.ndarray, segments: Any, classes: Sequence[str] | None, *args: Any
    ) -> np.ndarray:
        """Draws a semantic segmentation with labels that can be drawn."""
        names = classes and self._drawable(classes, range(len(classes)))
        return super()._draw_sem_seg(image, segments, names, *args)

    def _label_names(self, instances: InstanceData, classes: Sequence[str] | None) -> list[str]:
        """Returns the name of each of D instances, as it can be drawn."""
        labels = [int(label) for label in instances.labels]
        if "label_names" in instances:
            return self._drawable(instances.label_names, labels)
        if classes is None:
            return [f"class {label}" for label in labels]
        names = self._drawable(classes, range(len(classes)))
        return [names[label] for label in labels]

    def _drawable(self, names: Sequence[str], labels: Iterable[int]) -> list[str]:
        """Returns names as they can be drawn; replaces others, and warns once of each."""
        drawn = {
            name: drawable(name) or f"class {label}"
            for name, label in zip(names, labels, strict=True)
        }
        new = [name for name in drawn if drawable(name) is None and name not in self._replaced]
        if new:
            self._replaced.update(new)
            stand_ins = first_names([f"{drawn[name]} is {name!r}" for name in new], 20)
            warn(
                f"names that no installed font can draw, or of more than {MAX_LENGTH} characters, "
                f"are replaced in pictures: {stand_ins}; install a font that has them, such as "
                f"Noto Sans CJK, and delete {get_cachedir()}/fontlist-*.json"
            )
        return [drawn[name] for name in names]


@VISUALIZERS.register_module()
class MaskScoreVisualizer(DetLocalVisualizer):
    """``DetLocalVisualizer`` whose score threshold follows the rescored or the mask score.

    A detection is drawn if its deciding score is above the threshold. Its label gives the class,
    the class score and, last, the deciding one, both in percent: ``nucleus, class 98.1, mask:
    87.3``. Where the class score decides, the other is the mask score. Results without another
    score are drawn by class score, as in MMDetection. Labels stay inside the picture.

    Args:
        name: The visualizer's name, by which mmengine finds it.
        score_by: The field of ``pred_instances`` that decides: ``rescored_scores``,
            ``mask_scores`` or ``scores``, by default the first of these that a result has; or
            ``maskness``, ``agreement_scores`` or ``consensus``.
        kwargs: Other arguments of ``DetLocalVisualizer``.

    Raises:
        SettingError: ``score_by`` is none of them.
    """

    def __init__(
        self, name: str = "visualizer", *, score_by: str | None = None, **kwargs: Any
    ) -> None:
        if score_by is not None and score_by not in _NAMES:
            raise SettingError(f"score_by must be one of {', '.join(_NAMES)}, not {score_by!r}")
        super().__init__(name=name, **kwargs)
        self.score_by = score_by

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Draws a data sample, which stays as it is.

        Args:
            name: The image's identifier.
            image: (H, W, 3), RGB, 0 to 255.
            data_sample: Ground truth and predictions.
            args: As for ``DetLocalVisualizer``.
            kwargs: As for ``DetLocalVisualizer``.
        """
        if data_sample is not None and "pred_instances" in data_sample:
            data_sample = data_sample.new()
            data_sample.pred_instances = self._by_deciding_score(data_sample.pred_instances)
        super().add_datasample(name, image, data_sample, *args, **kwargs)

    def draw_texts(self, *args: Any, **kwargs: Any) -> Any:
        """Draws texts; those that would leave the picture are moved inside, smaller if needed."""
        before = len(self.ax_save.texts)
        drawn = super().draw_texts(*args, **kwargs)
        for text in self.ax_save.texts[before:]:
            # In steps: glyphs are whole pixels wide, so that the width does not follow the size.
            while text.get_window_extent().width > self.width and text.get_fontsize() > 1:
                text.set_fontsize(0.9 * text.get_fontsize())
            extent = text.get_window_extent()  # y upwards, while positions have y downwards
            x, y = text.get_position()
            over_right, over_bottom = extent.x1 - self.width, -extent.y0
            text.set_position((x - max(0, over_right), y - max(0, over_bottom)))
        return drawn

    def _by_deciding_score(self, instances: InstanceData) -> InstanceData:
        """Returns a shallow copy whose ``scores``, by which the base class draws, is the deciding.

        Args:
            instances: D detections.

        Returns:
            The detections; ``other_scores`` are texts with the other score. Without another score
            they are as they were.
        """
        present = [name for name in _NAMES if name in instances]
        deciding = self.score_by if self.score_by in present else (present or ["scores"])[0]
        usual = ("scores", "mask_scores", "rescored_scores")
        other = next((name for name in usual if name in present and name != deciding), None)
        if other is None:
            return instances
        copy = instances.new()
        copy.scores = instances[deciding]
        copy.other_scores = [
            f", {_NAMES[other]} {100 * float(score):.1f}, {_NAMES[deciding]}"
            for score in instances[other]
        ]
        return copy

    def _label_names(self, instances: InstanceData, classes: Sequence[str] | None) -> list[str]:
        """Returns the name of each of D instances and its other score.

        The base class prints ``scores`` behind it.
        """
        names = super()._label_names(instances, classes)
        others = instances.get("other_scores", [""] * len(names))
        return [name + other for name, other in zip(names, others, strict=True)]
