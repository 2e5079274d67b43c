"""Checks the class names of a config against the categories of its annotation files.

MMDetection numbers labels in the order of each file's categories, whatever the order of the names
in the config. A name that a file lacks shifts the labels of all names after it, and another order
gives each label another label's name.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn


def check_categories(
    classes: Sequence[str], files: Mapping[str, AnnotationFile], default_of: str | None = None
) -> None:
    """Checks that all annotation files of a run have the config's classes, in its order.

    Args:
        classes: The class names of the config.
        files: The setting that names a file -> the file, in the order of the splits.
        default_of: The type of data set whose own names these are if the config gives none.

    Raises:
        UserError: The files disagree, and the message names both and what to change in which; or
            they agree, and the config has another order or other names.
    """
    where, first = next(iter(files.items()))
    for file in files.values():
        names = _names(file)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            used = {annotation["category_id"] for annotation in file.annotations}
            idle = [
                c["id"] for c in file.categories if c["name"] == twice[0] and c["id"] not in used
            ]
            remedy = (
                f"remove the one of id {idle[0]!r}, which nothing is annotated with"
                if idle
                else "give each category a name of its own"
            )
            raise UserError(
                f"{file.path}: categories have the name {twice[0]!r} more than once: {remedy}"
            )
    # the one that the others are compared with: one that the config fits, if there is any
    model = next((f for f in files.values() if _in_order(f, classes) == list(classes)), first)
    for file in files.values():
        _check_agreement(model, file, classes)
    _check_config(classes, where, first, default_of)
    for file in {file.path: file for file in files.values()}.values():
        _warn_of_other_ids(model, file, classes)


def _names(file: AnnotationFile) -> list[str]:
    return [category["name"] for category in file.categories]


def _in_order(file: AnnotationFile, classes: Sequence[str]) -> list[str]:
    """Returns the classes that a file has, in its order."""
    return [name for name in _names(file) if name in set(classes)]


def _check_agreement(model: AnnotationFile, file: AnnotationFile, classes: Sequence[str]) -> None:
    """Checks that a file has the classes that another has, in the same order."""
    ours, theirs = _in_order(model, classes), _in_order(file, classes)
    for lacking, having, absent in (
        (file, model, [name for name in ours if name not in theirs]),
        (model, file, [name for name in theirs if name not in ours]),
    ):
        if absent:
            raise UserError(
                f"{lacking.path} and {having.path} have different categories: the first lacks "
                f"{_absent(absent, lacking, having)}, so MMDetection would number its classes "
                "otherwise"
            )
    if ours != theirs:
        raise UserError(
            f"{file.path} and {model.path} list the categories in different orders, by which "
            f"MMDetection numbers the classes: put the entries of categories in {file.path} into "
            f"the order {first_names(ours, 20, repr)}; their ids and the annotations stay as they "
            "are"
        )


def _absent(absent: Sequence[str], lacking: AnnotationFile, having: AnnotationFile) -> str:
    """Names categories that a file lacks, and how to mend it."""
    free = [name for name in _names(lacking) if name not in _names(having)]
    used = {category["id"] for category in lacking.categories}
    remedies = []
    for name in absent[:5]:
        near = next((f for f in free if f.strip().casefold() == name.strip().casefold()), None)
        near = near or next(iter(get_close_matches(name, free, 1, 0.75)), None)
        position = _names(having).index(name)
        identity = having.categories[position]["id"]
        if near is not None:
            remedies.append(f"rename its {near!r} to {name!r}")
            continue
        if identity in used:
            numbers = [i for i in used if isinstance(i, int)]
            identity = max(numbers, default=0) + 1 if numbers else f"new-{identity}"
        used.add(identity)
        before = _names(having)[position - 1] if position else None
        place = "first" if before is None else f"after {before!r}"
        entry = f'{{"id": {identity!r}, "name": "{name}"}}'.replace("'", '"')
        remedies.append(f"add {entry} to its categories, {place}")
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"{first_names(absent, 5, repr)} ({'; '.join(remedies)}{more})"


def _check_config(
    classes: Sequence[str], where: str, file: AnnotationFile, default_of: str | None
) -> None:
    """Checks the config's names and order against files that agree."""
    names = _names(file)
    absent = [name for name in classes if name not in names]
    if absent and default_of is not None:
        raise UserError(
            f"{where} names no classes, so {default_of}'s own {len(classes)} are taken, and "
            f"{file.path} has others: set metainfo=dict(classes={tuple(names[:20])})"
        )
    if absent:
        likely = {name: get_close_matches(name, names, 1, 0.75) for name in absent}
        hints = [f"{a!r} (is it {near[0]!r}?)" if near else repr(a) for a, near in likely.items()]
        raise UserError(
            f"{where}: the class{'es' if len(absent) > 1 else ''} {', '.join(hints[:5])} "
            f"{'are' if len(absent) > 1 else 'is'} not in {file.path}, which has "
            f"{', '.join(map(repr, names[:20]))}: set classes = {tuple(names[:20])}"
        )
    ordered = _in_order(file, classes)
    if ordered != list(classes):
        raise UserError(
            f"{where}: the classes are in another order than in {file.path}, by which "
            f"MMDetection numbers them: set classes = {tuple(ordered)}"
        )


def _warn_of_other_ids(model: AnnotationFile, file: AnnotationFile, classes: Sequence[str]) -> None:
    """Warns where a category has another id than in another file; training does not mind."""
    ids = {category["name"]: category["id"] for category in model.categories}
    other = [c for c in file.categories if c["name"] in classes and ids[c["name"]] != c["id"]]
    if other:
        name = other[0]["name"]
        warn(
            f"{file.path} and {model.path} number categories differently ({name!r} is "
            f"{other[0]['id']!r} and {ids[name]!r}): labels follow the order and are right, and "
            f"results files have the ids of the file that a test reads"
        )
