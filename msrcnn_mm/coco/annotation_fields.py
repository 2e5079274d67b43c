"""Checks and completes the fields of images, categories and annotations, their masks aside.

Entries are changed in place. ``path``, the annotation file, is for messages.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msrcnn_mm.errors import UserError, first_names

from .numbers import is_id, kinds_of, whole

Entry = dict[str, Any]


def check_images(path: str, images: Sequence[Entry]) -> dict[Any, Entry]:
    """Checks ids and sizes of images.

    Returns:
        Image id -> its entry, in the file's order.

    Raises:
        UserError: An id is absent, used twice or of another kind than the others, or a size is no
            number of pixels.
    """
    for number, image in enumerate(images):
        _check_id(path, image, f"images[{number}] ({image.get('file_name', 'without file_name')})")
        for side in ("height", "width"):
            image[side] = pixels = whole(image.get(side))
            if type(pixels) is not int or pixels < 1:
                raise UserError(
                    f"{path}: image {image['id']} ({image.get('file_name')}): {side} is "
                    f"{pixels!r:.40}: give the image's {side} in pixels"
                )
    _check_ids(path, "image", images)
    return {image["id"]: image for image in images}


def check_categories(path: str, categories: Sequence[Entry]) -> set[Any]:
    """Checks ids and names of categories; a number as a name becomes text.

    Returns:
        The ids.

    Raises:
        UserError: An id is absent, used twice or of another kind than the others, or a name is
            absent.
    """
    for number, category in enumerate(categories):
        _check_id(path, category, f"categories[{number}] ({category.get('name')})")
        name = whole(category.get("name"))
        category["name"] = str(name) if type(name) is int else name
        if not isinstance(category["name"], str):
            raise UserError(f"{path}: category {category['id']}: name is {name!r:.40}: give text")
    _check_ids(path, "category", categories)
    return {category["id"] for category in categories}


def complete_fields(
    path: str, annotations: Iterable[Entry], images: Mapping[Any, Any], categories: set[Any]
) -> tuple[list[Entry], Counter[str], list[str]]:
    """Checks and completes the ids and ``iscrowd`` of annotations.

    Args:
        path: The file.
        annotations: In the file's order.
        images: The listed images by id.
        categories: The ids of the listed categories.

    Returns:
        The annotations of listed images and categories; the number of annotations in which a field
        was filled in, by field; and notes on the annotations that are left out.

    Raises:
        UserError: A field cannot be read, an id is used twice, or no annotation is of a listed
            image and category.
    """
    kept: list[Entry] = []
    without_id: list[Entry] = []
    filled: Counter[str] = Counter()
    left_out: dict[str, list[str]] = {"image": [], "category": []}
    listed = {"image": images.keys(), "category": categories}
    texts = {what: {str(i): i for i in ids} for what, ids in listed.items()}
    for number, annotation in enumerate(annotations):
        unlisted = ""
        for what, ids in listed.items():
            key = f"{what}_id"
            value = annotation[key] = whole(annotation.get(key))
            if value is not None and not is_id(value):
                name = annotation.get("id", f"number {number}")
                raise UserError(
                    f"{path}: annotation {name}: {key} is {value!r:.40}: give the id of its {what}"
                )
            if value not in ids and str(value) in texts[what]:
                value = annotation[key] = texts[what][str(value)]
                filled[f"{key} (text for a number, or the reverse)"] += 1
            if value not in ids:
                unlisted = unlisted or what
        if unlisted:
            left_out[unlisted].append(
                f"annotation {annotation.get('id', f'number {number}')} has "
                f"{unlisted}_id {annotation[f'{unlisted}_id']!r}"
            )
            continue
        identity = annotation["id"] = whole(annotation.get("id"))
        if identity is None or isinstance(identity, str):
            without_id.append(annotation)
        elif not isinstance(identity, int | float):
            raise UserError(f"{path}: annotation {identity!r:.40}: id must be an integer")
        _complete_crowd(path, annotation, filled)
        kept.append(annotation)
    _number(path, kept, without_id, filled)
    notes = _notes(left_out)
    if notes and not kept:
        raise UserError(
            f"{path}: no annotation is of an image and a category that the file lists: "
            f"{notes[0]}; it lists the images {first_names(list(images))} and the categories "
            f"{first_names(sorted(categories, key=str))}"
        )
    return kept, filled, notes


def _check_id(path: str, entry: Entry, name: str) -> None:
    entry["id"] = whole(entry.get("id"))
    if not is_id(entry["id"]):
        raise UserError(f"{path}: {name}: id is {entry['id']!r:.40}: give an integer or text")


def _check_ids(path: str, what: str, entries: Sequence[Entry]) -> None:
    """Checks that ids are different and of one kind."""
    ids = [entry["id"] for entry in entries]
    if len(kinds_of(ids)) > 1:
        number = next(i for i in ids if isinstance(i, int))
        text = next(i for i in ids if isinstance(i, str))
        raise UserError(
            f"{path}: some {what} ids are numbers and some are text, as {number!r} and {text!r}: "
            f"write all of them, and the {what}_id of annotations and results, in one way"
        )
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise UserError(f"{path}: the {what} id {twice!r} occurs more than once: number them anew")


def _complete_crowd(path: str, annotation: Entry, filled: Counter[str]) -> None:
    crowd = annotation.get("iscrowd")
    if crowd is None:
        filled["iscrowd (0)"] += 1
    elif not isinstance(crowd, int | float) or crowd not in (0, 1):
        raise UserError(
            f"{path}: annotation {annotation['id']}: iscrowd is {crowd!r:.40}: give 0, or 1 for a "
            "group of objects"
        )
    annotation["iscrowd"] = int(crowd or 0)


def _number(
    path: str, kept: Sequence[Entry], without_id: Sequence[Entry], filled: Counter[str]
) -> None:
    """Numbers annotations whose id is absent or text; nothing refers to these ids."""
    numbers = [a["id"] for a in kept if isinstance(a["id"], int | float)]
    if len(set(numbers)) != len(numbers):
        twice = Counter(numbers).most_common(1)[0][0]
        raise UserError(
            f"{path}: the annotation id {twice!r} occurs more than once: number them anew"
        )
    for number, annotation in enumerate(without_id, int(max(numbers, default=0)) + 1):
        annotation["id"] = number
    if without_id:
        filled["id (a number)"] = len(without_id)


def _notes(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{len(found)} annotations of {plural} that the file does not list are left out: {found[0]}"
        for plural, found in zip(("images", "categories"), left_out.values(), strict=True)
        if found
    ]
