"""Predicts images by an exported detector.

Shape shorthand: D detections.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, MASK_SCORE, MASKNESS, RESCORED_SCORE
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
        scores: Names of the scores of its detections, of :data:`.protocol.SCORES`.

    Raises:
        UserError: A file cannot be read, a package is missing, or the re-scorer was fitted on other
            classes, with views, above another threshold, or with what the detector does not give.
    """

    def __init__(
        self, path: str | Path, rescorer: str | Path | None = None, threads: int | None = None
    ) -> None:
        self._path = Path(path)
        self.rescorer = None if rescorer is None else read_rescorer(rescorer)
        self._session, self.settings = open_model(self._path, threads)
        self._names = [output.name for output in self._session.get_outputs()]
        self.scores = [CLASS_SCORE, MASKNESS]
        self.scores += [MASK_SCORE] if "mask_scores" in self._names else []
        if self.rescorer is not None:
            self.scores.append(RESCORED_SCORE)
            try:
                if self.rescorer.method.views:
                    raise UserError(
                        "the re-scorer was fitted with views, which an exported model does not"
                        " compare: fit one on results without views, as predict writes them with"
                        " this model"
                    )
                self.rescorer.check_model(self.settings.classes)
                self.rescorer.check_threshold(self.settings.score_threshold)
                self.rescorer.score(self._example())
            except UserError as error:
                raise UserError(f"{rescorer}: {error}") from error

    def check_score(self, score: str | None) -> None:
        """Checks that detections have a score.

        Args:
            score: Its name; None for any.

        Raises:
            UserError: They do not.
        """
        if score is not None and score not in self.scores:
            raise UserError(f"--score-by {score}: {self._path} has {', '.join(self.scores)}")

    def predict(self, pixels: Pixels, image_id: int | str = 1) -> Detections:
        """Predicts an image.

        Args:
            pixels: (height, width, 3) uint8, blue, green, red, as OpenCV reads images.
            image_id: The image's id in the detections.

        Returns:
            D detections in descending order of class scores, with masks, boxes, the scores that the
            detector predicts, and those of the re-scorer.

        Raises:
            UserError: It is no such image, or the network fails on it, such as for want of memory.
        """
        inputs = prepare(pixels, self.settings)
        feeds = {"image": inputs.image, "size": inputs.size}
        found = dict(zip(self._names, self._run(feeds), strict=True))
        found["boxes"] = found["boxes"] / inputs.scale
        height, width = pixels.shape[:2]
        detections = self._detections(found, height, width, image_id)
        if self.rescorer is None:
            return detections
        return self.rescorer.score(detections).added_to(detections)

    def _detections(
        self, found: dict[str, NDArray[Any]], height: int, width: int, image_id: int | str = 1
    ) -> Detections:
        """Returns what the network found, with boxes in pixels of the image, as detections."""
        corners: NDArray[np.float32] = found["boxes"]
        boxes = corners.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        probs, threshold = found["masks"], self.settings.mask_threshold
        statistics = mask_statistics(probs, threshold)
        return Detections(
            image_ids=[image_id] * len(boxes),
            category_ids=[self.settings.categories[k]["id"] for k in found["labels"].tolist()],
            class_scores=found["class_scores"].astype(float),
            masks=paste(probs, corners, height, width, threshold),
            boxes=boxes,
            **{name: found[name].astype(float) for name in _SCORES if name in found},
            extras=[{"mask_statistics": row} for row in statistics],
        )

    def _example(self) -> Detections:
        """Returns a detection that has all that the network gives, and nothing else."""
        found: dict[str, NDArray[Any]] = {
            name: np.full(1, 0.5, np.float32) for name in self._names
        } | {
            "boxes": np.array([[0, 0, 8, 8]], np.float32),
            "labels": np.zeros(1, np.int64),
            "masks": np.ones((1, 28, 28), np.float32),
        }
        return self._detections(found, 8, 8)

    def _run(self, feeds: dict[str, NDArray[np.float32]]) -> list[Any]:
        try:
            outputs: list[Any] = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime has a class of its own for each failure
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"the network fails on the image: {reason}") from error
        return outputs
