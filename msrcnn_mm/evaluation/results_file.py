"""Results files in COCO's format, and the annotations they belong to.

Results are written from a test run and read from any framework.
"""

import contextlib
import io
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_utils
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from pycocotools.coco import COCO

from ..errors import UserError
from ..rle import fill, fills
from .detections import SCORE_ENTRIES, Detection, to_arrays, to_detections


@METRICS.register_module()
class DumpCocoResults(BaseMetric):
    """Writes every detection of a test run into one JSON file in COCO's results format.

    Beside COCO's fields an entry carries ``mask_iou``, ``mask_score`` and ``foreground_prob``
    where the detector has them; ``score`` is the class score. pycocotools reads the file as it is.

    Args:
        out_file_path: The file to write; missing folders are made.
        ann_file: The annotations of the tested images: they say which category id each class has,
            by the class's name, as for ``CocoMetric``.
        collect_device: Where results of several processes are gathered, ``cpu`` or ``gpu``.

    Raises:
        UserError: ``ann_file`` cannot be read, at once and not after the test.
    """

    default_prefix = "results"

    def __init__(
        self, out_file_path: str | Path, ann_file: str | Path, collect_device: str = "cpu"
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.out_file = Path(out_file_path)
        self.ann_file = Path(ann_file)
        self._categories: list[dict[str, Any]] = _read_annotations(self.ann_file)["categories"]

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
        """Writes the file, in one step: no reader ever sees half of it.

        Args:
            results: An (image id, arrays) pair an image.

        Returns:
            Nothing to report.

        Raises:
            UserError: The annotations lack a class of the data set, or the file cannot be written.
        """
        classes = (self.dataset_meta or {})["classes"]
        ids = category_ids(self._categories, classes, self.ann_file)
        detections = [d for i, arrays in results for d in to_detections(arrays, i, ids)]
        write_json(detections, self.out_file)
        MMLogger.get_current_instance().info(
            f"{len(detections)} detections of {len(results)} images are in {self.out_file}"
        )
        return {}


def category_ids(
    categories: Sequence[Mapping[str, Any]], classes: Sequence[str], ann_file: str | Path
) -> list[int]:
    """Category id of each label: MMDetection numbers labels in the annotations' order.

    Args:
        categories: Those of the annotation file.
        classes: The names of the data set's classes.
        ann_file: The annotation file, for the message.

    Raises:
        UserError: A class is no category.
    """
    ids = [category["id"] for category in categories if category["name"] in classes]
    if len(ids) != len(classes):
        names = {category["name"] for category in categories}
        missing = [name for name in classes if name not in names]
        raise UserError(f"{ann_file} has no category named {', '.join(missing)}")
    return ids


def load_results(path: str | Path, coco: COCO | None = None) -> list[Detection]:
    """Reads instance segmentation results in COCO's format, whatever framework wrote them.

    Args:
        path: A JSON list of ``{image_id, category_id, segmentation, score, ...}``.
        coco: The annotations the results should belong to; checked if given.

    Returns:
        The detections, uncompressed RLEs compressed.

    Raises:
        UserError: The file is missing or no such list; an entry lacks a field, has a score that is
            not a finite number, no RLE or a damaged one, or an image, category or size that
            ``coco`` does not know.
    """
    path = Path(path)
    results = _read_json(path)
    if not isinstance(results, list):
        raise UserError(f"{path} is no list of detections: it is not a COCO results file")
    for index, detection in enumerate(results):
        problem = _problem(detection, coco)
        if problem:
            raise UserError(f"{path}: detection {index} {problem}")
    masks = [detection["segmentation"] for detection in results]
    sound = fill([rle["counts"] for rle in masks], [math.prod(rle["size"]) for rle in masks])
    if not sound.all():
        index = int(sound.argmin())
        raise UserError(f"{path}: detection {index} {_damaged(masks[index])}")
    for detection, rle in zip(results, masks, strict=True):
        if isinstance(rle["counts"], list):
            compressed = mask_utils.frPyObjects(rle, *rle["size"])
            detection["segmentation"] = {
                "size": rle["size"],
                "counts": compressed["counts"].decode(),
            }
    return results


def load_annotations(path: str | Path) -> COCO:
    """Reads a COCO annotation file.

    Raises:
        UserError: The file is missing or is none, or the RLE of an instance is damaged or does not
            fit its image.
    """
    coco = COCO()
    coco.dataset = _read_annotations(Path(path))
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress by print
        coco.createIndex()
    for annotation in coco.dataset["annotations"]:
        if isinstance(annotation.get("segmentation"), dict):
            rle = annotation["segmentation"]
            problem = _rle_problem(rle) or _mismatch(annotation, coco)
            if not problem and not fills(rle["counts"], *rle["size"]):
                problem = _damaged(rle)
            if problem:
                raise UserError(f"{path}: annotation {annotation['id']} {problem}")
    return coco


def _problem(detection: Any, coco: COCO | None) -> str | None:
    """What is wrong with one entry of a results file, to follow "detection N"."""
    if not isinstance(detection, dict):
        return "is no object"
    for field in ("image_id", "category_id", "segmentation", "score"):
        if field not in detection:
            return f"has no '{field}'"
    for field in ("score", *SCORE_ENTRIES):
        value = detection.get(field, 0.0)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return f"has a {field} that is not a finite number: {value}"
    for field in ("image_id", "category_id"):
        if not isinstance(detection[field], int | str):
            return f"has no valid {field}: {detection[field]}"
    problem = _rle_problem(detection["segmentation"])
    if problem or coco is None:
        return problem
    return _mismatch(detection, coco)


def _rle_problem(rle: Any) -> str | None:
    """What is wrong with a segmentation, its runs not looked at."""
    no_rle = "has a segmentation that is not a run-length encoding {size, counts}"
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        return no_rle
    size, counts = rle["size"], rle["counts"]
    if not _is_whole_numbers(size) or len(size) != 2 or not isinstance(counts, list | str):
        return no_rle
    return None


def _damaged(rle: Mapping[str, Any]) -> str:
    return f"has a damaged run-length encoding: its runs do not add up to {rle['size']} pixels"


def _is_whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, int) and v >= 0 for v in values)


def _mismatch(entry: Mapping[str, Any], coco: COCO) -> str | None:
    """What of a detection or an annotation does not fit the annotations' images and categories."""
    image = coco.imgs.get(entry["image_id"])
    if image is None:
        return f"is of image {entry['image_id']}, which the annotations do not have"
    if entry["category_id"] not in coco.cats:
        return f"is of category {entry['category_id']}, which the annotations do not have"
    size = [image["height"], image["width"]]
    if entry["segmentation"]["size"] != size:
        return (
            f"has a mask of height, width {entry['segmentation']['size']}, but its image"
            f" {entry['image_id']} is {size}"
        )
    return None


def _read_annotations(path: Path) -> dict[str, Any]:
    annotations = _read_json(path)
    for part in ("images", "annotations", "categories"):
        if not isinstance(annotations, dict) or part not in annotations:
            raise UserError(f"{path} has no '{part}': it is not a COCO annotation file")
    return annotations


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is not JSON: {error}") from error


def write_json(content: Any, path: Path) -> None:
    """Writes a JSON file in one step: no reader ever sees half of it.

    Raises:
        UserError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
        Path(partial).chmod(0o644)  # mkstemp's is for its owner alone
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
