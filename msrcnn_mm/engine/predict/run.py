"""Predicts all images of a source, or those that a killed run has left."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.errors import warn
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image, Source
from msrcnn_mm.runtime.journal import Record, file_hash, text_hash
from msrcnn_mm.runtime.outputs import Outputs, Summary
from msrcnn_mm.runtime.run import begin, finish, predict_images

from ..config.errors import StartedHook, config_mistakes_as_user_errors
from ..runs.testing import rescorer_of
from ..views.detector import MultiView
from .predictor import Predictor, test_pipeline
from .reader import PipelineReader


class Run(NamedTuple):
    """The settings of a run.

    Attributes:
        config: The whole config.
        name: Its name, for messages.
        options: Names of the settings that the command line overrides.
        checkpoint: File or address of the weights.
        choice: Selects the detections that are drawn, traced and counted.
        batch_size: Images or tiles that are predicted at once.
        device: Such as ``cuda:0``; None for a GPU if there is one.
        tiles: Greatest side of a tile in pixels; None to predict images as a whole.
    """

    config: Config
    name: str
    options: Sequence[str]
    checkpoint: str
    choice: Choice
    batch_size: int
    device: str | None = None
    tiles: int | None = None

    def settings(self, source: Source, outputs: Outputs, categories: Any) -> dict[str, Any]:
        """Returns all on which predictions and pictures depend, by the name for messages."""
        parts = [self.config.model, test_pipeline(self.config)]
        rescorer = rescorer_of(self.config)
        return {
            "model": text_hash(json.dumps(parts, default=str, sort_keys=True)),
            "checkpoint": file_hash(self.checkpoint),
            "rescorer": None if rescorer is None else file_hash(rescorer),
            "--tiles": self.tiles,
            "inputs": source.fingerprint(),
            "categories": text_hash(json.dumps(categories)),
            "--draw, --score-by, --score-thr": [*self.choice] if outputs.draw else None,
        }


def predict(run: Run, source: Source, outputs: Outputs, overwrite: bool = False) -> Summary:
    """Predicts the images of a source and writes the outputs.

    Images that an unfinished run of the same settings has finished are not predicted again.

    Args:
        run: The settings.
        source: The images.
        outputs: Where and what to write.
        overwrite: Whether to replace the outputs of another run, finished or not.

    Raises:
        UserError: The config, the checkpoint or all images have a mistake, an output is there
            already or cannot be written, or an unfinished run has other settings.
    """
    outputs.check(overwrite)
    start = StartedHook()
    with config_mistakes_as_user_errors(run.name, run.options, start):
        init_default_scope(run.config.get("default_scope") or "mmdet")
        pictures = outputs.pictures if outputs.draw else None
        predictor = Predictor(
            *(run.config, run.checkpoint, run.device, run.choice, pictures),
            *(run.batch_size, run.tiles),
        )
        model = predictor.inferencer.model
        if isinstance(model, MultiView):
            model.swapped_labels()
        settings = run.settings(source, outputs, predictor.categories)

    def started(images: Sequence[Image], numbers: Sequence[int]) -> list[Record]:
        records = predictor.predict(images, numbers)
        start.started = True
        return records

    reader, rescorer = PipelineReader(predictor.loader), predictor.inferencer.rescorer
    with begin(outputs, settings, overwrite) as journal:
        with config_mistakes_as_user_errors(run.name, run.options, start):
            predict_images(source, reader, started, run.batch_size, journal)
        summary = finish(outputs, journal, predictor.categories, run.choice, rescorer)
    if isinstance(model, MultiView):
        warning = model.tally.swap_warning(model.dataset_meta["classes"])
        if warning is not None:
            warn(warning)
    return summary
