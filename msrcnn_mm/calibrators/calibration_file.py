"""A fitted calibrator with all that using it takes, as a small JSON file of numbers and names."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from ..errors import UserError
from ..evaluation.json_files import write_json
from ..evaluation.overlaps import Floats
from ..evaluation.protocol import CLASS_SCORE, MASK_SCORE, MASKNESS, OF_DETECTORS
from ..evaluation.score_columns import ScoreColumns, in_unit_interval
from .exponents import Exponents
from .isotonic import Isotonic
from .temperature import Temperature

FORMAT = "msrcnn_mm calibration 1"

Calibrator = Exponents | Temperature | Isotonic

METHODS: dict[str, type[Calibrator]] = {
    "exponents": Exponents,
    "temperature": Temperature,
    "isotonic": Isotonic,
}


@dataclass(frozen=True)
class CalibrationFile:
    """A calibrator, the score it is of, and what it was fitted on.

    Attributes:
        method: Name of the calibrator.
        score: ``class_score``, ``mask_score`` or ``maskness``.
        calibrator: Fitted.
        annotations: Name of the annotation file it was fitted on.
        detections: How many detections it was fitted on.
        images: A fingerprint of each image, see :func:`fingerprints`, sorted.
    """

    method: str
    score: str
    calibrator: Calibrator
    annotations: str
    detections: int
    images: list[str]

    def write(self, path: str | Path) -> None:
        """Writes the file.

        Raises:
            UserError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "method": self.method,
            "score": self.score,
            "parameters": asdict(self.calibrator),
            "fitted_on": {
                "annotations": self.annotations,
                "detections": self.detections,
                "images": self.images,
            },
        }
        write_json(content, Path(path))

    def apply(self, columns: ScoreColumns) -> Floats:
        """(D,) calibrated scores in [0, 1], in double precision.

        Raises:
            UserError: The detections lack the score, or have one outside [0, 1].
        """
        scores, factors = score_and_factors(columns, self.score)
        by_factor = isinstance(self.calibrator, Exponents)
        return self.calibrator.apply(factors if by_factor else scores)

    def refuse_same_images(self, coco: COCO) -> None:
        """Makes sure that nothing is judged on images that the calibration was fitted on.

        Args:
            coco: The annotations to judge by.

        Raises:
            UserError: Both have images in common.
        """
        prints = fingerprints(coco)
        common = set(self.images) & prints.keys()
        if common:
            names = sorted(prints[one] for one in common)
            raise UserError(
                f"{len(common)} of the {len(coco.imgs)} images, {names[0]} for one, are among those"
                f" that the calibration was fitted on ({self.annotations}), so its figures would be"
                f" too good: take other images, or add --same-images"
            )


def fingerprints(coco: COCO) -> dict[str, str]:
    """Fingerprint -> file name of each image.

    An image is known by its file name, its size and the boxes annotated in it, not by its id: ids
    start anew in a split's own file, and the first images of two data sets may share id and name.
    """
    prints = {}
    for image_id, image in coco.imgs.items():
        boxes = sorted([round(v) for v in a.get("bbox", ())] for a in coco.imgToAnns[image_id])
        known_by = [image.get("file_name"), image["height"], image["width"], boxes]
        digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
        # 48 bits: by chance two of 5000 and 5000 images are alike once in ten million files
        prints[digest[:12]] = str(image.get("file_name"))
    return prints


def score_and_factors(columns: ScoreColumns, score: str) -> tuple[Floats, Floats]:
    """A score and what it is the product of.

    A detection without the other factor, where others have one, ranks by its class score.

    Args:
        columns: Of D detections.
        score: ``class_score``, ``mask_score`` or ``maskness``.

    Returns:
        (D,) scores; (1, D) or (2, D): the class scores and, but for ``class_score``, the other
        factor.

    Raises:
        UserError: The detections lack the score, or a score or factor leaves [0, 1].
    """
    class_scores = columns.class_scores
    columns_of = {
        CLASS_SCORE: class_scores,
        MASK_SCORE: columns.mask_scores,
        MASKNESS: columns.maskness,
    }
    values = columns_of[score]
    words = score.replace("_", " ")
    if values is None:
        there = " or ".join(name for name, column in columns_of.items() if column is not None)
        raise UserError(
            f"the detections have no {words}: fit a calibration of what they have, --score {there}"
        )
    scores = np.where(np.isnan(values), class_scores, values)
    rows: list[Floats] = [class_scores]
    if score == MASK_SCORE and columns.mask_ious is not None:
        rows.append(columns.mask_ious)
    if score == MASKNESS:
        rows.append(
            np.divide(scores, class_scores, where=class_scores != 0, out=np.zeros(len(scores)))
        )
    factors = np.stack(rows)
    factors[np.isnan(factors)] = 1
    if not in_unit_interval(scores) or not in_unit_interval(factors):
        raise UserError(f"the {words} or one of its factors leaves [0, 1]: it has no calibration")
    return scores, factors


def read_calibration(path: str | Path) -> CalibrationFile:
    """Reads a file that :meth:`CalibrationFile.write` wrote.

    Raises:
        UserError: It cannot be read, or is no such file.
    """
    try:
        content = json.loads(Path(path).read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"{path} is no calibration of this version ({FORMAT!r}): make one by"
            " tools/analysis/calibrate.py fit"
        )
    try:
        method, score, fitted_on = content["method"], content["score"], content["fitted_on"]
        if score not in OF_DETECTORS:
            raise UserError(f"there is no score {score!r}")
        return CalibrationFile(
            method,
            score,
            METHODS[method](**content["parameters"]),
            str(fitted_on["annotations"]),
            int(fitted_on["detections"]),
            _texts(fitted_on["images"]),
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is a damaged calibration ({type(error).__name__}: {error}): fit it anew"
        ) from error


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("images are no list of fingerprints")
    return values
