"""Checks the class names of a config against the categories of its annotation files.

MMDetection numbers labels in the order of each file's categories, whatever the order of the names
in the config. A name that a file lacks shifts the labels of all names after it, and another order
gives each label another label's name.
"""

import json
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
    _check_presence(classes, list(files.values()))
    # the one that the others are compared with: one that the config fits, if there is any
    model = next((f for f in files.values() if _in_order(f, classes) == list(classes)), first)
    for file in files.values():
        _check_order(model, file, classes)
    _check_config(classes, where, first, default_of)
    for file in {file.path: file for file in files.values()}.values():
        _warn_of_other_ids(model, file, classes)


def _names(file: AnnotationFile) -> list[str]:
    return [category["name"] for category in file.categories]


def _in_order(file: AnnotationFile, classes: Sequence[str]) -> list[str]:
    """Returns the classes that a file has, in its order."""
    return [name for name in _names(file) if name in set(classes)]


def _check_presence(classes: Sequence[str], files: Sequence[AnnotationFile]) -> None:
    """Checks that a class that one file has is in all files; one message says all that is missing.

    Raises:
        UserError: One is not.
    """
    having = {name: file for file in reversed(files) for name in _in_order(file, classes)}
    whole = (f for f in files if set(having) <= set(_names(f)))
    order = next((_names(file) for file in whole), list(classes))
    remedies = []
    paths: dict[str, None] = {}
    for file in {file.path: file for file in files}.values():
        absent = [name for name in classes if name in having and name not in _names(file)]
        if absent:
            paths[file.path] = None
            paths.update(dict.fromkeys(having[name].path for name in absent))
            remedies.append(f"in {file.path} {_additions(absent, file, having, order)}")
    if remedies:
        raise UserError(
            f"{' and '.join(paths)} have different categories, by which MMDetection numbers the "
            f"classes: {'; '.join(remedies)}"
        )


def _additions(
    absent: Sequence[str],
    file: AnnotationFile,
    having: Mapping[str, AnnotationFile],
    order: Sequence[str],
) -> str:
    """Returns what to add to the categories of a file, or what to rename in it.

    Args:
        absent: Names that the file lacks.
        file: The file.
        having: Name -> a file that has it.
        order: The order that the file's names are to be in.
    """
    names, remedies = _names(file), []
    used = {category["id"] for category in file.categories}
    for name in absent:
        theirs = _names(having[name])
        same = [n for n in names if n not in theirs and _plain(n) == _plain(name)]
        if same:
            remedies.append(f"rename {same[0]!r} to {name!r}")
            continue
        identity = having[name].categories[theirs.index(name)]["id"]
        if identity in used or (used and type(identity) is not type(next(iter(used)))):
            numbers = [i for i in used if isinstance(i, int)]
            identity = max(numbers) + 1 if numbers else f"{name}-1"
        used.add(identity)
        entry = json.dumps({"id": identity, "name": name}, ensure_ascii=False)
        before = [n for n in order[: order.index(name)] if n in names or n in absent]
        remedies.append(f"add {entry} {f'after {before[-1]!r}' if before else 'as the first'}")
        near = get_close_matches(name, [n for n in names if n not in theirs], 1, 0.75)
        if near:
            remedies[-1] += f" (or rename {near[0]!r}, if that is the same class)"
    return ", ".join(remedies)


def _plain(name: str) -> str:
    return name.strip().casefold()


def _check_order(model: AnnotationFile, file: AnnotationFile, classes: Sequence[str]) -> None:
    """Checks that a file has the classes in the same order as another.

    Raises:
        UserError: It has not.
    """
    ours, theirs = _in_order(model, classes), _in_order(file, classes)
    if ours != theirs:
        raise UserError(
            f"{file.path} and {model.path} list the categories in different orders, by which "
            f"MMDetection numbers the classes: put the entries of categories in {file.path} into "
            f"the order {first_names(ours, 20, repr)}; their ids and the annotations stay as they "
            "are"
        )


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
