"""Leaves the masks of a test in a file, so that no process holds them all to measure them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from msrcnn_mm.coco.file_rles import FileRles, RowFile
from msrcnn_mm.errors import UserError


class MaskFile:
    """The masks of all images of a test, in a file that is removed and stays open.

    Args:
        path: The file to write.
        samples: The data samples, whose ``masks`` are RLEs.

    Raises:
        UserError: It cannot be written.
    """

    def __init__(self, path: Path, samples: Iterable[Mapping[str, Any]]) -> None:
        lengths: list[int] = []
        sizes: list[list[int]] = []
        bounds = [0]
        try:
            with path.open("wb") as file:
                file.write(b"[")
                for sample in samples:
                    for rle in sample["pred_instances"].get("masks", ()):
                        row = msgspec.json.encode({"segmentation": rle})
                        file.write(row + b",")
                        lengths.append(len(row))
                        sizes.append(rle["size"])
                    bounds.append(len(lengths))
            rows = RowFile(path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        finally:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
        starts = 1 + np.cumsum([0, *(length + 1 for length in lengths)])[:-1]
        self._masks = FileRles(
            rows, starts, np.array(lengths, np.int64), np.array(sizes, np.int64).reshape(-1, 2)
        )
        self._bounds = bounds

    def within(self, samples: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the samples with masks that are read from the file where they are asked for."""
        for image, sample in enumerate(samples):
            predicted = sample["pred_instances"]
            if "masks" in predicted:
                places = np.arange(*self._bounds[image : image + 2])
                sample["pred_instances"] = {**predicted, "masks": self._masks.select(places)}
            yield sample
