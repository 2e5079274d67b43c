"""Reads and checks annotation files in COCO's format, for training, testing and evaluation."""

import contextlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, warn

from .annotation_checks import Needs, check_annotations
from .json_files import read_json
from .shapes import is_box, is_usable

_BIG = 20_000_000  # bytes; larger files take long enough to announce that they are read

_ID = int | str
_READ_BY_MMDETECTION = {
    "categories": {"id": _ID, "name": str},
    "images": {"id": _ID, "file_name": str, "height": int, "width": int},
}
_READ_BY_EVALUATION: dict[str, dict[str, Any]] = {
    "images": {"id": object, "height": int | float, "width": int | float},
    "categories": dict.fromkeys(("id", "name"), object),
    "annotations": dict.fromkeys(("id", "image_id", "category_id", "segmentation"), object),
}
_SINGULAR = {"images": "image", "categories": "category", "annotations": "annotation"}


def load_annotations(path: str | Path) -> COCO:
    """Reads a COCO annotation file of instances with masks, for evaluation.

    Raises:
        UserError: The file cannot be read or is not a COCO annotation file; an image, category or
            annotation lacks a field or shares its id with another; a box is not four numbers; a
            polygon cannot be decoded; or an RLE is damaged or does not fit its image.
    """
    file = AnnotationFile(str(path), read_annotations(path))
    file.check_fields(_READ_BY_EVALUATION)
    coco = file.coco()
    for annotation in file.annotations:
        where = f"{path}: annotation {annotation['id']}"
        if "bbox" in annotation and not is_box(annotation["bbox"]):
            raise UserError(
                f"{where} has a bbox that is not four finite numbers: {annotation['bbox']}"
            )
        if isinstance(annotation["segmentation"], dict):
            for part, key in ((coco.imgs, "image_id"), (coco.cats, "category_id")):
                if annotation[key] not in part:
                    raise UserError(
                        f"{where} has the {key} {annotation[key]!r}, which is not in the file"
                    )
        # polygons of images that the file does not have are not evaluated
        if annotation["image_id"] in coco.imgs:
            is_usable(annotation, coco.imgs[annotation["image_id"]], where, evaluated=True)
    return coco


def read_annotations(
    path: str | Path, where: str = "", annotated: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Reads the lists of a COCO annotation file.

    Args:
        path: The file.
        where: The setting that names it, for messages.
        annotated: Whether the file must have ``annotations``, which those of test sets lack.

    Returns:
        The content: ``images``, ``categories`` and ``annotations`` are lists of dictionaries; the
        rest is unchecked.

    Raises:
        UserError: The file cannot be read or is not a COCO annotation file.
    """
    prefix = f"{where}: " if where else ""
    if not Path(path).is_file():
        raise UserError(f"{prefix}no such annotation file: {path}")
    try:
        content = read_json(Path(path))
    except UserError as error:
        raise UserError(f"{prefix}{error}") from error
    lists = content if isinstance(content, dict) else {}
    if not annotated:
        lists.setdefault("annotations", [])
    if not all(isinstance(lists.get(part), list) for part in _SINGULAR):
        raise UserError(
            f"{prefix}{path} is not in COCO's format: it needs the lists images, annotations and "
            "categories"
        )
    for part in _SINGULAR:
        for number, entry in enumerate(lists[part]):
            if not isinstance(entry, dict):
                raise UserError(f"{prefix}{path}: {part}[{number}] is {entry!r:.50}")
    return lists


class AnnotationFile:
    """A COCO annotation file.

    Args:
        path: The file.
        content: As from :func:`read_annotations`.

    Attributes:
        path: The file.
        categories: Its categories, in its order.
        annotations: Its annotations, in its order.
    """

    def __init__(self, path: str, content: Mapping[str, Any]) -> None:
        self.path = path
        self.categories: list[dict[str, Any]] = content["categories"]
        self.annotations: list[dict[str, Any]] = content["annotations"]
        self._content = content
        self._done: set[Needs] = set()

    @classmethod
    def read(cls, path: str, where: str) -> "AnnotationFile":
        """Reads a file and checks the fields of images and categories that MMDetection reads.

        Args:
            path: The file.
            where: The config's key that names it.

        Raises:
            UserError: The file is missing or is not a COCO annotation file.
        """
        if Path(path).is_file() and Path(path).stat().st_size > _BIG:
            print(f"checking {path} ({Path(path).stat().st_size / 1e6:.0f} MB)", flush=True)
        file = cls(path, read_annotations(path, where, annotated=False))
        for part in _READ_BY_MMDETECTION:
            if not file._content[part]:
                file._fail(f"has no {part}")
        file.check_fields(_READ_BY_MMDETECTION)
        names = Counter(category["name"] for category in file.categories)
        if len(names) != len(file.categories):
            file._fail(f"categories have the name {names.most_common(1)[0][0]!r} more than once")
        for image in file.images.values():
            if min(image["height"], image["width"]) <= 0:
                file._fail(f"image {image['id']} ({image['file_name']}) has no size")
        return file

    @cached_property
    def images(self) -> dict[Any, dict[str, Any]]:
        """Image id -> its entry."""
        return {image["id"]: image for image in self._content["images"]}

    def coco(self, kind: type[COCO] = COCO) -> COCO:
        """Returns an index of the content, as pycocotools and evaluation use it.

        Args:
            kind: Its class, pycocotools' own or a subclass of that.
        """
        coco = kind()
        coco.dataset = self._content
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            coco.createIndex()
        return coco

    def check_fields(self, needed: Mapping[str, Mapping[str, Any]]) -> None:
        """Checks that entries have fields of the right types, and ids of their own.

        Args:
            needed: ``images``, ``categories`` or ``annotations`` -> field -> its type.

        Raises:
            UserError: An entry lacks a field or shares its id with another.
        """
        for part, fields in needed.items():
            name, entries = _SINGULAR[part], self._content[part]
            for number, entry in enumerate(entries):
                for field, kind in fields.items():
                    value = entry.get(field)
                    if value is None or not isinstance(value, kind):
                        known = entry.get("id", entry.get("file_name", f"number {number}"))
                        self._fail(f"{name} {known} has no valid {field}")
            ids = Counter(entry["id"] for entry in entries)
            if len(ids) != len(entries):
                twice = ids.most_common(1)[0][0]
                self._fail(f"the {name} id {twice!r} occurs more than once: number them anew")

    def check_classes(
        self, classes: Sequence[str], where: str, default_of: str | None = None
    ) -> None:
        """Checks the names and the order of the config's classes against the file's categories.

        MMDetection numbers labels in the order of the file's categories, whatever the order of the
        names. A name that the file lacks thus shifts the labels of all names after it, and another
        order gives each label another label's name.

        Args:
            classes: The names in the config.
            where: The config's key of the data set.
            default_of: The type of data set whose own names these are if the config gives none.

        Raises:
            UserError: A name is not in the file, or the order differs.
        """
        names: list[str] = [category["name"] for category in self.categories]
        absent = [name for name in classes if name not in names]
        if absent and default_of is not None:
            raise UserError(
                f"{where} names no classes, so {default_of}'s own {len(classes)} are taken, and "
                f"{self.path} has others: set metainfo=dict(classes={tuple(names[:20])})"
            )
        if absent:
            likely = {name: get_close_matches(name, names, 1, 0.75) for name in absent}
            hints = [
                f"{a!r} (is it {near[0]!r}?)" if near else repr(a) for a, near in likely.items()
            ]
            raise UserError(
                f"{where}: the class{'es' if len(absent) > 1 else ''} {', '.join(hints[:5])} "
                f"{'are' if len(absent) > 1 else 'is'} not in {self.path}, which has "
                f"{', '.join(map(repr, names[:20]))}: set classes = {tuple(names[:20])}"
            )
        ordered = [name for name in names if name in set(classes)]
        if ordered != list(classes):
            raise UserError(
                f"{where}: the classes are in another order than in {self.path}, by which "
                f"MMDetection numbers them: set classes = {tuple(ordered)}"
            )
        others = {c["id"]: c["name"] for c in self.categories if c["name"] not in set(classes)}
        if others:
            lost = sum(annotation.get("category_id") in others for annotation in self.annotations)
            warn(
                f"{self.path}: {len(others)} of {len(names)} categories are none of the classes, "
                f"so their {lost} annotations are left out: {', '.join(list(others.values())[:10])}"
            )

    def check(self, needs: Needs) -> None:
        """Checks the annotations for their use in a run.

        Raises:
            UserError: An annotation would end the run, or silently give it wrong masks.
        """
        if needs not in self._done:
            self._done.add(needs)
            known = {category["id"] for category in self.categories}
            check_annotations(self.path, self.images, known, self.annotations, needs)

    def _fail(self, message: str) -> NoReturn:
        raise UserError(f"{self.path}: {message}")
