"""Finds the images that an input names, and reads them one after the other."""

import glob
import json
import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from msrcnn_mm.errors import UserError, first_names, warn

from .journal import text_hash
from .model_file import require

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
"""Suffixes of images in a folder: those of MMDetection's inferencer, and GIF."""

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
"""Suffixes of videos."""


class Image(NamedTuple):
    """An image to predict.

    Attributes:
        name: Its path below the folder that the images share.
        pixels: (H, W) or (H, W, channels), as the reader gives them; None if the image cannot be
            read.
        reason: Why it cannot be read; empty if it can.
        notes: Keys of :data:`NOTES` that are true of it.
    """

    name: str
    pixels: NDArray[Any] | None
    reason: str = ""
    notes: tuple[str, ...] = ()


NOTES = {
    "pages": "have several pages or frames, of which the first is predicted",
    "dark": "have more than 8 bits and come out nearly black: 99.9% of the values are below 64 of"
    " 255; scale the files to the whole range of 8 bits",
    "white": "have more than 8 bits and come out clipped to white: scale the files to the whole"
    " range of 8 bits, or set imdecode_backend='cv2'",
}
"""Note on an image -> what is true of it, for a warning that counts such images."""


class Reader(Protocol):
    """Reads images as a detector takes them."""

    def read(self, name: str, file: str) -> Image:
        """Reads an image file; one that cannot be read has no pixels."""

    def check(self, image: Image) -> Image:
        """Returns a decoded image; without its pixels if the detector does not take it."""


class Source(Protocol):
    """Images in an order that stays the same."""

    def __len__(self) -> int:
        """Returns their number; of a video the number that its header says, 0 if it says none."""

    def fingerprint(self) -> str:
        """Returns a text that is another one for other images."""

    def read(self, reader: Reader, done: Container[int] = ()) -> Iterator[tuple[int, Image]]:
        """Reads the images but those of some numbers, counted from 1; yields number and image."""


class ImageFiles:
    """Image files.

    Args:
        files: Their paths.
        names: The name of each, its path below the folder that they share.
    """

    def __init__(self, files: Sequence[str], names: Sequence[str]) -> None:
        self.files = files
        self.names = names

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        """Returns a hash of the files' names and sizes."""
        sizes = [
            [name, os.path.getsize(file) if os.path.isfile(file) else None]  # noqa: PTH113, PTH202
            for name, file in zip(self.names, self.files, strict=True)
        ]
        return text_hash(json.dumps(sizes))

    def read(self, reader: Reader, done: Container[int] = ()) -> Iterator[tuple[int, Image]]:
        """Reads the images but those of some numbers."""
        for number, (name, file) in enumerate(zip(self.names, self.files, strict=True), 1):
            if number in done:
                continue
            if Path(file).is_file():
                yield number, reader.read(name, file)
            else:
                yield number, Image(name, None, f"there is no file {file}")


class Video:
    """The frames of a video, named ``VIDEO/000001.jpg`` and so on.

    Args:
        path: The file.

    Raises:
        UserError: OpenCV cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = self._open()
        self._frames = max(0, int(capture.get(require("cv2").CAP_PROP_FRAME_COUNT)))
        capture.release()

    def __len__(self) -> int:
        return self._frames

    def fingerprint(self) -> str:
        """Returns a hash of the file's name and size."""
        return text_hash(json.dumps([self.path.name, self.path.stat().st_size]))

    def read(self, reader: Reader, done: Container[int] = ()) -> Iterator[tuple[int, Image]]:
        """Reads the frames but those of some numbers; warns if the video ends before its end."""
        capture = self._open()
        number = 0
        try:
            while capture.grab():  # seeking is not exact in many formats
                number += 1
                if number in done:
                    continue
                is_read, pixels = capture.retrieve()
                name = f"{self.path.name}/{number:06}.jpg"
                if is_read:
                    yield number, reader.check(Image(name, pixels))
                else:
                    yield (
                        number,
                        Image(name, None, f"frame {number} of {self.path} cannot be decoded"),
                    )
        finally:
            capture.release()
        if number < self._frames:
            warn(
                f"{self.path}: ends after frame {number} of the {self._frames} that its header"
                " says: the file may be damaged"
            )

    def _open(self) -> Any:
        capture = require("cv2").VideoCapture(str(self.path))
        if not capture.isOpened():
            raise UserError(f"{self.path}: is not a video that OpenCV can read: convert it to MP4")
        return capture


def find_images(text: str, pictures: Path) -> Source:
    """Finds the images of an input.

    Args:
        text: An image, a video, a ``.txt`` file with the path of an image on each line (relative
            paths are relative to its folder), a folder, whose subfolders are looked into, or a
            pattern with ``*`` (``**`` for any folders).
        pictures: The folder of pictures that the command draws; folders and patterns leave out
            what is in it.

    Raises:
        UserError: There is nothing of that name, it holds no images, or one of them is in
            ``pictures``.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        files = images_of_folder(path, pictures)
        return ImageFiles(files, [os.path.relpath(file, path) for file in files])
    if path.is_file() and path.suffix.lower() in VIDEOS:
        return Video(path)
    if path.is_file():
        files = _listed(path) if path.suffix.lower() == ".txt" else [str(path)]
    elif glob.has_magic(text):
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207, of any root
        files = [f for f in found if Path(f).is_file() and not _is_inside(f, pictures)]
        if not files:
            raise UserError(f"{text}: no file has a name like that")
    else:
        raise UserError(f"{text}: no such image, video, list or folder")
    inside = [file for file in files if _is_inside(file, pictures)]
    if inside:
        raise UserError(f"{inside[0]}: is in {pictures}, where pictures are drawn: name another")
    return ImageFiles(files, names_below_common_folder(files))


def images_of_folder(folder: Path, pictures: Path | None = None) -> list[str]:
    """Returns the sorted files of a folder and its subfolders that have an image's suffix.

    Hidden files are left out, and others with a warning that counts them.

    Args:
        folder: The folder.
        pictures: A folder that is left out; None for none.

    Raises:
        UserError: It is no folder, or holds no images.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images")
    files = [
        str(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".") and not _is_inside(file, pictures)
    ]
    images = [file for file in files if file.lower().endswith(IMAGES)]
    others = sorted({Path(file).suffix or "no suffix" for file in set(files) - set(images)})
    if not images:
        raise UserError(f"{folder}: has no images ({', '.join(IMAGES)})")
    if others:
        warn(
            f"{folder}: {len(files) - len(images)} files are no images by their names"
            f" ({first_names(others)}) and are left out"
        )
    return images


def _listed(path: Path) -> list[str]:
    """Returns the files that a list names, each once."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of images in UTF-8: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    files = [str(path.parent / Path(name).expanduser()) for name in names]
    unique = list(dict.fromkeys(files))
    if not files:
        raise UserError(f"{path}: lists no images: write the path of one on each line")
    if len(unique) < len(files):
        warn(f"{path}: {len(files) - len(unique)} lines name an image again: it is predicted once")
    return unique


def _is_inside(file: str | Path, folder: Path | None) -> bool:
    return folder is not None and Path(file).absolute().is_relative_to(folder.absolute())


def names_below_common_folder(paths: Sequence[str]) -> list[str]:
    """Returns the paths of images below the folder that all of them share.

    Images of one folder keep their file names. No name leads out of the folder that it is joined
    to.

    Args:
        paths: Paths or addresses of images.
    """
    if not paths:
        return []
    files = [os.path.abspath(path) for path in paths]  # noqa: PTH100, pathlib keeps ".."
    folder = os.path.commonpath([os.path.dirname(file) for file in files])  # noqa: PTH120
    return [file.removeprefix(folder).lstrip(os.sep) for file in files]
