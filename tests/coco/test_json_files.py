"""Tests of reading and writing JSON files."""

import gzip
import os
from pathlib import Path

import pytest

from msrcnn_mm.coco.json_files import read_json, write_json
from msrcnn_mm.errors import UserError


def test_the_target_of_a_link_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("[]")
    link.symlink_to(target)
    write_json([1], link)
    assert link.is_symlink()
    assert read_json(target) == [1]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UserError, match="is no file: name a file"):
            write_json([1], path)
    assert pipe.is_fifo()


def test_a_compressed_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "results.json.gz"
    path.write_bytes(gzip.compress(b"[]"))
    with pytest.raises(UserError, match="is compressed: unpack it with gunzip"):
        read_json(path)


def test_an_image_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "results.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00")
    with pytest.raises(UserError, match="is an image, not a JSON file"):
        read_json(path)


def test_text_of_another_encoding_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes('["é"]'.encode("latin-1"))
    with pytest.raises(UserError, match="byte 2 is not UTF-8: save it as UTF-8"):
        read_json(path)
