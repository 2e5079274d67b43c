"""Reads and writes JSON files."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from msrcnn_mm.errors import UserError
from msrcnn_mm.files import replaced

_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")

_ANY = msgspec.json.Decoder()


class UnreadError(Exception):
    """JSON that :func:`parse` does not read."""


def parse(raw: bytes, decoder: msgspec.json.Decoder[Any] = _ANY) -> Any:
    """Parses JSON fast.

    Raises:
        UnreadError: It is damaged, nests too deeply, is not what the decoder reads, or has what
            :func:`read_json` alone can read, such as NaN.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadError(str(error)) from error


def read_bytes(path: Path) -> bytes:
    """Reads a JSON file without parsing it.

    Raises:
        UserError: The file cannot be read, or :func:`check_beginning` refuses it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    check_beginning(raw, path)
    return raw


def check_beginning(raw: bytes, path: Path) -> None:
    """Checks the first eight bytes of a JSON file.

    Raises:
        UserError: The file is compressed, is an image, or begins with a byte order mark, at which
            pycocotools stops.
    """
    if raw.startswith(b"\x1f\x8b"):
        raise UserError(f"{path} is compressed: unpack it with gunzip")
    if raw.startswith(_IMAGES):
        raise UserError(f"{path} is an image, not a JSON file")
    if raw.startswith(BOM_UTF8):
        raise UserError(f"{path} begins with a byte order mark: save it as UTF-8 without BOM")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: As :func:`read_bytes`, and the file is not JSON.
    """
    return read_text(read_bytes(path), path)


def read_text(raw: bytes, path: Path) -> Any:
    """Reads the content of a JSON file.

    Args:
        raw: The content.
        path: The file, for messages.

    Raises:
        UserError: It is not JSON.
    """
    with suppress(UnreadError):
        return parse(raw)
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        del raw  # as large as the text
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not valid JSON: byte {error.start} is not UTF-8: save it as UTF-8"
        ) from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    except RecursionError as error:
        raise UserError(f"{path} nests brackets too deeply for this program") from error


def write_json(content: Any, path: Path) -> None:
    """Writes a JSON file in one step: a reader never sees half of it.

    The target of a link is written.

    Raises:
        UserError: The file cannot be written, or is a device, a pipe or a folder.
    """
    with written_in_one_step(path) as file:
        json.dump(content, file)


@contextmanager
def written_in_one_step(path: Path) -> Iterator[IO[str]]:
    """Opens a new text file that takes its name when all is written.

    Until then, and after an exception, a file of that name stays as it is.

    Raises:
        UserError: The file cannot be written, or is a device, a pipe or a folder.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        raise UserError(f"cannot write {path}: it is no file: name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path, "w", encoding="utf-8", newline="") as file:
            yield file
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write {path}: a file is in the way of its folder") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
