"""Where results go: what is wrong with a place is said before anything is computed for it."""

import os
from collections.abc import Iterable
from pathlib import Path

from .errors import UserError


def writable_folder(path: str | Path, option: str) -> Path:
    """Makes a folder, and makes sure that a file can be written in it.

    Raises:
        UserError: if not, naming the option that asked for it.
    """
    folder = Path(path).expanduser()
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{option} {path}: a file is in the way; name a folder") from error
    except OSError as error:
        raise UserError(f"{option} {path}: cannot write there: {error.strerror}") from error
    return folder


def refuse_inputs(out: str | Path, option: str, *inputs: str | Path | None) -> None:
    """Makes sure that writing a file does not end one that was read.

    Args:
        out: the file to write.
        option: what named it.
        *inputs: the files that are read; None is none.

    Raises:
        UserError: if it is one of these, naming the option.
    """
    for name in inputs:
        if name is not None and _same_file(out, name):
            raise UserError(f"{option} {out}: is read as well and would be lost; name a new file")


def refuse_pictures(folder: str | Path, option: str, image_folders: Iterable[Path]) -> None:
    """Makes sure that pictures drawn into a folder, by their images' names, replace no image.

    Args:
        folder: where to draw.
        option: what named it.
        image_folders: where images are read from, also from folders inside.

    Raises:
        UserError: if it is one of these, or inside one and not empty, naming the option.
    """
    place = Path(folder).expanduser().resolve()
    if place.is_dir() and any(place.iterdir()):
        for images in image_folders:
            if images.expanduser().resolve() in (place, *place.parents):
                raise UserError(
                    f"{option} {folder}: images are read from {images}, and those of the same name "
                    "would be lost; name a new folder"
                )


def _same_file(one: str | Path, other: str | Path) -> bool:
    try:
        return Path(one).expanduser().samefile(Path(other).expanduser())
    except (OSError, RuntimeError):  # one is no file, or no file's name: an address, say
        return False
