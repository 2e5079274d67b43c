"""Reads annotation files in COCO's format, for training, testing and evaluation alike.

What follows from the rest is filled in and counted. Annotations of images or categories that the
file does not list are left out and counted. What cannot be read is an error.
"""

import contextlib
import io
from collections import Counter
from pathlib import Path
from posixpath import normpath
from typing import Any, TypeVar

from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, first_names, warn

from .annotation_fields import check_categories, check_images, complete_annotations
from .annotation_masks import complete_masks
from .json_files import read_json

_BIG = 20_000_000  # bytes; larger files take long enough to announce that they are read

_LISTS = ("images", "annotations", "categories")

_printed: set[str] = set()

_Coco = TypeVar("_Coco", bound=COCO)


def load_annotations(path: str | Path) -> COCO:
    """Reads a COCO annotation file of instances with masks, for evaluation.

    Warns of what is filled in or left out.

    Raises:
        UserError: The file cannot be read, is not a COCO annotation file, or one of its entries
            cannot be read.
    """
    file = AnnotationFile.read(path)
    if not file.is_annotated:
        raise UserError(
            f"{path} has no annotations, as files of test sets: give the file that has them"
        )
    file.complete(masks=True)
    file.warn_of_notes()
    return file.coco()


class AnnotationFile:
    """A COCO annotation file, its fields checked and completed.

    Args:
        path: The file, for messages.
        content: Its lists ``images`` and ``categories`` and, if it has any, ``annotations``, of
            dictionaries, which are changed in place.

    Attributes:
        path: The file.
        images: Image id -> its entry, in the file's order.
        categories: Its categories, in its order.
        annotations: Its annotations of images and categories that it lists, in its order.
        is_annotated: Whether it has the list ``annotations``, which files of test sets lack.
        notes: What was completed or left out, a sentence each.
        has_id_zero: Whether an annotation has the id 0 in the file; here it has another.
        is_changed: Whether something was completed. Readers of the file itself, such as
            MMDetection's, then read something else or fail.

    Raises:
        UserError: An image, a category or an id cannot be read.
    """

    def __init__(self, path: str, content: dict[str, Any]) -> None:
        self.path = path
        self.notes: list[str] = []
        self.is_changed = False
        self._content = content
        self._completed: set[bool] = set()
        self.is_annotated = content.get("annotations") is not None
        done: Counter[str] = Counter()
        self.images = check_images(path, content["images"], done)
        self.categories: list[dict[str, Any]] = content["categories"]
        known = check_categories(path, self.categories, done)
        entries = content.get("annotations") or ()
        annotations = complete_annotations(path, entries, self.images, known, done)
        self.annotations = annotations.annotations
        self.has_id_zero = annotations.has_id_zero
        self._names = annotations.names
        self.notes.extend(annotations.notes)
        self._note_completed(done)
        self._note_images_listed_twice()

    @classmethod
    def read(cls, path: str | Path, where: str = "") -> "AnnotationFile":
        """Reads a file, masks and boxes aside, which :meth:`complete` reads.

        Args:
            path: The file. It may lack the list ``annotations``, as those of test sets do.
            where: The setting that names it, for messages.

        Raises:
            UserError: The file cannot be read, is not a COCO annotation file, or one of its images,
                categories or ids cannot be read.
        """
        prefix = f"{where}: " if where else ""
        if not Path(path).is_file():
            raise UserError(f"{prefix}no such annotation file: {path}")
        if where and Path(path).stat().st_size > _BIG:
            print(f"reading {path} ({Path(path).stat().st_size / 1e6:.0f} MB)", flush=True)
        try:
            return cls(str(path), read_lists(Path(path)))
        except UserError as error:
            raise UserError(f"{prefix}{error}") from error

    def complete(self, masks: bool) -> None:
        """Reads masks, boxes and areas, and fills in boxes and areas that are absent.

        Args:
            masks: Whether every annotation must have a mask that can be read. Otherwise a mask that
                cannot be read stays as it is, unless a box is to follow from it.

        Raises:
            UserError: A mask, box or area cannot be read.
        """
        if masks in self._completed or True in self._completed:
            return
        self._completed.add(masks)
        done: Counter[str] = Counter()
        notes = complete_masks(self.path, self.annotations, self.images, masks, self._names, done)
        self.notes.extend(notes)
        self._note_completed(done)

    def coco(self) -> COCO:
        """Returns an index of the content, as pycocotools and evaluation use it."""
        return self.put_into(COCO())

    def put_into(self, index: _Coco) -> _Coco:
        """Puts the content into an empty index of pycocotools or of a subclass; returns it."""
        index.dataset = {**self._content, "annotations": self.annotations}
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            index.createIndex()
        return index

    def warn_of_notes(self, again: bool = True) -> None:
        """Prints the notes as warnings.

        Args:
            again: Whether to print those that this process has printed of this file already.
        """
        notes = [f"{self.path}: {note}" for note in self.notes]
        for note in notes:
            if again or note not in _printed:
                warn(note)
        _printed.update(notes)

    def _note_completed(self, done: Counter[str]) -> None:
        if done:
            self.is_changed = True
            fields = ", ".join(f"{field} in {count}" for field, count in done.items())
            self.notes.append(f"completed from the rest: {fields} entries")

    def _note_images_listed_twice(self) -> None:
        given = [image.get("file_name") for image in self.images.values()]
        names = Counter(normpath(name) for name in given if isinstance(name, str))
        twice = [name for name, times in names.items() if times > 1]
        if twice:
            ids = [
                identity
                for identity, name in zip(self.images, given, strict=True)
                if isinstance(name, str) and normpath(name) == twice[0]
            ]
            self.notes.append(
                f"{len(twice)} of {len(names)} image files are listed more than once, {twice[0]} "
                f"under the ids {first_names(ids)}: the objects of one entry are background in the "
                "other; merge the entries"
            )


def read_lists(path: Path) -> dict[str, Any]:
    """Reads the lists of a COCO annotation file, whose entries are not looked at.

    Raises:
        UserError: The file cannot be read or is not a COCO annotation file.
    """
    content = read_json(path)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        hint = ": it is a results file, which a command takes before the annotations"
        hint = hint if "score" in content[0] else ""
        raise UserError(f"{path} is not in COCO's format of annotations{hint}")
    lists = content if isinstance(content, dict) else {}
    found = {part: lists.get(part) for part in _LISTS}
    if found["annotations"] is None:
        found["annotations"] = []
    absent = [part for part, entries in found.items() if not isinstance(entries, list)]
    if absent:
        raise UserError(
            f"{path} is not in COCO's format: images, annotations and categories must be lists; "
            f"absent or not a list: {', '.join(absent)}"
        )
    for part, entries in found.items():
        for number, entry in enumerate(entries or ()):
            if not isinstance(entry, dict):
                raise UserError(
                    f"{path}: {part}[{number}] is {entry!r:.50}: it must be an object {{...}}"
                )
    return lists
