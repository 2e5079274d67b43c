"""Predicts images by an exported detector.

Shape shorthand: D detections.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.rescorer import read_rescorer

from .images import Pixels, prepare
from .masks import mask_statistics, paste
from .model_file import open_model

_SCORES = ("mask_ious", "mask_scores", "foreground_probs")


class OnnxDetector:
    """A detector that ``python -m msrcnn_mm export`` wrote, and a re-scorer.

    Example:
        >>> detector = OnnxDetector("model.onnx", rescorer="rescorer.json")
        >>> detections = detector.predict(read_image("photo.jpg"))
        >>> detections.rescored_scores

    Args:
        path: The ONNX file.
        rescorer: File of a re-scorer or calibration that was fitted on results of this detector;
            None for none.
        threads: Number of threads that compute; None for as many as there are cores.

    Attributes:
        settings: Those of the model, such as its categories.
        rescorer: The re-scorer, or None.
        has_mask_ious: Whether the detector predicts mask IoUs and mask scores.

    Raises:
        UserError: A file cannot be read, the re-scorer was fitted on other classes or needs views,
            or a package is missing.
    """

    def __init__(
        self, path: str | Path, rescorer: str | Path | None = None, threads: int | None = None
    ) -> None:
        self.rescorer = None if rescorer is None else read_rescorer(rescorer)
        self._session, self.settings = open_model(Path(path), threads)
        self._names = [output.name for output in self._session.get_outputs()]
        self.has_mask_ious = "mask_ious" in self._names
        if self.rescorer is not None:
            try:
                self.rescorer.check_model(self.settings.classes)
            except UserError as error:
                raise UserError(f"{rescorer}: {error}") from error

    def predict(self, pixels: Pixels, image_id: int | str = 1) -> Detections:
        """Predicts an image.

        Args:
            pixels: (height, width, 3) uint8, blue, green, red, as OpenCV reads images.
            image_id: The image's id in the detections.

        Returns:
            D detections in descending order of class scores, with masks, boxes, the scores that the
            detector predicts, and those of the re-scorer.

        Raises:
            UserError: It is no such image, the network fails on it, such as for want of memory, or
                the detector lacks what the re-scorer needs.
        """
        inputs = prepare(pixels, self.settings)
        feeds = {"image": inputs.image, "size": inputs.size}
        found = dict(zip(self._names, self._run(feeds), strict=True))
        height, width = pixels.shape[:2]
        corners: NDArray[np.float32] = found["boxes"] / inputs.scale
        boxes = corners.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        probs, threshold = found["masks"], self.settings.mask_threshold
        statistics = mask_statistics(probs, threshold)
        detections = Detections(
            image_ids=[image_id] * len(boxes),
            category_ids=[self.settings.categories[k]["id"] for k in found["labels"].tolist()],
            class_scores=found["class_scores"].astype(float),
            masks=paste(probs, corners, height, width, threshold),
            boxes=boxes,
            **{name: found[name].astype(float) for name in _SCORES if name in found},
            extras=[{"mask_statistics": row} for row in statistics],
        )
        if self.rescorer is None:
            return detections
        return self.rescorer.score(detections).added_to(detections)

    def _run(self, feeds: dict[str, NDArray[np.float32]]) -> list[Any]:
        try:
            outputs: list[Any] = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime has a class of its own for each failure
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"the network fails on the image: {reason}") from error
        return outputs
