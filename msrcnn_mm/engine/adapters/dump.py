"""Writes the predictions of a test as a results file in COCO's format."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.json_files import written_in_one_step
from msrcnn_mm.errors import UserError

from .predictions import to_arrays, to_detections


@METRICS.register_module()
class DumpCocoResults(BaseMetric):
    """Writes every detection of a test run into one JSON file in COCO's results format.

    Beside COCO's fields an entry has ``mask_iou``, ``mask_score``, ``foreground_prob``, the other
    :data:`.SCORE_ENTRIES`, ``mask_statistics`` and ``view_agreement`` where the detector has them;
    ``score`` is the class score. pycocotools reads the file as it is.

    Args:
        out_file_path: The file to write; missing folders are made.
        ann_file: The annotations of the tested images. They give the category id of each class by
            the class's name, as for ``CocoMetric``.
        collect_device: The device that gathers the results of several processes, ``cpu`` or
            ``gpu``.

    Raises:
        UserError: ``ann_file`` cannot be read.
    """

    default_prefix = "results"

    def __init__(
        self, out_file_path: str | Path, ann_file: str | Path, collect_device: str = "cpu"
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.out_file = Path(out_file_path)
        self.ann_file = Path(ann_file)
        self._categories = AnnotationFile.read(self.ann_file).categories

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keeps the predictions of a batch, masks as RLEs.

        Args:
            data_batch: Not used.
            data_samples: With ``img_id`` and ``pred_instances``, one an image.
        """
        for sample in data_samples:
            # One entry an image: mmengine counts entries when it drops the padding of a
            # distributed sampler.
            self.results.append((sample["img_id"], to_arrays(sample["pred_instances"])))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Writes the file in one step: a reader never sees half of it.

        Args:
            results: An (image id, arrays) pair an image.

        Returns:
            Nothing to report.

        Raises:
            UserError: The annotations lack a class of the data set, or the file cannot be written.
        """
        self._write(results)
        return {}

    def write(self, data_samples: Iterable[dict]) -> None:
        """Writes the file from data samples, which are not kept.

        Args:
            data_samples: As for :meth:`process`, in the order of the file.

        Raises:
            UserError: As for :meth:`compute_metrics`.
        """
        self._write((s["img_id"], to_arrays(s["pred_instances"])) for s in data_samples)

    def _write(self, results: Iterable[tuple[int | str, dict[str, Any]]]) -> None:
        classes = (self.dataset_meta or {})["classes"]
        ids = category_ids(self._categories, classes, self.ann_file)
        images = detections = 0
        with written_in_one_step(self.out_file) as file:
            file.write("[")
            for image_id, arrays in results:
                images += 1
                for row in to_detections(arrays, image_id, ids).to_rows():
                    file.write(", " * bool(detections) + json.dumps(row))
                    detections += 1
            file.write("]")
        MMLogger.get_current_instance().info(
            f"{detections} detections of {images} images are in {self.out_file}"
        )


def category_ids(
    categories: Sequence[Mapping[str, Any]], classes: Sequence[str], ann_file: str | Path
) -> list[int]:
    """Returns the category id of each label; labels are numbered in the annotations' order.

    Args:
        categories: Those of the annotation file.
        classes: The names of the data set's classes.
        ann_file: The annotation file, for messages.

    Raises:
        UserError: A class is no category.
    """
    ids = [category["id"] for category in categories if category["name"] in classes]
    if len(ids) != len(classes):
        names = {category["name"] for category in categories}
        missing = [name for name in classes if name not in names]
        raise UserError(f"{ann_file} has no category named {', '.join(missing)}")
    return ids
