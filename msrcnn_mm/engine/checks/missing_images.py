"""Finds the images of a data set that are missing or empty."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.runtime.image_files import other_name


def present_images(
    infos: Sequence[Mapping[str, Any]], annotations: str, where: str, skips: bool
) -> list[Mapping[str, Any]]:
    """Returns the entries whose files exist and are not empty; all must, unless they are skipped.

    Raises:
        UserError: A file is missing or empty.
    """
    sizes: dict[str, dict[str, int]] = {}
    present, missing = [], []
    for info in infos:
        paths = info["img_path"] if isinstance(info["img_path"], list) else [info["img_path"]]
        for path in paths:
            parent, name = os.path.split(path)  # pathlib would take a second for COCO
            if parent not in sizes:
                sizes[parent] = _file_sizes(parent)
            size = sizes[parent].get(name)
            if not size:
                missing.append(path)
                if size == 0 and not skips:
                    raise UserError(f"{where}: the image {path} is empty (0 bytes)")
                break
        else:
            present.append(info)
    if missing and (not skips or not present):
        raise UserError(
            f"{where}: {len(missing)} of {len(infos)} images of {annotations} are missing, "
            f"the first is {missing[0]}{other_name(missing[0])}"
        )
    if missing:
        warn(
            f"{where}: {len(missing)} of {len(infos)} images of {annotations} are missing or "
            f"empty and are skipped (ignore_empty), the first is "
            f"{missing[0]}{other_name(missing[0])}"
        )
    return present


def _file_sizes(folder: str) -> dict[str, int]:
    """Returns sizes by name of a folder's files, from one listing; none without such a folder."""
    try:
        with os.scandir(folder or ".") as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}
