"""A re-scorer: boosted trees that give each detection its expected TP share, as a JSON file.

Shape shorthand: D detections, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_files import read_json, write_json
from msrcnn_mm.errors import UserError, first_names

from .calibration_file import refuse_same_images
from .calibrators.isotonic import Isotonic
from .features.collect import Features, features_of, kinds_given
from .features.views import View
from .fingerprints import DetectorFingerprint, result_fingerprints
from .trees.symmetric import Trees, mean_probabilities

FORMAT = "msrcnn_mm re-scorer 1"


@dataclass(frozen=True)
class Rescored:
    """Scores that a re-scorer gives D detections.

    Attributes:
        scores: (D,), expected TP share in [0, 1], which ranks masks.
        ious: (D,), expected IoU with the instance that the mask finds; rises with the score.
        precisions: (D,), expected share of correct detections at IoU 0.5; rises with the score.
    """

    scores: Column
    ious: Column
    precisions: Column


@dataclass(frozen=True)
class Rescorer:
    """Boosted trees and what they were fitted on.

    Attributes:
        trees: One for each fold of the images, whose mean is the score.
        names: F names of features, in the order of the trees' numbers.
        views: Kinds of the views, ``mirrored`` or ``scaled``, sorted.
        iou_curve: Score -> IoU with the instance found.
        precision_curve: Score -> precision at IoU 0.5.
        categories: Category ids of the annotations, those without detections too.
        classes: Their names, in the same order.
        detector: Fingerprint of the results.
        annotations: Name of the annotation file.
        detections: Number of detections fitted to.
        images: Fingerprint of each image's results, sorted.
        annotated: Fingerprint of each annotated image, see :func:`.calibration_file.fingerprints`,
            sorted.
    """

    trees: list[Trees]
    names: list[str]
    views: list[str]
    iou_curve: Isotonic
    precision_curve: Isotonic
    categories: list[Any]
    classes: list[str]
    detector: DetectorFingerprint
    annotations: str
    detections: int
    images: list[str]
    annotated: list[str]

    def apply(
        self, detections: Detections, views: Sequence[View] = (), same_images: bool = False
    ) -> Rescored:
        """Scores detections of the same detector on other images.

        Args:
            detections: D >= 1 detections with masks.
            views: Results of views of the kinds that the re-scorer was fitted with, in any order;
                none if the detections have their agreement with such views themselves.
            same_images: Whether images that it was fitted on are allowed.

        Raises:
            UserError: The detections are of another detector, have other classes, lack features or
                views, or are of images that the re-scorer was fitted on.
        """
        self.check(detections, views, same_images)
        return self.score(features_of(detections, views))

    def check(self, detections: Detections, views: Sequence[View], same_images: bool) -> None:
        """Checks that detections are of this detector, of its classes and of other images.

        Raises:
            UserError: See :meth:`apply`.
        """
        unknown = sorted(set(detections.category_ids) - set(self.categories), key=str)
        if unknown:
            raise UserError(
                f"the re-scorer was not fitted on category {first_names(unknown)}: fit one on"
                " results with the same classes"
            )
        if not len(detections):
            return
        kinds = kinds_given(detections, views)
        if kinds != self.views:
            raise UserError(
                f"the re-scorer was fitted with {_words(self.views)}, and here are"
                f" {_words(kinds)}: give the same kinds"
            )
        difference = self.detector.difference(DetectorFingerprint.of(detections))
        if difference:
            raise UserError(
                "the results are of another detector or score threshold than the re-scorer was"
                f" fitted on: {difference}; fit one on results of this detector"
            )
        if not same_images:
            common = set(self.images) & set(result_fingerprints(detections))
            if common:
                raise UserError(
                    f"{len(common)} of the {len(set(detections.image_ids))} images are among those"
                    f" that the re-scorer was fitted on ({self.annotations}), so its figures would"
                    " be too good: take other images, or add --same-images"
                )

    def check_model(self, classes: Sequence[str] | None, views: Sequence[str] = ()) -> None:
        """Checks that a model's predictions of one image at a time can be scored.

        Args:
            classes: Names of the model's classes; None if they are not known.
            views: Kinds of the views with which the model compares its masks.

        Raises:
            UserError: The re-scorer was fitted with other views, or on other classes.
        """
        if sorted(views) != self.views:
            raise UserError(
                f"the re-scorer was fitted with {_words(self.views)}, and the model gives"
                f" {_words(views)}: fit one on results with the same views"
            )
        unknown = [name for name in classes or () if name not in self.classes]
        if unknown:
            raise UserError(
                f"the re-scorer was not fitted on the model's {first_names(unknown)}, but on"
                f" {first_names(self.classes)}: fit one on results with the same classes"
            )

    def score_image(self, detections: Detections) -> Column:
        """Returns (D,) scores of one image's detections, which :meth:`check_model` allows.

        Raises:
            UserError: The detections have no masks or lack features.
        """
        return self.score(features_of(detections)).scores if len(detections) else np.zeros(0)

    def refuse_same_images(self, coco: COCO) -> None:
        """Refuses annotations of images that the re-scorer was fitted on.

        Raises:
            UserError: An image is among those.
        """
        refuse_same_images(self.annotated, f"re-scorer was fitted on ({self.annotations})", coco)

    def score(self, features: Features) -> Rescored:
        """Scores detections by their features.

        Raises:
            UserError: Features are missing that the trees were fitted to.
        """
        missing = [name for name in self.names if name not in features.names]
        if missing:
            raise UserError(
                f"the results lack {first_names(missing)}, which the re-scorer was fitted with: fit"
                " one on results without it"
            )
        values = features.values[:, [features.names.index(name) for name in self.names]]
        scores = mean_probabilities(self.trees, values)
        return Rescored(scores, self.iou_curve.apply(scores), self.precision_curve.apply(scores))

    def write(self, path: str | Path) -> None:
        """Writes the file.

        Raises:
            UserError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "features": self.names,
            "views": self.views,
            "trees": [trees.to_json() for trees in self.trees],
            "iou_curve": asdict(self.iou_curve),
            "precision_curve": asdict(self.precision_curve),
            "detector": asdict(self.detector),
            "fitted_on": {
                "annotations": self.annotations,
                "categories": self.categories,
                "classes": self.classes,
                "detections": self.detections,
                "images": self.images,
                "annotated": self.annotated,
            },
        }
        write_json(content, Path(path))


def read_rescorer(path: str | Path) -> Rescorer:
    """Reads a file that :meth:`Rescorer.write` wrote.

    Raises:
        UserError: It cannot be read, or is not such a file.
    """
    content = read_json(Path(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"{path} is not a re-scorer of this version ({FORMAT!r}): make one by"
            " python -m msrcnn_mm rescore fit"
        )
    try:
        return _parsed(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is a damaged re-scorer ({type(error).__name__}: {error}): fit it anew"
        ) from error


def _parsed(content: Mapping[str, Any]) -> Rescorer:
    names, fitted_on = _texts(content["features"], "features"), content["fitted_on"]
    categories = fitted_on["categories"]
    if not isinstance(categories, list) or not all(isinstance(c, int | str) for c in categories):
        raise ValueError("categories are not a list of ids")
    trees = [Trees.from_json(one, len(names)) for one in content["trees"]]
    if not trees:
        raise ValueError("there are no trees")
    return Rescorer(
        trees=trees,
        names=names,
        views=_texts(content["views"], "views"),
        iou_curve=Isotonic(**content["iou_curve"]),
        precision_curve=Isotonic(**content["precision_curve"]),
        categories=categories,
        classes=_texts(fitted_on["classes"], "classes"),
        detector=DetectorFingerprint(**content["detector"]),
        annotations=str(fitted_on["annotations"]),
        detections=int(fitted_on["detections"]),
        images=_texts(fitted_on["images"], "images"),
        annotated=_texts(fitted_on["annotated"], "annotated"),
    )


def _texts(values: Any, name: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} are not a list of names")
    return values


def _words(kinds: Sequence[str]) -> str:
    counts = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
    return f"{' and '.join(counts) or 'no'} view{'' if len(kinds) == 1 else 's'}"
