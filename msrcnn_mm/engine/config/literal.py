"""Reads configs of literals as data, for those who did not write them.

A config of mmengine is Python that runs when it is read. A literal config is Python that need not
run: assignments of numbers, texts, lists, tuples and dictionaries, as mmengine writes it into the
work folder of a run.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from msrcnn_mm.coco.json_files import read_bytes, read_json
from msrcnn_mm.errors import UserError

_BASE = "_base_"
_BUILDERS = {"dict": dict, "list": list, "tuple": tuple}
_RUN_WHEN_READ = (".pkl", ".pickle", ".yaml", ".yml")
_RUN = {
    "custom_imports": "mmengine imports the modules that it names",
    "warp_mode": "MMDetection's CameraMotionCompensation runs it",
    "hierarchy_file": "MMDetection's OpenImages data sets read it as a pickle",
}


def read_literal_config(path: Path) -> Config:
    """Reads a literal config and those that it names in ``_base_``; runs nothing.

    Raises:
        UserError: A file cannot be read, is not literal, has a setting that MMDetection or mmengine
            run, such as ``custom_imports``, or a template like ``{{ fileDirname }}``, or names a
            pickle or YAML file, which run code when they are read.
    """
    settings = _merged(path, ())
    imports = settings.get("custom_imports")
    is_ours = isinstance(imports, dict) and imports.get("imports") in ("msrcnn_mm", ["msrcnn_mm"])
    strange = {key: settings[key] for key in settings if not (key == "custom_imports" and is_ours)}
    for text in _texts(strange):
        if text in _RUN:
            raise _refusal(path, f"has {text}, and {_RUN[text]}")
        if text.lower().endswith(_RUN_WHEN_READ):
            raise _refusal(path, f"names {text!r:.100}, and reading such a file can run code")
        if "{{" in text:
            raise _refusal(path, f"has the template {text!r:.100}: write what it stands for")
    return Config(settings, filename=path)


def _refusal(path: Path, problem: str) -> UserError:
    return UserError(f"{path}: refused by --safe: {problem}")


def _merged(path: Path, readers: tuple[Path, ...]) -> dict[str, Any]:
    """Returns the settings of a file over those of its bases.

    Args:
        path: The file.
        readers: The files that name it in ``_base_``, resolved.
    """
    if path.resolve() in readers:
        raise UserError(f"{path}: is its own _base_")
    settings = _settings(path)
    bases = settings.pop(_BASE, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list | tuple) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: _base_ is {bases!r:.60}: give the name of a file, or a list")
    below: dict[str, Any] = {}
    for base in bases:
        if "::" in base:
            raise _refusal(path, f"_base_ {base!r:.100} is a package's config, which is run")
        more = _merged(path.parent / base, (*readers, path.resolve()))
        twice = sorted(below.keys() & more.keys())
        if twice:
            raise UserError(f"{path}: {twice[0]} is set by more than one _base_: keep one")
        below |= more
    try:
        return Config._merge_a_into_b(settings, below)
    except (TypeError, KeyError) as error:
        raise UserError(f"{path}: cannot be merged with its _base_: {error}") from error


def _settings(path: Path) -> dict[str, Any]:
    """Returns the settings of one file."""
    if path.suffix == ".json":
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: is not an object of settings")
        return content
    if path.suffix != ".py":
        raise _refusal(path, "only .py and .json are read as data")
    raw = read_bytes(path)
    try:
        module = ast.parse(raw)
        return dict(_assigned(path, statement) for statement in _statements(module))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is not Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise UserError(f"{path}: nests brackets too deeply for this program") from error


def _statements(module: ast.Module) -> list[ast.stmt]:
    """Returns the statements without texts that stand alone, which are comments."""
    return [
        one
        for one in module.body
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]


def _assigned(path: Path, statement: ast.stmt) -> tuple[str, Any]:
    """Returns name and value of an assignment."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, _value(path, statement.value)
    raise _not_literal(path, statement)


def _value(path: Path, node: ast.expr) -> Any:
    """Returns the value of a literal, or of a call of dict, list or tuple on literals."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(path, part) for part in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        keys = [_value(path, key) for key in node.keys if key is not None]
        return dict(zip(keys, (_value(path, value) for value in node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _value(path, node.operand)
        if type(number) in (int, float):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        builder = _BUILDERS.get(node.func.id)
        if builder is dict and not node.args and all(word.arg for word in node.keywords):
            return {str(word.arg): _value(path, word.value) for word in node.keywords}
        if builder in (list, tuple) and len(node.args) < 2 and not node.keywords:
            values = [_value(path, part) for part in node.args]
            if all(isinstance(value, list | tuple) for value in values):
                return builder(*values)
    raise _not_literal(path, node)


def _not_literal(path: Path, node: ast.stmt | ast.expr) -> UserError:
    return _refusal(
        path,
        f"line {node.lineno} is {ast.unparse(node)!r:.60}, and only assignments of numbers, texts, "
        "lists, tuples and dicts are read as data. A run writes its config so into its work folder",
    )


def _texts(value: Any) -> Iterator[str]:
    """Yields the texts in a value, keys of dictionaries included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
