"""Predicts batches of images, and draws them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    RESCORED_SCORE,
)
from msrcnn_mm.rescoring.rescorer import read_rescorer

from ..adapters.inferencer import MaskScoringInferencer
from ..adapters.picture_files import to_picture, writable_name
from ..adapters.predictions import to_arrays, to_detections
from ..adapters.visualizer import MaskScoreVisualizer
from ..checks.loaded_images import Loader, accepted_channels, size_of
from ..checks.model import check_heads, check_thresholds
from ..config.walk import loading_step
from ..runs.testing import annotations_of_test, rescorer_of
from .chosen import Choice
from .inputs import Image
from .journal import Record

_FIELDS = {
    CLASS_SCORE: "scores",
    MASK_SCORE: "mask_scores",
    MASKNESS: "maskness",
    AGREEMENT_SCORE: "agreement_scores",
    CONSENSUS: "consensus",
    RESCORED_SCORE: "rescored_scores",
}
"""Score -> the field of ``pred_instances`` that the visualizer reads."""


class Predictor:
    """A model that predicts batches of images.

    Args:
        config: The whole config.
        checkpoint: File or address of its weights.
        device: Such as ``cuda:0``; None for a GPU if there is one.
        choice: Selects the detections that are drawn.
        pictures: The folder of pictures; None to draw none.

    Attributes:
        loader: The transform by which the test pipeline loads images.
        inferencer: The model with its pipeline.
        categories: ``id`` and ``name`` of each class. The ids are those of the annotation file of
            the config's test where that exists and has all classes; else they count from 1.

    Raises:
        UserError: The config or the checkpoint has a mistake, or they do not fit.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str,
        device: str | None,
        choice: Choice,
        pictures: Path | None,
    ) -> None:
        check_thresholds(config.model)
        rescorer = rescorer_of(config)
        if rescorer is not None:
            read_rescorer(rescorer)  # before the weights, which take longer
        step = loading_step(test_pipeline(config))
        if step is None:
            raise UserError("test_dataloader.dataset.pipeline: no transform of it loads images")
        self.loader = Loader(step, accepted_channels(config, "test"))
        self.inferencer = MaskScoringInferencer(
            config, checkpoint, device=device, show_progress=False
        )
        classes = self.inferencer.model.dataset_meta["classes"]
        check_heads(config.model, classes)
        self.categories = _categories(config, classes)
        self._choice = choice
        self._pictures = pictures
        self._visualizer = MaskScoreVisualizer(name="predict")
        self._visualizer.dataset_meta = self.inferencer.model.dataset_meta

    def predict(self, images: Sequence[Image], first: int) -> list[Record]:
        """Predicts a batch, and draws it.

        Args:
            images: In the order of the inputs.
            first: The id of the first.

        Returns:
            A record of each.

        Raises:
            UserError: The model predicts no masks or lacks the chosen score, or a picture cannot
                be written.
        """
        images = [*images]
        inputs: list[tuple[Any, Any]] = []
        for place, image in enumerate(images):
            if image.pixels is None:
                continue
            try:
                inputs.append((image.pixels, self.inferencer.pipeline(image.pixels)))
            except MemoryError:
                raise
            except Exception as error:  # a transform may raise anything
                width, height = size_of(image.pixels)
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                what = f"the test pipeline fails on {image.name}, {width} x {height} pixels"
                images[place] = Image(image.name, None, f"{what}: {reason}")
        samples: list[DetDataSample] = []
        if inputs:
            samples = self.inferencer.forward(self.inferencer.collate_fn(inputs)[1])
        left = iter(samples)
        return [
            dict(id=number, file_name=image.name, skipped=image.reason)
            if image.pixels is None
            else self._record(image, number, next(left))
            for number, image in enumerate(images, first)
        ]

    def _record(self, image: Image, number: int, sample: DetDataSample) -> Record:
        """Returns the record of a predicted image, whose picture is drawn."""
        if "masks" not in sample.get("pred_instances", {}):
            raise UserError("the model predicts no masks: predict with an instance segmenter")
        arrays = to_arrays(sample.pred_instances)
        detections = to_detections(arrays, number, [c["id"] for c in self.categories])
        score = self._choice.name(detections)
        if self._pictures is not None:
            self._draw(image, sample, detections, score)
        assert image.pixels is not None
        width, height = size_of(image.pixels)
        return dict(
            id=number,
            file_name=image.name,
            width=width,
            height=height,
            notes=image.notes,
            detections=detections.to_rows(),
        )

    def _draw(
        self, image: Image, sample: DetDataSample, detections: Detections, score: str
    ) -> None:
        """Draws the selected detections of an image."""
        assert self._pictures is not None and image.pixels is not None
        kept = torch.from_numpy(self._choice.select(detections))
        instances = sample.pred_instances[kept]
        if score == MASKNESS:
            instances.maskness = instances.scores * instances.foreground_probs
        self._visualizer.score_by = _FIELDS[score]
        file = self._pictures / writable_name(image.name)
        file.unlink(missing_ok=True)
        self._visualizer.add_datasample(
            image.name,
            to_picture(image.pixels),
            DetDataSample(pred_instances=instances),
            draw_gt=False,
            pred_score_thr=-1,
            out_file=str(file),
        )
        if not file.is_file():
            raise UserError(f"cannot write {file}")


def test_pipeline(config: Config) -> Any:
    """Returns the pipeline of a config's test.

    Raises:
        UserError: There is none.
    """
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    if "pipeline" not in dataset:
        raise UserError("the config has no test_dataloader.dataset.pipeline")
    return dataset["pipeline"]


def _categories(config: Config, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Returns id and name of each class."""
    ids: dict[str, Any] = {}
    try:
        categories = AnnotationFile.read(annotations_of_test(config, "test")).categories
        ids = {category["name"]: category["id"] for category in categories}
    except UserError:  # there is none, or not on this machine
        pass
    if not all(name in ids for name in classes):
        ids = {name: number for number, name in enumerate(classes, 1)}
    return [dict(id=ids[name], name=name) for name in classes]
