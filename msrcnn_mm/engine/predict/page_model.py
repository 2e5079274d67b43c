"""Lets the local page predict by a config and a checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.app.model import NOTES, Found
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image

from ..adapters.picture_files import to_picture
from ..config.errors import StartedHook, config_mistakes_as_user_errors
from .predictor import Predictor
from .reader import PipelineReader


class PageModel:
    """A model of MMDetection for :class:`msrcnn_mm.app.server.PageServer`.

    It predicts a grey image first, so that a mistake shows before the page does.

    Args:
        config: The whole config.
        name: Its name, for messages.
        options: Names of the settings that the command line overrides.
        checkpoint: File or address of the weights.
        device: Such as ``cuda:0``; None for a GPU if there is one.
        score: The score to start with; None for the first of rescored, mask and class score that
            there is.

    Attributes:
        name: Names of the config and the checkpoint.
        categories: ``id`` and ``name`` of each class.

    Raises:
        UserError: The config or the checkpoint has a mistake, they do not fit, or the model
            predicts no masks or lacks the score.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        options: Sequence[str],
        checkpoint: str,
        device: str | None = None,
        score: str | None = None,
    ) -> None:
        with config_mistakes_as_user_errors(name, options, StartedHook()):
            init_default_scope(config.get("default_scope") or "mmdet")
            choice = Choice(score, 0.0)
            self._predictor = Predictor(config, checkpoint, device, choice, None)
            channels = self._predictor.loader.channels
            shape = (64, 64, channels.start if channels else 3)
            self._predictor.predict([Image("a grey image", np.full(shape, 127, np.uint8))], [1])
        self.name = f"{Path(name).stem}, {Path(checkpoint).name}"
        self.categories: Sequence[Mapping[str, Any]] = self._predictor.categories

    def find(self, file: Path, name: str) -> Found:
        """Finds the masks of an image.

        Args:
            file: The image, read as the config's test pipeline reads it.
            name: Its name in messages.

        Raises:
            UserError: The image cannot be read, or the pipeline fails on it.
        """
        image = PipelineReader(self._predictor.loader).read(name, str(file))
        (record,) = self._predictor.predict([image], [1])
        if image.pixels is None or "skipped" in record:
            raise UserError(record["skipped"].replace(str(file), name))
        notes = [NOTES[note] for note in image.notes]
        return Found(to_picture(image.pixels), record["detections"], notes)
