"""Stores a fitted calibrator as a small JSON file of numbers and names."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.json_files import read_json, write_json
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats
from msrcnn_mm.evaluation.protocol import UNFITTED_SCORES

from .calibrators.exponents import Exponents
from .calibrators.factors import score_and_factors
from .calibrators.isotonic import Isotonic
from .calibrators.temperature import Temperature

FORMAT = "msrcnn_mm calibration 1"

Calibrator = Exponents | Temperature | Isotonic

METHODS: dict[str, type[Calibrator]] = {
    "exponents": Exponents,
    "temperature": Temperature,
    "isotonic": Isotonic,
}


@dataclass(frozen=True)
class CalibrationFile:
    """A calibrator, the score that it calibrates, and the data that it was fitted on.

    Attributes:
        method: Name of the calibrator.
        score: ``class_score``, ``mask_score`` or ``maskness``.
        calibrator: The fitted calibrator.
        annotations: Name of the annotation file it was fitted on.
        detections: Number of detections it was fitted on.
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

    def apply(self, detections: Detections) -> Floats:
        """Returns (D,) calibrated scores in [0, 1], in double precision.

        Raises:
            UserError: The detections lack the score, or have one outside [0, 1].
        """
        scores, factors = score_and_factors(detections, self.score)
        by_factor = isinstance(self.calibrator, Exponents)
        return self.calibrator.apply(factors if by_factor else scores)

    def refuse_same_images(self, coco: COCO) -> None:
        """Refuses annotations of images that the calibration was fitted on.

        Args:
            coco: The annotations to evaluate by.

        Raises:
            UserError: An image is among those.
        """
        refuse_same_images(self.images, f"calibration was fitted on ({self.annotations})", coco)


def refuse_same_images(fitted: Collection[str], what: str, coco: COCO) -> None:
    """Refuses annotations of images that something was fitted on.

    Args:
        fitted: Fingerprints of those images.
        what: What was fitted, and on which annotations, for the message.
        coco: The annotations to evaluate by.

    Raises:
        UserError: An image is among those.
    """
    prints = fingerprints(coco)
    common = set(fitted) & prints.keys()
    if common:
        names = sorted(prints[one] for one in common)
        raise UserError(
            f"{len(common)} of the {len(coco.imgs)} images, {names[0]} for one, are among those"
            f" that the {what}, so its figures would be too good: take other images, or add"
            " --same-images"
        )


def fingerprints(coco: COCO) -> dict[str, str]:
    """Returns fingerprint -> file name of each image.

    A fingerprint is made of the image's file name, its size and the boxes annotated in it, not of
    its id: ids start anew in each split's file, and the first images of two data sets may share id
    and name.
    """
    prints = {}
    for image_id, image in coco.imgs.items():
        boxes = sorted([round(v) for v in a.get("bbox", ())] for a in coco.imgToAnns[image_id])
        known_by = [image.get("file_name"), image["height"], image["width"], boxes]
        digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
        # 48 bits: two of 5000 and 5000 images agree by chance once in ten million files
        prints[digest[:12]] = str(image.get("file_name"))
    return prints


def read_calibration(path: str | Path) -> CalibrationFile:
    """Reads a file that :meth:`CalibrationFile.write` wrote.

    Raises:
        UserError: It cannot be read, or is not such a file.
    """
    content = read_json(Path(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"{path} is not a calibration of this version ({FORMAT!r}): make one by"
            " python -m msrcnn_mm calibrate fit"
        )
    try:
        method, score, fitted_on = content["method"], content["score"], content["fitted_on"]
        if score not in UNFITTED_SCORES:
            raise UserError(f"score must be one of {', '.join(UNFITTED_SCORES)}, not {score!r}")
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
        raise ValueError("images are not a list of fingerprints")
    return values
