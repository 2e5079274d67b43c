"""Counts what views cost, swapped classes and near-duplicates, over the images of a test."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import first_names
from msrcnn_mm.rescoring.features.duplicates import duplicate_warning, near_duplicates
from msrcnn_mm.rescoring.features.views import FoundAgain, found_again


class ViewTally:
    """Sums over the images that a model with views has predicted.

    Attributes:
        images: Their number.
        seconds: Part of a prediction, such as ``flip`` -> seconds.
        partners: Label -> numbers of its confident masks by the label that they are found in in
            mirrored images, see :class:`.FoundAgain`.
        repeated: Number of near-duplicates, see :func:`.near_duplicates`.
        scored: Number of detections that were looked at for them.
    """

    def __init__(self) -> None:
        self.images = 0
        self.seconds: dict[str, float] = defaultdict(float)
        self.partners: dict[int, Counter[int]] = {}
        self.repeated = self.scored = 0

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds the time inside to a part's seconds."""
        start = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - start

    def add_mirrored(self, detections: Detections, mirrored: Detections) -> None:
        """Counts in which classes the masks of one image are found again in the mirrored image.

        Args:
            detections: Those of the image, with labels as category ids.
            mirrored: Those of the mirrored image, brought back.
        """
        for label, partners in found_again(detections, mirrored).partners.items():
            self.partners.setdefault(label, Counter()).update(partners)

    def add_image(self, detections: Detections) -> None:
        """Counts the near-duplicates among the detections of one image."""
        repeated, scored = near_duplicates(detections)
        self.repeated += repeated
        self.scored += scored

    def cost(self) -> str:
        """Returns a line with the seconds an image of each part."""
        each = [f"{part} {total / self.images:.3g}" for part, total in self.seconds.items()]
        return f"seconds an image: {', '.join(each)}"

    def warnings(self, classes: Sequence[str] | None) -> list[str]:
        """Returns a line on classes that mirroring swaps, and one on many near-duplicates.

        Args:
            classes: Name of each label; None if they are not known.
        """
        found = (self.swap_warning(classes), duplicate_warning(self.repeated, self.scored))
        return [line for line in found if line is not None]

    def swap_warning(self, classes: Sequence[str] | None) -> str | None:
        """Returns a line that names the classes that mirroring swaps; None without any.

        Args:
            classes: Name of each label; None if they are not known.
        """
        swapped = FoundAgain(0, 0, self.partners).swapped()
        if not swapped:
            return None
        names = classes or [f"label {label}" for label in range(max(swapped) + 1)]
        pairs = [f"{names[a]!r} as {names[b]!r}" for a, b in swapped.items()]
        option = " ".join(f"'{names[a]}={names[b]}'" for a, b in swapped.items() if a < b)
        return (
            f"in mirrored images masks of {first_names(pairs)} are found again as another class,"
            f" which lowers their agreement: give the classes that a mirror swaps by --swap"
            f" {option} (swap in a config), or leave flip out"
        )
