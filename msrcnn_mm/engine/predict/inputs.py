"""Finds the images that an input names, and reads them one after the other."""

import glob
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from numpy.typing import NDArray

from msrcnn_mm.errors import UserError, first_names, warn

from ..adapters.picture_files import names_below_common_folder
from ..checks.images import read_header
from ..checks.loaded_images import Loader, channels_of, lost_range

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
"""Suffixes of videos."""


class Image(NamedTuple):
    """An image to predict.

    Attributes:
        name: Its path below the folder that the images share.
        pixels: (H, W) or (H, W, channels), as the pipeline's loader gives them; None if the image
            cannot be read.
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


class Source(Protocol):
    """Images in an order that stays the same."""

    def __len__(self) -> int:
        """Returns their number; of a video the number that its header says, 0 if it says none."""

    def fingerprint(self) -> str:
        """Returns a text that is another one for other images."""

    def read(self, loader: Loader, start: int) -> Iterator[Image]:
        """Reads the images from number ``start`` on, counted from 0."""


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
        return _hash(
            [
                [name, os.path.getsize(file) if os.path.isfile(file) else None]  # noqa: PTH113, PTH202
                for name, file in zip(self.names, self.files, strict=True)
            ]
        )

    def read(self, loader: Loader, start: int) -> Iterator[Image]:
        """Reads the images from number ``start`` on."""
        for name, file in zip(self.names[start:], self.files[start:], strict=True):
            yield read_image(name, file, loader)


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
        self._frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        capture.release()

    def __len__(self) -> int:
        return self._frames

    def fingerprint(self) -> str:
        """Returns a hash of the file's name and size."""
        return _hash([self.path.name, self.path.stat().st_size])

    def read(self, loader: Loader, start: int) -> Iterator[Image]:
        """Reads the frames from number ``start`` on; warns if the video ends before its end."""
        capture = self._open()
        number = 0
        try:
            while capture.grab():  # seeking is not exact in many formats
                number += 1
                if number <= start:
                    continue
                is_read, pixels = capture.retrieve()
                name = f"{self.path.name}/{number:06}.jpg"
                if is_read:
                    yield _checked(Image(name, pixels), loader)
                else:
                    yield Image(name, None, f"frame {number} of {self.path} cannot be decoded")
        finally:
            capture.release()
        if number < self._frames:
            warn(
                f"{self.path}: ends after frame {number} of the {self._frames} that its header"
                " says: the file may be damaged"
            )

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
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
        files = _images_of_folder(path, pictures)
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


def _images_of_folder(folder: Path, pictures: Path) -> list[str]:
    """Returns the sorted files of a folder and its subfolders that have an image's suffix."""
    files = [
        str(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".") and not _is_inside(file, pictures)
    ]
    images = [file for file in files if file.lower().endswith((*IMG_EXTENSIONS, ".gif"))]
    others = sorted({Path(file).suffix or "no suffix" for file in set(files) - set(images)})
    if not images:
        raise UserError(f"{folder}: has no images ({', '.join(IMG_EXTENSIONS)}, .gif)")
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


def _is_inside(file: str | Path, folder: Path) -> bool:
    return Path(file).absolute().is_relative_to(folder.absolute())


def read_image(name: str, file: str, loader: Loader) -> Image:
    """Reads an image file.

    Args:
        name: The image's name.
        file: Its path.
        loader: The pipeline's loader.
    """
    if not Path(file).is_file():
        return Image(name, None, f"there is no file {file}")
    try:
        pixels = loader.load(dict(img_path=file))
    except UserError as error:
        return Image(name, None, str(error))
    if pixels is None:
        return Image(name, None, f"the image {file} cannot be read by {loader.name}")
    header = read_header(file)
    notes = ("pages",) if header is not None and header.pages and loader.reads_one_page else ()
    lost = lost_range(pixels, file)
    return _checked(Image(name, pixels, notes=(*notes, lost) if lost else notes), loader)


def _checked(image: Image, loader: Loader) -> Image:
    """Returns an image; without its pixels if the model does not take its channels."""
    assert image.pixels is not None
    channels = channels_of(image.pixels)
    if loader.channels is None or channels in loader.channels:
        return image
    reason = (
        f"{image.name} has {channels} channels, but the model takes {loader.channels.start}: set"
        " color_type='color' in LoadImageFromFile of the test pipeline"
    )
    return Image(image.name, None, reason)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
