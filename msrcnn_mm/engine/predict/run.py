"""Predicts all images of a source, or those that a killed run has left."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from msrcnn_mm.errors import UserError, warn

from ..adapters.rescored_scores import class_scores_alone
from ..config.errors import StartedHook, config_mistakes_as_user_errors
from ..runs.testing import rescorer_of
from ..views.detector import MultiView
from .chosen import Choice
from .inputs import Image, Source
from .journal import Journal, Record
from .outputs import Outputs, Summary, write_outputs
from .predictor import Predictor, test_pipeline

_LOGGED = 30  # seconds between two lines of progress in a file


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
            "model": _hash(json.dumps(parts, default=str, sort_keys=True).encode()),
            "checkpoint": _file_hash(self.checkpoint),
            "rescorer": None if rescorer is None else _file_hash(rescorer),
            "--tiles": self.tiles,
            "inputs": source.fingerprint(),
            "categories": _hash(json.dumps(categories).encode()),
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
    if not overwrite:
        outputs.refuse_to_overwrite()
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
        journal = Journal(outputs.journal, settings, overwrite)
        if overwrite:
            outputs.remove()
        if journal.done:
            print(f"{journal.done} images of an unfinished run are not predicted again")
        try:
            for records in _predicted(run, source, predictor, journal):
                start.started = True
                journal.append(records)
                for record in records:
                    if "skipped" in record:
                        warn(f"{record['skipped']}: skipped")
        except KeyboardInterrupt:
            print(f"{journal.path} keeps {journal.done} images: the same command goes on")
            raise
    summary = write_outputs(outputs, journal, predictor.categories, run.choice)
    if not summary.images:
        journal.remove()
        outputs.remove()
        raise UserError(f"none of {len(summary.skipped)} images can be predicted")
    _warn(predictor, summary)
    journal.remove()
    return summary


def _predicted(
    run: Run, source: Source, predictor: Predictor, journal: Journal
) -> Iterator[list[Record]]:
    """Predicts the images that are left, in batches, and shows the progress."""
    images: Iterator[Image] = source.read(predictor.loader, journal.done)
    progress = tqdm(
        desc="predict",
        unit="image",
        total=len(source) or None,
        initial=journal.done,
        mininterval=0.1 if sys.stderr.isatty() else _LOGGED,
    )
    with progress:
        while batch := [*islice(images, run.batch_size)]:
            yield predictor.predict(batch, journal.done + 1)
            progress.update(len(batch))


def _warn(predictor: Predictor, summary: Summary) -> None:
    """Warns of a mirror that swaps classes, and of a re-scorer fitted for another detector."""
    inferencer = predictor.inferencer
    if isinstance(inferencer.model, MultiView):
        warning = inferencer.model.tally.swap_warning(inferencer.model.dataset_meta["classes"])
        if warning is not None:
            warn(warning)
    if inferencer.rescorer is not None:
        seen = class_scores_alone(summary.class_scores)
        difference = inferencer.rescorer.detector_difference(seen)
        if difference:
            warn(f"{difference}; fit one on results of this model")


def _file_hash(path: str) -> str:
    """Returns a hash of a file's content; of an address itself."""
    if "://" in path:
        return _hash(path.encode())
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
