"""Checks of a COCO annotation file: what MMDetection and pycocotools trip over, or pass over."""

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from msrcnn_mm.errors import UserError, warn

from .segmentations import box_fits, is_usable

_BIG = 20_000_000  # bytes; from here on reading takes long enough to say so


@dataclass(frozen=True)
class Needs:
    """What a run will use of an annotation file."""

    masks: bool
    trained: bool
    evaluated: bool


class AnnotationFile:
    """A COCO annotation file, read and found to have COCO's structure.

    Args:
        path: Where it is.
        content: What it holds.
    """

    def __init__(self, path: str, content: Mapping) -> None:
        self.path = path
        self.categories: list[dict] = content["categories"]
        self.annotations: list[dict] = content.get("annotations", [])
        self._done: set[Needs] = set()
        if not self.categories:
            self._fail("has no categories")
        self._check_categories()
        self._check_images(content["images"])
        self.images: dict[Any, dict] = {image["id"]: image for image in content["images"]}

    @classmethod
    def read(cls, path: str, where: str) -> "AnnotationFile":
        """Reads a file.

        Raises:
            UserError: if it is not there, or is no COCO annotation file.
        """
        file = Path(path)
        if not file.is_file():
            raise UserError(f"{where}: no such annotation file: {path}")
        if file.stat().st_size > _BIG:
            print(f"checking {path} ({file.stat().st_size / 1e6:.0f} MB)", flush=True)
        raw = file.read_bytes()
        if raw.startswith(BOM_UTF8):
            raise UserError(
                f"{where}: {path} begins with a byte order mark, at which pycocotools stops: save "
                "it as UTF-8 without BOM"
            )
        try:
            content = json.loads(raw)
        except ValueError as error:
            raise UserError(f"{where}: {path} is no valid JSON: {error}") from error
        whole = isinstance(content, dict)
        parts = ("images", "categories", *(["annotations"] if "annotations" in content else []))
        if not whole or not all(isinstance(content.get(part), list) for part in parts):
            raise UserError(
                f"{where}: {path} is not in COCO's format: it needs the lists images, annotations "
                "and categories"
            )
        for part in parts:
            for number, entry in enumerate(content[part]):
                if not isinstance(entry, dict):
                    raise UserError(f"{where}: {path}: {part}[{number}] is {entry!r:.50}")
        return cls(path, content)

    def _fail(self, message: str) -> None:
        raise UserError(f"{self.path}: {message}")

    def _check_categories(self) -> None:
        """Checks that every category has an id and a name of its own."""
        for key, kind in (("id", int | str), ("name", str)):
            for category in self.categories:
                if not isinstance(category.get(key), kind):
                    self._fail(f"category {_short(category)} has no valid {key}")
            values = Counter(category[key] for category in self.categories)
            twice = [value for value, count in values.items() if count > 1]
            if twice:
                self._fail(f"categories have the {key} {twice[0]!r} more than once")

    def _check_images(self, images: list[dict]) -> None:
        """Checks what MMDetection reads of every image."""
        if not images:
            self._fail("has no images")
        for image in images:
            for key, kind in (
                ("id", int | str),
                ("file_name", str),
                ("height", int),
                ("width", int),
            ):
                if not isinstance(image.get(key), kind):
                    self._fail(f"image {_short(image)} has no valid {key}")
            if min(image["height"], image["width"]) <= 0:
                self._fail(f"image {_short(image)} has no size")
        ids = Counter(image["id"] for image in images)
        if len(ids) != len(images):
            self._fail(f"the image id {ids.most_common(1)[0][0]!r} occurs more than once")

    def check_classes(
        self, classes: Sequence[str], where: str, default_of: str | None = None
    ) -> None:
        """Holds the config's class names against the file's categories, names and order.

        MMDetection gives labels in the order of the file's categories, whatever the order of the
        names. So a name that the file lacks shifts the labels of all behind it, and an order of its
        own gives each label another's name.

        Args:
            classes: The names in the config.
            where: The config's key of the data set.
            default_of: The type of data set whose own names these are, where the config gives none.

        Raises:
            UserError: if a name is not in the file, or the order differs.
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
        """Checks the annotations for what a run needs of them.

        Raises:
            UserError: if something would end the run, or silently give it wrong masks.
        """
        if needs in self._done:
            return
        self._done.add(needs)
        known = {category["id"] for category in self.categories}
        seen: set = set()
        counts: Counter[str] = Counter()
        example = ""
        for number, annotation in enumerate(self.annotations):
            named = f"annotation {annotation.get('id', f'number {number}')}"
            where = f"{self.path}: {named}"
            try:
                image = self.images[annotation["image_id"]]
                x, y, width, height = annotation["bbox"]
                area = annotation["area"]
                if annotation["category_id"] not in known:
                    self._fail(f"{named} has the unknown category {annotation['category_id']!r}")
                if needs.evaluated:
                    annotation["iscrowd"]
                if annotation["id"] in seen:
                    self._fail(f"the annotation id {annotation['id']!r} occurs more than once")
                seen.add(annotation["id"])
                finite = isfinite(x + y + width + height + area)
            except KeyError as error:
                if error.args[0] == annotation.get("image_id"):
                    self._fail(f"{named} is of the image {error}, which is not in the file")
                self._fail(f"{named} has no {error.args[0]}")
            except (TypeError, ValueError, OverflowError):
                for key in ("image_id", "category_id", "id"):
                    if not isinstance(annotation.get(key), int | float | str):
                        self._fail(f"{named} has no valid {key}")
                finite = False
            if not finite:
                self._fail(f"{named} has no valid bbox (x, y, width, height) and area")
            if annotation.get("ignore"):
                continue
            inside = min(x + width, image["width"]) > max(x, 0) and (
                min(y + height, image["height"]) > max(y, 0)
            )
            if not inside or area <= 0 or width < 1 or height < 1:
                counts["empty"] += 1
            elif needs.masks and not is_usable(annotation, image, where, needs.evaluated):
                counts["unusable"] += 1
            elif annotation.get("iscrowd"):
                counts["crowds"] += 1
            elif needs.masks and not box_fits(annotation):
                counts["contradictory"] += 1
                example = example or named
            else:
                counts["usable"] += 1
        if counts["contradictory"]:
            warn(
                f"{self.path}: the bbox of {counts['contradictory']} of {len(self.annotations)} "
                f"annotations is not their mask's, the first is {example}: a bbox is x, y, width, "
                "height of the box around the mask, in pixels"
            )
        counts["usable"] += counts["contradictory"]
        self._conclude(needs, counts, 0 in seen)

    def _conclude(self, needs: Needs, counts: Counter[str], zero: bool) -> None:
        """Reports what was counted."""
        total = len(self.annotations)
        empty, unusable, crowds = counts["empty"], counts["unusable"], counts["crowds"]
        if needs.trained and not counts["usable"]:
            self._fail(
                f"has no annotation to train on: of {total}, {crowds} are crowds (iscrowd), "
                f"{empty} lie outside their image or are less than a pixel, {unusable} have no "
                "polygon of three points"
                if total
                else "has no annotation to train on"
            )
        if empty:
            warn(
                f"{self.path}: {empty} of {total} annotations are left out: less than a pixel wide "
                "or high, without area, or outside their image"
            )
        if unusable:
            warn(
                f"{self.path}: {unusable} of {total} annotations are not trained on: no polygon "
                "has three points"
            )
        if zero and needs.evaluated:
            warn(
                f"{self.path}: an annotation has the id 0, which pycocotools takes for "
                "'no match': number them from 1 for an exact AP"
            )


def _short(entry: dict) -> str:
    """An image or a category for a message."""
    return str({key: entry[key] for key in ("id", "file_name", "name") if key in entry} or entry)[
        :100
    ]
