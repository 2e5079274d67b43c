"""Reads an annotation file entry by entry, so that one that cannot be read hides no other.

What makes an entry readable is decided by the reader that all commands have, ``coco``.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import Any

from msrcnn_mm.coco.annotation_fields import (
    check_categories,
    check_images,
    complete_annotations,
)
from msrcnn_mm.coco.annotations import read_lists
from msrcnn_mm.coco.json_values import is_id, whole
from msrcnn_mm.errors import UserError, first_names

from .finding import (
    CROWD,
    DOUBLED_ID,
    INCOMPLETE,
    LISTED_TWICE,
    UNKNOWN_ID,
    UNREADABLE_ENTRY,
    UNUSED_CLASS,
    Finding,
)

Entry = dict[str, Any]


@dataclass
class Entries:
    """The entries of an annotation file that can be read, masks aside.

    Attributes:
        path: The file.
        content: All of the file. Entries are as in the file, but for numbers like 96.0, which are
            integers.
        images: Positions of images.
        categories: Positions of categories.
        annotations: Position of an image -> position and completed copy of each of its annotations.
        findings: What is wrong with the entries.
    """

    path: Path
    content: dict[str, Any]
    images: list[int] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    annotations: dict[int, list[tuple[int, Entry]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def class_names(self) -> list[str]:
        """Returns the names of the categories, in the file's order."""
        return [self.content["categories"][number]["name"] for number in self.categories]


def read_entries(path: Path) -> Entries:
    """Reads an annotation file.

    Raises:
        UserError: The file cannot be read or is not a COCO annotation file.
    """
    if not path.is_file():
        raise UserError(f"no such annotation file: {path}")
    entries = Entries(path, read_lists(path))
    entries.images = _listed(entries, "images", check_images)
    entries.categories = _listed(entries, "categories", check_categories)
    _find_images_listed_twice(entries)
    _read_annotations(entries)
    return entries


def _listed(
    entries: Entries,
    part: str,
    check: Callable[[str, Sequence[Entry], Counter[str]], Any],
) -> list[int]:
    """Returns the positions of images or categories that can be read and have an id of their own.

    Args:
        entries: Gains findings.
        part: ``images`` or ``categories``.
        check: The reader's check of a list of them.
    """
    path, listed = str(entries.path), entries.content[part]
    by_id: dict[Any, list[int]] = defaultdict(list)

    def find(kind: str, number: int, text: str) -> None:
        image = number if part == "images" else None
        entries.findings.append(Finding(kind, path, text, image))

    for number, entry in enumerate(listed):
        try:
            check(path, [entry], Counter())
        except UserError as error:
            reason = _reason(error, path).replace(f"{part}[0]", f"{part}[{number}]", 1)
            find(UNREADABLE_ENTRY, number, reason)
        else:
            by_id[entry["id"]].append(number)
    kept = []
    for identity, numbers in by_id.items():
        first = listed[numbers[0]]
        is_same = all(listed[number] == first for number in numbers)
        if is_same:
            kept.append(numbers[0])
        for number in numbers[is_same:] if len(numbers) > 1 else ():
            relation = "repeated" if is_same else "shared by different entries"
            find(DOUBLED_ID, number, f"{part}[{number}]: the id {identity!r} is {relation}")
    kinds = Counter(type(listed[number]["id"]) for number in kept)
    if len(kinds) > 1:
        usual = kinds.most_common(1)[0][0]
        for number in [n for n in kept if type(listed[n]["id"]) is not usual]:
            kept.remove(number)
            text = f"{part}[{number}]: the id {listed[number]['id']!r} is no {usual.__name__}, as"
            find(UNREADABLE_ENTRY, number, f"{text} others are")
    return sorted(kept)


def _find_images_listed_twice(entries: Entries) -> None:
    by_name: dict[str, list[int]] = defaultdict(list)
    for number in entries.images:
        name = entries.content["images"][number].get("file_name")
        if isinstance(name, str):
            by_name[normpath(name)].append(number)
    for name, numbers in by_name.items():
        for number in numbers[1:]:
            ids = [entries.content["images"][n]["id"] for n in numbers]
            text = f"{name} has the ids {first_names(ids)}"
            entries.findings.append(Finding(LISTED_TWICE, str(entries.path), text, number))


def _read_annotations(entries: Entries) -> None:
    """Reads the fields of annotations, masks and boxes aside."""
    path, content = str(entries.path), entries.content
    ids = {
        "image": {content["images"][number]["id"]: number for number in entries.images},
        "category": {content["categories"][number]["id"]: number for number in entries.categories},
    }
    texts = {what: {str(identity): identity for identity in known} for what, known in ids.items()}
    entries.annotations = {number: [] for number in entries.images}
    numbers_of: dict[int, list[tuple[int, int]]] = defaultdict(list)
    used = set()
    for number, entry in enumerate(content.get("annotations") or ()):
        found = {what: _known(entry.get(f"{what}_id"), ids[what], texts[what]) for what in ids}
        image = ids["image"].get(found["image"])
        name = f"annotations[{number}] (id {entry.get('id')!r:.40})"

        def find(kind: str, text: str, number: int = number, image: int | None = image) -> None:
            entries.findings.append(Finding(kind, path, text, image, number))

        unknown = [
            f"{what}_id {entry.get(f'{what}_id')!r:.40}" for what in ids if found[what] is None
        ]
        if image is None or unknown:
            find(UNKNOWN_ID, f"{name}: the file does not list {' and '.join(unknown)}")
            continue
        copy, done = dict(entry), Counter[str]()
        one = {found["image"]: content["images"][image]}
        try:
            complete_annotations(path, [copy], one, {found["category"]}, done)
        except UserError as error:
            find(UNREADABLE_ENTRY, f"{name}: {_reason(error, path)}")
            continue
        copy["id"] = entry.get("id")
        if done:
            find(INCOMPLETE, f"{name}: {first_names(list(done), 10)}")
        if type(whole(copy["id"])) is int:
            numbers_of[whole(copy["id"])].append((number, image))
        if copy["iscrowd"]:
            find(CROWD, name)
        used.add(found["category"])
        entries.annotations[image].append((number, copy))
    for identity, numbers in numbers_of.items():
        for number, image in numbers[1:]:
            first = numbers[0][0]
            text = f"annotations[{number}]: the id {identity} is that of annotations[{first}]"
            entries.findings.append(Finding(DOUBLED_ID, path, text, image, number))
    if entries.content.get("annotations"):
        for identity, number in ids["category"].items():
            if identity not in used:
                text = repr(content["categories"][number]["name"])
                entries.findings.append(Finding(UNUSED_CLASS, path, text))


def _known(value: Any, ids: Mapping[Any, int], texts: Mapping[str, Any]) -> Any:
    """Returns the listed id that an annotation means; None if the file does not list it."""
    value = whole(value)
    if not is_id(value):
        return None
    return value if value in ids else texts.get(str(value))


def _reason(error: UserError, path: str) -> str:
    """Returns what the reader says of an entry, without the file."""
    return str(error).removeprefix(f"{path}: ")
