"""Reads the inputs that a search found worth keeping, each with the outcome that it should have.

``tests/data/fuzz/outcomes.json`` has, for each file, the beginning of the line by which it is
refused, or null where it is read. The folder of a file is its reader's name.
"""

import json
from pathlib import Path

import pytest

from tests.fuzz.readers import READERS, read_or_refuse

CORPUS = Path(__file__).parents[1] / "data" / "fuzz"
OUTCOMES = json.loads((CORPUS / "outcomes.json").read_text())


def test_every_file_has_an_outcome() -> None:
    files = {path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*")}
    assert files == OUTCOMES.keys()
    assert {name.partition("/")[0] for name in files} == READERS.keys()


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_input_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file.json"
    line = read_or_refuse(READERS[name.partition("/")[0]], path, (CORPUS / name).read_bytes())
    expected = OUTCOMES[name]
    if expected is None:
        assert line is None
    else:
        assert line is not None
        assert line.replace(str(path), "FILE").startswith(expected)
