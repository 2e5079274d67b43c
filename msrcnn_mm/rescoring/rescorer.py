"""Gives detections new scores by a fitted method, and stores it as JSON.

Shape shorthand: D detections.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.json_files import read_json, write_json
from msrcnn_mm.coco.json_values import is_id, texts, whole
from msrcnn_mm.errors import UserError, first_names
from msrcnn_mm.evaluation.rankings import in_unit_interval

from .calibrators.isotonic import Isotonic
from .features.collect import kinds_given
from .features.views import View
from .fingerprints import (
    MOST_CUT,
    DetectorFingerprint,
    refuse_same_images,
    result_fingerprints,
)
from .methods import Method, method_of
from .rescored import Rescored

FORMAT = "msrcnn_mm re-scorer 1"
CALIBRATION_FORMAT = "msrcnn_mm calibration 1"
"""Format of files of version 0.1, which have a method and the annotated images alone."""

FEWEST_IMAGES = 10
"""Results of fewer images do not tell which detector made them."""


@dataclass(frozen=True)
class Rescorer:
    """A method that was fitted, and what it was fitted on.

    Files of version 0.1 lack what is None or empty here.

    Attributes:
        method: Function from detections to scores.
        iou_curve: Score -> IoU with the instance found.
        precision_curve: Score -> precision at IoU 0.5.
        categories: Category ids of the annotations, those without detections too.
        classes: Their names, in the same order.
        detector: Fingerprint of the results.
        annotations: Name of the annotation file.
        detections: Number of detections fitted to.
        images: Fingerprint of each image's results, sorted.
        annotated: Fingerprint of each of these images' annotations, see
            :func:`.fingerprints.annotation_fingerprints`, sorted.
    """

    method: Method
    iou_curve: Isotonic | None
    precision_curve: Isotonic | None
    categories: list[Any] | None
    classes: list[str] | None
    detector: DetectorFingerprint | None
    annotations: str
    detections: int
    images: list[str]
    annotated: list[str]

    def apply(
        self, detections: Detections, views: Sequence[View] = (), same_images: bool = False
    ) -> Rescored:
        """Scores detections of the same detector on other images.

        Args:
            detections: D detections with masks.
            views: Results of views of the kinds that the re-scorer was fitted with, in any order;
                none if it was fitted without, or if the detections have their agreement with such
                views themselves.
            same_images: Whether images that it was fitted on are allowed.

        Raises:
            UserError: The detections are of another detector, have other classes, lack features or
                views, have class scores outside [0, 1], or are of images that the re-scorer was
                fitted on.
        """
        self.check(detections, views, same_images)
        return self.score(detections, views)

    def check(self, detections: Detections, views: Sequence[View], same_images: bool) -> None:
        """Checks that detections are of this detector, of its classes and of other images.

        Raises:
            UserError: See :meth:`apply`.
        """
        if self.categories is not None:
            unknown = sorted(set(detections.category_ids) - set(self.categories), key=str)
            if unknown:
                raise UserError(
                    f"the re-scorer was not fitted on category {first_names(unknown)}: fit one on"
                    " results with the same classes"
                )
        if not len(detections):
            return
        scores = detections.class_scores
        if not in_unit_interval(scores):
            raise UserError(
                f"class scores go from {scores.min():g} to {scores.max():g}: a re-scorer needs"
                " scores in [0, 1]"
            )
        if self.method.views or views:
            self._check_views(
                kinds_given(detections, views), "these results have", "give the same kinds"
            )
        difference = self.detector_difference(detections)
        if difference:
            raise UserError(f"{difference}; fit one on results of this detector")
        if not same_images and self.images:
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
        fit = "fit one on results with the same"
        if self.method.views:
            self._check_views(
                sorted(views),
                "the model gives",
                f"give it these views, in a command by --views, or {fit} views",
            )
        known = self.classes or ()
        unknown = [name for name in classes or () if name not in known]
        if unknown and known:
            raise UserError(
                f"the re-scorer was not fitted on the model's {first_names(unknown)}, but on"
                f" {first_names(known)}: {fit} classes"
            )

    def check_threshold(self, threshold: float) -> None:
        """Checks that an exported model's class scores can be those of the detector fitted on.

        Args:
            threshold: Class score above which the model gives detections.

        Raises:
            UserError: Too many of the class scores that it was fitted on are below.
        """
        share = 0.0 if self.detector is None else self.detector.share_below(threshold)
        if share > MOST_CUT:
            raise UserError(
                f"the model gives no class scores up to {threshold:g}, which {share:.0%} of those"
                " that the re-scorer was fitted on are: export the model again with a lower"
                " model.test_cfg.rcnn.score_thr, or fit a re-scorer on results of this model"
            )

    def _check_views(self, kinds: list[str], given: str, remedy: str) -> None:
        if kinds != self.method.views:
            raise UserError(
                f"the re-scorer was fitted with {_words(self.method.views)}, and {given}"
                f" {_words(kinds)}: {remedy}"
            )

    def detector_difference(self, detections: Detections) -> str | None:
        """Returns how results differ from those fitted on; None if they may be of one detector.

        Fewer than :data:`FEWEST_IMAGES` images do not tell.

        Args:
            detections: D >= 1 detections; their image ids and class scores count.
        """
        if self.detector is None or len(set(detections.image_ids)) < FEWEST_IMAGES:
            return None
        difference = self.detector.difference(DetectorFingerprint.of(detections))
        return difference and (
            "the results are of another detector or score threshold than the re-scorer was fitted"
            f" on: {difference}"
        )

    def refuse_other_names(self, coco: COCO) -> None:
        """Refuses annotations in which a category of the fit has another name.

        Args:
            coco: The annotations.

        Raises:
            UserError: A category has another name.
        """
        for i, name in zip(self.categories or (), self.classes or (), strict=False):
            if i in coco.cats and str(coco.cats[i]["name"]) != name:
                raise UserError(
                    f"the re-scorer was fitted on category {i} as {name!r}, which is"
                    f" {str(coco.cats[i]['name'])!r} here: fit one on results with the same classes"
                )

    def refuse_same_images(self, coco: COCO, image_ids: Collection[Any]) -> None:
        """Refuses images that the re-scorer was fitted on.

        Args:
            coco: Annotations of the images.
            image_ids: Those of the images.

        Raises:
            UserError: An image is among those.
        """
        refuse_same_images(self.annotated, self.annotations, coco, image_ids)

    def score(self, detections: Detections, views: Sequence[View] = ()) -> Rescored:
        """Scores detections without a check; those of one image have the scores of the whole.

        Args:
            detections: D detections, which :meth:`check` or :meth:`check_model` allows.
            views: As for :meth:`apply`.

        Raises:
            UserError: The detections lack what the scores are computed from.
        """
        scores = self.method.scores(detections, views) if len(detections) else np.zeros(0)
        ious, precisions = (
            None if curve is None else curve.apply(scores)
            for curve in (self.iou_curve, self.precision_curve)
        )
        return Rescored(scores, ious, precisions)

    def write(self, path: str | Path) -> None:
        """Writes the file.

        Raises:
            UserError: It cannot be written.
        """
        parts = {
            "iou_curve": self.iou_curve,
            "precision_curve": self.precision_curve,
            "detector": self.detector,
        }
        content = {
            "format": FORMAT,
            **self.method.to_json(),
            **{name: None if part is None else asdict(part) for name, part in parts.items()},
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
    """Reads a file that :meth:`Rescorer.write` wrote, or a calibration of version 0.1.

    Raises:
        UserError: It cannot be read, or is not such a file.
    """
    content = read_json(Path(path))
    if not isinstance(content, dict) or content.get("format") not in (FORMAT, CALIBRATION_FORMAT):
        raise UserError(
            f"{path} is not a re-scorer of this version ({FORMAT!r}): make one by"
            " python -m msrcnn_mm rescore fit"
        )
    try:
        return _parsed(_renewed(content) if content["format"] == CALIBRATION_FORMAT else content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        if isinstance(error, TypeError):
            reason = "a value is of another kind"
        raise UserError(f"{path} is a damaged re-scorer ({reason}): fit it anew") from error


def _renewed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of a calibration with what it lacks as None."""
    fitted_on = content["fitted_on"]
    absent = dict.fromkeys(("iou_curve", "precision_curve", "detector"))
    known = {"categories": None, "classes": None, "images": [], "annotated": fitted_on["images"]}
    return {**content, **absent, "fitted_on": {**fitted_on, **known}}


def _parsed(content: Mapping[str, Any]) -> Rescorer:
    fitted_on = content["fitted_on"]
    categories, classes = fitted_on["categories"], fitted_on["classes"]
    if categories is not None and not (
        isinstance(categories, list) and all(map(is_id, categories))
    ):
        raise ValueError("categories are not a list of ids")
    iou_curve, precision_curve = (
        None if content[name] is None else Isotonic(**content[name])
        for name in ("iou_curve", "precision_curve")
    )
    detections = whole(fitted_on["detections"])
    if not isinstance(detections, int):
        raise ValueError("detections are not an integer")
    detector = content["detector"]
    return Rescorer(
        method=method_of(content),
        iou_curve=iou_curve,
        precision_curve=precision_curve,
        categories=categories,
        classes=None if classes is None else texts(classes, "classes"),
        detector=None if detector is None else DetectorFingerprint(**detector),
        annotations=str(fitted_on["annotations"]),
        detections=detections,
        images=texts(fitted_on["images"], "images"),
        annotated=texts(fitted_on["annotated"], "annotated"),
    )


def _words(kinds: Sequence[str]) -> str:
    counts = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
    return f"{' and '.join(counts) or 'no'} view{'' if len(kinds) == 1 else 's'}"
