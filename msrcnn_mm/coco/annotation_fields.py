"""Checks and completes the fields of images, categories and annotations, their masks aside.

Entries are changed in place. ``path``, the annotation file, is for messages. ``completed`` counts,
by what is done, the entries in which a field follows from the rest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msrcnn_mm.errors import UserError, first_names

from .json_values import is_id, whole
from .segmentations import MOST_PIXELS

Entry = dict[str, Any]

_AS_INTEGER = "numbers like 96.0 (as integers)"


@dataclass(frozen=True)
class CompletedAnnotations:
    """The annotations of listed images and categories.

    Attributes:
        annotations: In the file's order.
        names: New id -> the file's name for the annotation, where the id was absent or text.
        notes: On the annotations that are left out.
        has_id_zero: Whether one has the id 0, which is numbered anew.
    """

    annotations: list[Entry]
    names: dict[int, str]
    notes: list[str]
    has_id_zero: bool


def check_images(path: str, images: Sequence[Entry], completed: Counter[str]) -> dict[Any, Entry]:
    """Checks ids and sizes of images.

    Returns:
        Image id -> its entry, in the file's order.

    Raises:
        UserError: An id is absent, used twice or of another kind than the others, or a size is no
            number of pixels.
    """
    for number, image in enumerate(images):
        _integers(image, ("id", "height", "width"), completed)
        _check_id(path, image, f"images[{number}] ({image.get('file_name', 'without file_name')})")
        for side in ("height", "width"):
            pixels = image.get(side)
            if type(pixels) is not int or pixels < 1:
                raise UserError(
                    f"{path}: image {image['id']} ({image.get('file_name')}): {side} is "
                    f"{pixels!r:.40}: give the image's {side} in pixels"
                )
        if image["height"] * image["width"] > MOST_PIXELS:
            raise UserError(
                f"{path}: image {image['id']} ({image.get('file_name')}) has more than 2^32 pixels,"
                " which pycocotools cannot count: cut it into tiles"
            )
    _check_ids(path, "image", images)
    return {image["id"]: image for image in images}


def check_categories(path: str, categories: Sequence[Entry], completed: Counter[str]) -> set[Any]:
    """Checks ids and names of categories; a number as a name becomes text.

    Returns:
        The ids.

    Raises:
        UserError: An id is absent, used twice or of another kind than the others, or a name is
            absent.
    """
    for number, category in enumerate(categories):
        _integers(category, ("id", "name"), completed)
        _check_id(path, category, f"categories[{number}] ({category.get('name')})")
        name = category.get("name")
        if type(name) is int:
            category["name"] = str(name)
            completed["names that are numbers (as text)"] += 1
        elif not isinstance(name, str):
            raise UserError(f"{path}: category {category['id']}: name is {name!r:.40}: give text")
    _check_ids(path, "category", categories)
    return {category["id"] for category in categories}


def complete_annotations(
    path: str,
    annotations: Iterable[Entry],
    images: Mapping[Any, Any],
    categories: set[Any],
    completed: Counter[str],
) -> CompletedAnnotations:
    """Checks and completes the ids and ``iscrowd`` of annotations.

    Args:
        path: The file.
        annotations: In the file's order.
        images: The listed images by id.
        categories: The ids of the listed categories.
        completed: Gains what is done.

    Raises:
        UserError: A field cannot be read, an id is used twice, or no annotation is of a listed
            image and category.
    """
    kept: list[Entry] = []
    unnumbered: list[tuple[Entry, str]] = []
    left_out: dict[str, list[str]] = {"image": [], "category": []}
    listed = {"image": images.keys(), "category": categories}
    texts = {what: {str(i): i for i in ids} for what, ids in listed.items()}
    for number, annotation in enumerate(annotations):
        _integers(annotation, ("id", "image_id", "category_id"), completed)
        unlisted = ""
        for what, ids in listed.items():
            key = f"{what}_id"
            value = annotation.get(key)
            if value is not None and not is_id(value):
                raise UserError(
                    f"{path}: annotation {annotation.get('id', f'number {number}')}: {key} is "
                    f"{value!r:.40}: give the id of its {what}"
                )
            if value is not None and value not in ids and str(value) in texts[what]:
                annotation[key] = texts[what][str(value)]
                completed[f"{key} (text for a number, or the reverse)"] += 1
            elif value is None or value not in ids:
                unlisted = unlisted or what
        identity = annotation.get("id")
        name = f"number {number}" if identity is None else str(identity)
        if unlisted:
            value = annotation.get(f"{unlisted}_id")
            left_out[unlisted].append(f"annotation {name:.40} has {unlisted}_id {value!r:.40}")
            continue
        if identity is None or isinstance(identity, str) or identity == 0:
            unnumbered.append((annotation, name))
        elif type(identity) is not int:
            raise UserError(
                f"{path}: annotation number {number}: id is {identity!r:.40}: give an integer"
            )
        _complete_crowd(path, annotation, name, completed)
        kept.append(annotation)
    has_id_zero = any(annotation.get("id") == 0 for annotation, _ in unnumbered)
    names = _number(path, kept, unnumbered, completed)
    notes = _notes(left_out)
    if notes and not kept:
        raise UserError(
            f"{path}: no annotation is of an image and a category that the file lists: "
            f"{notes[0]}; it lists the images {first_names(list(images), form=_cut)} and the "
            f"categories {first_names(sorted(categories, key=str), form=_cut)}"
        )
    if has_id_zero:
        notes.append("the annotation id 0, which pycocotools takes for no match, is numbered anew")
    return CompletedAnnotations(kept, names, notes, has_id_zero)


def _integers(entry: Entry, keys: Sequence[str], completed: Counter[str]) -> None:
    """Turns 96.0 into 96."""
    found = False
    for key in keys:
        value = entry.get(key)
        if isinstance(value, float) and value.is_integer():
            entry[key] = whole(value)
            found = True
    if found:
        completed[_AS_INTEGER] += 1


def _check_id(path: str, entry: Entry, name: str) -> None:
    if not is_id(entry.get("id")):
        raise UserError(f"{path}: {name}: id is {entry.get('id')!r:.40}: give an integer or text")


def _check_ids(path: str, what: str, entries: Sequence[Entry]) -> None:
    """Checks that ids are different and of one kind."""
    ids = [entry["id"] for entry in entries]
    if len(set(map(type, ids))) > 1:
        number = next(i for i in ids if isinstance(i, int))
        text = next(i for i in ids if isinstance(i, str))
        raise UserError(
            f"{path}: some {what} ids are numbers and some are text, as {number!r} and {text!r}: "
            f"write all of them, and the {what}_id of annotations and results, in one way"
        )
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        same = [entry for entry in entries if entry["id"] == twice]
        remedy = "remove all but one" if same[0] == same[1] else "number them anew"
        raise UserError(f"{path}: the {what} id {twice!r} occurs more than once: {remedy}")


def _complete_crowd(path: str, annotation: Entry, name: str, completed: Counter[str]) -> None:
    crowd = annotation.get("iscrowd")
    if crowd is None:
        completed["iscrowd (0)"] += 1
    elif not isinstance(crowd, int | float) or crowd not in (0, 1):
        raise UserError(
            f"{path}: annotation {name}: iscrowd is {crowd!r:.40}: give 0, or 1 for a group of "
            "objects"
        )
    annotation["iscrowd"] = int(crowd or 0)


def _number(
    path: str,
    kept: Sequence[Entry],
    unnumbered: Sequence[tuple[Entry, str]],
    completed: Counter[str],
) -> dict[int, str]:
    """Numbers annotations whose id is absent, text or 0; nothing refers to these ids.

    Returns:
        New id -> the file's name for the annotation.
    """
    numbers = [annotation["id"] for annotation in kept if type(annotation.get("id")) is int]
    if len(set(numbers)) != len(numbers):
        twice = Counter(numbers).most_common(1)[0][0]
        raise UserError(
            f"{path}: the annotation id {twice!r} occurs more than once: number them anew"
        )
    names = {}
    for identity, (annotation, name) in enumerate(unnumbered, max(numbers, default=0) + 1):
        if annotation.get("id") != 0:
            completed["id (a number)"] += 1
        annotation["id"] = identity
        names[identity] = name
    return names


def _cut(identity: object) -> str:
    return f"{identity!s:.40}"


def _notes(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{len(found)} annotations of {plural} that the file does not list are left out: {found[0]}"
        for plural, found in zip(("images", "categories"), left_out.values(), strict=True)
        if found
    ]
