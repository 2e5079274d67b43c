"""Draws results whose masks have their own score."""

from typing import Any

import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from msrcnn_mm.errors import SettingError

_NAMES = {"scores": "class", "mask_scores": "mask"}


@VISUALIZERS.register_module()
class MaskScoreVisualizer(DetLocalVisualizer):
    """``DetLocalVisualizer`` whose score threshold can follow the mask score.

    A detection is drawn if its deciding score is above the threshold. Its label gives the class,
    the other score and, last, the deciding one, both in percent: ``nucleus, class 98.1, mask:
    87.3``. Results without mask scores are drawn by class score, as in MMDetection. Labels stay
    inside the picture.

    Args:
        name: The visualizer's name, by which mmengine finds it.
        score_by: The field of ``pred_instances`` that decides: ``mask_scores`` or ``scores``.
        kwargs: Other arguments of ``DetLocalVisualizer``.

    Raises:
        SettingError: ``score_by`` is neither.
    """

    def __init__(
        self, name: str = "visualizer", *, score_by: str = "mask_scores", **kwargs: Any
    ) -> None:
        if score_by not in _NAMES:
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
        if data_sample is not None and "mask_scores" in data_sample.get("pred_instances", ()):
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
        """Returns a copy whose ``scores``, by which the base class draws, is the deciding score.

        Args:
            instances: D detections with both scores.

        Returns:
            A shallow copy: ``scores`` is the deciding score, which the base class prints after
            the name; the name ends on the other score.
        """
        (other,) = _NAMES.keys() - {self.score_by}
        labels = instances.labels.tolist()
        names = instances.get("label_names") or [self._class_name(label) for label in labels]
        copy = instances.new()
        copy.scores = instances[self.score_by]
        copy.label_names = [
            f"{name}, {_NAMES[other]} {100 * float(score):.1f}, {_NAMES[self.score_by]}"
            for name, score in zip(names, instances[other], strict=True)
        ]
        return copy

    def _class_name(self, label: int) -> str:
        classes = self.dataset_meta.get("classes")
        return f"class {label}" if classes is None else classes[label]
