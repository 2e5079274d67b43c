"""Searches for files that a reader neither reads nor refuses, guided by coverage (atheris).

    python -m tests.fuzz.search READER CORPUS_FOLDER [OPTION_OF_LIBFUZZER, -max_total_time=900 ...]

READER is one of those in ``readers.py``. ``requirements/fuzz.txt`` names atheris, which no test
needs. The first input of each kind that is neither read nor refused is written beside the corpus,
one at which the process crashes or hangs to the current folder. Mend the reader and put the input
into ``tests/data/fuzz/READER/``, where ``test_corpus.py`` reads it.
"""

import json
import random
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(
    include=["msrcnn_mm.coco", "msrcnn_mm.rescoring", "msrcnn_mm.inspection"]
):
    from msrcnn_mm.rescoring.methods import METHODS

    from . import readers

from msrcnn_mm.coco.runs import encode_runs
from tests.support.damaged_files import STRANGE, changed, places

_DEEPEST = 60  # brackets of a value that is changed part by part


def seeds(reader: str) -> list[Any]:
    """Returns the valid files from which a search begins."""
    mask = readers.ROWS[0]["segmentation"]
    polygons = {
        **readers.ANNOTATIONS,
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]},
            {"image_id": 11, "category_id": 7, "segmentation": [2, 2, 30, 4, 8.5, 40], "id": "a"},
        ],
    }
    return {
        "annotations": [readers.ANNOTATIONS, polygons],
        "check": [readers.ANNOTATIONS, polygons],
        "results": [readers.ROWS[:4]],
        "rle": [mask, {"size": [4, 5], "counts": [3, 4, 5, 8]}, {"size": [4, 5], "counts": "d0"}],
        "rescorer": [readers.fitted(method) for method in METHODS],
    }[reader]


def _whole_mask(size: Any, chance: random.Random) -> dict[str, Any]:
    """Returns a complete RLE, of this size if it is a mask's."""
    height, width = size if chance.random() < 0.8 else (chance.randint(0, 99), 9)
    if not (type(height) is type(width) is int and min(height, width) >= 0):
        raise ValueError
    cuts = sorted(chance.randint(0, height * width) for _ in range(chance.randint(0, 9)))
    runs = np.diff([0, *cuts, height * width])
    counts = encode_runs(runs, np.array([0, len(runs)]))[0]
    return {"size": [height, width], "counts": chance.choice([counts, runs.tolist()])}


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Changes bytes or, of JSON, one to three parts of the value."""
    chance = random.Random(seed)
    if chance.random() < 0.7:
        with suppress(ValueError, RecursionError, OverflowError, TypeError, KeyError):
            return _with_other_parts(data, chance)[:most]
    return bytes(atheris.Mutate(data, most))


def _with_other_parts(data: bytes, chance: random.Random) -> bytes:
    """Returns JSON with one to three parts of the value replaced."""
    value = json.loads(data)
    for _ in range(chance.randint(1, 3)):
        found = [place for place in places(value) if len(place) < _DEEPEST]
        value = changed(value, chance.choice(found), lambda old: _other(old, chance))
    return json.dumps(value).encode()


def _other(old: Any, chance: random.Random) -> Any:
    """Returns what takes the place of a part of a value."""
    if isinstance(old, dict) and "counts" in old and chance.random() < 0.7:
        return _whole_mask(old["size"], chance)
    kind = chance.random()
    if kind < 0.15:
        many = chance.randint(1, 9)
        runs = np.array([chance.randint(0, 1 << chance.randint(1, 33)) for _ in range(many)])
        return chance.choice([runs.tolist(), encode_runs(runs, np.array([0, many]))[0]])
    if kind < 0.3 and isinstance(old, list) and old:
        return [*old, chance.choice(old)]
    if kind < 0.45 and isinstance(old, int | float):
        return old + chance.choice([-1, 1, 0.5, 1e9, -1e9])
    if kind < 0.6 and isinstance(old, str) and old:
        place = chance.randrange(len(old))
        return old[:place] + chr(chance.randint(32, 127)) + old[place + chance.randint(0, 2) :]
    return chance.choice(STRANGE)


def main() -> None:
    """Runs the search until libFuzzer's limit or a finding."""
    reader, corpus, *options = sys.argv[1:]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(seeds(reader)):
        (folder / f"seed{number}.json").write_text(json.dumps(value))
    path = folder.parent / f"{folder.name}.input.json"

    found: set[str] = set()

    def read(raw: bytes) -> None:
        try:
            readers.read_or_refuse(readers.READERS[reader], path, raw)
        except Exception as error:  # keep the first input of each kind, and go on
            frames = traceback.extract_tb(error.__traceback__)
            kind = f"{type(error).__name__} {Path(frames[-1].filename).name}:{frames[-1].lineno}"
            if kind not in found:
                found.add(kind)
                kept = folder.with_name(f"{folder.name}.found{len(found)}.json")
                kept.write_bytes(raw)
                print(f"FOUND {kept}: {kind}: {error}"[:300], flush=True)

    argv = [sys.argv[0], corpus, "-max_len=20000", "-timeout=60", "-rss_limit_mb=2500", *options]
    atheris.Setup(argv, read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
