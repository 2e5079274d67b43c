"""Writes what a run has predicted: results, images, polygons and counts."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_files import write_json, written_in_one_step
from msrcnn_mm.coco.polygons import outlines
from msrcnn_mm.errors import UserError, warn

from .chosen import Choice, areas
from .inputs import NOTES
from .journal import Journal, Record

_COLUMNS = ("file_name", "class", "count", "area", "mean_area", "share_of_image")


class Outputs(NamedTuple):
    """The files of a run.

    Attributes:
        folder: Their folder.
        draw: Whether pictures are drawn.
        polygons: Whether polygons are written.
        csv: Whether counts are written.
    """

    folder: Path
    draw: bool = False
    polygons: bool = False
    csv: bool = False

    @property
    def journal(self) -> Path:
        """The file of finished images while the run is unfinished."""
        return self.folder / "unfinished.jsonl"

    @property
    def results(self) -> Path:
        """The results file."""
        return self.folder / "results.json"

    @property
    def pictures(self) -> Path:
        """The folder of pictures."""
        return self.folder / "pictures"

    def files(self) -> dict[str, Path]:
        """Returns the files that a finished run can have, those that this run writes first."""
        names = {"images": "images.json", "polygons": "polygons.json", "csv": "counts.csv"}
        return {"results": self.results, **{key: self.folder / n for key, n in names.items()}}

    def check(self, overwrite: bool = False) -> None:
        """Checks that nothing is in the way of the outputs.

        Args:
            overwrite: Whether to replace those of another run; those of one that is unfinished are
                always allowed.

        Raises:
            UserError: There is an output of another run, or a folder in place of a file or the
                reverse.
        """
        files = [*self.files().values()]
        has_pictures = self.draw and self.pictures.exists()
        blocked = [path for path in (self.journal, *files) if path.is_dir()]
        blocked += [self.pictures] if has_pictures and not self.pictures.is_dir() else []
        if blocked:
            kinds = "a file", "a folder"
            there, needed = kinds if blocked[0] == self.pictures else kinds[::-1]
            raise UserError(
                f"{blocked[0]}: is {there}, and {needed} is to be written there: remove it, or name"
                " another folder by --out"
            )
        if overwrite or (self.journal.exists() and self.journal.stat().st_size):
            return
        found = [path for path in files if path.exists()]
        if has_pictures and any(self.pictures.iterdir()):
            found.append(self.pictures)
        if found:
            raise UserError(f"{found[0]}: exists: name another folder by --out, or add --overwrite")

    def remove(self) -> None:
        """Removes the files of another run; pictures of other images stay."""
        for path in self.files().values():
            path.unlink(missing_ok=True)


@dataclass
class Summary:
    """Counts what a run has predicted.

    Attributes:
        images: The number of images predicted.
        detections: Their number.
        selected: The number of them that the chosen score selects.
        skipped: The reason for each image that could not be predicted.
        class_scores: (D,) of each image.
    """

    images: int = 0
    detections: int = 0
    selected: int = 0
    skipped: list[str] = field(default_factory=list)
    class_scores: list[Column] = field(default_factory=list)


def write_outputs(
    outputs: Outputs, journal: Journal, categories: Sequence[Mapping[str, Any]], choice: Choice
) -> Summary:
    """Writes the outputs of a run whose images are all finished; the results file comes last.

    Args:
        outputs: Where and what to write.
        journal: The finished images.
        categories: ``id`` and ``name`` of each class.
        choice: Selects the detections that are traced and counted.

    Raises:
        UserError: A file cannot be written.
    """
    summary = Summary()
    images: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    annotations: list[dict[str, Any]] = []
    counts: list[tuple[Any, ...]] = []
    notes: dict[str, list[str]] = {}
    with written_in_one_step(outputs.results) as file:
        file.write("[")
        for record in journal:
            name = record["file_name"]
            if "skipped" in record:
                skipped.append(dict(file_name=name, reason=record["skipped"]))
                continue
            images.append({key: record[key] for key in ("id", "file_name", "width", "height")})
            for note in record["notes"]:
                notes.setdefault(note, []).append(name)
            for row in record["detections"]:
                file.write(",\n" * bool(summary.detections) + json.dumps(row))
                summary.detections += 1
            detections = Detections.from_rows(record["detections"])
            summary.class_scores.append(detections.class_scores)
            kept = (
                np.flatnonzero(choice.select(detections)) if len(detections) else np.zeros(0, int)
            )
            summary.selected += len(kept)
            if outputs.polygons:
                annotations += _annotations(detections, kept.tolist(), choice)
            if outputs.csv:
                counts += _counts(record, detections, kept, categories)
        file.write("]")
        files = outputs.files()
        entries = dict(images=images, categories=[*categories])
        write_json({**entries, "skipped": skipped}, files["images"])
        if outputs.polygons:
            for number, annotation in enumerate(annotations, 1):
                annotation["id"] = number
            write_json({**entries, "annotations": annotations}, files["polygons"])
        if outputs.csv:
            with written_in_one_step(files["csv"]) as table:
                csv.writer(table).writerows([_COLUMNS, *counts])
    summary.images = len(images)
    summary.skipped = [entry["reason"] for entry in skipped]
    for note, names in notes.items():
        warn(f"{len(names)} of {len(images)} images {NOTES[note]}; the first is {names[0]}")
    return summary


def _annotations(
    detections: Detections, kept: Sequence[int], choice: Choice
) -> list[dict[str, Any]]:
    """Returns the annotations of an image's selected detections."""
    if not kept:
        return []
    assert detections.masks is not None
    scores, sizes = choice.scores(detections), areas(detections)
    boxes = detections.with_boxes().boxes
    assert boxes is not None
    annotations = []
    for index in kept:
        annotations.append(
            dict(
                image_id=detections.image_ids[index],
                category_id=detections.category_ids[index],
                segmentation=outlines(detections.masks[index]),
                bbox=boxes[index].tolist(),
                area=int(sizes[index]),
                iscrowd=0,
                score=float(scores[index]),
            )
        )
    return annotations


def _counts(
    record: Record,
    detections: Detections,
    kept: np.ndarray,
    categories: Sequence[Mapping[str, Any]],
) -> list[tuple[Any, ...]]:
    """Returns an image's line of each class; areas are of masks, which may overlap."""
    sizes = areas(detections)
    ids = np.array(detections.category_ids)
    pixels = record["width"] * record["height"]
    lines = []
    for category in categories:
        own = sizes[[index for index in kept if ids[index] == category["id"]]]
        total = int(own.sum())
        mean = round(total / len(own), 1) if len(own) else ""
        share = round(total / pixels, 6)
        lines.append((record["file_name"], category["name"], len(own), total, mean, share))
    return lines
