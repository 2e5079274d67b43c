"""Predicts batches of images, and draws them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from numpy.typing import NDArray

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    RESCORED_SCORE,
)
from msrcnn_mm.evaluation.rankings import filled_scores
from msrcnn_mm.models.scorers.tp_share_head import TPShareHead
from msrcnn_mm.processes import progress
from msrcnn_mm.rescoring.rescorer import read_rescorer
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image
from msrcnn_mm.runtime.journal import Record
from msrcnn_mm.runtime.run import record_of

from ..adapters.inferencer import MaskScoringInferencer
from ..adapters.mask_encoder import RleEncoder, encode_by
from ..adapters.picture_files import to_picture, writable_name
from ..adapters.predictions import to_arrays, to_detections
from ..adapters.visualizer import MaskScoreVisualizer
from ..checks.loaded_images import Loader, accepted_channels, size_of
from ..checks.model import check_heads, check_masks, check_thresholds
from ..config.walk import loading_step
from ..runs.testing import annotations_of_test, rescorer_of
from ..views.detector import MultiView
from .tiles import Tile, joined, tiles_of

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
        batch_size: Tiles that are predicted at once.
        side: Greatest side of a tile in pixels; None to predict images as a whole.

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
        batch_size: int = 1,
        side: int | None = None,
    ) -> None:
        check_thresholds(config.model)
        check_masks(config.model)
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
        _check_score(choice.score, self.inferencer)
        encode_by(self.inferencer.model, RleEncoder())
        classes = self.inferencer.model.dataset_meta["classes"]
        check_heads(config.model, classes)
        self.categories = categories_of(config, classes)
        self._choice = choice
        self._pictures = pictures
        self._batch_size = batch_size
        self._side = side
        self._visualizer = MaskScoreVisualizer(name="predict")
        self._visualizer.dataset_meta = self.inferencer.model.dataset_meta

    def predict(self, images: Sequence[Image], numbers: Sequence[int]) -> list[Record]:
        """Predicts images in batches of their tiles, and draws them.

        Args:
            images: The images.
            numbers: The id of each.

        Returns:
            A record of each.

        Raises:
            UserError: The model predicts no masks or lacks the chosen score, or a picture cannot
                be written.
        """
        images = [*images]
        parts: list[list[Detections]] = [[] for _ in images]
        crops = self._crops(images)
        if self._side is not None:
            sizes = [size_of(image.pixels)[::-1] for image in images if image.pixels is not None]
            many = sum(len(tiles_of(*size, self._side)) for size in sizes)
            crops = iter(progress(crops, "tiles", many, in_files=True))
        while batch := [*islice(crops, self._batch_size)]:
            inputs = [(pixels, data) for _, pixels, data in batch]
            samples = self.inferencer.forward(self.inferencer.collate_fn(inputs)[1])
            for (place, _, _), sample in zip(batch, samples, strict=True):
                parts[place].append(self._detections(sample, numbers[place]))
        return [
            record_of(image, number, None)
            if image.pixels is None
            else self._record(image, number, own)
            for number, image, own in zip(numbers, images, parts, strict=True)
        ]

    def _crops(self, images: list[Image]) -> Iterator[tuple[int, Any, Any]]:
        """Yields each tile: the place of its image, its pixels and what the pipeline makes of them.

        An image on which the pipeline fails is replaced by one that cannot be read.
        """
        for place, image in enumerate(images):
            if image.pixels is None:
                continue
            width, height = size_of(image.pixels)
            for left, top, right, bottom in tiles_of(height, width, self._side):
                pixels = np.ascontiguousarray(image.pixels[top:bottom, left:right])
                try:
                    data = self.inferencer.pipeline(pixels)
                except MemoryError:
                    raise
                except Exception as error:  # a transform may raise anything
                    reason = " ".join(str(error).split())[:200] or type(error).__name__
                    what = f"the test pipeline fails on {image.name}, {width} x {height} pixels"
                    images[place] = Image(image.name, None, f"{what}: {reason}")
                    break
                yield place, pixels, data

    def _detections(self, sample: DetDataSample, number: int) -> Detections:
        """Returns the detections of a predicted tile."""
        if "masks" not in sample.get("pred_instances", {}):
            raise UserError("the model predicts no masks: predict with an instance segmenter")
        ids = [category["id"] for category in self.categories]
        return to_detections(to_arrays(sample.pred_instances), number, ids)

    def _record(self, image: Image, number: int, parts: Sequence[Detections]) -> Record:
        """Returns the record of a predicted image, whose picture is drawn."""
        assert image.pixels is not None
        width, height = size_of(image.pixels)
        tiles = tiles_of(height, width, self._side)
        detections = joined(tiles, parts, height, width)
        if len(tiles) > 1 and self.inferencer.rescorer is not None:
            rescored: dict[str, Any] = self.inferencer.rescorer.score(detections).columns()
            detections = replace(detections, **rescored)
        score = self._choice.name(detections)
        if self._pictures is not None:
            selected = detections.take(np.flatnonzero(self._choice.select(detections)).tolist())
            for tile in tiles:
                left, top, right, bottom = tile
                name = Path(image.name)
                if len(tiles) > 1:
                    name = name.with_name(f"{name.stem}_{left}_{top}{name.suffix}")
                self._draw(str(name), image.pixels[top:bottom, left:right], tile, selected, score)
        return record_of(image, number, detections)

    def _draw(
        self, name: str, pixels: NDArray[Any], tile: Tile, selected: Detections, score: str
    ) -> None:
        """Draws what the selected detections of an image have in a tile."""
        assert self._pictures is not None
        crops = tile.crop(selected.masks or ())
        inside = np.flatnonzero(mask_areas(crops) > 0).tolist()
        own = selected.take(inside)
        assert own.boxes is not None
        labels = {category["id"]: label for label, category in enumerate(self.categories)}
        boxes = own.boxes - np.array([tile.left, tile.top, 0, 0])
        boxes[:, 2:] += boxes[:, :2]
        height, width = pixels.shape[:2]
        boxes = boxes.clip(0, [width, height, width, height])  # others would widen the picture
        masks = np.zeros((len(inside), height, width), bool)
        for mask, index in zip(masks, inside, strict=True):
            mask[:] = mask_utils.decode(crops[index])
        shown = {CLASS_SCORE, MASK_SCORE, RESCORED_SCORE, score}
        columns = {
            _FIELDS[key]: torch.from_numpy(column)
            for key, column in filled_scores(own).items()
            if key in shown
        }
        instances = InstanceData(
            bboxes=torch.from_numpy(boxes),
            labels=torch.tensor([labels[i] for i in own.category_ids], dtype=torch.long),
            masks=torch.from_numpy(masks),
            **columns,
        )
        self._visualizer.score_by = _FIELDS[score]
        file = self._pictures / writable_name(name)
        file.unlink(missing_ok=True)
        self._visualizer.add_datasample(
            name,
            to_picture(pixels),
            DetDataSample(pred_instances=instances),
            draw_gt=False,
            pred_score_thr=-1,
            out_file=str(file),
        )
        if not file.is_file():
            raise UserError(f"cannot write {file}")


def _check_score(score: str | None, inferencer: MaskScoringInferencer) -> None:
    """Checks that there is what a score needs beside the model, before an image is predicted.

    Raises:
        UserError: There is not.
    """
    if score in (AGREEMENT_SCORE, CONSENSUS) and not isinstance(inferencer.model, MultiView):
        raise UserError(f"--score-by {score}: the model compares no views: add --views flip")
    own = any(isinstance(module, TPShareHead) for module in inferencer.model.modules())
    if score == RESCORED_SCORE and inferencer.rescorer is None and not own:
        raise UserError(f"--score-by {score}: there is no re-scorer: add --rescorer FILE")


def test_pipeline(config: Config) -> Any:
    """Returns the pipeline of a config's test.

    Raises:
        UserError: There is none.
    """
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    if "pipeline" not in dataset:
        raise UserError("the config has no test_dataloader.dataset.pipeline")
    return dataset["pipeline"]


def categories_of(config: Config, classes: Sequence[str]) -> list[dict[str, Any]]:
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
