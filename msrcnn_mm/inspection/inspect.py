"""Inspects data sets: annotations and images, all that is wrong, by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from msrcnn_mm.errors import first_names
from msrcnn_mm.processes import in_processes

from .annotation import inspect_annotation
from .duplicates import SIDE, Thumbnail, near_duplicates
from .entries import Entries, read_entries
from .finding import KINDS, NEAR_DUPLICATE, UNKNOWN_CLASS, Finding
from .image_file import inspect_image

_WEIGHT = 16  # of an image that is decoded, in images whose detections are looked at


@dataclass(frozen=True)
class DataSet:
    """A data set as a user names it.

    Attributes:
        annotations: The annotation file.
        images: The folder of its images; None to leave images alone.
        classes: The class names that a config gives; None without a config.
    """

    annotations: Path
    images: Path | None
    classes: tuple[str, ...] | None = None


@dataclass
class Inspected:
    """A data set and what is found in it.

    Attributes:
        data: The data set.
        entries: The entries of its annotation file.
        findings: All findings, in the order of :data:`.KINDS`.
        boxes: Position of an annotation whose box is not its mask's -> the box around the mask.
        thumbnails: Position of an image -> its thumbnail, of images that can be read.
    """

    data: DataSet
    entries: Entries
    findings: list[Finding]
    boxes: dict[int, list[float]] = field(default_factory=dict)
    thumbnails: dict[int, Thumbnail] = field(default_factory=dict)


def inspect_data(sets: Sequence[DataSet]) -> list[Inspected]:
    """Inspects data sets, each by itself and against the others.

    Raises:
        UserError: An annotation file cannot be read or is not in COCO's format.
    """
    found = [_inspect_one(data) for data in sets]
    for one, other in combinations(found, 2):
        _compare_images(one, other)
    _compare_classes(found)
    order = {kind: number for number, kind in enumerate(KINDS)}
    for one in found:
        one.findings.sort(key=lambda finding: order[finding.kind])
    return found


def _inspect_one(data: DataSet) -> Inspected:
    entries = read_entries(data.annotations)
    inspected = Inspected(data, entries, list(entries.findings))
    function = partial(_inspect_entry, entries, data.images)
    what = f"inspecting {data.annotations.name}"
    weight = 1 if data.images is None else _WEIGHT
    results = in_processes(function, entries.images, what, weight)
    for number, (findings, boxes, seen) in zip(entries.images, results, strict=True):
        inspected.findings += findings
        inspected.boxes.update(boxes)
        if seen is not None:
            inspected.thumbnails[number] = seen
    return inspected


def _inspect_entry(
    entries: Entries, folder: Path | None, number: int
) -> tuple[list[Finding], dict[int, list[float]], Thumbnail | None]:
    """Inspects an image and its annotations.

    Returns:
        The findings; position of an annotation whose box is not its mask's -> the box around the
        mask; the thumbnail.
    """
    image = entries.content["images"][number]
    path = str(entries.path)
    findings: list[Finding] = []
    boxes: dict[int, list[float]] = {}

    def find(kind: str, text: str, annotation: int | None = None) -> None:
        findings.append(Finding(kind, path, text, number, annotation))

    seen = None if folder is None else inspect_image(image, folder, find)
    for position, annotation in entries.annotations[number]:
        box = inspect_annotation(annotation, image, path, partial(find, annotation=position))
        if box is not None:
            boxes[position] = box
    return findings, boxes, seen


def _compare_images(one: Inspected, other: Inspected) -> None:
    """Adds findings on images that are nearly the same in two data sets, to those of the first."""
    stacks = [
        np.stack([*each.thumbnails.values()])
        if each.thumbnails
        else np.zeros((0, SIDE, SIDE + 1), np.uint8)
        for each in (one, other)
    ]
    numbers, others = list(one.thumbnails), list(other.thumbnails)
    file, other_file = str(one.entries.path), str(other.entries.path)
    for a, b in near_duplicates(*stacks):
        number, second = numbers[a], others[b]
        names = [
            each.entries.content["images"][n].get("file_name")
            for each, n in ((one, number), (other, second))
        ]
        text = f"{names[0]} is nearly {names[1]} of {other_file}"
        finding = Finding(NEAR_DUPLICATE, file, text, number, other=(other_file, second))
        one.findings.append(finding)


def _compare_classes(found: Sequence[Inspected]) -> None:
    """Adds findings on classes that files and the config do not share."""
    names = {str(one.entries.path): one.entries.class_names() for one in found}
    for one in found:
        path = str(one.entries.path)
        if one.data.classes is not None:
            known: Mapping[str, Sequence[str]] = {"the config": one.data.classes}
        else:
            known = {other: classes for other, classes in names.items() if other != path}
        for other, classes in known.items():
            absent = [name for name in names[path] if name not in classes]
            if absent:
                text = f"{other} lacks {first_names(absent, 10, repr)}"
                one.findings.append(Finding(UNKNOWN_CLASS, path, text))
            if one.data.classes is not None:
                absent = [name for name in classes if name not in names[path]]
                if absent:
                    text = f"{path} lacks {first_names(absent, 10, repr)} of the config"
                    one.findings.append(Finding(UNKNOWN_CLASS, path, text))
