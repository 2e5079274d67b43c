"""Predicts all images of a source, or those that a killed run has left."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from tqdm import tqdm

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.rescoring.fingerprints import class_scores_alone
from msrcnn_mm.rescoring.rescorer import Rescorer

from .chosen import Choice
from .inputs import Image, Reader, Source
from .journal import Journal, Record
from .outputs import Outputs, Summary, write_outputs

_LOGGED = 30  # seconds between two lines of progress in a file


@contextmanager
def begin(
    outputs: Outputs, settings: Mapping[str, Any], overwrite: bool = False
) -> Iterator[Journal]:
    """Opens the finished images of an unfinished run of the same settings, or none.

    Args:
        outputs: The files to write.
        settings: All on which predictions and pictures depend, by the name for messages.
        overwrite: Whether to replace the outputs of another run, finished or not.

    Raises:
        UserError: See :class:`.journal.Journal` and :meth:`.Outputs.check`.
    """
    with Journal(outputs.journal, settings, overwrite) as journal:
        if journal.is_new:  # another run may have ended since the start of this one
            outputs.check(overwrite)
            outputs.remove()
        if journal.done:
            print(f"{len(journal.done)} images of an unfinished run are not predicted again")
        yield journal


def record_of(image: Image, number: int, detections: Detections | None) -> Record:
    """Returns the record of an image.

    Args:
        image: The image.
        number: Its id.
        detections: Its detections; None if it is skipped for its ``reason``.
    """
    record: Record = dict(id=number, file_name=image.name)
    if detections is None or image.pixels is None:
        return {**record, "skipped": image.reason}
    height, width = image.pixels.shape[:2]
    rows = detections.to_rows()
    return {**record, "width": width, "height": height, "notes": image.notes, "detections": rows}


def predict_images(
    source: Source,
    reader: Reader,
    predict: Callable[[Sequence[Image], Sequence[int]], list[Record]],
    batch_size: int,
    journal: Journal,
) -> None:
    """Predicts the images that are left, in batches, and shows the progress.

    Args:
        source: The images.
        reader: Reads them.
        predict: Returns a record of each of some images, which have the given ids.
        batch_size: Images that are predicted at once.
        journal: The finished images, to which the others are added.

    Raises:
        UserError: The file of finished images cannot be written, or what ``predict`` raises.
    """
    images = source.read(reader, journal.done)
    progress = tqdm(
        desc="predict",
        unit="image",
        total=len(source) or None,
        initial=len(journal.done),
        mininterval=0.1 if sys.stderr.isatty() else _LOGGED,
    )
    try:
        with progress:
            while batch := [*islice(images, batch_size)]:
                records = predict([image for _, image in batch], [number for number, _ in batch])
                progress.update(len(batch))
                journal.append(records)
                for record in records:
                    if "skipped" in record:
                        warn(f"{record['skipped']}: skipped")
    except KeyboardInterrupt:
        print(f"{journal.path} keeps {len(journal.done)} images: the same command goes on")
        raise


def finish(
    outputs: Outputs,
    journal: Journal,
    categories: Sequence[Mapping[str, Any]],
    choice: Choice,
    rescorer: Rescorer | None,
) -> Summary:
    """Writes the outputs of a run, and warns of a re-scorer that was fitted for another detector.

    Args:
        outputs: Where and what to write.
        journal: The finished images, all of them; its file is removed.
        categories: ``id`` and ``name`` of each class.
        choice: Selects the detections that are traced and counted.
        rescorer: That of the run; None for none.

    Raises:
        UserError: No image could be predicted, or a file cannot be written.
    """
    summary = write_outputs(outputs, journal, categories, choice)
    if not summary.images:
        journal.remove()
        outputs.remove()
        raise UserError(f"none of {len(summary.skipped)} images can be predicted")
    if rescorer is not None:
        difference = rescorer.detector_difference(class_scores_alone(summary.class_scores))
        if difference:
            warn(f"{difference}; fit one on results of this model")
    journal.remove()
    return summary
